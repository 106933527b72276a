//! What happens, as lines: when, what, and more about it.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::sync::LazyLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use fetch_event_source::{BoxError, Event, ResponseHead};
use serde::Deserialize;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What the server sends in an event, as JSON.
#[derive(Deserialize)]
struct Message {
    time: u64,
    content: String,
    code: u16,
    count: u64,
}

pub(crate) fn open(times: usize, response: &ResponseHead, last_event_id: &str) {
    let status = response.status();
    match times {
        1 => line("open", status),
        _ => line(
            "reopened",
            format_args!("{status}, after id {last_event_id}"),
        ),
    }
}

pub(crate) fn message(event: &Event) -> Result<(), BoxError> {
    let id = event.last_event_id();
    let Message {
        time,
        content,
        code,
        count,
    } = serde_json::from_str(event.data())?;
    let sent = UNIX_EPOCH + Duration::from_millis(time);
    let age = sent.elapsed().unwrap_or_default().as_millis();
    line(
        "message",
        format_args!("id {id:>2}  count {count:>2}  code {code}  {age:>4} ms old  {content}"),
    );
    Ok(())
}

pub(crate) fn error(error: &dyn Error) {
    line("error", error);
}

pub(crate) fn delay(delay: Option<Duration>) {
    if let Some(delay) = delay {
        line(
            "delay",
            format_args!("{} ms until the next attempt", delay.as_millis()),
        );
    }
}

pub(crate) fn line(what: &str, more: impl Display) {
    let time = START.elapsed().as_secs_f64();
    if writeln!(std::io::stdout(), "{time:8.3} s  {what:<8}  {more}").is_err() {
        std::process::exit(1); // nobody reads any more, as with `| head`
    }
}
