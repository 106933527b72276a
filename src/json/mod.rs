//! Events read as JSON: their data, or type and data together.

mod by_type;
mod error;
mod stream;

use serde::Deserialize;
use serde_path_to_error::Track;

use crate::event::Event;

pub(crate) use by_type::by_type;
pub use error::JsonError;
pub use stream::{JsonStream, JsonStreamError, JsonStreamExt};

pub(crate) fn data<'de, T: Deserialize<'de>>(event: &'de Event) -> Result<T, JsonError> {
    serde_json::from_str(event.data()).map_err(|error| {
        let mut json = serde_json::Deserializer::from_str(event.data());
        let mut track = Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
        let _ = T::deserialize(tracked); // fails as before, and the path is known
        JsonError::data(event, &track.path(), error)
    })
}
