//! The caller's function that sends.

use reqwest::{Request, Response};

use crate::bounds::{BoxError, BoxFn, BoxFuture};

/// Sends requests in place of their own client.
pub(crate) struct Fetch(
    pub(super) BoxFn<'static, Request, BoxFuture<'static, Result<Response, BoxError>>>,
);
