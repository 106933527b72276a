//! In place of `reqwest/` where the feature is off: there are none of its errors.

use std::convert::Infallible;
use std::error::Error as StdError;

use crate::client::error::{BoxError, Facts};

/// Nobody can send requests of reqwest's.
pub(crate) type Fetch = Infallible;

pub(crate) fn facts(_: &(dyn StdError + 'static)) -> Option<Facts> {
    None
}

pub(crate) fn without_url(error: BoxError) -> BoxError {
    error
}
