//! Turns of the browser's event loop. A task that wakes itself has the next one without a turn in between:
//! the page would neither draw nor answer a click.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::*;
use web_sys::MessageChannel;

/// Wakes the task after a turn of the event loop. By a message: a timer of 0 ms would take 4, as soon as
/// there are a few in a row.
pub(crate) fn wake_after_others(cx: &Context<'_>) {
    let waker = cx.waker().clone();
    let Ok(channel) = MessageChannel::new() else {
        return waker.wake();
    };
    let port = channel.port1();
    let receiver = port.clone();
    let wake = Closure::once_into_js(move || {
        receiver.close(); // or the browser keeps it
        waker.wake();
    });
    port.set_onmessage(Some(wake.unchecked_ref()));
    // Cannot fail: null can be cloned.
    let _ = channel.port2().post_message(&JsValue::NULL);
}

/// One turn of the browser's event loop. An abort and the next fetch reach the network by different ways;
/// without it the server may see the next request first.
#[derive(Default)]
pub(crate) struct Settling(Option<TimeoutFuture>);

impl Settling {
    pub(crate) fn begin(&mut self) {
        self.0 = Some(TimeoutFuture::new(0));
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(turn) = &mut self.0 {
            ready!(Pin::new(turn).poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }
}
