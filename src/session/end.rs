//! The end of an attempt, and the types for the proposal, the answer and the outcome.
//!
//! Every rule about a single [`End`] is here. A new kind of end is a variant, and an arm in
//! [`is_retried_by`](End::is_retried_by); in [`server_cannot_have_acted`](End::server_cannot_have_acted) only if
//! it is a proof.

use std::time::Duration;

use crate::retry::RetryPolicy;

/// How an attempt ended, with the facts that the decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The body ended cleanly.
    Clean,
    /// The caller's function returned no request, so nothing was sent.
    NotMade {
        /// Whether the cause may pass: a refused connection, a timeout.
        transient: bool,
    },
    /// No response came.
    Unreached {
        /// Whether connecting failed, so that the request was never sent.
        unsent: bool,
        /// Whether another attempt would end the same way.
        futile: bool,
    },
    /// The body broke off, a clock expired, or the body ended before its end marker.
    Broken,
    /// A status that opens no stream.
    Refused {
        status: u16,
        /// How long the server asks to wait: its `Retry-After` or `retry-after-ms`.
        retry_after: Option<Duration>,
        /// Whether there was a `Retry-After`. `retry-after-ms` alone settles nothing.
        settled_after: bool,
        /// Whether the answer came from another URL than the requested one, so that an earlier server has acted.
        redirected: bool,
    },
    /// A failure that a repetition does not help: a wrong content type, an event over the limit, an error of the
    /// caller's code.
    Fatal,
}

impl End {
    /// Whether the policy retries such an end, apart from its limits. `answered`: a response has arrived before, on this
    /// connection or an earlier one.
    pub(super) fn is_retried_by(self, policy: &RetryPolicy, answered: bool) -> bool {
        match self {
            Self::Clean => policy.reconnect_on_close,
            Self::NotMade { transient } => transient,
            Self::Unreached { futile: true, .. } | Self::Fatal => false,
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
        }
    }

    /// Whether the request may be repeated although its method is not idempotent.
    pub(super) fn server_cannot_have_acted(self) -> bool {
        match self {
            Self::Unreached { unsent, .. } => unsent,
            Self::Refused {
                status,
                settled_after,
                redirected: false,
                ..
            } => matches!(status, 425 | 429) || (status == 503 && settled_after),
            _ => false,
        }
    }

    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// What is known of the next request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NextRequest {
    /// `None` if it is not known before the caller's function returns it.
    pub(crate) idempotent: Option<bool>,
    /// Whether there is one, because its body could be cloned.
    pub(crate) available: bool,
    /// The source has one response and no way to make a request: its end is the end of the source.
    pub(crate) is_only_one: bool,
}

impl NextRequest {
    /// A request that can be made again.
    pub(crate) fn repeatable(idempotent: Option<bool>) -> Self {
        Self {
            idempotent,
            available: true,
            is_only_one: false,
        }
    }
}

/// Why a request that was due must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The request is not idempotent, and the server may have acted on an earlier one.
    NotIdempotent,
    /// The body was sent and could not be cloned.
    NotCloneable,
}

/// The proposal about an end, for the hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Retries in a row before this end, without progress in between.
    pub(crate) retries: u32,
    /// Attempts so far, this one included.
    pub(crate) attempts: u64,
    /// Whether any attempt so far opened a stream.
    pub(crate) ever_opened: bool,
    /// How long the policy would wait, `None` if it would give up.
    pub(crate) next_delay: Option<Duration>,
}

/// The answer of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    FollowPolicy,
    Retry,
    RetryAfter(Duration),
    /// For the session the same as [`Retry`](Self::Retry): it does not know the last event ID.
    RetryWithoutId,
    Stop,
    GiveUp,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Retry { delay: Duration, retries: u32 },
    GiveUp,
    Refuse(NotSent),
    Stop,
}

/// An order of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Pause,
    Resume,
    Reconnect,
    /// The page that was hidden is shown again. Nobody has ordered anything, so no limit of orders applies.
    Show,
}
