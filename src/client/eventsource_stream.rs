//! The conversion of the client's error to that of eventsource-stream.

use ::eventsource_stream as theirs;

use crate::client::error::Error;
use crate::eventsource_stream;
use crate::parser::EventTooLarge;

/// For code that expects their stream, with an [`EventStream`](crate::EventStream): the error becomes
/// `Transport`, except [`ErrorKind::EventTooLarge`](crate::ErrorKind::EventTooLarge), which becomes `Parser`
/// with the code `TooLarge`.
impl From<Error> for theirs::EventStreamError<Error> {
    fn from(error: Error) -> Self {
        match error.downcast_ref::<EventTooLarge>() {
            Some(too_large) => eventsource_stream::too_large(too_large),
            None => Self::Transport(error),
        }
    }
}
