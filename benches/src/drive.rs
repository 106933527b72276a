//! Polls streams and futures without an executor: data in memory is always ready.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

/// How often in a row a stream may be pending. A stream that sometimes yields stays far below.
const PATIENCE: usize = 1 << 22;

/// The stream is pending for ever.
#[derive(Debug)]
pub struct Stalled;

/// Polls the stream to its end.
///
/// # Errors
///
/// [`Stalled`].
#[inline(always)]
pub fn drain<S: Stream>(stream: S, mut each: impl FnMut(S::Item)) -> Result<(), Stalled> {
    let mut stream = pin!(stream);
    let mut context = Context::from_waker(Waker::noop());
    let mut patience = PATIENCE;
    loop {
        match stream.as_mut().poll_next(&mut context) {
            Poll::Ready(Some(item)) => each(item),
            Poll::Ready(None) => return Ok(()),
            Poll::Pending => {
                patience -= 1;
                if patience == 0 {
                    return Err(Stalled);
                }
            }
        }
    }
}

/// Takes what the stream has at once; whether it ended.
pub fn take_ready<S: Stream + Unpin>(stream: &mut S, mut each: impl FnMut(S::Item)) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut *stream).poll_next(&mut context) {
            Poll::Ready(Some(item)) => each(item),
            Poll::Ready(None) => return true,
            Poll::Pending => return false,
        }
    }
}

/// Polls the future to its end.
///
/// # Errors
///
/// [`Stalled`].
pub fn finish<F: Future>(future: F) -> Result<F::Output, Stalled> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..PATIENCE {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Ok(output);
        }
    }
    Err(Stalled)
}
