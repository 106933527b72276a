//! The whole refused response behind an error.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Frame;

use crate::bounds::BoxError;
use crate::client::http::body::BoxBody;
use crate::client::http::response::RetryAfter;
use crate::client::platform::{self, Unread};

/// A refused response, except its head.
pub(crate) struct Refused {
    /// The beginning of its body, as [`Error::body`](super::Error::body) shows it.
    pub(crate) body: Bytes,
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) redirected: bool,
    /// What was read of the body after its beginning.
    beyond: Bytes,
    /// The unread rest, shared by all clones of the error; the first call takes it.
    unread: Mutex<Option<Unread>>,
}

impl Refused {
    pub(crate) fn new(body: Bytes, beyond: Bytes, unread: Option<BoxBody>) -> Self {
        Self {
            body,
            retry_after: None,
            redirected: false,
            beyond,
            unread: Mutex::new(unread.and_then(platform::keep_unread)),
        }
    }

    /// Drops the connection, and keeps what was read.
    pub(crate) fn close(&self) {
        drop(self.take_unread());
    }

    /// Returns the whole body at the first call, then only what was read.
    pub(crate) fn whole(&self) -> RefusedBody {
        RefusedBody {
            read: [self.body.clone(), self.beyond.clone()],
            unread: self.take_unread().map(Mutex::new),
        }
    }

    fn take_unread(&self) -> Option<Unread> {
        let mut unread = self.unread.lock().unwrap_or_else(PoisonError::into_inner);
        unread.take()
    }
}

/// The body of a refused response: the part already read, then the rest.
///
/// Made by [`Error::into_response`](super::Error::into_response). It is an [`http_body::Body`], and with
/// the feature `reqwest` it turns into a `reqwest::Body`.
pub struct RefusedBody {
    read: [Bytes; 2],
    /// The lock is only for `Sync`.
    unread: Option<Mutex<Unread>>,
}

impl http_body::Body for RefusedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        for part in &mut self.read {
            if !part.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(part)))));
            }
        }
        let Some(body) = &mut self.unread else {
            return Poll::Ready(None);
        };
        let body = body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut chunk = None;
        let polled = ready!(body.poll_chunk(cx, &mut chunk));
        if !matches!(polled, Ok(true)) {
            self.unread = None;
        }
        Poll::Ready(polled.map(|_| chunk.map(Frame::data)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.unread.is_none() && self.read.iter().all(Bytes::is_empty)
    }
}

impl fmt::Debug for RefusedBody {
    /// Leaves out the body: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedBody").finish_non_exhaustive()
    }
}
