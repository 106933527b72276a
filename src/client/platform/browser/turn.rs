//! Turns of the browser's event loop. A task that wakes itself runs again without a turn in between, so the
//! page could neither draw nor answer a click.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::*;
use web_sys::MessageChannel;

/// Wakes the task after a turn of the event loop, by a message: a timer of 0 ms takes 4 ms after a few in a
/// row.
pub(crate) fn wake_after_others(cx: &Context<'_>) {
    let waker = cx.waker().clone();
    let Ok(channel) = MessageChannel::new() else {
        return waker.wake();
    };
    let port = channel.port1();
    let receiver = port.clone();
    let wake = Closure::once_into_js(move || {
        receiver.close(); // otherwise the browser keeps it
        waker.wake();
    });
    port.set_onmessage(Some(wake.unchecked_ref()));
    // This cannot fail, because null can be cloned.
    let _ = channel.port2().post_message(&JsValue::NULL);
}

/// One turn of the browser's event loop. An abort and the next fetch reach the network on different ways.
/// Without the turn, the server may see the next request first.
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
