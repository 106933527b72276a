//! The kinds of errors.

use std::time::Duration;

use http::StatusCode;

use crate::client::finished::Finished;

/// What failed: [`Error::kind`](crate::Error::kind).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request cannot be sent: its URL, scheme, a header or its body is invalid. Final. Check that the URL
    /// begins with `http://` or `https://`.
    #[default]
    InvalidRequest,
    /// The last event ID that you set has a character that an HTTP header cannot hold (below U+0020 except tab,
    /// or U+007F). Nothing was sent. Final.
    InvalidLastEventId,
    /// An option has an invalid value; the cause says which. Nothing was sent. Final.
    InvalidOption,
    /// The default HTTP client could not be built, for example without root certificates. Final. Use a request
    /// of your own client.
    DefaultClient,
    /// The function of [`from_fn`](crate::EventSource::from_fn) failed; the cause is its error. Retried if that
    /// is transient: see [`transient`](crate::transient()).
    MakeRequest,
    /// No response came: name resolution, connection, TLS or the transfer of the head failed. Retried.
    NoResponse,
    /// TLS failed in a way that would repeat: a certificate, or a protocol that the other side does not
    /// support. Final. Check the host name, the clock and the root certificates.
    Certificate,
    /// Redirects form a loop, are too many, or lead to a URL that cannot be requested. Final.
    Redirect,
    /// The proxy refused to connect, for example with 407. Final. Check its credentials.
    Proxy,
    /// The response head cannot be parsed: the server does not speak HTTP. Final. Check the port.
    MalformedHead,
    /// The status opens no stream. The error has the headers and the body. 408, 425, 429 and most 5xx are
    /// retried, not before `Retry-After`.
    Status(StatusCode),
    /// The `Content-Type` is not `text/event-stream`. Final. Check the URL, or allow the type by
    /// [`allow_content_type`](crate::EventSource::allow_content_type).
    ContentType,
    /// Nothing decoded the `Content-Encoding`. Final. Enable the feature `gzip`, `brotli`,
    /// `deflate` or `zstd`, or turn compression off at the server.
    ContentEncoding,
    /// The body had only lines of unknown fields, such as a JSON error sent as `text/event-stream`. Final;
    /// [`Error::body`](crate::Error::body) has its beginning.
    NotAnEventStream,
    /// The function of [`validate`](crate::EventSource::validate) rejected the response; the cause is its
    /// error. Final.
    Validate,
    /// A hook failed; the cause is its error. Final, unless [`on_error`](crate::EventSource::on_error)
    /// retries.
    Hook,
    /// The connection broke off in the body. Retried.
    Disconnected,
    /// The stream ended cleanly before the end marker of [`until`](crate::EventSource::until). Retried.
    Incomplete,
    /// The response head did not arrive within
    /// [`response_timeout`](crate::EventSource::response_timeout). Retried.
    ResponseTimeout(Duration),
    /// No event arrived within [`first_event_timeout`](crate::EventSource::first_event_timeout). Retried.
    FirstEventTimeout(Duration),
    /// No byte arrived within [`idle_timeout`](crate::EventSource::idle_timeout). Retried. The connection is
    /// dead, or the server sends too few keep-alive comments.
    IdleTimeout(Duration),
    /// No event arrived within [`event_timeout`](crate::EventSource::event_timeout). Retried.
    EventTimeout(Duration),
    /// An event exceeded [`max_event_size`](crate::EventSource::max_event_size). It was not delivered, and its
    /// ID does not count. Final. The cause is an [`EventTooLarge`](crate::EventTooLarge).
    EventTooLarge,
    /// The next request would be a POST, or another that is not idempotent, and the server may have acted on an
    /// earlier one. It was not sent. Final. The cause is the failure before, if there was one.
    NotReplayed,
    /// A second request was due, but the body of the first cannot be cloned, or the source has only a response.
    /// Final. Make each request with [`from_fn`](crate::EventSource::from_fn). The cause is the failure before,
    /// if there was one.
    NotCloneable,
    /// [`open`](crate::EventSource::open) found no stream: the source ended without an error before that.
    NeverOpened(Finished),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::finished::name_in_logs;

    #[test]
    fn kinds_have_stable_names_in_logs() {
        let time = Duration::from_millis(1500);
        let names = [
            (ErrorKind::InvalidRequest, "invalid_request"),
            (ErrorKind::InvalidLastEventId, "invalid_last_event_id"),
            (ErrorKind::InvalidOption, "invalid_option"),
            (ErrorKind::DefaultClient, "default_client"),
            (ErrorKind::MakeRequest, "make_request"),
            (ErrorKind::NoResponse, "no_response"),
            (ErrorKind::Certificate, "certificate"),
            (ErrorKind::Redirect, "redirect"),
            (ErrorKind::Proxy, "proxy"),
            (ErrorKind::MalformedHead, "malformed_head"),
            (ErrorKind::Status(StatusCode::NOT_FOUND), "status"),
            (ErrorKind::ContentType, "content_type"),
            (ErrorKind::ContentEncoding, "content_encoding"),
            (ErrorKind::NotAnEventStream, "not_an_event_stream"),
            (ErrorKind::Validate, "validate"),
            (ErrorKind::Hook, "hook"),
            (ErrorKind::Disconnected, "disconnected"),
            (ErrorKind::Incomplete, "incomplete"),
            (ErrorKind::ResponseTimeout(time), "response_timeout"),
            (ErrorKind::FirstEventTimeout(time), "first_event_timeout"),
            (ErrorKind::IdleTimeout(time), "idle_timeout"),
            (ErrorKind::EventTimeout(time), "event_timeout"),
            (ErrorKind::EventTooLarge, "event_too_large"),
            (ErrorKind::NotReplayed, "not_replayed"),
            (ErrorKind::NotCloneable, "not_cloneable"),
            (ErrorKind::NeverOpened(Finished::Ended), "never_opened"),
        ];
        for (kind, name) in names {
            assert_eq!(name_in_logs(&kind), name);
        }
    }
}
