//! The phases of a session, with their data.

use std::time::Duration;

use super::end::Outcome;

/// The phase of a session. Times count from the start of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The next request is due.
    Due,
    /// The caller's function is making it.
    Asking,
    /// A request is in flight.
    Requesting,
    /// The body of a response that opens no stream is being read.
    Refused,
    Open,
    /// An attempt ended; the hooks decide what follows.
    Ended(Ended),
    Waiting {
        until: Duration,
    },
    Paused {
        since: Duration,
        /// When the next request would have been due, if there was a wait.
        until: Option<Duration>,
    },
    Over,
}

/// An end that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended {
    /// How the policy ends the source; `None` if it retries.
    pub(super) over: Option<Outcome>,
    /// The delay of a retry, even against the policy.
    pub(super) delay: Duration,
    pub(super) at: Duration,
    pub(super) available: bool,
}

impl Phase {
    /// Whether there is an attempt that can end.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(
            self,
            Self::Asking | Self::Requesting | Self::Refused | Self::Open
        )
    }
}
