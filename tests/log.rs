//! The logs of the crate and of the HTTP client, at every level, hold no secret and no text of the server.
//!
//! It is a separate file with one test, because the subscriber of `tracing` is global.

#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

mod client;
mod support;

use std::io;
use std::sync::{Arc, Mutex};

use client::{http, ms, reported};
use fetch_event_source::{EventSource, RetryPolicy};
use support::{OK, Reply, Server};
use tracing_subscriber::filter::LevelFilter;

/// All secrets have it in them, and nothing else has.
const SECRET: &str = "hunter2";

/// Collects what is logged.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer with secrets in each header, and an escape sequence in one.
fn answer(status: &str, more: &str, body: &str) -> Reply {
    Reply::raw(format!(
        "HTTP/1.1 {status} {SECRET}\r\nSet-Cookie: {SECRET}\r\nX-Text: \u{202e}\u{9b}31m{SECRET}\r\n\
         Connection: close\r\n{more}\r\n{body}"
    ))
    .fin()
}

#[tokio::test]
async fn the_log_shows_no_secret_and_no_text_of_the_servers() {
    let sink = Sink::default();
    let writer = sink.clone();
    // It takes in what comes by `log`, too.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .init();
    let stream = format!(
        "retry: 1\n: {SECRET}\nevent: {SECRET}\nid: {SECRET}\u{1b}[31m\ndata: {SECRET}\n\n"
    );
    let location = format!("Location: /{SECRET}?token={SECRET}\r\nContent-Length: 0\r\n");
    let server = Server::script([
        answer("503", "Retry-After: 0\r\n", SECRET),
        answer("307", &location, ""),
        Reply::raw(format!("{OK}{stream}")).fin(),
        answer("403", "", SECRET),
    ])
    .await;
    let url = format!(
        "http://{SECRET}:{SECRET}@{}/{SECRET}?token={SECRET}",
        server.addr()
    );
    let request = http().post(url).header("X-Api-Key", SECRET).body(SECRET);
    let policy = RetryPolicy::persistent()
        .base_delay(ms(1))
        .replay_non_idempotent(true);
    let words = reported(EventSource::new(request).retry(policy).signals()).await;
    assert_eq!(words.last().unwrap(), "failed: a status");

    let log = String::from_utf8(std::mem::take(&mut *sink.0.lock().unwrap())).unwrap();
    for heard in [
        "attempt{",
        "requesting",
        "retrying",
        "open",
        "ended",
        "cannot be carried",
        "over",
        "reqwest",
        "hyper",
    ] {
        assert!(log.contains(heard), "{heard}: {log}");
    }
    for line in log.lines() {
        assert!(!line.contains(SECRET), "{line}");
        let plain = |char: char| char.is_ascii() && !char.is_ascii_control();
        assert!(line.chars().all(plain), "{line:?}");
    }
}
