//! The client: connects, reads, reconnects, and hands events over. All rules are the session's.

pub(crate) mod control;
pub(crate) mod decision;
pub(crate) mod driver;
pub(crate) mod error;
pub(crate) mod handle;
pub(crate) mod hooks;
pub(crate) mod http;
pub(crate) mod options;
pub(crate) mod platform;
#[cfg_attr(not(feature = "reqwest"), path = "no_reqwest.rs")]
pub(crate) mod reqwest;
pub(crate) mod signal;
pub(crate) mod source;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod timer;
pub(crate) mod trace;

pub(crate) use self::reqwest::Fetch;
