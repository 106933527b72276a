//! Logs through `tracing`, with exactly the names and fields that the crate's documentation lists. They are
//! about attempts and the waits between them, not about single events.
//!
//! They hold no text of the server, and of the caller only the source's name, the method and the host.

use std::time::Duration;

use http::{Method, StatusCode};
use tracing::field::Empty;
use tracing::span::Entered;
use tracing::{Span, debug, debug_span, info, warn};

use crate::client::error::Error;
use crate::client::finished::{Finished, name_in_logs};

/// The target of all logs, wherever in the crate they come from.
const TARGET: &str = "fetch_event_source";

/// Logs in the span of the attempt, with the source's name and the attempt's number.
macro_rules! log {
    ($level:ident, $trace:expr, $($rest:tt)+) => {{
        let (source, attempt) = ($trace.source(), $trace.number());
        $trace
            .span
            .in_scope(|| $level!(target: TARGET, source, attempt, $($rest)+));
    }};
}

pub(crate) struct Trace {
    /// The source's name, set by the caller.
    name: Option<String>,
    /// The span of the current attempt; none in between.
    span: Span,
    /// The number of the current or last attempt.
    attempt: u64,
}

impl Trace {
    pub(crate) fn new(name: Option<String>) -> Self {
        Self {
            name,
            span: Span::none(),
            attempt: 0,
        }
    }

    /// Called when an attempt begins.
    pub(crate) fn begin(&mut self, attempt: u64) {
        self.attempt = attempt;
        self.span = debug_span!(
            target: TARGET,
            "attempt",
            source = self.source(),
            attempt,
            method = Empty,
            host = Empty,
            resumes = Empty,
            status = Empty,
        );
    }

    /// Logs until the guard is dropped belong to the attempt.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        self.span.enter()
    }

    /// Method and host are not known with `connect_with`.
    pub(crate) fn requesting(&self, method: Option<&Method>, host: Option<&str>, resumes: bool) {
        // An empty record would add a blank to what tracing-subscriber prints.
        if let Some(method) = method {
            self.span.record("method", method.as_str());
        }
        if let Some(host) = host {
            self.span.record("host", host);
        }
        self.span.record("resumes", resumes);
        log!(debug, self, "requesting");
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.span.record("status", status.as_u16());
    }

    pub(crate) fn open(&self, status: StatusCode) {
        log!(debug, self, status = status.as_u16(), "open");
    }

    pub(crate) fn unsendable_id(&self) {
        log!(
            warn,
            self,
            "the last event ID cannot be carried by a header: sent without it"
        );
    }

    /// Called with the number of lines of a connection that had unknown fields.
    pub(crate) fn ignored_lines(&self, lines: u64) {
        if lines > 0 {
            log!(warn, self, lines, "ignored lines of unknown fields");
        }
    }

    /// Called when the attempt failed, or its stream ended.
    pub(crate) fn ended(&mut self, end: Result<(), &Error>) {
        let (reason, status) = (&*reason(end.err()), status(end.err()));
        log!(debug, self, reason, status, "ended");
        self.close();
    }

    pub(crate) fn retrying(&self, error: Option<&Error>, delay: Duration, retries: u32) {
        let (reason, status) = (&*reason(error), status(error));
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        log!(info, self, reason, status, delay_ms, retries, "retrying");
    }

    /// Called when a command of a handle takes effect.
    pub(crate) fn steered(&mut self, by: &'static str) {
        log!(debug, self, by, "steered");
        self.close();
    }

    pub(crate) fn over(&mut self, result: Result<&Finished, &Error>) {
        match result {
            Ok(finished) => log!(debug, self, finished = &*name_in_logs(finished), "over"),
            Err(error) => {
                let (reason, status) = (&*reason(Some(error)), status(Some(error)));
                log!(warn, self, reason, status, "over");
            }
        }
        self.close();
    }

    fn source(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// `None` before the first attempt.
    fn number(&self) -> Option<u64> {
        Some(self.attempt).filter(|attempt| *attempt > 0)
    }

    /// Called when the attempt is over.
    pub(crate) fn close(&mut self) {
        self.span = Span::none();
    }
}

fn reason(error: Option<&Error>) -> String {
    error.map_or("clean_end".to_owned(), |error| name_in_logs(&error.kind()))
}

fn status(error: Option<&Error>) -> Option<u16> {
    Some(error?.status()?.as_u16())
}
