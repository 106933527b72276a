//! An end of an attempt, as hooks are shown it, and what they answer.

use std::time::Duration;

use crate::client::error::Error;
use crate::session::{Proposal, Verdict};

/// A failed attempt: what [`on_error`](crate::EventSource::on_error) is shown. The answer is an [`Action`]
/// made from it.
///
/// `retry`, `retry_after` and `retry_without_id` consent to sending a request again that is not
/// idempotent, if the failed attempt sent one: that request and all before it. The consent lasts until a
/// request has left on which the server may have acted.
#[derive(Debug, Clone)]
pub struct Failure {
    pub(crate) error: Error,
    pub(crate) proposal: Proposal,
}

impl Failure {
    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// How many retries were made in a row before this failure, without progress in between: 0 at the
    /// first. What counts as progress: see [`RetryPolicy`](crate::RetryPolicy).
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.proposal.retries
    }

    /// How many attempts were made in all, this one included. Progress does not reset it.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.proposal.attempts
    }

    /// Whether any connection of this source was open so far.
    #[must_use]
    pub fn ever_opened(&self) -> bool {
        self.proposal.ever_opened
    }

    /// How long the policy would wait before the next attempt; `None`: it would give up.
    ///
    /// A request made by [`from_fn`](crate::EventSource::from_fn) has no known method before the function
    /// is asked, after the delay. If it may not be sent again, the result is
    /// [`ErrorKind::NotReplayed`](crate::ErrorKind::NotReplayed), although there was a delay here.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.proposal.next_delay
    }

    /// Does what the policy would do: what happens without a hook.
    pub fn follow_policy(&self) -> Action {
        Action(Verdict::FollowPolicy)
    }

    /// Tries again after the delay that the policy would choose if it had no limits.
    pub fn retry(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Tries again after exactly this delay, once: no backoff, no jitter, no bounds.
    pub fn retry_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Forgets the last event ID and tries again as [`retry`](Self::retry) does: for a server that does not
    /// know the ID any more.
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

/// The clean end of a stream: what [`on_close`](crate::EventSource::on_close) is shown. The answer is an
/// [`Action`] made from it.
///
/// `reconnect` and `reconnect_after` are consent, as [`Failure`] says.
#[derive(Debug, Clone)]
pub struct StreamEnd {
    pub(crate) proposal: Proposal,
}

impl StreamEnd {
    /// How many retries were made in a row before this end, without progress in between.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.proposal.retries
    }

    /// How long the policy would wait before it reconnects; `None`: it would not.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.proposal.next_delay
    }

    /// Does what the policy would do: what happens without a hook.
    pub fn follow_policy(&self) -> Action {
        Action(Verdict::FollowPolicy)
    }

    /// Reconnects after the delay that the policy would choose if it had no limits.
    pub fn reconnect(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Reconnects after exactly this delay, once.
    pub fn reconnect_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Ends the source: [`Finished::Ended`](crate::Finished::Ended).
    pub fn finish(&self) -> Action {
        Action(Verdict::GiveUp)
    }
}

/// What follows an end: made by [`Failure`] and [`StreamEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an action does nothing until the hook returns it"]
pub struct Action(pub(crate) Verdict);
