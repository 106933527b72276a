//! Received requests.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use url::Url;

use super::lock;

/// A request that a [`ScriptedServer`](super::ScriptedServer) received, as it would have been sent.
#[derive(Clone)]
pub struct ReceivedRequest(Arc<Parts>);

/// The parts of a request.
pub(crate) struct ScriptedRequest {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

struct Parts {
    number: usize,
    sent: ScriptedRequest,
    at: Duration,
    closed_at: Mutex<Option<Duration>>,
}

impl ReceivedRequest {
    pub(super) fn new(number: usize, sent: ScriptedRequest, at: Duration) -> Self {
        Self(Arc::new(Parts {
            number,
            sent,
            at,
            closed_at: Mutex::new(None),
        }))
    }

    pub(super) fn close(&self, at: Duration) {
        *lock(&self.0.closed_at) = Some(at);
    }

    /// Returns the number of the request at this server, from 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.0.number
    }

    /// Returns the method; GET for a request by [`connect`](super::ScriptedServer::connect), which has none.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.sent.method
    }

    /// Returns the URL; `http://scripted.test/` for a request by [`connect`](super::ScriptedServer::connect), which
    /// has none.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.sent.url
    }

    /// Returns the headers, including those that this crate sets. Headers that a client adds (`Host`, `User-Agent`,
    /// its default headers) are missing.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.sent.headers
    }

    /// Returns the first header of this name, if it exists and is UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers().get(name)?;
        std::str::from_utf8(value.as_bytes()).ok()
    }

    /// Returns `Last-Event-ID`, after which the source resumes.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.header("last-event-id")
    }

    /// Returns the body; `None` if there is none, or if it is a stream.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        self.0.sent.body.as_deref()
    }

    /// Returns when the request arrived: the time since the server's first request, by tokio's clock.
    #[must_use]
    pub fn at(&self) -> Duration {
        self.0.at
    }

    /// Returns when the exchange was over: the body ended or was cut, no response came, or the client dropped it.
    /// By the same clock; `None` while it is open.
    #[must_use]
    pub fn closed_at(&self) -> Option<Duration> {
        *lock(&self.0.closed_at)
    }

    /// Whether the request waits for its answer, or for the rest of it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed_at().is_none()
    }
}

/// Shows no body, and not all headers.
impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRequest")
            .field("number", &self.number())
            .field("method", self.method())
            .field("url", &self.url().as_str())
            .field("last_event_id", &self.last_event_id())
            .field("at", &self.at())
            .field("closed_at", &self.closed_at())
            .finish_non_exhaustive()
    }
}
