//! What the caller set.

use reqwest::{Request, Response};

use crate::action::{Action, Failure};
use crate::error::BoxError;
use crate::event::Event;
use crate::link::BoxFuture;
use crate::parser::DEFAULT_MAX_EVENT_SIZE;
use crate::response::ResponseHead;
use crate::retry::RetryPolicy;
use crate::session::Clocks;

pub(crate) struct Options {
    pub(crate) policy: RetryPolicy,
    pub(crate) clocks: Clocks,
    pub(crate) max_event_size: usize,
    pub(crate) reads_ahead: bool,
    pub(crate) accepted_types: Vec<String>,
    pub(crate) last_event_id: Option<String>,
    pub(crate) calls: Calls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: RetryPolicy::default(),
            clocks: Clocks::default(),
            max_event_size: DEFAULT_MAX_EVENT_SIZE,
            reads_ahead: false,
            accepted_types: Vec::new(),
            last_event_id: None,
            calls: Calls::default(),
        }
    }
}

type Fetch = Box<dyn FnMut(Request) -> BoxFuture<Result<Response, BoxError>> + Send>;
type Validate = Box<dyn FnMut(&ResponseHead) -> Result<(), BoxError> + Send>;
type Until = Box<dyn FnMut(&Event) -> bool + Send>;

/// Functions that are called on the way.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) fetch: Option<Fetch>,
    pub(crate) validate: Option<Validate>,
    pub(crate) until: Option<Until>,
    pub(crate) abort: Option<BoxFuture<()>>,
}

/// Answers failures, where no hook does.
pub(crate) type Decide = Box<dyn FnMut(&Failure) -> Result<Action, BoxError> + Send>;
