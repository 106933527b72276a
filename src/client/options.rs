//! The options of a source.

use sync_wrapper::SyncWrapper;

use crate::bounds::{BoxError, BoxFuture, BoxLook};
use crate::client::error::{Error, ErrorKind};
use crate::client::hooks::Hooks;
use crate::client::http::headers;
use crate::client::http::response::{Allowed, ResponseHead};
use crate::client::reqwest::fetch::Fetch;
use crate::event::Event;
use crate::parser::DEFAULT_MAX_EVENT_SIZE;
use crate::retry::RetryPolicy;
use crate::session::Clocks;

#[derive(Default)]
pub(crate) struct Options<'h> {
    pub(crate) policy: RetryPolicy,
    pub(crate) clocks: Clocks,
    pub(crate) last_event_id: Option<String>,
    pub(crate) is_idempotent: bool,
    pub(crate) closes_when_hidden: bool,
    pub(crate) name: Option<String>,
    pub(crate) allowed: Allowed,
    pub(crate) reading: Reading,
    pub(crate) predicates: Predicates<'h>,
    pub(crate) hooks: Hooks<'h>,
    pub(crate) fetch: Option<SyncWrapper<Fetch>>,
    /// The error of the first invalid option.
    pub(crate) invalid: Option<Error>,
}

/// How bodies are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) max_event_size: usize,
    pub(crate) empty_events: bool,
    pub(crate) deliver_unfinished_event: bool,
}

/// The caller's predicates.
#[derive(Default)]
pub(crate) struct Predicates<'h> {
    pub(crate) validate: Option<SyncWrapper<BoxLook<'h, ResponseHead, Result<(), BoxError>>>>,
    pub(crate) until: Option<SyncWrapper<BoxLook<'h, Event, bool>>>,
    pub(crate) keep_alive: Option<SyncWrapper<BoxLook<'h, Event, bool>>>,
    pub(crate) abort: Option<SyncWrapper<BoxFuture<'h, ()>>>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            max_event_size: DEFAULT_MAX_EVENT_SIZE,
            empty_events: false,
            deliver_unfinished_event: false,
        }
    }
}

impl Options<'_> {
    /// Returns the error of the first invalid option.
    pub(crate) fn first_error(&mut self) -> Option<Error> {
        let id = self.last_event_id.as_deref().unwrap_or_default();
        if !headers::is_sendable(id) {
            return Some(ErrorKind::InvalidLastEventId.into());
        }
        self.invalid.take()
    }
}
