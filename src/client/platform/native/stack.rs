//! reqwest over sockets.

mod client;
mod reset;
#[cfg(feature = "testing")]
mod scripted;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, Request, Response};

use super::Transport;
use crate::client::error::RefusedBody;
use crate::client::http::body::{Body, ChunkPoll};
use crate::client::http::exchange::Incoming;
use crate::client::http::response::ResponseHead;

pub(crate) use client::{builder_for_requests, client_builder, has_provider};

/// The host that reqwest makes up for a response of another client.
const UNKNOWN_HOST: &str = "no.url.provided.local";

/// Longer than any process runs: reqwest cannot unset the timeout of a client for one request.
const NO_TIMEOUT: Duration = Duration::MAX;

/// Prepares a request for sending. `is_fetched`: a function of the caller sends it, so its client is unknown.
pub(crate) fn prepare(
    client: &Client,
    mut request: Request,
    is_fetched: bool,
) -> Result<Request, reqwest::Error> {
    if is_fetched || has_timeout(client) {
        lift_timeout(&mut request);
    }
    Ok(request)
}

/// Whether the connection failed before the server could see the request.
pub(crate) fn is_connect(error: &reqwest::Error) -> bool {
    error.is_connect()
}

/// Lifts the total timeout of the client, which would cut a healthy stream. A timeout of the request stays,
/// because the caller set it for this request.
fn lift_timeout(request: &mut Request) {
    request.timeout_mut().get_or_insert(NO_TIMEOUT);
}

/// Whether the client has a total timeout. To lift it costs 60 ns for each chunk (`benches`, end to end, an
/// event a chunk), so it is only lifted if it is set. The client has no getter, but its `Debug` names the
/// type of the timeout if there is one.
fn has_timeout(client: &Client) -> bool {
    format!("{client:?}").contains("TotalTimeout")
}

/// `is_own`: sent by reqwest's client, not by a function of the caller.
pub(crate) fn incoming(response: Response, is_own: bool) -> Incoming {
    let url = response.url();
    let is_known = url.host_str() != Some(UNKNOWN_HOST);
    let head = ResponseHead::new(
        response.status(),
        response.headers(),
        is_known.then(|| url.clone()),
        Transport {
            version: response.version(),
            remote_addr: response.remote_addr(),
        },
    );
    let mut body = OwnBody { response, is_own };
    // Header values keep the connection's read buffer alive.
    drop(std::mem::take(body.response.headers_mut()));
    Incoming::new(head, body)
}

struct OwnBody {
    response: Response,
    is_own: bool,
}

impl Body for OwnBody {
    /// `Response::chunk` keeps no state between polls, so each poll can make a new future: it allocates nothing
    /// and loses nothing.
    fn poll_chunk(&mut self, cx: &mut Context<'_>, slot: &mut Option<Bytes>) -> ChunkPoll {
        match ready!(pin!(self.response.chunk()).poll(cx)) {
            Ok(chunk) => {
                *slot = chunk;
                Poll::Ready(Ok(slot.is_some()))
            }
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn broke_off(self: Box<Self>) -> bool {
        self.is_own && reset::broke_off(self.response)
    }
}

impl From<RefusedBody> for reqwest::Body {
    fn from(body: RefusedBody) -> Self {
        Self::wrap(body)
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn request() -> Request {
        Request::new(Method::GET, "http://127.0.0.1/".parse().unwrap())
    }

    #[test]
    fn a_timeout_of_the_request_stays() {
        let mut request = request();
        lift_timeout(&mut request);
        assert_eq!(request.timeout(), Some(&NO_TIMEOUT));
        *request.timeout_mut() = Some(Duration::from_secs(5));
        lift_timeout(&mut request);
        assert_eq!(request.timeout(), Some(&Duration::from_secs(5)));
    }

    #[test]
    fn a_clients_total_timeout_is_seen() {
        let client = |timeout: Option<u64>| {
            let builder = Client::builder().connect_timeout(NO_TIMEOUT / 2);
            let builder = builder.read_timeout(NO_TIMEOUT / 2);
            match timeout {
                Some(timeout) => builder.timeout(Duration::from_secs(timeout)),
                None => builder,
            }
            .build()
            .unwrap()
        };
        assert!(has_timeout(&client(Some(1))));
        assert!(!has_timeout(&client(None)));
        assert!(!has_timeout(&client_builder().build().unwrap()));
    }
}
