//! The four callbacks, and `run()`, which calls them.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};

use crate::action::{Action, Failure, IntoAction, StreamEnd};
use crate::driver::{Ask, Driver, Step};
use crate::error::{BoxError, Error};
use crate::event::Event;
use crate::options::Decide;
use crate::response::ResponseHead;
use crate::session::Verdict;
use crate::signal::{Finished, Signal};

/// What `on_open` and `on_message` may return: `()`, a [`ControlFlow`] whose `Break` ends the
/// source with [`Finished::Stopped`], or a `Result` of either, whose error is final.
pub trait IntoFlow: sealed::Sealed {
    #[doc(hidden)]
    fn into_flow(self) -> Result<ControlFlow<()>, BoxError>;
}

impl IntoFlow for () {
    fn into_flow(self) -> Result<ControlFlow<()>, BoxError> {
        Ok(ControlFlow::Continue(()))
    }
}

impl IntoFlow for ControlFlow<()> {
    fn into_flow(self) -> Result<ControlFlow<()>, BoxError> {
        Ok(self)
    }
}

impl<T: IntoFlow, E: Into<BoxError>> IntoFlow for Result<T, E> {
    fn into_flow(self) -> Result<ControlFlow<()>, BoxError> {
        self.map_err(Into::into)?.into_flow()
    }
}

mod sealed {
    use std::ops::ControlFlow;

    /// The traits of hooks are for [`Hook`](super::Hook) and [`Unset`](super::Unset) alone.
    pub trait IsHook {}
    impl IsHook for super::Unset {}
    impl<F, R> IsHook for super::Hook<F, R> {}

    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for ControlFlow<()> {}
    impl<T: Sealed, E> Sealed for Result<T, E> {}
}

/// The hooks of a source, each [`Unset`] or a [`Hook`].
#[derive(Debug, Default)]
pub struct Hooks<O = Unset, M = Unset, E = Unset, C = Unset> {
    pub(crate) open: O,
    pub(crate) message: M,
    pub(crate) error: E,
    pub(crate) close: C,
}

/// No hook of this kind: the policy decides.
#[derive(Debug, Default)]
pub struct Unset;

/// A hook that was set.
#[derive(Debug)]
pub struct Hook<F, R> {
    call: F,
    returns: PhantomData<fn() -> R>,
}

impl<F, R> Hook<F, R> {
    pub(crate) fn new(call: F) -> Self {
        Self {
            call,
            returns: PhantomData,
        }
    }
}

/// Called with the head of each response that opens a stream. Implemented for [`Hook`] and [`Unset`] only.
pub trait OnOpen: sealed::IsHook {
    #[doc(hidden)]
    #[allow(async_fn_in_trait)] // Send where the closure is: found out where `run()` is spawned
    async fn call(&mut self, response: &ResponseHead) -> Result<ControlFlow<()>, BoxError>;
}

/// Called with each event. Implemented for [`Hook`] and [`Unset`] only.
pub trait OnMessage: sealed::IsHook {
    #[doc(hidden)]
    #[allow(async_fn_in_trait)]
    async fn call(&mut self, event: Event) -> Result<ControlFlow<()>, BoxError>;
}

/// Called with each failure. Implemented for [`Hook`] and [`Unset`] only.
pub trait OnError: sealed::IsHook {
    #[doc(hidden)]
    const IS_SET: bool;
    #[doc(hidden)]
    #[allow(async_fn_in_trait)]
    async fn call(&mut self, failure: &Failure) -> Result<Action, BoxError>;
}

/// Called with each clean end of the stream. Implemented for [`Hook`] and [`Unset`] only.
pub trait OnClose: sealed::IsHook {
    #[doc(hidden)]
    #[allow(async_fn_in_trait)]
    async fn call(&mut self, end: &StreamEnd) -> Result<Action, BoxError>;
}

impl OnOpen for Unset {
    async fn call(&mut self, _: &ResponseHead) -> Result<ControlFlow<()>, BoxError> {
        Ok(ControlFlow::Continue(()))
    }
}

impl OnMessage for Unset {
    async fn call(&mut self, _: Event) -> Result<ControlFlow<()>, BoxError> {
        Ok(ControlFlow::Continue(()))
    }
}

impl OnError for Unset {
    const IS_SET: bool = false;
    async fn call(&mut self, _: &Failure) -> Result<Action, BoxError> {
        Ok(Action(Verdict::Proceed))
    }
}

impl OnClose for Unset {
    async fn call(&mut self, _: &StreamEnd) -> Result<Action, BoxError> {
        Ok(Action(Verdict::Proceed))
    }
}

impl<F, R> OnOpen for Hook<F, R>
where
    F: AsyncFnMut(&ResponseHead) -> R,
    R: IntoFlow,
{
    async fn call(&mut self, response: &ResponseHead) -> Result<ControlFlow<()>, BoxError> {
        (self.call)(response).await.into_flow()
    }
}

impl<F, R> OnMessage for Hook<F, R>
where
    F: AsyncFnMut(Event) -> R,
    R: IntoFlow,
{
    async fn call(&mut self, event: Event) -> Result<ControlFlow<()>, BoxError> {
        (self.call)(event).await.into_flow()
    }
}

impl<F, R> OnError for Hook<F, R>
where
    F: AsyncFnMut(&Failure) -> R,
    R: IntoAction,
{
    const IS_SET: bool = true;
    async fn call(&mut self, failure: &Failure) -> Result<Action, BoxError> {
        (self.call)(failure).await.into_action()
    }
}

impl<F, R> OnClose for Hook<F, R>
where
    F: AsyncFnMut(&StreamEnd) -> R,
    R: IntoAction,
{
    async fn call(&mut self, end: &StreamEnd) -> Result<Action, BoxError> {
        (self.call)(end).await.into_action()
    }
}

/// Calls the hooks, one at a time and in order, until it is over.
pub(crate) async fn run<O, M, E, C>(
    mut driver: Driver,
    mut decide: Option<Decide>,
    mut hooks: Hooks<O, M, E, C>,
) -> Result<Finished, Error>
where
    O: OnOpen,
    M: OnMessage,
    E: OnError,
    C: OnClose,
{
    loop {
        let event = if driver.has_event_at_hand() {
            driver.hand_over()
        } else {
            match poll_fn(|cx| driver.poll_step(cx)).await {
                Some(Step::Signal(Signal::Event(event))) => event,
                step => match attend_to(step, &mut driver, &mut decide, &mut hooks).await {
                    None => continue,
                    Some(result) => return result,
                },
            }
        };
        let id = event.shared_last_event_id().clone();
        let flow = attended(&mut driver, pin!(hooks.message.call(event))).await;
        if flow.is_ok() {
            // Only now: a hook that was cancelled, or failed, gets its event again.
            driver.delivered(&id);
        }
        if let Some(result) = ending(flow) {
            return driver.end(result);
        }
    }
}

/// All that is no event. Gives the result if it is over.
async fn attend_to<O, M, E, C>(
    step: Option<Step>,
    driver: &mut Driver,
    decide: &mut Option<Decide>,
    hooks: &mut Hooks<O, M, E, C>,
) -> Option<Result<Finished, Error>>
where
    O: OnOpen,
    E: OnError,
    C: OnClose,
{
    let flow = match step {
        Some(Step::Signal(Signal::Open(head))) => {
            attended(driver, pin!(hooks.open.call(&head))).await
        }
        Some(Step::Ask(Ask::Failure(failure))) => {
            let action = match decide {
                Some(decide) if !E::IS_SET => decide(&failure),
                _ => attended(driver, pin!(hooks.error.call(&failure))).await,
            };
            action.map(|action| resolve(driver, Ask::Failure(failure), action))
        }
        Some(Step::Ask(Ask::End(end))) => {
            let action = attended(driver, pin!(hooks.close.call(&end))).await;
            action.map(|action| resolve(driver, Ask::End(end), action))
        }
        Some(Step::Over(result)) => return Some(result),
        Some(Step::Signal(_)) => return None,
        None => return Some(Ok(Finished::Aborted)),
    };
    ending(flow).map(|result| driver.end(result))
}

/// What a hook's answer means for `run()`: its result, if it ends here.
fn ending(flow: Result<ControlFlow<()>, BoxError>) -> Option<Result<Finished, Error>> {
    match flow {
        Ok(ControlFlow::Continue(())) => None,
        Ok(ControlFlow::Break(())) => Some(Ok(Finished::Stopped)),
        Err(error) => Some(Err(Error::Hook(error))),
    }
}

/// Awaits a hook. An abort meanwhile closes the connection at once, not when the hook comes back.
async fn attended<F: Future>(driver: &mut Driver, mut hook: Pin<&mut F>) -> F::Output {
    poll_fn(|cx| {
        let called = hook.as_mut().poll(cx);
        if called.is_pending() {
            driver.poll_abort(cx);
        }
        called
    })
    .await
}

fn resolve(driver: &mut Driver, ask: Ask, action: Action) -> ControlFlow<()> {
    driver.answer(ask, action);
    ControlFlow::Continue(())
}
