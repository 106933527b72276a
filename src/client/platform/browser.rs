//! A browser, or another host of wasm with its APIs: fetch, `setTimeout`, one thread.
//!
//! The browser follows redirects, decodes bodies, pools connections and has a cache. Its only error text is
//! "Failed to fetch".

#[cfg(feature = "reqwest")]
pub(crate) mod stack;
mod time;
mod turn;
mod visibility;

use std::error::Error as StdError;
use std::fmt::DebugStruct;
use std::task::Context;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, HeaderName};
use http::{HeaderValue, Version};

use crate::client::http::body::{BoxBody, ChunkPoll};

pub(crate) use time::{Instant, Sleep, sleep_until};
pub(crate) use turn::{Settling, wake_after_others};
pub(crate) use visibility::Visibility;

/// Only `Accept`. Any other header makes the browser send a preflight before a request to another origin.
/// The browser sets `Accept-Encoding` and `Cache-Control` itself: see [`stack::prepare`].
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 1] =
    [(ACCEPT, HeaderValue::from_static("text/event-stream"))];

/// The browser decodes each body, and keeps `Content-Encoding`.
pub(crate) const IS_DECODED: bool = true;

/// Every failure is "Failed to fetch", so the code that tells causes apart is left out of the page.
pub(crate) const TELLS_CAUSES: bool = false;

pub(crate) fn wall_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(js_sys::Date::now() as u64)
}

/// The browser's parser of dates accepts more than HTTP's format.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let millis = js_sys::Date::parse(text);
    let is_date = text.ends_with("GMT") && millis >= 0.0; // it may be NaN
    is_date.then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(millis as u64))
}

/// fastrand has one fixed seed here, with which all pages would reconnect at the same time.
pub(crate) fn jitter_rng() -> fastrand::Rng {
    fastrand::Rng::with_seed(js_sys::Math::random().to_bits())
}

/// reqwest's fetch accepts only ASCII.
pub(crate) fn id_header(id: &str) -> Option<HeaderValue> {
    let header = HeaderValue::from_str(id).ok();
    header.filter(|header| header.to_str().is_ok())
}

/// There is no tokio here.
pub(crate) fn is_elapsed(_: &(dyn StdError + 'static)) -> bool {
    false
}

/// Returns the first line of a JavaScript error. reqwest shows it as `JsValue(TypeError: Failed to fetch`,
/// followed by the lines of its stack.
pub(crate) fn cause_text(text: String) -> String {
    let Some(error) = text.strip_prefix("JsValue(") else {
        return text;
    };
    let line = error.lines().next().unwrap_or_default();
    line.strip_suffix(')').unwrap_or(line).to_owned()
}

/// Nothing: a live response belongs to its thread, but an error is `Send`.
pub(crate) enum Unread {}

impl Unread {
    pub(crate) fn poll_chunk(&mut self, _: &mut Context<'_>, _: &mut Option<Bytes>) -> ChunkPoll {
        match *self {}
    }
}

/// The rest is dropped, and its fetch aborted.
pub(crate) fn keep_unread(_: BoxBody) -> Option<Unread> {
    None
}

/// How the response was received: the browser does not expose it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Transport;

impl Transport {
    pub(crate) fn of_version(_: Version) -> Self {
        Self
    }

    pub(crate) fn show(&self, _: &mut DebugStruct<'_, '_>) {}

    pub(crate) fn apply<B>(&self, _: &mut http::Response<B>) {}
}
