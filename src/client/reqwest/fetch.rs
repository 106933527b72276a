//! The caller's function that sends requests.

use reqwest::{Request, Response};

use crate::bounds::{BoxError, BoxFn, BoxFuture};

/// Sends requests in place of their client.
pub(crate) struct Fetch(
    pub(super) BoxFn<'static, Request, BoxFuture<'static, Result<Response, BoxError>>>,
);
