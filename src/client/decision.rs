//! The end of an attempt as hooks see it, and their answers.

use std::time::Duration;

use crate::client::error::Error;
use crate::session::{Proposal, Verdict};

/// A failed attempt: the argument of [`on_error`](crate::EventSource::on_error). The hook answers with an
/// [`Action`] made from it.
///
/// If the failed attempt sent a request that is not idempotent, `retry`, `retry_after` and
/// `retry_without_id` allow it, and all requests before it, to be sent again. The consent lasts until the
/// next request on which the server may have acted.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) error: Error,
    pub(crate) proposal: Proposal,
}

impl Failure {
    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the number of retries in a row before this failure, without progress in between: 0 for the
    /// first failure. [`RetryPolicy`](crate::RetryPolicy) defines progress.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.proposal.retries
    }

    /// Returns the number of attempts so far, this one included. Progress does not reset it.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.proposal.attempts
    }

    /// Whether any stream of this source has opened so far.
    #[must_use]
    pub fn ever_opened(&self) -> bool {
        self.proposal.ever_opened
    }

    /// Returns how long the policy would wait before the next attempt, `None` if it would give up.
    ///
    /// The method of a request made by [`from_fn`](crate::EventSource::from_fn) is not known before the
    /// function is called, after the delay. If the request must not be sent again, the result is
    /// [`ErrorKind::NotReplayed`](crate::ErrorKind::NotReplayed), even if this returned a delay.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.proposal.next_delay
    }

    /// Follows the policy, as without a hook.
    pub fn follow_policy(&self) -> Action {
        Action(Verdict::FollowPolicy)
    }

    /// Retries after the policy's delay, without its limits.
    pub fn retry(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Retries after exactly this delay, this once: no backoff, no jitter, no bounds.
    pub fn retry_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Forgets the last event ID and retries as [`retry`](Self::retry) does: for a server that no longer knows
    /// the ID.
    pub fn retry_without_id(&self) -> Action {
        Action(Verdict::RetryWithoutId)
    }

    /// Ends the source without an error: [`Finished::Stopped`](crate::Finished::Stopped).
    pub fn stop(&self) -> Action {
        Action(Verdict::Stop)
    }

    /// Ends the source with this error.
    pub fn fail(&self) -> Action {
        Action(Verdict::GiveUp)
    }
}

/// The clean end of a stream: the argument of [`on_close`](crate::EventSource::on_close). The hook answers
/// with an [`Action`] made from it.
///
/// `reconnect` and `reconnect_after` allow a request to be sent again, as [`Failure`] says.
#[derive(Debug, Clone)]
pub struct StreamEnd {
    pub(crate) proposal: Proposal,
}

impl StreamEnd {
    /// Returns the number of retries in a row before this end, without progress in between.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.proposal.retries
    }

    /// Returns how long the policy would wait before it reconnects, `None` if it would not.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.proposal.next_delay
    }

    /// Follows the policy, as without a hook.
    pub fn follow_policy(&self) -> Action {
        Action(Verdict::FollowPolicy)
    }

    /// Reconnects after the policy's delay, without its limits.
    pub fn reconnect(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Reconnects after exactly this delay, this once.
    pub fn reconnect_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Ends the source: [`Finished::Ended`](crate::Finished::Ended).
    pub fn finish(&self) -> Action {
        Action(Verdict::GiveUp)
    }
}

/// What follows the end of an attempt: made by [`Failure`] and [`StreamEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an action does nothing until the hook returns it"]
pub struct Action(pub(crate) Verdict);
