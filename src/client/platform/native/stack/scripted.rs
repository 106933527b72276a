//! The scripted server in place of a client.

use reqwest::{Body, Request, Response, ResponseBuilderExt};

use crate::bounds::{BoxError, BoxFuture, MaybeSend};
use crate::testing::{ScriptedRequest, ScriptedServer};

impl ScriptedServer {
    /// Returns the argument for [`EventSource::fetch`](crate::EventSource::fetch).
    ///
    /// # Panics
    ///
    /// As [`connect`](Self::connect).
    #[cfg_attr(docsrs, doc(cfg(all(feature = "testing", feature = "reqwest"))))]
    pub fn fetch(
        &self,
    ) -> impl Fn(Request) -> BoxFuture<'static, Result<Response, BoxError>>
    + Clone
    + MaybeSend
    + Sync
    + 'static
    + use<> {
        let server = self.clone();
        move |request: Request| {
            let url = request.url().clone();
            let body = request.body().and_then(Body::as_bytes);
            let answer = server.answer(ScriptedRequest {
                method: request.method().clone(),
                url: url.clone(),
                headers: request.headers().clone(),
                body: body.map(bytes::Bytes::copy_from_slice),
            });
            Box::pin(async move {
                let mut response = answer.await?.map(Body::wrap);
                let with_url = http::Response::builder().url(url).body(())?;
                *response.extensions_mut() = with_url.into_parts().0.extensions;
                Ok(response.into())
            })
        }
    }
}
