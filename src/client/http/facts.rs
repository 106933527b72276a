//! What an HTTP stack says of its errors.

use url::Url;

/// What such an error says of itself.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) is_timeout: bool,
    pub(crate) is_connect: bool,
    pub(crate) is_redirect: bool,
    pub(crate) is_builder: bool,
    pub(crate) status: Option<u16>,
    pub(crate) url: Option<Url>,
}
