//! HTTP in the types of the `http` crate, for any HTTP stack.

pub(crate) mod body;
pub(crate) mod exchange;
pub(crate) mod facts;
pub(crate) mod headers;
pub(crate) mod request_source;
pub(crate) mod response;
