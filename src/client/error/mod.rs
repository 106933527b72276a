//! Everything that can go wrong, as one type.

mod cause;
mod response;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};

use crate::client::http::response::{self as judged, ResponseHead};
use crate::client::signal::Finished;
use crate::parser::EventTooLarge;

pub use cause::transient;
pub(crate) use cause::{Facts, RedactedError, chain, is_transient, made_no_request, no_response};
pub(crate) use response::Refused;
pub use response::RefusedBody;

/// Any error, as hooks and functions of the caller give it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// How long a message may be.
const LINE: usize = 120;

/// Why a stream failed. A clone is a reference to the same error.
///
/// As an item of a stream, or as the result of [`run`](crate::EventSource::run), it is final. What the
/// policy retries is shown to [`on_error`](crate::EventSource::on_error) and
/// [`Signal::Retrying`](crate::Signal::Retrying) instead. All events before it were delivered.
///
/// `Display` says what failed and the innermost cause, in one line of at most 120 characters; the text of
/// a hook's own error is not cut. [`source`](StdError::source) is the chain of causes. The docs of each
/// [`ErrorKind`] say what to do.
///
/// ```
/// use fetch_event_source::{Error, ErrorKind, http::StatusCode};
///
/// fn advice(error: &Error) -> String {
///     match error.kind() {
///         ErrorKind::Status(StatusCode::UNAUTHORIZED) => "log in again".to_owned(),
///         ErrorKind::Status(_) => error.body_text().unwrap_or_default().into_owned(),
///         ErrorKind::Incomplete => "only a part of the answer came".to_owned(),
///         _ if error.is_timeout() => "the server is slow".to_owned(),
///         _ => error.to_string(),
///     }
/// }
/// # let _ = advice;
/// ```
///
/// Its text may go to a log. In our words there is never a URL, a secret or a body, and of a header's
/// value only the beginning of `Content-Type` or `Content-Encoding`, escaped. What your functions and
/// your HTTP stack say is shown as it is; reqwest's errors are shown without their URL.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kind: ErrorKind,
    source: Option<BoxError>,
    /// What the message says besides: the method of a request that was not sent.
    detail: Option<Box<str>>,
    /// Of the response that was refused, or that had opened.
    head: Option<ResponseHead>,
    refused: Option<Refused>,
}

/// What failed: [`Error::kind`].
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
    /// Retried if that is transient: see [`transient`].
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
    /// `text/event-stream`. Final; [`Error::body`] has its beginning.
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
    /// ID not committed. Final. The cause is an [`EventTooLarge`].
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

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner {
            kind,
            ..Inner::default()
        }))
    }
}

/// How errors are made.
impl Error {
    pub(crate) fn caused(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self(Arc::new(Inner {
            kind,
            source: Some(source.into()),
            ..Inner::default()
        }))
    }

    pub(crate) fn refused(kind: ErrorKind, head: ResponseHead, refused: Refused) -> Self {
        Self(Arc::new(Inner {
            kind,
            head: Some(head),
            refused: Some(refused),
            ..Inner::default()
        }))
    }

    /// A request that is not sent again, after this failure.
    pub(crate) fn not_sent(kind: ErrorKind, method: Option<&str>, failure: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            kind,
            source: failure.map(Into::into),
            detail: method.map(Into::into),
            ..Inner::default()
        }))
    }

    /// The error of an attempt whose response had opened. Others may know the error already: then it stays
    /// as it is.
    pub(crate) fn after_opening(mut self, head: &ResponseHead) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.head.get_or_insert_with(|| head.clone());
        }
        self
    }

    /// Drops the connection that the unread rest of a refused response holds, for all clones.
    pub(crate) fn close(&self) {
        if let Some(refused) = self.about().0.refused.as_ref() {
            refused.close();
        }
    }

    /// What a refusal says to the session.
    pub(crate) fn refusal(&self) -> Option<&Refused> {
        self.0.refused.as_ref()
    }
}

impl Error {
    /// What failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The status of the response that was refused, for its status or its content type.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let inner = &self.about().0;
        inner.refused.as_ref()?;
        Some(inner.head.as_ref()?.status())
    }

    /// The headers of the response that was refused; or, if the attempt's response had opened, of that
    /// one: request IDs are found there, whatever failed later.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        Some(self.about().0.head.as_ref()?.headers())
    }

    /// The beginning of the refused response's body: at most 64 KiB, and what arrived within 5 s.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        Some(&self.about().0.refused.as_ref()?.body)
    }

    /// [`body`](Self::body) as text; malformed UTF-8 is replaced.
    #[must_use]
    pub fn body_text(&self) -> Option<Cow<'_, str>> {
        Some(String::from_utf8_lossy(self.body()?))
    }

    /// How long the server asked to wait before the next request, counted from the response: by
    /// `retry-after-ms`, or by `Retry-After` (RFC 9110, section 10.2.3) as seconds or as a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.about().0.refused.as_ref()?.retry_after
    }

    /// The whole response that was refused for its status or its content type: what was read already, then
    /// the rest.
    ///
    /// The first call on an error or a clone of it takes the unread rest; later ones have what was read.
    /// Before a retry waits, the rest is dropped with its connection.
    ///
    /// With the feature `reqwest`, `reqwest::Response::from` takes it.
    #[must_use]
    pub fn into_response(self) -> Option<http::Response<RefusedBody>> {
        let inner = &self.about().0;
        let (head, refused) = (inner.head.as_ref()?, inner.refused.as_ref()?);
        let mut response = http::Response::new(refused.whole());
        *response.status_mut() = head.status();
        *response.version_mut() = head.version();
        *response.headers_mut() = head.headers().clone();
        Some(response)
    }

    /// Whether a clock ran out: one of ours, or one of the HTTP stack.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self.kind() {
            ErrorKind::ResponseTimeout(_)
            | ErrorKind::FirstEventTimeout(_)
            | ErrorKind::IdleTimeout(_)
            | ErrorKind::EventTimeout(_) => true,
            _ => match self.failure() {
                Some(failure) => failure.is_timeout(),
                None => self.causes().any(cause::is_timeout),
            },
        }
    }

    /// Whether the connection was never made, so that the server saw nothing of the request.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        match self.failure() {
            Some(failure) => failure.is_connect(),
            None => self.causes().any(cause::is_connect),
        }
    }

    /// Whether the answer is not the whole: it broke off, or ended before its end marker.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self.kind() {
            ErrorKind::Incomplete
            | ErrorKind::Disconnected
            | ErrorKind::FirstEventTimeout(_)
            | ErrorKind::IdleTimeout(_)
            | ErrorKind::EventTimeout(_) => true,
            _ => self.failure().is_some_and(Self::is_incomplete),
        }
    }

    /// The first cause of this type, anywhere in the chain.
    #[must_use]
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// The cause by value, if it is of this type: a hook's own error back.
    ///
    /// # Errors
    ///
    /// The error itself, if its cause is of another type, or a clone of the error exists.
    pub fn downcast<T: StdError + 'static>(self) -> Result<T, Self> {
        let is_of_type = self.0.source.as_ref().is_some_and(|source| source.is::<T>());
        if !is_of_type {
            return Err(self);
        }
        let mut inner = Arc::try_unwrap(self.0).map_err(Self)?;
        match inner.source.take().map(|source| source.downcast::<T>()) {
            Some(Ok(cause)) => Ok(*cause),
            other => {
                inner.source = other.and_then(Result::err);
                Err(Self(Arc::new(inner)))
            }
        }
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        self.source().into_iter().flat_map(|source| chain(source))
    }

    /// The failure behind a request that was not sent again.
    fn failure(&self) -> Option<&Self> {
        match self.kind() {
            ErrorKind::NotReplayed | ErrorKind::NotCloneable => {
                self.0.source.as_ref()?.downcast_ref()
            }
            _ => None,
        }
    }

    /// The error whose response is asked for.
    fn about(&self) -> &Self {
        self.failure().unwrap_or(self)
    }

    /// What failed, in our words.
    fn what(&self) -> Cow<'static, str> {
        let what = match self.kind() {
            ErrorKind::InvalidRequest => "invalid request",
            ErrorKind::InvalidLastEventId => "invalid last event ID: no header can carry it",
            ErrorKind::InvalidOption => "invalid option",
            ErrorKind::DefaultClient => "cannot build the default HTTP client",
            ErrorKind::MakeRequest => "no request",
            ErrorKind::NoResponse => "no response",
            ErrorKind::Certificate => "TLS failed",
            ErrorKind::Redirect => "cannot follow the redirect",
            ErrorKind::Proxy => "the proxy refused to connect",
            ErrorKind::MalformedHead => "malformed response head",
            ErrorKind::Status(status) => return self.status_text(status).into(),
            ErrorKind::ContentType => {
                let found = self.header(CONTENT_TYPE);
                return match found {
                    Some(found) => format!("content type {found}, not text/event-stream"),
                    None => "no content type, expected text/event-stream".to_owned(),
                }
                .into();
            }
            ErrorKind::ContentEncoding => {
                let found = self.header(CONTENT_ENCODING).unwrap_or_default();
                return format!("content encoding {found}, which nothing decoded").into();
            }
            ErrorKind::NotAnEventStream => "not an event stream: no line of it is a known field",
            ErrorKind::Validate => "rejected by `validate`",
            ErrorKind::Hook => "a hook failed",
            ErrorKind::Disconnected => "the connection broke off",
            ErrorKind::Incomplete => "the stream ended before its end marker",
            ErrorKind::ResponseTimeout(clock) => return format!("no response within {clock:?}").into(),
            ErrorKind::FirstEventTimeout(clock) => {
                return format!("no first event within {clock:?}").into();
            }
            ErrorKind::IdleTimeout(clock) => return format!("no byte for {clock:?}").into(),
            ErrorKind::EventTimeout(clock) => return format!("no event for {clock:?}").into(),
            ErrorKind::EventTooLarge => "event too large",
            ErrorKind::NotReplayed => {
                let method = self.0.detail.as_deref().unwrap_or("the request");
                return format!("{method} not sent again: the server may have acted on it").into();
            }
            ErrorKind::NotCloneable => "not sent again: the request cannot be repeated",
            ErrorKind::NeverOpened(finished) => {
                return format!("ended before it opened: {}", finished.name()).into();
            }
        };
        what.into()
    }

    fn status_text(&self, status: StatusCode) -> String {
        if status.is_redirection() {
            return format!("status {}, a redirect that was not followed", status.as_u16());
        }
        let later = self.retry_after().map(|delay| format!(", retry after {} s", delay.as_secs_f32()));
        format!("status {status}{}", later.unwrap_or_default())
    }

    /// The value of a header, its lines combined as they were judged, escaped, and short.
    fn header(&self, name: HeaderName) -> Option<String> {
        const QUOTED: usize = 60;
        let headers = self.headers()?;
        headers.get(&name)?;
        let mut value = judged::combined(headers, &name);
        let more = if value.len() > QUOTED { "…" } else { "" };
        value.truncate(QUOTED);
        Some(format!("\"{}{more}\"", value.escape_ascii()))
    }
}

/// What failed and the innermost cause.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = self.what().into_owned();
        match (self.kind(), &self.0.source) {
            // The text of a hook is the caller's, and may be for people.
            (ErrorKind::Hook, Some(source)) => return write!(f, "{line}: {source}"),
            (_, Some(source)) => {
                line.push_str(": ");
                line.push_str(&cause::innermost(&**source));
            }
            (_, None) => {}
        }
        f.write_str(&cause::shortened(&line, LINE))
    }
}

/// Leaves out the values of headers, and bodies: they may hold secrets.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &self.kind());
        if let Some(source) = &self.0.source {
            debug.field("source", source);
        }
        if let Some(refused) = &self.0.refused {
            debug.field("retry_after", &refused.retry_after);
            debug.field("body_len", &refused.body.len());
        }
        debug.finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.0.source.as_deref()?;
        Some(source)
    }
}

impl From<EventTooLarge> for Error {
    fn from(error: EventTooLarge) -> Self {
        Self::caused(ErrorKind::EventTooLarge, error)
    }
}
