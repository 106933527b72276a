//! The error type.

mod cause;
mod kind;
mod response;
mod text;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use crate::bounds::BoxError;
use crate::client::http::response::ResponseHead;
use crate::parser::EventTooLarge;

pub use cause::transient;
pub(crate) use cause::{RedactedError, chain, is_transient, made_no_request, no_response};
pub use kind::ErrorKind;
pub(crate) use response::Refused;
pub use response::RefusedBody;

/// Why a stream failed. A clone is a reference to the same error.
///
/// As an item of a stream, or as the result of [`run`](crate::EventSource::run), it is final, and all events
/// before it were delivered. Failures that are retried go to [`on_error`](crate::EventSource::on_error) and
/// [`Signal::Retrying`](crate::Signal::Retrying) instead.
///
/// `Display` prints what failed and the innermost cause, in one line of at most 120 characters; the text of
/// a hook's own error is not shortened. [`source`](StdError::source) is the chain of causes. The docs of each
/// [`ErrorKind`] say what to do.
///
/// ```
/// use fetch_event_source::{Error, ErrorKind, http::StatusCode};
///
/// fn advice(error: &Error) -> String {
///     match error.kind() {
///         ErrorKind::Status(StatusCode::UNAUTHORIZED) => "log in again".to_owned(),
///         ErrorKind::Status(_) => error.body_text().unwrap_or_default().into_owned(),
///         ErrorKind::Incomplete => "only a part of the answer arrived".to_owned(),
///         _ if error.is_timeout() => "the server is slow".to_owned(),
///         _ => error.to_string(),
///     }
/// }
/// # let _ = advice;
/// ```
///
/// You can log its text. The words of this crate hold no URL, secret or body, and no header value except
/// the beginning of `Content-Type` or `Content-Encoding`, escaped. Errors of your functions and of your HTTP
/// stack are shown unchanged; errors of reqwest are shown without their URL.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kind: ErrorKind,
    source: Option<BoxError>,
    /// The method of a request that was not sent.
    method: Option<Method>,
    /// The head of the response that was refused, or that had opened.
    head: Option<ResponseHead>,
    refused: Option<Refused>,
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner {
            kind,
            ..Inner::default()
        }))
    }
}

/// Constructors.
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

    /// For a request that must not be sent again after this failure.
    pub(crate) fn not_sent(kind: ErrorKind, method: Option<Method>, failure: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            kind,
            source: failure.map(Into::into),
            method,
            ..Inner::default()
        }))
    }

    /// Adds the head of the attempt's response, which had opened. If the error is shared already, it stays
    /// unchanged.
    pub(crate) fn after_opening(mut self, head: &ResponseHead) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.head.get_or_insert_with(|| head.clone());
        }
        self
    }

    /// Drops the connection that holds the unread rest of a refused response, for all clones.
    pub(crate) fn close(&self) {
        if let Some(refused) = &self.about().0.refused {
            refused.close();
        }
    }

    /// The facts about a refusal that the session needs.
    pub(crate) fn refusal(&self) -> Option<&Refused> {
        self.0.refused.as_ref()
    }
}

impl Error {
    /// Returns what failed.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the status of the response that was refused for its status or content type.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let inner = &self.about().0;
        inner.refused.as_ref()?;
        Some(inner.head.as_ref()?.status())
    }

    /// Returns the headers of the attempt's response, whether it was refused or had opened. They have the
    /// request ID, even if the stream failed later.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        Some(self.about().0.head.as_ref()?.headers())
    }

    /// Returns the beginning of the refused response's body: at most 64 KiB, read for at most 5 s.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        Some(&self.about().0.refused.as_ref()?.body)
    }

    /// Returns [`body`](Self::body) as text, with U+FFFD for malformed UTF-8.
    #[must_use]
    pub fn body_text(&self) -> Option<Cow<'_, str>> {
        Some(String::from_utf8_lossy(self.body()?))
    }

    /// Returns how long the server asked to wait, from the response to the next request: by
    /// `retry-after-ms`, or by `Retry-After` (RFC 9110, section 10.2.3) as seconds or as a date.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        Some(self.about().0.refused.as_ref()?.retry_after?.delay)
    }

    /// Returns the whole response that was refused for its status or content type.
    ///
    /// The first call, on the error or any clone, gets the unread rest of the body; later calls get what was
    /// read already. Before the wait for a retry, the rest is dropped with its connection. In a browser it
    /// is dropped before `on_error` decides.
    ///
    /// With the feature `reqwest`, `reqwest::Response::from` accepts it.
    #[must_use]
    pub fn into_response(self) -> Option<http::Response<RefusedBody>> {
        let inner = &self.about().0;
        let (head, refused) = (inner.head.as_ref()?, inner.refused.as_ref()?);
        let mut response = http::Response::new(refused.whole());
        *response.status_mut() = head.status();
        head.transport().apply(&mut response);
        *response.headers_mut() = head.headers().clone();
        Some(response)
    }

    /// Whether a timeout expired: one of the source, or one of the HTTP stack.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        let about = self.about();
        matches!(about.kind(), ErrorKind::ResponseTimeout(_))
            || about.is_of_silence()
            || about.causes().any(cause::is_timeout)
    }

    /// Whether connecting failed, so the server saw nothing of the request.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.about().causes().any(cause::is_connect)
    }

    /// Whether the answer is only a part: it broke off, or ended before its end marker.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        let (about, kind) = (self.about(), self.about().kind());
        matches!(kind, ErrorKind::Incomplete | ErrorKind::Disconnected) || about.is_of_silence()
    }

    /// Whether a timeout of an open stream expired.
    fn is_of_silence(&self) -> bool {
        use ErrorKind::{EventTimeout, FirstEventTimeout, IdleTimeout};
        matches!(
            self.kind(),
            FirstEventTimeout(_) | IdleTimeout(_) | EventTimeout(_)
        )
    }

    /// Returns the first cause of this type, anywhere in the chain.
    #[must_use]
    pub fn downcast_ref<T: StdError + 'static>(&self) -> Option<&T> {
        self.causes().find_map(|cause| cause.downcast_ref())
    }

    /// Returns the cause by value, if it has this type: for example a hook's own error.
    ///
    /// # Errors
    ///
    /// The error itself, if its cause has another type, or if a clone of the error exists.
    pub fn downcast<T: StdError + 'static>(self) -> Result<T, Self> {
        if !self.0.source.as_ref().is_some_and(|cause| cause.is::<T>()) {
            return Err(self);
        }
        let inner = Arc::try_unwrap(self.0).map_err(Self)?;
        let cause = inner.source.and_then(|cause| cause.downcast().ok());
        Ok(*cause.expect("it is of this type"))
    }

    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        self.source()
            .map(cause::as_given)
            .into_iter()
            .flat_map(chain)
    }

    /// The failure behind a request that was not sent again, which has the response; else the error itself.
    fn about(&self) -> &Self {
        let failure = match self.kind() {
            ErrorKind::NotReplayed | ErrorKind::NotCloneable => self.0.source.as_ref(),
            _ => None,
        };
        failure
            .and_then(|failure| failure.downcast_ref())
            .unwrap_or(self)
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
            debug.field("retry_after", &self.retry_after());
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
