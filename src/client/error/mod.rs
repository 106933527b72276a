//! Everything that can go wrong, as one type.

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
use http::{HeaderMap, StatusCode};

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
    /// Before a retry waits, the rest is dropped with its connection. In a browser it is dropped before
    /// `on_error` decides.
    ///
    /// With the feature `reqwest`, `reqwest::Response::from` takes it.
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
        let is_of_type = self
            .0
            .source
            .as_ref()
            .is_some_and(|source| source.is::<T>());
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
        self.source()
            .map(cause::as_given)
            .into_iter()
            .flat_map(chain)
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
