//! `performance.now` and `setTimeout`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use gloo_timers::future::TimeoutFuture;

pub(crate) use web_time::Instant;

/// The longest time of one timer: `setTimeout` takes 31 bits of milliseconds.
const FAR: Duration = Duration::from_secs(60 * 60 * 24);

/// Ends at its time, or earlier if that is more than [`FAR`] away.
pub(crate) struct Sleep(TimeoutFuture);

pub(crate) fn sleep_until(at: Instant) -> Sleep {
    let left = at.saturating_duration_since(Instant::now()).min(FAR);
    // Rounded up, because a timer that ends too early is set again.
    let millis = left.as_secs() as u32 * 1000 + left.subsec_nanos().div_ceil(1_000_000);
    Sleep(TimeoutFuture::new(millis))
}

impl Sleep {
    pub(crate) fn reset(mut self: Pin<&mut Self>, at: Instant) {
        *self = sleep_until(at);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
