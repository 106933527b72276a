//! What the server allows pages of other origins.

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS,
};
use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cors {
    /// Nothing.
    None,
    /// To read the answers to simple requests: those that need no preflight.
    Simple,
    /// To resume, too.
    #[default]
    Resume,
    /// And to see the headers that tell when to come back.
    Expose,
}

pub(crate) fn headers(cors: Cors) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name, value| headers.insert(name, HeaderValue::from_static(value));
    if cors != Cors::None {
        add(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
    if matches!(cors, Cors::Resume | Cors::Expose) {
        add(ACCESS_CONTROL_ALLOW_HEADERS, "last-event-id, content-type");
        add(ACCESS_CONTROL_ALLOW_METHODS, "GET, POST");
    }
    if cors == Cors::Expose {
        add(ACCESS_CONTROL_EXPOSE_HEADERS, "retry-after");
    }
    headers
}
