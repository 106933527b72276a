//! The setters of hooks.

use crate::bounds::MaybeSend;
use crate::client::decision::{Failure, StreamEnd};
use crate::client::hooks::{ActionOutput, HookOutput, boxed, boxed_message};
use crate::client::http::response::ResponseHead;
use crate::client::source::EventSource;
use crate::event::Event;

/// Hooks: plain or async closures, called one at a time and in order, in every style.
///
/// A plain closure may borrow what it changes:
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::fetch_event_source;
///
/// let mut answer = String::new();
/// fetch_event_source("http://127.0.0.1:3000/answer")
///     .on_message(|event| answer.push_str(event.data()))
///     .run()
///     .await?;
/// println!("{answer}");
/// # Ok(())
/// # }
/// ```
///
/// The future of an async closure may borrow what the closure borrows by `&`, but not what the closure
/// owns or borrows by `&mut`. Clone what the future needs to own:
///
/// ```
/// # #[derive(Clone)] struct Store;
/// # impl Store { async fn save(&self, _: fetch_event_source::Event) -> std::io::Result<()> { Ok(()) } }
/// # let store = Store;
/// use fetch_event_source::fetch_event_source;
///
/// let source = fetch_event_source("http://127.0.0.1:3000/sse").on_message(move |event| {
///     let store = store.clone();
///     async move { store.save(event).await }
/// });
/// # drop(source);
/// ```
///
/// The page [hooks that do not compile](crate::guide::hooks) lists rustc's errors and how to fix each.
/// If a hook is set twice, the last one counts. A `JoinHandle` that a hook returns is awaited; end the hook
/// with `;` to detach the task.
impl<'h> EventSource<'h> {
    /// Called each time a stream opens, before its first event and after the check of status and content
    /// type. Default: none.
    ///
    /// Returns `()`, a [`ControlFlow`](std::ops::ControlFlow), a `Result`, or a future of these: see [`HookOutput`].
    ///
    /// Clear an answer here that starts from the beginning with each attempt:
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// # use fetch_event_source::fetch_event_source;
    /// let answer = std::sync::Mutex::new(String::new());
    /// fetch_event_source("http://127.0.0.1:3000/answer")
    ///     .on_open(|_| answer.lock().unwrap().clear())
    ///     .on_message(|event| answer.lock().unwrap().push_str(event.data()))
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "onopen")]
    pub fn on_open<F, T, M>(mut self, mut on_open: F) -> Self
    where
        F: FnMut(ResponseHead) -> T + MaybeSend + 'h,
        T: HookOutput<'h, M>,
    {
        self.options.hooks.open = boxed(move |head| on_open(head).answer());
        self
    }

    /// Called with each event. Default: none.
    ///
    /// The next event is read after the hook has finished, so a slow hook slows the server down. With
    /// [`run`](Self::run) the event counts as delivered when the hook finished without an error. A hook that
    /// failed or was cancelled gets its event again after a reconnection. In the other styles the hook gets a
    /// clone before the stream returns the event. After `Break` the stream returns that event and ends; after
    /// an `Err` it does not return it.
    ///
    /// Returns `()`, a [`ControlFlow`](std::ops::ControlFlow), a `Result`, or a future of these: see [`HookOutput`]. An error is a
    /// failure of the attempt, which [`on_error`](Self::on_error) may retry:
    ///
    /// ```
    /// use fetch_event_source::{HookResult, fetch_event_source};
    ///
    /// let source = fetch_event_source("http://127.0.0.1:3000/answer").on_message(|event| -> HookResult {
    ///     match event.event_type() {
    ///         "error" => Err(event.data())?,
    ///         _ => println!("{}", event.data()),
    ///     }
    ///     Ok(())
    /// });
    /// # drop(source);
    /// ```
    #[doc(alias = "onmessage")]
    pub fn on_message<F, T, M>(mut self, mut on_message: F) -> Self
    where
        F: FnMut(Event) -> T + MaybeSend + 'h,
        T: HookOutput<'h, M>,
    {
        self.options.hooks.message = boxed_message(move |event| on_message(event).answer());
        self
    }

    /// Called once with each failure, also if the policy would not retry it. Decides what follows. Default:
    /// the policy decides.
    ///
    /// Returns an [`Action`](crate::Action) made from the failure, `()` to follow the policy, a `Result`, or a
    /// future of these: see [`ActionOutput`]. An error of the hook is final:
    /// [`ErrorKind::Hook`](crate::ErrorKind::Hook).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::{fetch_event_source, http::StatusCode};
    /// use std::time::Duration;
    ///
    /// fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .on_message(|event| println!("{}", event.data()))
    ///     .on_error(|failure| match failure.error().status() {
    ///         Some(StatusCode::CONFLICT) if failure.retries() < 3 => {
    ///             failure.retry_after(Duration::from_secs(5))
    ///         }
    ///         _ => failure.follow_policy(),
    ///     })
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "onerror")]
    pub fn on_error<F, T, M>(mut self, mut on_error: F) -> Self
    where
        F: FnMut(Failure) -> T + MaybeSend + 'h,
        T: ActionOutput<'h, M>,
    {
        self.options.hooks.error = boxed(move |failure| on_error(failure).answer());
        self
    }

    /// Called when the server ends the stream cleanly; not for a 204, the end marker, or an abort. Decides
    /// what follows. Default: the policy decides.
    ///
    /// With [`until`](Self::until), an end before the marker is a failure and goes to
    /// [`on_error`](Self::on_error): [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete).
    ///
    /// Returns an [`Action`](crate::Action) made from the end, `()` to follow the policy, a `Result`, or a future
    /// of these: see [`ActionOutput`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::fetch_event_source;
    /// use std::time::Duration;
    ///
    /// fetch_event_source("http://127.0.0.1:3000/results") // one stream for each batch
    ///     .on_message(|event| println!("{}", event.data()))
    ///     .on_close(|end| end.reconnect_after(Duration::from_secs(60)))
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "onclose")]
    pub fn on_close<F, T, M>(mut self, mut on_close: F) -> Self
    where
        F: FnMut(StreamEnd) -> T + MaybeSend + 'h,
        T: ActionOutput<'h, M>,
    {
        self.options.hooks.close = boxed(move |end| on_close(end).answer());
        self
    }
}
