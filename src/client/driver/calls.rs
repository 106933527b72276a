//! Calls of the caller's code: hooks, one at a time, and predicates.

use std::ops::ControlFlow;
use std::task::{Context, Poll};

use sync_wrapper::SyncWrapper;

use crate::bounds::BoxError;
use crate::client::decision::{Action, Failure, StreamEnd};
use crate::client::hooks::{HookResult, Hooks, Message};
use crate::client::http::response::ResponseHead;
use crate::client::options::Predicates;
use crate::event::Event;
use crate::session::Verdict;

pub(super) struct Calls<'h> {
    hooks: Hooks<'h>,
    predicates: Predicates<'h>,
    /// The hook whose future is running.
    called: Option<Called>,
}

/// A hook that was called, and its reason.
pub(super) enum Called {
    Open(ResponseHead),
    /// `on_message`, which took the event.
    Message,
    /// `on_message` with a clone of an event, which is delivered afterwards.
    MessageBefore(Event),
    Failure(Failure),
    End(StreamEnd),
}

/// The answer of a hook.
pub(super) enum Answer {
    Flow(HookResult<ControlFlow<()>>),
    Action(HookResult<Action>),
}

impl<'h> Calls<'h> {
    pub(super) fn new(hooks: Hooks<'h>, predicates: Predicates<'h>) -> Self {
        Self {
            hooks,
            predicates,
            called: None,
        }
    }

    /// Whether events are delivered without a look by hooks or predicates.
    pub(super) fn are_plain(&self) -> bool {
        self.predicates.until.is_none()
            && self.predicates.keep_alive.is_none()
            && self.predicates.abort.is_none()
    }

    pub(super) fn has_message(&self) -> bool {
        self.hooks.message.is_some()
    }

    pub(super) fn has_until(&self) -> bool {
        self.predicates.until.is_some()
    }

    pub(super) fn is_end(&mut self, event: &Event) -> bool {
        let until = self.predicates.until.as_mut().map(SyncWrapper::get_mut);
        until.is_some_and(|until| until(event))
    }

    pub(super) fn is_keep_alive(&mut self, event: &Event) -> bool {
        let keep_alive = self
            .predicates
            .keep_alive
            .as_mut()
            .map(SyncWrapper::get_mut);
        keep_alive.is_some_and(|keep_alive| keep_alive(event))
    }

    pub(super) fn validate(&mut self, head: &ResponseHead) -> Result<(), BoxError> {
        let validate = self.predicates.validate.as_mut().map(SyncWrapper::get_mut);
        validate.map_or(Ok(()), |validate| validate(head))
    }

    /// Whether the caller's abort future has completed. Returns `true` once.
    pub(super) fn poll_abort(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(abort) = &mut self.predicates.abort else {
            return false;
        };
        let is_aborted = abort.get_mut().as_mut().poll(cx).is_ready();
        if is_aborted {
            self.predicates.abort = None;
        }
        is_aborted
    }

    /// Whether the future of a hook is running.
    #[inline]
    pub(super) fn are_running(&self) -> bool {
        self.called.is_some()
    }

    /// Notes that the future of this call is running.
    pub(super) fn running(&mut self, called: Called) {
        self.called = Some(called);
    }

    /// Calls the hook, if one is set. `Pending` if it returned a future, which must be polled.
    pub(super) fn call(&mut self, called: &Called) -> Poll<Answer> {
        match called {
            Called::Open(head) => match &mut self.hooks.open {
                Some(hook) => hook.get_mut().call(head.clone()).map(Answer::Flow),
                None => Poll::Ready(Answer::go_on()),
            },
            Called::MessageBefore(event) => {
                let message = Message::Event(event.clone());
                self.call_message(message).map(Answer::Flow)
            }
            Called::Message => Poll::Ready(Answer::go_on()),
            Called::Failure(failure) => match &mut self.hooks.error {
                Some(hook) => hook.get_mut().call(failure.clone()).map(Answer::Action),
                None => Poll::Ready(Answer::follow_policy()),
            },
            Called::End(end) => match &mut self.hooks.close {
                Some(hook) => hook.get_mut().call(end.clone()).map(Answer::Action),
                None => Poll::Ready(Answer::follow_policy()),
            },
        }
    }

    #[inline]
    pub(super) fn call_message(
        &mut self,
        message: Message<'_>,
    ) -> Poll<HookResult<ControlFlow<()>>> {
        match &mut self.hooks.message {
            Some(hook) => hook.get_mut().call(message),
            None => {
                skip(message);
                Poll::Ready(Ok(ControlFlow::Continue(())))
            }
        }
    }

    /// Polls the running future. Returns the call with the answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<(Called, Answer)>> {
        let answer = match &self.called {
            None => return Poll::Ready(None),
            Some(Called::Open(_)) => {
                let hook = self.hooks.open.as_mut();
                hook.map(|hook| hook.get_mut().poll(cx).map(Answer::Flow))
            }
            Some(Called::Message | Called::MessageBefore(_)) => {
                let hook = self.hooks.message.as_mut();
                hook.map(|hook| hook.get_mut().poll(cx).map(Answer::Flow))
            }
            Some(Called::Failure(_)) => {
                let hook = self.hooks.error.as_mut();
                hook.map(|hook| hook.get_mut().poll(cx).map(Answer::Action))
            }
            Some(Called::End(_)) => {
                let hook = self.hooks.close.as_mut();
                hook.map(|hook| hook.get_mut().poll(cx).map(Answer::Action))
            }
        };
        match answer {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(answer)) => {
                Poll::Ready(self.called.take().map(|called| (called, answer)))
            }
            None => Poll::Ready(None),
        }
    }

    /// Called when the source is over: cancels the running hook, and drops its error, which may hold a
    /// connection.
    pub(super) fn close(&mut self) {
        self.predicates.abort = None;
        if let Some(Called::Failure(failure)) = self.called.take() {
            failure.error.close();
        }
    }
}

/// Called with an event that no hook wants.
#[cold]
fn skip(message: Message<'_>) {
    drop(message.into_event());
}

impl Answer {
    fn go_on() -> Self {
        Self::Flow(Ok(ControlFlow::Continue(())))
    }

    fn follow_policy() -> Self {
        Self::Action(Ok(Action(Verdict::FollowPolicy)))
    }
}
