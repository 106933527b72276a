//! What is reported through `tracing`: the names and fields that the crate's documentation promises, and
//! nothing else. All of it is about attempts and what lies between them; nothing about an event.
//!
//! No text of a server's, and none of the caller's but the method and the host.

use std::time::Duration;

use reqwest::{Request, StatusCode};
use tracing::field::Empty;
use tracing::span::EnteredSpan;
use tracing::{Span, debug, debug_span, warn};

use crate::error::Error;
use crate::request;
use crate::signal::Finished;

/// The same for all, wherever in the crate they come from.
const TARGET: &str = "fetch_event_source";

/// What a source tells.
pub(crate) struct Trace {
    /// The attempt under way; none in between.
    span: Span,
    /// Its number, or the last one's.
    attempt: u64,
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            span: Span::none(),
            attempt: 0,
        }
    }

    /// An attempt begins: a request is looked for.
    pub(crate) fn begin(&mut self, attempt: u64) {
        self.attempt = attempt;
        self.span = debug_span!(
            target: TARGET,
            "attempt",
            attempt,
            method = Empty,
            host = Empty,
            resumes = Empty,
            status = Empty,
        );
    }

    /// What happens until this is dropped belongs to the attempt.
    pub(crate) fn enter(&self) -> EnteredSpan {
        self.span.clone().entered()
    }

    pub(crate) fn requesting(&self, request: &Request) {
        let host = request.url().host_str().unwrap_or_default();
        self.span.record("method", request.method().as_str());
        self.span.record("host", host);
        self.span
            .record("resumes", request::has_last_event_id(request.headers()));
        let attempt = self.number();
        self.span
            .in_scope(|| debug!(target: TARGET, attempt, "requesting"));
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.span.record("status", status.as_u16());
    }

    pub(crate) fn open(&self, status: StatusCode) {
        let (attempt, status) = (self.number(), status.as_u16());
        self.span
            .in_scope(|| debug!(target: TARGET, attempt, status, "open"));
    }

    pub(crate) fn unsendable_id(&self) {
        self.span.in_scope(|| {
            warn!(
                target: TARGET,
                attempt = self.number(),
                "the last event ID cannot be carried by a header: sent without it"
            );
        });
    }

    /// The attempt ended by itself.
    pub(crate) fn ended(&mut self, end: Result<(), &Error>) {
        let (attempt, error) = (self.number(), end.err());
        self.span.in_scope(|| {
            debug!(
                target: TARGET,
                attempt,
                reason = reason(error),
                status = status(error),
                "ended"
            );
        });
        self.close();
    }

    pub(crate) fn retrying(&self, error: Option<&Error>, delay: Duration, retries: u32) {
        debug!(
            target: TARGET,
            attempt = self.number(),
            reason = reason(error),
            status = status(error),
            delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            retries,
            "retrying"
        );
    }

    /// A handle spoke.
    pub(crate) fn steered(&mut self, by: &'static str) {
        let attempt = self.number();
        self.span
            .in_scope(|| debug!(target: TARGET, attempt, by, "steered"));
        self.close();
    }

    pub(crate) fn over(&mut self, result: Result<&Finished, &Error>) {
        let attempt = self.number();
        self.span.in_scope(|| match result {
            Ok(finished) => {
                debug!(target: TARGET, attempt, finished = name(*finished), "over");
            }
            Err(error) => {
                let (reason, status) = (error.reason(), status(Some(error)));
                debug!(target: TARGET, attempt, reason, status, "over");
            }
        });
        self.close();
    }

    /// None before the first.
    fn number(&self) -> Option<u64> {
        Some(self.attempt).filter(|attempt| *attempt > 0)
    }

    /// Nothing more belongs to the attempt.
    pub(crate) fn close(&mut self) {
        self.span = Span::none();
    }
}

fn reason(error: Option<&Error>) -> &'static str {
    error.map_or("clean_end", Error::reason)
}

fn status(error: Option<&Error>) -> Option<u16> {
    Some(error?.status()?.as_u16())
}

fn name(finished: Finished) -> &'static str {
    match finished {
        Finished::Ended => "ended",
        Finished::Done => "done",
        Finished::NoContent => "no_content",
        Finished::Stopped => "stopped",
        Finished::Aborted => "aborted",
    }
}
