//! A page that shows a stream: its events, its cuts and resumptions, hide and show.
//!
//! The server breaks the connection off again and again; nothing is lost, and nothing comes twice.

#[path = "../../../src/guide/recipes/online.rs"]
mod online;
mod view;

use std::time::Duration;

use fetch_event_source::{Error, Handle, RetryPolicy, Signal, fetch_event_source};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::online::reconnect_when_online;
use crate::view::{View, on_click, origin};

#[wasm_bindgen(start)]
pub fn start() {
    spawn_local(async {
        let view = View::find();
        view.watch();
        match follow(&view).await {
            Ok(()) => view.line("over", "the source is closed"),
            Err(error) => view.line("over", &error.to_string()),
        }
    });
}

async fn follow(view: &View) -> Result<(), Error> {
    let url = format!("{}/sse?name=page&every=250&cut=5", origin());
    let policy = RetryPolicy::persistent().base_delay(Duration::from_millis(500));
    let mut signals = fetch_event_source(url)
        .retry(policy)
        // A page that was frozen has dead connections, of which no browser tells.
        .idle_timeout(Duration::from_secs(15))
        // No connection while nobody looks.
        .open_when_hidden(false)
        .signals();
    steer(signals.handle());

    while let Some(signal) = signals.next().await {
        match signal? {
            Signal::Open(_) => view.line("open", "connected"),
            Signal::Event(event) => {
                view.count();
                view.line(
                    "event",
                    &format!("{} {}", event.last_event_id(), event.data()),
                );
            }
            Signal::Retrying { error, delay, .. } => {
                let why = error.map_or("the end".to_owned(), |error| error.to_string());
                view.line(
                    "retry",
                    &format!("{why}: again in {} ms", delay.as_millis()),
                );
            }
            Signal::Disconnected => view.line("gone", "disconnected"),
            _ => {}
        }
    }
    Ok(())
}

/// Buttons, and the network's return.
fn steer(handle: Handle) {
    // Without this the delay, which has grown while the machine was offline, runs to its end.
    reconnect_when_online(handle.clone());
    let clone = || handle.clone();
    let (pausing, resuming, closing) = (clone(), clone(), clone());
    on_click("pause", move || pausing.pause());
    on_click("resume", move || resuming.resume());
    on_click("close", move || closing.close());
}
