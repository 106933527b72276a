//! What a [`JsonStream`] forwards from the client's stream and error. The module `json` knows nothing of the
//! client.

use http::StatusCode;

use crate::client::error::Error;
use crate::client::finished::Finished;
use crate::client::handle::Handle;
use crate::client::stream::EventStream;
use crate::json::{JsonStream, JsonStreamError};

impl<T> JsonStream<EventStream, T> {
    /// Returns why the inner stream ended without an error: see [`EventStream::finished`].
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.get_ref().finished()
    }

    /// Returns a handle of the source: see [`EventStream::handle`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.get_ref().handle()
    }
}

impl JsonStreamError<Error> {
    /// Returns the status of the response, if the inner stream failed because of it.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Stream(error) => error.status(),
            _ => None,
        }
    }

    /// Whether the stream ended before its end marker, or that of the inner stream.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.is_incomplete_or(Error::is_incomplete)
    }
}
