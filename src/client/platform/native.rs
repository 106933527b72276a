//! A native program: tokio's time, the system's clock, all headers.

use std::time::SystemTime;

use http::HeaderValue;

pub(crate) use tokio::time::{Instant, Sleep, sleep_until};

/// The headers that are set on each request.
pub(crate) use crate::client::http::headers::HEADERS;

/// The time that `Retry-After` dates are relative to, if the response has no `Date`.
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// Randomness for the jitter.
pub(crate) fn jitter_rng() -> fastrand::Rng {
    fastrand::Rng::new()
}

/// The header value for this ID, `None` if no header can hold it.
pub(crate) fn id_header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(id.as_bytes()).ok()
}
