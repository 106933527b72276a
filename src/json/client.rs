//! What a [`JsonStream`] forwards of the client's stream and error: all that the module `json`
//! needs of the client.

use http::StatusCode;

use super::{JsonStream, JsonStreamError};
use crate::{Error, EventStream, Finished, Handle};

impl<T> JsonStream<EventStream, T> {
    /// Why the stream beneath ended without an error: see [`EventStream::finished`].
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        self.get_ref().finished()
    }

    /// A handle on the source: see [`EventStream::handle`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.get_ref().handle()
    }
}

impl JsonStreamError<Error> {
    /// The status of the response, where the stream beneath failed for it.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Stream(error) => error.status(),
            _ => None,
        }
    }

    /// Whether the stream ended before its end marker: this one's, or that of the stream beneath.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Incomplete => true,
            Self::Stream(error) => error.is_incomplete(),
            Self::Event(_) => false,
        }
    }
}
