//! The client: connects, reads, reconnects and delivers events. The session makes all decisions.

mod callbacks;
pub(crate) mod control;
pub(crate) mod decision;
pub(crate) mod driver;
pub(crate) mod error;
#[cfg(feature = "eventsource-stream")]
mod eventsource_stream;
pub(crate) mod finished;
pub(crate) mod handle;
pub(crate) mod hooks;
pub(crate) mod http;
#[cfg(feature = "json")]
mod json;
pub(crate) mod options;
pub(crate) mod platform;
#[cfg_attr(not(feature = "reqwest"), path = "no_reqwest.rs")]
pub(crate) mod reqwest;
mod setters;
pub(crate) mod signal;
pub(crate) mod source;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod timer;
pub(crate) mod trace;

/// The public names of the client.
pub(crate) mod names {
    pub use ::http;
    #[cfg(feature = "reqwest")]
    pub use ::reqwest;

    pub use super::decision::{Action, Failure, StreamEnd};
    pub use super::error::{Error, ErrorKind, RefusedBody, transient};
    pub use super::finished::Finished;
    pub use super::handle::Handle;
    pub use super::hooks::{ActionOutput, HookOutput, HookResult};
    /// Bounds inside the impls of the two above: not needed by users, so hidden.
    #[doc(hidden)]
    pub use super::hooks::{ActionValue, HookValue};
    pub use super::http::request_source::{Attempt, IntoConnection, IntoRequest, IntoResponse};
    pub use super::http::response::ResponseHead;
    #[cfg(feature = "reqwest")]
    pub use super::reqwest::{
        RequestBuilderExt, default_client, default_client_builder, fetch_event_source,
    };
    pub use super::signal::Signal;
    pub use super::source::EventSource;
    pub use super::stats::{ReadyState, Stats};
    pub use super::stream::{EventStream, Signals};
}
