//! How an attempt ends, and the words for what is proposed, answered and done about it.
//!
//! Every judgment of an [`End`] by itself is here: a new way to end is a variant of it, and an arm
//! in each function below.

use std::time::Duration;

use crate::retry::RetryPolicy;

/// How an attempt ended, as far as the decision needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ended where it should.
    Clean,
    /// The caller's function gave no request, so nothing was sent.
    NotMade {
        /// The cause may pass: a refused connection, a timeout.
        transient: bool,
    },
    /// No response came.
    Unreached {
        /// The connection was never made, so the request was never sent.
        unsent: bool,
        /// Another attempt is known to end the same way.
        futile: bool,
    },
    /// The body broke off, a clock ran out, or the body ended before its end marker.
    Broken,
    /// A status that opens no stream.
    Refused {
        status: u16,
        /// How long the server asks to wait: its `Retry-After` or `retry-after-ms`.
        retry_after: Option<Duration>,
        /// There was a `Retry-After`. `retry-after-ms` alone settles nothing.
        settled_after: bool,
        /// The answer came from another URL than was asked, so a server before it has acted.
        redirected: bool,
    },
    /// Repeating the request does not help: a wrong content type, an event over the limit, an
    /// error of the caller's own code.
    Fatal,
}

impl End {
    /// Whether the policy retries such an end, its limits apart. `answered`: a response has come
    /// before, on this connection or an earlier one.
    pub(super) fn is_retried_by(self, policy: &RetryPolicy, answered: bool) -> bool {
        match self {
            Self::Clean => policy.reconnect_on_close,
            Self::NotMade { transient } => transient,
            Self::Unreached { futile: true, .. } => false,
            Self::Unreached { unsent, .. } => answered || !(unsent && policy.fail_fast),
            Self::Broken => true,
            Self::Refused {
                status,
                retry_after,
                ..
            } => {
                policy.retries_status(status)
                    && retry_after.is_none_or(|delay| policy.accepts_server_delay(delay))
            }
            Self::Fatal => false,
        }
    }

    /// Whether the request may be repeated although its method is not idempotent.
    pub(super) fn server_cannot_have_acted(self) -> bool {
        match self {
            Self::Unreached { unsent, .. } => unsent,
            Self::Refused {
                redirected: true, ..
            } => false,
            Self::Refused {
                status: 425 | 429, ..
            } => true,
            Self::Refused {
                status: 503,
                settled_after,
                ..
            } => settled_after,
            Self::Clean
            | Self::NotMade { .. }
            | Self::Broken
            | Self::Refused { .. }
            | Self::Fatal => false,
        }
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// What is known of the request that would come next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextRequest {
    /// `None`: not known before the caller's function is asked for it.
    pub(crate) idempotent: Option<bool>,
    /// There is one: its body could be cloned.
    pub(crate) available: bool,
    /// The source was given one response and nothing to ask again with: its end is the end.
    pub(crate) is_only_one: bool,
}

/// Why a request that was due is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// It is not idempotent, and the server may have acted on an earlier one.
    NotIdempotent,
    /// Its body was sent, and could not be cloned.
    NotCloneable,
}

/// What a hook is shown about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Retries in a row before this end, without progress in between.
    pub(crate) retries: u32,
    /// Attempts in all, this one included.
    pub(crate) attempts: u64,
    /// Whether any attempt so far has opened a stream.
    pub(crate) ever_opened: bool,
    /// How long the policy would wait; `None`: it would give up.
    pub(crate) next_delay: Option<Duration>,
}

/// What a hook answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    FollowPolicy,
    Retry,
    RetryAfter(Duration),
    /// To the session the same as [`Retry`](Self::Retry): the last event ID is the shell's.
    RetryWithoutId,
    Stop,
    GiveUp,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Retry { delay: Duration, retries: u32 },
    GiveUp,
    Refuse(NotSent),
    Stop,
}

/// What a handle orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
    Reconnect,
    /// The page that was hidden is shown again. Nobody has ordered anything, so no limit of orders applies.
    Show,
}
