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
use crate::client::finished::Finished;

/// The target of all logs, wherever in the crate they come from.
const TARGET: &str = "fetch_event_source";

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
        if let Some(method) = method {
            self.span.record("method", method.as_str());
        }
        if let Some(host) = host {
            self.span.record("host", host);
        }
        self.span.record("resumes", resumes);
        let (source, attempt) = (self.source(), self.number());
        self.span
            .in_scope(|| debug!(target: TARGET, source, attempt, "requesting"));
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.span.record("status", status.as_u16());
    }

    pub(crate) fn open(&self, status: StatusCode) {
        let (source, attempt, status) = (self.source(), self.number(), status.as_u16());
        self.span
            .in_scope(|| debug!(target: TARGET, source, attempt, status, "open"));
    }

    pub(crate) fn unsendable_id(&self) {
        self.span.in_scope(|| {
            warn!(
                target: TARGET,
                source = self.source(),
                attempt = self.number(),
                "the last event ID cannot be carried by a header: sent without it"
            );
        });
    }

    /// Called with the number of lines of a connection that had unknown fields.
    pub(crate) fn ignored_lines(&self, lines: u64) {
        if lines == 0 {
            return;
        }
        self.span.in_scope(|| {
            warn!(
                target: TARGET,
                source = self.source(),
                attempt = self.number(),
                lines,
                "ignored lines of unknown fields"
            );
        });
    }

    /// Called when the attempt failed, or its stream ended.
    pub(crate) fn ended(&mut self, end: Result<(), &Error>) {
        let (source, attempt, error) = (self.source(), self.number(), end.err());
        self.span.in_scope(|| {
            debug!(
                target: TARGET,
                source,
                attempt,
                reason = reason(error),
                status = status(error),
                "ended"
            );
        });
        self.close();
    }

    pub(crate) fn retrying(&self, error: Option<&Error>, delay: Duration, retries: u32) {
        info!(
            target: TARGET,
            source = self.source(),
            attempt = self.number(),
            reason = reason(error),
            status = status(error),
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            retries,
            "retrying"
        );
    }

    /// Called when a command of a handle takes effect.
    pub(crate) fn steered(&mut self, by: &'static str) {
        let (source, attempt) = (self.source(), self.number());
        self.span
            .in_scope(|| debug!(target: TARGET, source, attempt, by, "steered"));
        self.close();
    }

    pub(crate) fn over(&mut self, result: Result<&Finished, &Error>) {
        let (source, attempt) = (self.source(), self.number());
        self.span.in_scope(|| match result {
            Ok(finished) => {
                let finished = finished.name();
                debug!(target: TARGET, source, attempt, finished, "over");
            }
            Err(error) => {
                let (reason, status) = (error.kind().name(), status(Some(error)));
                warn!(target: TARGET, source, attempt, reason, status, "over");
            }
        });
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

fn reason(error: Option<&Error>) -> &'static str {
    error.map_or("clean_end", |error| error.kind().name())
}

fn status(error: Option<&Error>) -> Option<u16> {
    Some(error?.status()?.as_u16())
}
