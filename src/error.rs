//! Everything that can go wrong, as one type.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::{Method, Response, StatusCode, Url};

use crate::parser::EventTooLarge;
use crate::response;
use crate::session::End;

/// Any error, as hooks and functions of the caller's own give it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a stream failed.
///
/// As an item of a stream, or as the result of `run()`, it is final: what the policy retries is
/// shown to [`on_error`](crate::EventSource::on_error), [`decide`](crate::EventSource::decide) and
/// [`Signal::Retrying`](crate::Signal::Retrying) instead. All events before it were delivered.
///
/// `Display` says what happened and what to do about it; the cause is in
/// [`source`](std::error::Error::source).
///
/// ```
/// use fetch_event_source::Error;
///
/// fn advice(error: &Error) -> String {
///     match error {
///         Error::Status(refused) if refused.status() == 401 => "log in again".to_owned(),
///         Error::Status(refused) => String::from_utf8_lossy(refused.body()).into_owned(),
///         Error::Incomplete => "only a part of the answer came".to_owned(),
///         error if error.is_timeout() => "the server is slow".to_owned(),
///         error => error.to_string(), // says what to do
///     }
/// }
/// # assert_eq!(advice(&Error::Incomplete), "only a part of the answer came");
/// ```
///
/// What it prints may go to a log: neither `Display` nor `Debug`, nor those of the causes, show a
/// URL, a header's value but the beginning of `Content-Type` or `Content-Encoding`, or a body; and
/// what is a server's text is escaped. (Errors of your own functions and hooks are printed as they
/// are.)
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request cannot be sent at all: its URL, scheme, a header or its body is wrong. Final.
    #[error("the request cannot be sent: check its URL (http or https), headers and body")]
    InvalidRequest(#[source] BoxError),

    /// The last event ID given by the caller holds a character that no HTTP header can carry
    /// (anything below U+0020 but tab, or U+007F). Nothing was sent. Final.
    #[error("no header can carry the last event ID {0:?}: give one without control characters")]
    InvalidLastEventId(String),

    /// The HTTP client for bare URLs could not be built, for example for want of root
    /// certificates. Final.
    #[error("the default HTTP client cannot be built: pass a request of your own client")]
    Client(#[source] BoxError),

    /// The function given to [`from_fn`](crate::EventSource::from_fn) gave no request. Final.
    #[error("the function given to `from_fn` gave no request: its own error says why")]
    Request(#[source] BoxError),

    /// No response came: name resolution, connection, TLS or the transfer of the head failed.
    #[error(
        "no response: check the address, and whether the server runs; it cannot be reached, or hung \
         up before it answered"
    )]
    NoResponse(#[source] BoxError),

    /// The response headers did not come within
    /// [`response_timeout`](crate::EventSource::response_timeout).
    #[error("no response within {0:?}: raise `response_timeout`, or look at the server")]
    ResponseTimeout(Duration),

    /// Redirects went in a circle, too far, or to where no request can be sent. Final.
    #[error("the redirect cannot be followed: look at where the server points to")]
    Redirect(#[source] BoxError),

    /// The server's certificate, or the client's, was not accepted. Final.
    #[error("the certificate was not accepted: check the host name and the root certificates")]
    Certificate(#[source] BoxError),

    /// A status other than 200 and 204, with the headers and the beginning of the body.
    #[error("the server answered {status}{beyond}: its headers and body may say why", status = .0.status, beyond = .0.beyond_bound())]
    Status(Box<RefusedResponse>),

    /// A 200 whose `Content-Type` is not `text/event-stream`. The response is unread: see
    /// [`into_response`](Self::into_response). Final.
    #[error(
        "the response is {found}, not text/event-stream: check the URL, or allow the type with \
         `accept_content_type`",
        found = .0.header(CONTENT_TYPE, "of no content type")
    )]
    ContentType(UnreadResponse),

    /// A stream whose `Content-Encoding` nobody has undone. The response is unread: see
    /// [`into_response`](Self::into_response). Final.
    #[error(
        "the response is encoded as {found}, which this client does not decode: enable that \
         feature (gzip, brotli, deflate, zstd), or turn compression off",
        found = .0.header(CONTENT_ENCODING, "nothing")
    )]
    ContentEncoding(UnreadResponse),

    /// The function given to [`validate`](crate::EventSource::validate) said no. Final.
    #[error("`validate` turned the response down: its own error says why")]
    Validate(#[source] BoxError),

    /// The body broke off.
    #[error(
        "the connection broke off in the middle of the stream: reconnect, or look for a proxy that \
         cuts it"
    )]
    Disconnected(#[source] BoxError),

    /// No byte came for as long as [`idle_timeout`](crate::EventSource::idle_timeout).
    #[error(
        "no byte for {0:?}: the connection is dead, or the server sends too few keep-alive comments \
         for this `idle_timeout`"
    )]
    IdleTimeout(Duration),

    /// No event came for as long as [`event_timeout`](crate::EventSource::event_timeout).
    #[error("no event for {0:?}: raise `event_timeout`, or look at the server")]
    EventTimeout(Duration),

    /// The stream ended cleanly, but before the event that [`until`](crate::EventSource::until)
    /// waits for: what came is not the whole.
    #[error(
        "the stream ended before its end marker: what arrived is incomplete, ask again or check \
         `until`"
    )]
    Incomplete,

    /// An event over the limit; it was not delivered, and its ID not committed. Final.
    #[error(transparent)]
    EventTooLarge(#[from] EventTooLarge),

    /// A hook failed, with this error of its own. Final.
    #[error("a hook failed: its own error says why")]
    Hook(#[source] BoxError),

    /// The next request would be a POST or another that is not idempotent, and the server may have
    /// acted on the last. Nothing was sent. Final.
    #[error(
        "{method} is not idempotent and the server may have acted on it: it is not sent again \
         unless `replay_non_idempotent(true)` or a hook's `retry` says so"
    )]
    NotReplayed {
        /// The method of the request that was not sent.
        method: Method,
        /// The failure that led there; `None` after a clean end, or where a
        /// [`Handle`](crate::Handle) asked for the request.
        source: Option<Arc<Error>>,
    },

    /// A further request was due, but the first one's body was a stream, which cannot be sent
    /// twice. Final.
    #[error("the request's body cannot be sent twice: build each request anew with `from_fn`")]
    NotCloneable {
        /// The failure that led there; `None` after a clean end, or where a
        /// [`Handle`](crate::Handle) asked for the request.
        source: Option<Arc<Error>>,
    },
}

/// What the server said instead of opening a stream: status, headers, and at most the first
/// 64 KiB of the body, as far as they came within 5 s.
pub struct RefusedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) redirected: bool,
}

impl RefusedResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The beginning of the body: at most 64 KiB, and what arrived within 5 s.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How long the server asked to wait before the next request (RFC 9110, section 10.2.3), as
    /// seconds or as a date, counted from the response.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn beyond_bound(&self) -> String {
        self.retry_after
            .map(|delay| format!(", to be tried again after {} s", delay.as_secs()))
            .unwrap_or_default()
    }
}

impl fmt::Debug for RefusedResponse {
    /// Leaves out header values and body: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedResponse")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body_len", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// So many bytes of a header's value are shown: a server may send it 400 KiB long.
const QUOTED: usize = 128;

/// A response of which nothing was read.
///
/// [`Error::into_response`] takes it. Once the failure was retried its body is gone, and with it the
/// connection; status and headers remain.
pub struct UnreadResponse(Unread);

enum Unread {
    Whole(Box<Response>),
    Head(Box<(StatusCode, HeaderMap)>),
}

impl UnreadResponse {
    pub(crate) fn new(response: Box<Response>) -> Self {
        Self(Unread::Whole(response))
    }

    /// The status: 200.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.0 {
            Unread::Whole(response) => response.status(),
            Unread::Head(head) => head.0,
        }
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        match &self.0 {
            Unread::Whole(response) => response.headers(),
            Unread::Head(head) => &head.1,
        }
    }

    /// For people: a header's value, its lines combined as they were judged, escaped, and no longer than a
    /// line.
    fn header(&self, name: HeaderName, none: &str) -> String {
        if !self.headers().contains_key(&name) {
            return none.to_owned();
        }
        let mut value = response::combined(self.headers(), &name);
        let more = if value.len() > QUOTED { "…" } else { "" };
        value.truncate(QUOTED);
        format!("\"{}{more}\"", value.escape_ascii())
    }

    fn without_body(self) -> Self {
        match self.0 {
            Unread::Whole(mut response) => {
                let headers = std::mem::take(response.headers_mut());
                Self(Unread::Head(Box::new((response.status(), headers))))
            }
            Unread::Head(_) => self,
        }
    }
}

impl fmt::Debug for UnreadResponse {
    /// Leaves out the URL and the values of the headers: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnreadResponse")
            .field("status", &self.status())
            .field(
                "content_type",
                &format_args!("{}", self.header(CONTENT_TYPE, "None")),
            )
            .finish_non_exhaustive()
    }
}

impl Error {
    /// The status of the response that was not accepted.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(refused) => Some(refused.status),
            Self::ContentType(response) | Self::ContentEncoding(response) => {
                Some(response.status())
            }
            _ => self.failure()?.status(),
        }
    }

    /// The headers of the response that was not accepted.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Self::Status(refused) => Some(&refused.headers),
            Self::ContentType(response) | Self::ContentEncoding(response) => {
                Some(response.headers())
            }
            _ => self.failure()?.headers(),
        }
    }

    /// The beginning of the body that came with a refusing status: at most 64 KiB, and what
    /// arrived within 5 s.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        match self {
            Self::Status(refused) => Some(&refused.body),
            _ => self.failure()?.body(),
        }
    }

    /// How long the server asked to wait before the next request (RFC 9110, section 10.2.3), as
    /// seconds or as a date, counted from the response.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status(refused) => refused.retry_after,
            _ => self.failure()?.retry_after(),
        }
    }

    /// The unread response, where its content type or encoding was the trouble.
    #[must_use]
    pub fn into_response(self) -> Option<Response> {
        match self {
            Self::ContentType(UnreadResponse(Unread::Whole(response)))
            | Self::ContentEncoding(UnreadResponse(Unread::Whole(response))) => Some(*response),
            _ => None,
        }
    }

    /// As it is kept while the next attempt is under way: it must hold on to no connection.
    pub(crate) fn without_body(self) -> Self {
        match self {
            Self::ContentType(response) => Self::ContentType(response.without_body()),
            Self::ContentEncoding(response) => Self::ContentEncoding(response.without_body()),
            other => other,
        }
    }

    /// One of our clocks ran out, or one below us.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::ResponseTimeout(_) | Self::IdleTimeout(_) | Self::EventTimeout(_) => true,
            _ => match self.failure() {
                Some(failure) => failure.is_timeout(),
                None => causes(self).any(is_timeout),
            },
        }
    }

    /// The connection was never made, so the server saw nothing of the request.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        match self.failure() {
            Some(failure) => failure.is_connect(),
            None => causes(self).any(is_connect),
        }
    }

    /// The answer is not the whole: it broke off, or ended before its end marker.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Incomplete
            | Self::Disconnected(_)
            | Self::IdleTimeout(_)
            | Self::EventTimeout(_) => true,
            _ => self.failure().is_some_and(Self::is_incomplete),
        }
    }

    /// The failure behind a request that could not be repeated.
    fn failure(&self) -> Option<&Self> {
        match self {
            Self::NotReplayed { source, .. } | Self::NotCloneable { source } => source.as_deref(),
            _ => None,
        }
    }

    /// The variant's name, for logs and metrics: a promise, see the crate's documentation.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidLastEventId(_) => "invalid_last_event_id",
            Self::Client(_) => "client",
            Self::Request(_) => "request",
            Self::NoResponse(_) => "no_response",
            Self::ResponseTimeout(_) => "response_timeout",
            Self::Redirect(_) => "redirect",
            Self::Certificate(_) => "certificate",
            Self::Status(_) => "status",
            Self::ContentType(_) => "content_type",
            Self::ContentEncoding(_) => "content_encoding",
            Self::Validate(_) => "validate",
            Self::Disconnected(_) => "disconnected",
            Self::IdleTimeout(_) => "idle_timeout",
            Self::EventTimeout(_) => "event_timeout",
            Self::Incomplete => "incomplete",
            Self::EventTooLarge(_) => "event_too_large",
            Self::Hook(_) => "hook",
            Self::NotReplayed { .. } => "not_replayed",
            Self::NotCloneable { .. } => "not_cloneable",
        }
    }

    /// What the decision needs to know of it.
    pub(crate) fn as_end(&self) -> End {
        match self {
            Self::NoResponse(_) => End::Unreached {
                unsent: self.is_connect(),
                futile: false,
            },
            Self::ResponseTimeout(_) => End::Unreached {
                unsent: false,
                futile: false,
            },
            Self::InvalidRequest(_) | Self::Redirect(_) | Self::Certificate(_) => End::Unreached {
                unsent: self.is_connect(),
                futile: true,
            },
            Self::Status(refused) => End::Refused {
                status: refused.status.as_u16(),
                retry_after: refused.retry_after,
                redirected: refused.redirected,
            },
            Self::Disconnected(_)
            | Self::IdleTimeout(_)
            | Self::EventTimeout(_)
            | Self::Incomplete => End::Broken,
            Self::Client(_)
            | Self::Request(_)
            | Self::ContentType(_)
            | Self::ContentEncoding(_)
            | Self::Validate(_)
            | Self::EventTooLarge(_)
            | Self::Hook(_)
            | Self::InvalidLastEventId(_)
            | Self::NotReplayed { .. }
            | Self::NotCloneable { .. } => End::Fatal,
        }
    }

    /// A request that was sent, or was to be, to this URL brought no response.
    pub(crate) fn from_fetch(error: BoxError, asked: Option<&Url>) -> Self {
        // A redirect to a scheme that is not HTTP is a builder's error too, about its target.
        let redirected = reqwest_errors(&*error)
            .filter(|error| error.is_builder())
            .any(|error| error.url().is_some_and(|url| Some(url) != asked));
        let is = |what: fn(&reqwest::Error) -> bool| reqwest_errors(&*error).any(what);
        let kind = if redirected || is(reqwest::Error::is_redirect) {
            Self::Redirect
        } else if is(reqwest::Error::is_builder) {
            Self::InvalidRequest
        } else if chain(&*error).any(is_connect) && chain(&*error).any(is_certificate) {
            Self::Certificate
        } else {
            Self::NoResponse
        };
        kind(of_callers(error))
    }

    /// The caller's function gave no request.
    pub(crate) fn request(error: BoxError) -> Self {
        Self::Request(of_callers(error))
    }

    pub(crate) fn invalid_request(error: reqwest::Error) -> Self {
        Self::InvalidRequest(without_url(error))
    }

    pub(crate) fn disconnected(error: reqwest::Error) -> Self {
        Self::Disconnected(without_url(error))
    }

    pub(crate) fn reset_without_error() -> Self {
        Self::Disconnected(
            "the server reset the HTTP/2 stream with NO_ERROR, before its end".into(),
        )
    }
}

/// What a function of the caller's that sends requests has failed with: mostly one of reqwest's.
fn of_callers(error: BoxError) -> BoxError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => without_url(*error),
        Err(error) => error,
    }
}

/// The error and what is behind it. `io::Error` hides the error it carries from `source()`.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(carried) => Some(carried as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

fn reqwest_errors<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a reqwest::Error> {
    chain(error).filter_map(|cause| cause.downcast_ref())
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    chain(error).skip(1)
}

fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return error.is_timeout();
    }
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn is_connect(error: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<reqwest::Error>() {
        return error.is_connect();
    }
    // What another client than reqwest 0.13 says, by way of `fetch`.
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// By its text: the TLS library is the caller's choice, and its types are not ours. rustls says
/// "invalid peer certificate", OpenSSL "certificate verify failed".
fn is_certificate(error: &(dyn StdError + 'static)) -> bool {
    error.source().is_none()
        && error
            .to_string()
            .to_ascii_lowercase()
            .contains("certificate")
}

/// reqwest's errors show the URL. From one that is behind another it cannot be taken (an `https_only`
/// client makes them of redirects): then only the words are kept.
fn without_url(error: reqwest::Error) -> BoxError {
    let error = error.without_url();
    let hides_url = reqwest_errors(&error).all(|error| error.url().is_none());
    if hides_url {
        error.into()
    } else {
        Words::of(&error).into()
    }
}

/// What an error and those behind it say, without URLs.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Words {
    words: String,
    source: Option<Box<Words>>,
}

impl Words {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut words = error.to_string();
        if let Some(url) = error.downcast_ref().and_then(reqwest::Error::url) {
            words = words.replace(url.as_str(), "…");
        }
        let source = error.source().map(|source| Box::new(Self::of(source)));
        Self { words, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] BoxError);

    fn refused() -> BoxError {
        io::Error::from(io::ErrorKind::ConnectionRefused).into()
    }

    #[test]
    fn a_connect_error_is_found_anywhere_in_the_chain() {
        let deep = Wrapped(io::Error::other(Wrapped(refused())).into());
        assert!(Error::NoResponse(deep.into()).is_connect());
        assert!(!Error::NoResponse("something else".into()).is_connect());
    }

    #[test]
    fn a_certificate_is_final_only_where_the_connection_failed() {
        let text = "invalid peer certificate: UnknownIssuer";
        assert!(matches!(
            Error::from_fetch(text.into(), None),
            Error::NoResponse(_)
        ));
    }

    #[test]
    fn an_error_that_wraps_a_failure_tells_of_it() {
        let failure = Error::Status(Box::new(RefusedResponse {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"later"),
            retry_after: Some(Duration::from_secs(7)),
            redirected: false,
        }));
        let error = Error::NotCloneable {
            source: Some(Arc::new(failure)),
        };
        assert_eq!(error.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(error.body().map(|body| &body[..]), Some(&b"later"[..]));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(!error.is_timeout());
    }

    #[test]
    fn a_timeout_is_seen_through_a_wrapping_error() {
        let source = Some(Arc::new(Error::IdleTimeout(Duration::from_secs(1))));
        assert!(
            Error::NotReplayed {
                method: Method::POST,
                source
            }
            .is_timeout()
        );
    }

    #[test]
    fn debug_shows_no_header_and_no_body() {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", "session=hunter2".parse().unwrap());
        let refused = RefusedResponse {
            status: StatusCode::FORBIDDEN,
            headers,
            body: Bytes::from_static(b"hunter2"),
            retry_after: None,
            redirected: false,
        };
        assert!(!format!("{:?}", Error::Status(Box::new(refused))).contains("hunter2"));
    }
}
