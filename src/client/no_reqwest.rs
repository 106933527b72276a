//! In place of `reqwest/` where the feature is off.

pub(crate) mod classify {
    use std::error::Error as StdError;

    use crate::bounds::BoxError;
    use crate::client::http::facts::Facts;

    /// There are no errors of reqwest.
    pub(crate) fn facts(_: &(dyn StdError + 'static)) -> Option<Facts> {
        None
    }

    pub(crate) fn without_url(error: BoxError) -> BoxError {
        error
    }
}

pub(crate) mod fetch {
    /// There are no requests of reqwest to send.
    pub(crate) type Fetch = std::convert::Infallible;
}
