//! The kinds of errors.

use std::time::Duration;

use http::StatusCode;

use crate::client::finished::Finished;

/// What failed: [`Error::kind`](crate::Error::kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be sent at all: its URL, scheme, a header or its body is wrong. Final. Check that
    /// the URL begins with `http://` or `https://`.
    #[default]
    InvalidRequest,
    /// The last event ID given by the caller holds a character that no HTTP header can carry (below U+0020
    /// except tab, or U+007F). Nothing was sent. Final.
    InvalidLastEventId,
    /// An option has a value that makes no sense; the cause says which. Nothing was sent. Final.
    InvalidOption,
    /// The default HTTP client could not be built, for example without root certificates. Final. Pass a
    /// request of your own client.
    DefaultClient,
    /// The function given to [`from_fn`](crate::EventSource::from_fn) failed; the cause is its error.
    /// Retried if that is transient: see [`transient`](crate::transient()).
    MakeRequest,
    /// No response came: name resolution, connection, TLS or the transfer of the head failed. Retried.
    NoResponse,
    /// TLS failed in a way that would repeat: a certificate, or a protocol that the other side does not
    /// speak. Final. Check the host name, the clock and the root certificates.
    Certificate,
    /// Redirects went in a circle, too far, or to where no request can be sent. Final.
    Redirect,
    /// The proxy refused to connect, for example with 407. Final. Check its credentials.
    Proxy,
    /// The head of the response cannot be parsed: the server does not speak HTTP. Final. Check the port.
    MalformedHead,
    /// A status that opens no stream. Headers and body are asked of the error. 408, 425, 429 and most 5xx
    /// are retried, not before `Retry-After`.
    Status(StatusCode),
    /// The `Content-Type` is not `text/event-stream`. Final. Check the URL, or allow the type by
    /// [`allow_content_type`](crate::EventSource::allow_content_type).
    ContentType,
    /// The `Content-Encoding` is one that nobody has decoded. Final. Enable the feature `gzip`, `brotli`,
    /// `deflate` or `zstd`, or turn compression off at the server.
    ContentEncoding,
    /// The body ended and held only lines of unknown fields, such as a JSON error under
    /// `text/event-stream`. Final; [`Error::body`](crate::Error::body) has its beginning.
    NotAnEventStream,
    /// The function given to [`validate`](crate::EventSource::validate) rejected the response; the cause is
    /// its error. Final.
    Validate,
    /// A hook failed; the cause is its error. Final, unless [`on_error`](crate::EventSource::on_error)
    /// retries.
    Hook,
    /// The body broke off. Retried.
    Disconnected,
    /// The stream ended cleanly, but before the event that [`until`](crate::EventSource::until) waits for.
    /// Retried.
    Incomplete,
    /// The response headers did not come within
    /// [`response_timeout`](crate::EventSource::response_timeout). Retried.
    ResponseTimeout(Duration),
    /// No event came within [`first_event_timeout`](crate::EventSource::first_event_timeout) of the
    /// opening. Retried.
    FirstEventTimeout(Duration),
    /// No byte came within [`idle_timeout`](crate::EventSource::idle_timeout). Retried. The connection is
    /// dead, or the server sends too few keep-alive comments.
    IdleTimeout(Duration),
    /// No event came within [`event_timeout`](crate::EventSource::event_timeout). Retried.
    EventTimeout(Duration),
    /// An event over [`max_event_size`](crate::EventSource::max_event_size). It was not delivered, and its
    /// ID not committed. Final. The cause is an [`EventTooLarge`](crate::EventTooLarge).
    EventTooLarge,
    /// The next request would be a POST or another that is not idempotent, and the server may have acted on
    /// an earlier one. Nothing was sent. Final. The cause is the failure that led there, if there was one.
    NotReplayed,
    /// A second request was due, but the body of the first cannot be sent twice, or there is only one
    /// response. Final. Make each request by [`from_fn`](crate::EventSource::from_fn). The cause is the
    /// failure that led there, if there was one.
    NotCloneable,
    /// [`open`](crate::EventSource::open): the source ended without an error before anything opened.
    NeverOpened(Finished),
}

impl ErrorKind {
    /// The name in logs: a promise, see the crate's documentation.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidLastEventId => "invalid_last_event_id",
            Self::InvalidOption => "invalid_option",
            Self::DefaultClient => "default_client",
            Self::MakeRequest => "make_request",
            Self::NoResponse => "no_response",
            Self::Certificate => "certificate",
            Self::Redirect => "redirect",
            Self::Proxy => "proxy",
            Self::MalformedHead => "malformed_head",
            Self::Status(_) => "status",
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::NotAnEventStream => "not_an_event_stream",
            Self::Validate => "validate",
            Self::Hook => "hook",
            Self::Disconnected => "disconnected",
            Self::Incomplete => "incomplete",
            Self::ResponseTimeout(_) => "response_timeout",
            Self::FirstEventTimeout(_) => "first_event_timeout",
            Self::IdleTimeout(_) => "idle_timeout",
            Self::EventTimeout(_) => "event_timeout",
            Self::EventTooLarge => "event_too_large",
            Self::NotReplayed => "not_replayed",
            Self::NotCloneable => "not_cloneable",
            Self::NeverOpened(_) => "never_opened",
        }
    }
}
