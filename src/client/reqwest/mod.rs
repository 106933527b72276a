//! reqwest. Only this folder and `platform` name it.

pub(crate) mod classify;
mod default_client;
pub(crate) mod fetch;

use std::future::Future;

use http::{HeaderMap, Method};
use reqwest::{Client, Request, RequestBuilder, Response};
use sync_wrapper::SyncWrapper;
use url::Url;

use crate::bounds::{BoxError, MaybeSend};
use crate::client::error::{Error, ErrorKind};
use crate::client::http::exchange::{Outgoing, Sending};
use crate::client::http::headers;
use crate::client::http::request_source::{
    Arrived, Connections, IntoConnection, IntoRequest, IntoResponse, Maker, Prepared,
    RequestSource, RequestTemplate, Template, sealed,
};
use crate::client::platform::stack;
use crate::client::source::EventSource;
use crate::session::NextRequest;

use fetch::Fetch;

pub use default_client::{default_client, default_client_builder};

/// The events of a URL, by GET: short for [`EventSource::get`].
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::fetch_event_source;
///
/// let mut events = fetch_event_source("http://127.0.0.1:3000/sse").stream();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} {} {}", event.event_type(), event.last_event_id(), event.data());
/// }
/// println!("{:?}", events.finished());
/// # Ok(())
/// # }
/// ```
#[doc(alias("sse", "subscribe"))]
pub fn fetch_event_source(url: impl AsRef<str>) -> EventSource<'static> {
    EventSource::get(url)
}

/// Adds `event_source()` to a request builder:
///
/// ```
/// use fetch_event_source::RequestBuilderExt;
///
/// let client = reqwest::Client::new();
/// let events = client
///     .get("http://127.0.0.1:3000/sse")
///     .bearer_auth("token")
///     .event_source()
///     .stream();
/// # let _ = events;
/// ```
pub trait RequestBuilderExt: sealed::Sealed {
    /// Returns a source of the events of this request: short for [`EventSource::new`].
    fn event_source(self) -> EventSource<'static>;
}

impl RequestBuilderExt for RequestBuilder {
    fn event_source(self) -> EventSource<'static> {
        EventSource::new(self)
    }
}

impl EventSource<'static> {
    /// The events of this URL, by GET with the [default client](default_client).
    ///
    /// A URL that cannot be parsed is the first error:
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest).
    #[doc(alias = "url")]
    pub fn get(url: impl AsRef<str>) -> Self {
        let template = UrlTemplate(url.as_ref().to_owned());
        Self::of(RequestSource::Template(Box::new(template)))
    }
}

impl<'h> EventSource<'h> {
    /// Sends requests with this function instead of their client: middleware, or a recording. Default: the
    /// client of the request, or the [default client](default_client).
    ///
    /// For another HTTP stack, [`connect_with`](Self::connect_with) avoids reqwest. An error of the function
    /// is [`ErrorKind::NoResponse`](crate::ErrorKind::NoResponse). It is shown unchanged, except that errors of
    /// reqwest lose their URL. An [`io::Error`](std::io::Error) of kind `ConnectionRefused` in its chain proves
    /// that the server saw nothing of the request, so that a POST may be sent again. If the function does not
    /// follow redirects, a redirect is [`ErrorKind::Status`](crate::ErrorKind::Status).
    ///
    /// Timeouts and [`Handle`](crate::Handle) work as usual: they drop the function's future.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let client = reqwest::Client::new();
    /// let events = EventSource::get("http://127.0.0.1:3000/sse")
    ///     .fetch(move |request| {
    ///         let client = client.clone();
    ///         async move { Ok(client.execute(request).await?) }
    ///     })
    ///     .stream();
    /// # let _ = events;
    /// ```
    pub fn fetch<F, Fut>(mut self, mut fetch: F) -> Self
    where
        F: FnMut(Request) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<Response, BoxError>> + MaybeSend + 'static,
    {
        let fetch = Fetch(Box::new(move |request| Box::pin(fetch(request))));
        self.options.fetch = Some(SyncWrapper::new(fetch));
        self
    }
}

/// A bare URL.
struct UrlTemplate(String);

impl RequestTemplate for UrlTemplate {
    fn next(&mut self, is_fetched: bool) -> Result<Option<Box<dyn Outgoing>>, Error> {
        let url: Url = self
            .0
            .parse()
            .map_err(|error| Error::caused(ErrorKind::InvalidRequest, error))?;
        let client = match is_fetched {
            true => default_client::client_for_requests()?,
            false => default_client()?,
        };
        Ok(Some(Box::new(ready(client.get(url))?)))
    }

    fn expected(&self) -> NextRequest {
        NextRequest::repeatable(Some(true))
    }

    fn last_event_id(&self) -> Option<String> {
        None
    }
}

/// The caller's request.
struct OwnRequest {
    /// The next request, or why it is invalid; `None` if the last one could not be cloned, or was
    /// invalid.
    next: Option<Result<ReadyRequest, Error>>,
    is_idempotent: bool,
}

impl RequestTemplate for OwnRequest {
    fn next(&mut self, _: bool) -> Result<Option<Box<dyn Outgoing>>, Error> {
        let Some(request) = self.next.take().transpose()? else {
            return Ok(None);
        };
        self.next = request.try_clone().map(Ok);
        Ok(Some(Box::new(request)))
    }

    fn expected(&self) -> NextRequest {
        NextRequest {
            available: matches!(self.next, Some(Ok(_))),
            ..NextRequest::repeatable(Some(self.is_idempotent))
        }
    }

    fn last_event_id(&self) -> Option<String> {
        let headers = self.next.as_ref()?.as_ref().ok()?.request.headers();
        headers::last_event_id(headers).filter(|_| !headers::has_binary_id(headers))
    }
}

impl sealed::Sealed for RequestBuilder {}

impl IntoRequest for RequestBuilder {
    fn into_template(self) -> Template {
        let next = ready(self);
        let is_idempotent = matches!(&next, Ok(request) if request.method().is_idempotent());
        Template(Box::new(OwnRequest {
            next: Some(next),
            is_idempotent,
        }))
    }

    fn into_outgoing(self) -> Prepared {
        Prepared(ready(self).map(|request| Box::new(request) as Box<dyn Outgoing>))
    }
}

impl IntoConnection for RequestBuilder {
    fn connections(make: Maker<Self>) -> Connections {
        Connections::of_requests(make)
    }
}

/// A request and the client that sends it.
struct ReadyRequest {
    client: Client,
    request: Request,
}

impl ReadyRequest {
    /// A request whose body is a stream cannot be cloned.
    fn try_clone(&self) -> Option<Self> {
        Some(Self {
            client: self.client.clone(),
            request: self.request.try_clone()?,
        })
    }
}

fn ready(builder: RequestBuilder) -> Result<ReadyRequest, Error> {
    let (client, request) = builder.build_split();
    match request {
        Ok(request) => Ok(ReadyRequest { client, request }),
        Err(error) => {
            let error = error.without_url();
            Err(Error::caused(ErrorKind::InvalidRequest, error))
        }
    }
}

impl Outgoing for ReadyRequest {
    fn method(&self) -> &Method {
        self.request.method()
    }

    fn url(&self) -> Option<&Url> {
        Some(self.request.url())
    }

    fn headers(&mut self) -> &mut HeaderMap {
        self.request.headers_mut()
    }

    fn send(self: Box<Self>, fetch: Option<&mut Fetch>) -> Sending {
        let Self { client, request } = *self;
        let request = match stack::prepare(&client, request, fetch.is_some()) {
            Ok(request) => request,
            Err(error) => return Box::pin(async move { Err(error.into()) }),
        };
        match fetch {
            Some(Fetch(fetch)) => {
                let response = fetch(request);
                Box::pin(async move { Ok(stack::incoming(response.await?, false)) })
            }
            None => Box::pin(async move {
                let response = client.execute(request).await?;
                Ok(stack::incoming(response, true))
            }),
        }
    }
}

impl sealed::Sealed for Response {}

impl IntoResponse for Response {
    fn into_incoming(self) -> Arrived {
        Arrived(stack::incoming(self, false))
    }
}

impl IntoConnection for Response {
    fn connections(make: Maker<Self>) -> Connections {
        Connections::of_responses(make)
    }
}
