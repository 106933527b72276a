//! An end, as it is shown to the caller, and what the caller says to it.

use std::time::Duration;

use crate::error::{BoxError, Error};
use crate::session::Verdict;

/// An attempt failed: what [`on_error`](crate::EventSource::on_error) and
/// [`decide`](crate::EventSource::decide) are shown. The answer is an [`Action`] made from it.
#[derive(Debug)]
pub struct Failure {
    pub(crate) error: Error,
    pub(crate) retries: u32,
    pub(crate) next_delay: Option<Duration>,
}

impl Failure {
    /// What went wrong.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// How many retries were made in a row before this failure, without progress in between: 0 at
    /// the first.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How long the policy would wait before the next attempt; `None`: it would give up.
    ///
    /// Where [`from_fn`](crate::EventSource::from_fn) makes the requests, their method is not known
    /// before it is asked, after the delay: one that may not be sent again is
    /// [`Error::NotReplayed`] then, although there was a delay here.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.next_delay
    }

    /// Does what the policy would do.
    pub fn proceed(&self) -> Action {
        Action(Verdict::Proceed)
    }

    /// Tries again after the policy's delay, even where the policy would give up. It is consent to
    /// send a request again that is not idempotent.
    pub fn retry(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Tries again after exactly this delay, this once: no backoff, no jitter, no bounds. It is
    /// consent to send a request again that is not idempotent.
    pub fn retry_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Ends it without an error: [`Finished::Stopped`](crate::Finished::Stopped).
    pub fn stop(&self) -> Action {
        Action(Verdict::Stop)
    }

    /// Ends it with this error.
    pub fn fail(&self) -> Action {
        Action(Verdict::GiveUp)
    }
}

/// The stream ended cleanly: what [`on_close`](crate::EventSource::on_close) is shown. The answer
/// is an [`Action`] made from it.
#[derive(Debug)]
pub struct StreamEnd {
    pub(crate) retries: u32,
    pub(crate) next_delay: Option<Duration>,
}

impl StreamEnd {
    /// How many retries were made in a row before this end, without progress in between.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How long the policy would wait before it reconnects; `None`: it would not.
    #[must_use]
    pub fn next_delay(&self) -> Option<Duration> {
        self.next_delay
    }

    /// Does what the policy would do.
    pub fn proceed(&self) -> Action {
        Action(Verdict::Proceed)
    }

    /// Reconnects after the policy's delay. It is consent to send a request again that is not
    /// idempotent.
    pub fn reconnect(&self) -> Action {
        Action(Verdict::Retry)
    }

    /// Reconnects after exactly this delay, this once. It is consent to send a request again that
    /// is not idempotent.
    pub fn reconnect_after(&self, delay: Duration) -> Action {
        Action(Verdict::RetryAfter(delay))
    }

    /// Ends it: [`Finished::Ended`](crate::Finished::Ended).
    pub fn finish(&self) -> Action {
        Action(Verdict::GiveUp)
    }
}

/// What follows an end; made by [`Failure`] and [`StreamEnd`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an action does nothing until it is returned"]
pub struct Action(pub(crate) Verdict);

/// What `on_error`, `on_close` and `decide` may return: an [`Action`], `()` for what the policy
/// would do, or a `Result` of either, whose error is final.
pub trait IntoAction: sealed::Sealed {
    #[doc(hidden)]
    fn into_action(self) -> Result<Action, BoxError>;
}

impl IntoAction for Action {
    fn into_action(self) -> Result<Action, BoxError> {
        Ok(self)
    }
}

impl IntoAction for () {
    fn into_action(self) -> Result<Action, BoxError> {
        Ok(Action(Verdict::Proceed))
    }
}

impl<T: IntoAction, E: Into<BoxError>> IntoAction for Result<T, E> {
    fn into_action(self) -> Result<Action, BoxError> {
        self.map_err(Into::into)?.into_action()
    }
}

mod sealed {
    use super::Action;

    pub trait Sealed {}
    impl Sealed for Action {}
    impl Sealed for () {}
    impl<T: Sealed, E> Sealed for Result<T, E> {}
}
