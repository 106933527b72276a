//! Reads reqwest's errors.

use std::error::Error as StdError;

use crate::bounds::BoxError;
use crate::client::http::facts::Facts;
use crate::client::platform::stack;

/// The facts about an error, if it is one of reqwest's.
pub(crate) fn facts(error: &(dyn StdError + 'static)) -> Option<Facts> {
    let error = error.downcast_ref::<reqwest::Error>()?;
    Some(Facts {
        is_timeout: error.is_timeout(),
        is_connect: stack::is_connect(error),
        is_redirect: error.is_redirect(),
        is_builder: error.is_builder(),
        status: error.status().map(|status| status.as_u16()),
        url: error.url().cloned(),
    })
}

/// The error without its URL, if it is one of reqwest's.
pub(crate) fn without_url(error: BoxError) -> BoxError {
    match error.downcast::<reqwest::Error>() {
        Ok(error) => error.without_url().into(),
        Err(error) => error,
    }
}
