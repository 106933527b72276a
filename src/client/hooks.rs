//! Hooks: the closures that a source calls, and what they may return.
//!
//! A hook is a closure that returns its answer, or a future of it. The boxed trait [`Hook`] owns the closure
//! and the running future and names no lifetime, so that a source is covariant in what its hooks borrow. A
//! future is boxed only if there is one.

use std::future::Future;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use sync_wrapper::SyncWrapper;

use crate::bounds::{BoxError, BoxFuture, MaybeSend};
use crate::client::decision::{Action, Failure, StreamEnd};
use crate::client::http::response::ResponseHead;
use crate::event::Event;
use crate::reader::EventReader;
use crate::session::Verdict;

/// The return type of a hook that uses `?`: `|event| -> HookResult { … }`.
///
/// Without it rustc cannot infer the error type (E0282).
///
/// ```
/// use fetch_event_source::{HookResult, fetch_event_source};
///
/// let mut sum = 0;
/// let source = fetch_event_source("http://127.0.0.1:3000/sse").on_message(|event| -> HookResult {
///     sum += event.data().parse::<i32>()?;
///     Ok(())
/// });
/// # drop(source);
/// ```
pub type HookResult<T = ()> = Result<T, BoxError>;

/// What `on_open` and `on_message` may return: `()`, [`ControlFlow<()>`](ControlFlow), a `Result` of
/// these, or a future of any of these.
///
/// `Break` ends the source with [`Finished::Stopped`](crate::Finished::Stopped). An error fails the attempt
/// with [`ErrorKind::Hook`](crate::ErrorKind::Hook), and goes to `on_error`. A future may borrow for `'h`.
/// `M` is inferred. The trait is sealed; name it to write a typed hook on top of
/// [`on_message`](crate::EventSource::on_message).
#[diagnostic::on_unimplemented(
    message = "this hook cannot return `{Self}`",
    label = "the hook given here",
    note = "return `()`, `ControlFlow<()>`, a `Result` of these, or a `Send` future of these",
    note = "the error of a `Result` has to be `Into<Box<dyn Error + Send + Sync>>`",
    note = "to drop a value, end the hook's expression with `;`"
)]
pub trait HookOutput<'h, M> {
    #[doc(hidden)]
    fn answer(self) -> Answer<'h, ControlFlow<()>>;
}

/// The output of the future of an `on_open` or `on_message` hook: see [`HookOutput`].
#[diagnostic::on_unimplemented(
    message = "the future of this hook cannot give `{Self}`",
    label = "the hook given here",
    note = "give `()`, `ControlFlow<()>`, or a `Result` of these",
    note = "the error of a `Result` has to be `Into<Box<dyn Error + Send + Sync>>`",
    note = "to drop a value, end the hook's block with `;`"
)]
pub trait HookValue {
    #[doc(hidden)]
    fn value(self) -> HookResult<ControlFlow<()>>;
}

/// What `on_error` and `on_close` may return: an [`Action`], `()` to follow the policy, a `Result` of these,
/// or a future of any of these.
///
/// A future may borrow for `'h`. `M` is inferred. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "this hook cannot return `{Self}`",
    label = "the hook given here",
    note = "return an `Action`, `()`, a `Result` of these, or a `Send` future of these",
    note = "an `Action` comes from the hook's argument: `failure.retry()`, `end.reconnect()`, …",
    note = "the error of a `Result` has to be `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait ActionOutput<'h, M> {
    #[doc(hidden)]
    fn answer(self) -> Answer<'h, Action>;
}

/// The output of the future of an `on_error` or `on_close` hook: see [`ActionOutput`].
#[diagnostic::on_unimplemented(
    message = "the future of this hook cannot give `{Self}`",
    label = "the hook given here",
    note = "give an `Action`, `()`, or a `Result` of these",
    note = "an `Action` comes from the hook's argument: `failure.retry()`, `end.reconnect()`, …",
    note = "the error of a `Result` has to be `Into<Box<dyn Error + Send + Sync>>`"
)]
pub trait ActionValue {
    #[doc(hidden)]
    fn value(self) -> HookResult<Action>;
}

/// A hook's answer, or the future of it. It cannot be named outside this crate, which seals the traits.
pub enum Answer<'h, V> {
    Now(HookResult<V>),
    Later(BoxFuture<'h, HookResult<V>>),
}

/// Marks a plain value.
pub enum Now {}

/// Marks a future.
pub enum Later {}

/// Marks a `Result` of what `M` marks.
pub struct Fallible<M>(M);

/// `!` by its only stable name, so that `|_| todo!()` compiles.
mod never {
    pub trait Returns {
        type Type;
    }

    impl<T> Returns for fn() -> T {
        type Type = T;
    }

    pub(super) type Never = <fn() -> ! as Returns>::Type;
}

macro_rules! outputs {
    ($Output:ident, $Value:ident, $V:ty: $($T:ty, $value:pat => $made:expr;)+) => {
        $(
            impl $Value for $T {
                fn value(self) -> HookResult<$V> {
                    let $value = self;
                    $made
                }
            }

            impl<'h> $Output<'h, Now> for $T {
                fn answer(self) -> Answer<'h, $V> {
                    Answer::Now($Value::value(self))
                }
            }
        )+

        impl $Value for never::Never {
            fn value(self) -> HookResult<$V> {
                self
            }
        }

        impl<'h> $Output<'h, Now> for never::Never {
            fn answer(self) -> Answer<'h, $V> {
                self
            }
        }

        impl<T: $Value, E: Into<BoxError>> $Value for Result<T, E> {
            fn value(self) -> HookResult<$V> {
                $Value::value(self.map_err(Into::into)?)
            }
        }

        impl<'h, T, E, M> $Output<'h, Fallible<M>> for Result<T, E>
        where
            T: $Output<'h, M>,
            E: Into<BoxError>,
        {
            fn answer(self) -> Answer<'h, $V> {
                match self {
                    Ok(output) => $Output::answer(output),
                    Err(error) => Answer::Now(Err(error.into())),
                }
            }
        }

        impl<'h, F> $Output<'h, Later> for F
        where
            F: Future<Output: $Value> + MaybeSend + 'h,
        {
            fn answer(self) -> Answer<'h, $V> {
                Answer::Later(Box::pin(async move { $Value::value(self.await) }))
            }
        }
    };
}

outputs! { HookOutput, HookValue, ControlFlow<()>:
    (), () => Ok(ControlFlow::Continue(()));
    ControlFlow<()>, flow => Ok(flow);
}

outputs! { ActionOutput, ActionValue, Action:
    (), () => Ok(Action(Verdict::FollowPolicy));
    Action, action => Ok(action);
}

/// A hook and its running future. The trait has no lifetime: see the head of this file.
pub(crate) trait Hook<A, V>: MaybeSend {
    /// Calls the hook. `Pending` if it returned a future, which [`poll`](Self::poll) drives.
    fn call(&mut self, argument: A) -> Poll<HookResult<V>>;

    /// Polls the future of the last call.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HookResult<V>>;
}

/// A boxed hook that takes an `A` and answers with a `V`.
pub(crate) type BoxHook<'h, A, V> = SyncWrapper<Box<dyn Hook<A, V> + 'h>>;

struct Boxed<'h, F, V> {
    closure: F,
    running: Option<BoxFuture<'h, HookResult<V>>>,
}

impl<'h, F, A, V> Hook<A, V> for Boxed<'h, F, V>
where
    F: FnMut(A) -> Answer<'h, V> + MaybeSend,
{
    fn call(&mut self, argument: A) -> Poll<HookResult<V>> {
        match (self.closure)(argument) {
            Answer::Now(result) => Poll::Ready(result),
            Answer::Later(future) => {
                self.running = Some(future);
                Poll::Pending
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<HookResult<V>> {
        let Some(future) = &mut self.running else {
            unreachable!("a hook is polled only after its call was pending");
        };
        let result = ready!(future.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(result)
    }
}

pub(crate) fn boxed<'h, A, V: 'h>(
    closure: impl FnMut(A) -> Answer<'h, V> + MaybeSend + 'h,
) -> Option<BoxHook<'h, A, V>> {
    let running = None;
    Some(SyncWrapper::new(Box::new(Boxed { closure, running })))
}

/// The argument of `on_message`.
pub(crate) enum Message<'a> {
    /// The event that the reader found. It is made where the hook takes it (`benches`, run() to stream()).
    Found(&'a mut EventReader<Bytes>),
    Event(Event),
}

impl Message<'_> {
    #[inline(always)]
    pub(crate) fn into_event(self) -> Event {
        match self {
            Self::Found(reader) => reader.take_event(),
            Self::Event(event) => event,
        }
    }
}

pub(crate) type MessageHook<'h> =
    SyncWrapper<Box<dyn for<'a> Hook<Message<'a>, ControlFlow<()>> + 'h>>;

pub(crate) fn boxed_message<'h>(
    mut closure: impl FnMut(Event) -> Answer<'h, ControlFlow<()>> + MaybeSend + 'h,
) -> Option<MessageHook<'h>> {
    let closure = move |message: Message<'_>| closure(message.into_event());
    let running = None;
    Some(SyncWrapper::new(Box::new(Boxed { closure, running })))
}

/// The hooks of a source, each set or not.
#[derive(Default)]
pub(crate) struct Hooks<'h> {
    pub(crate) open: Option<BoxHook<'h, ResponseHead, ControlFlow<()>>>,
    pub(crate) message: Option<MessageHook<'h>>,
    pub(crate) error: Option<BoxHook<'h, Failure, Action>>,
    pub(crate) close: Option<BoxHook<'h, StreamEnd, Action>>,
}
