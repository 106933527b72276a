//! A native program: tokio's time, the system's clock, all headers.

mod response;
#[cfg(feature = "reqwest")]
pub(crate) mod stack;

use std::error::Error as StdError;
use std::task::{Context, Poll};
use std::time::SystemTime;

use http::HeaderValue;
use http::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderName};

use crate::client::handle::Handle;
use crate::client::http::body::BoxBody;

pub(crate) use response::Transport;
pub(crate) use tokio::time::{Instant, Sleep, sleep_until};

/// The headers that are set on each request.
///
/// `identity`, because a compressing proxy holds events back until its buffer is full.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (ACCEPT, HeaderValue::from_static("text/event-stream")),
    (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
];

/// Whether the HTTP stack has decoded each body, although `Content-Encoding` is still there.
pub(crate) const IS_DECODED: bool = false;

/// Whether the HTTP stack tells TLS, proxies and malformed heads apart.
pub(crate) const TELLS_CAUSES: bool = true;

/// The time that `Retry-After` dates are relative to, if the response has no `Date`.
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

/// Parses a date of HTTP.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    httpdate::parse_http_date(text).ok()
}

/// Returns the generator of the jitter.
pub(crate) fn jitter_rng() -> fastrand::Rng {
    fastrand::Rng::new()
}

/// Returns the header value for this ID; `None` if no header can hold it.
pub(crate) fn id_header(id: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(id.as_bytes()).ok()
}

/// Whether this is the error of tokio's `timeout`.
pub(crate) fn is_elapsed(error: &(dyn StdError + 'static)) -> bool {
    error.is::<tokio::time::error::Elapsed>()
}

/// Returns the part of a cause's text that people should read.
pub(crate) fn cause_text(text: String) -> String {
    text
}

/// The unread rest of a refused response.
pub(crate) type Unread = BoxBody;

/// Returns what an error keeps of the rest.
pub(crate) fn keep_unread(rest: BoxBody) -> Option<Unread> {
    Some(rest)
}

/// Wakes the task after the other tasks have run.
pub(crate) fn wake_after_others(cx: &Context<'_>) {
    cx.waker().wake_by_ref();
}

/// The turn that a dropped connection needs before the next request. Here the drop is done when it returns.
#[derive(Default)]
pub(crate) struct Settling(());

impl Settling {
    pub(crate) fn begin(&mut self) {}

    pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Whether the page is visible. Natively there is no page.
pub(crate) enum Visibility {}

impl Visibility {
    pub(crate) fn watch(_: Handle) -> Option<Self> {
        None
    }
}
