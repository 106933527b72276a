//! Stands in for `reqwest/` without the feature.

pub(crate) mod classify {
    use std::error::Error as StdError;

    use crate::bounds::BoxError;
    use crate::client::http::facts::Facts;

    /// Never made: there are no errors of reqwest.
    pub(crate) fn facts(_: &(dyn StdError + 'static)) -> Option<Facts> {
        None
    }

    pub(crate) fn without_url(error: BoxError) -> BoxError {
        error
    }
}

pub(crate) mod fetch {
    /// Never made: there are no requests of reqwest.
    pub(crate) type Fetch = std::convert::Infallible;
}
