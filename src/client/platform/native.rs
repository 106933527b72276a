//! A native program: tokio's time, the system's clock, any header.

use std::time::SystemTime;

use http::HeaderValue;

pub(crate) use tokio::time::{Instant, Sleep, sleep_until};

/// The headers that are set on each request.
pub(crate) use crate::client::http::headers::HEADERS;

/// What `Retry-After` dates are taken against, where the response has no `Date`.
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// Randomness for the jitter.
pub(crate) fn jitter_rng() -> fastrand::Rng {
    fastrand::Rng::new()
}

/// The header's value for this ID; `None` where no header can carry it.
pub(crate) fn id_header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(id.as_bytes()).ok()
}
