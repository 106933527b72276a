//! How options are set.

use std::future::Future;
use std::time::Duration;

use http::StatusCode;
use sync_wrapper::SyncWrapper;

use crate::bounds::{BoxError, MaybeSend};
use crate::client::error::{Error, ErrorKind};
use crate::client::http::response::{ResponseHead, parse_essence};
use crate::client::source::EventSource;
use crate::event::Event;
use crate::retry::RetryPolicy;

/// Options: the same for every style, in any order. Of an option set twice the last value counts, except
/// that the `allow_` options add up.
impl<'h> EventSource<'h> {
    /// Where an earlier process stopped: sent as `Last-Event-ID` with the first request. Default: none.
    ///
    /// An ID that no header can carry is the first error:
    /// [`ErrorKind::InvalidLastEventId`](crate::ErrorKind::InvalidLastEventId).
    #[doc(alias = "resume")]
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.options.last_event_id = Some(id.into());
        self
    }

    /// When to try again. Default: [`RetryPolicy::default()`], ten retries in a row, and a clean end is the
    /// end. Take [`RetryPolicy::persistent()`] for a subscription, and [`RetryPolicy::interactive()`] if
    /// somebody waits for the answer.
    #[doc(alias = "backoff")]
    #[doc(alias = "reconnect")]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// How long to wait for the response headers: [`from_fn`](Self::from_fn), connecting and waiting for
    /// the server together. `None`: for ever, the default. Then the attempt is retried:
    /// [`ErrorKind::ResponseTimeout`](crate::ErrorKind::ResponseTimeout).
    #[doc(alias = "connect_timeout")]
    pub fn response_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.response = timeout.into();
        self
    }

    /// How long an open stream may take to bring its first event; comments, bare IDs and
    /// [keep-alive events](Self::keep_alive_if) are none. `None`: for ever, the default. Then the attempt is
    /// retried: [`ErrorKind::FirstEventTimeout`](crate::ErrorKind::FirstEventTimeout).
    ///
    /// For an answer that takes time to begin. While it is set, [`idle_timeout`](Self::idle_timeout) and
    /// [`event_timeout`](Self::event_timeout) start at the first event.
    pub fn first_event_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.first_event = timeout.into();
        self
    }

    /// How long a stream may bring no byte at all; comments are bytes. `None`: for ever, the default, as in
    /// the standard. Then the connection counts as dead, and the attempt is retried:
    /// [`ErrorKind::IdleTimeout`](crate::ErrorKind::IdleTimeout).
    ///
    /// Set it to about three times the server's keep-alive interval. Without it a connection whose peer is
    /// gone may stay open for ever. The clock stops while nobody polls: a slow consumer is not an idle
    /// server.
    #[doc(alias = "read_timeout")]
    #[doc(alias = "heartbeat")]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.idle = timeout.into();
        self
    }

    /// How long a stream may bring no event; comments and [keep-alive events](Self::keep_alive_if) do not
    /// count. `None`: for ever, the default, for only you know how quiet the channel may be. Then the attempt
    /// is retried: [`ErrorKind::EventTimeout`](crate::ErrorKind::EventTimeout).
    ///
    /// The clock stops while nobody polls.
    pub fn event_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.event = timeout.into();
        self
    }

    /// The events that only say that the server lives, such as `event: ping`. They are delivered, but the
    /// event clocks ignore them, and a clean end after nothing else is no progress. Default: none.
    ///
    /// ```
    /// # use fetch_event_source::fetch_event_source;
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .event_timeout(std::time::Duration::from_secs(60))
    ///     .keep_alive_if(|event| event.event_type() == "ping");
    /// # drop(source);
    /// ```
    #[doc(alias = "ping")]
    pub fn keep_alive_if<F>(mut self, is_keep_alive: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'h,
    {
        self.options.predicates.keep_alive = Some(SyncWrapper::new(Box::new(is_keep_alive)));
        self
    }

    /// The end marker: the event for which this is true is not delivered, and ends the source with
    /// [`Finished::EndMarker`](crate::Finished::EndMarker). A stream that ends before it is
    /// [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), so that a truncated answer is not taken for a
    /// whole one. Default: none; a clean end is a good end.
    ///
    /// It also sees a block that has a type and no data, and at a clean end the event whose blank line is
    /// missing.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let answer = EventSource::get("http://127.0.0.1:3000/answer")
    ///     .until(|event| event.data() == "[DONE]")
    ///     .stream();
    /// # let _ = answer;
    /// ```
    #[doc(alias = "[DONE]")]
    #[doc(alias = "take_while")]
    pub fn until<F>(mut self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'h,
    {
        self.options.predicates.until = Some(SyncWrapper::new(Box::new(is_end)));
        self
    }

    /// The most that one event may take, in bytes: data, type, ID and unfinished line together. Default:
    /// 16 MiB, far above what servers send and far below what hurts. More is
    /// [`ErrorKind::EventTooLarge`](crate::ErrorKind::EventTooLarge), after all events before it.
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.options.reading.max_event_size = bytes;
        self
    }

    /// Whether the request may be repeated as a GET may: a POST that only asks, or a GET behind
    /// [`connect_with`](Self::connect_with). Default: `false`, the method decides.
    #[doc(alias = "post")]
    pub fn idempotent(mut self, is_idempotent: bool) -> Self {
        self.options.is_idempotent = is_idempotent;
        self
    }

    /// One more content type that opens a stream, besides `text/event-stream`; parameters are ignored. Some
    /// LLM servers stream as `text/plain`. Default: no other.
    ///
    /// It takes whole types: `text/*` never matches. What is no content type is the first error:
    /// [`ErrorKind::InvalidOption`](crate::ErrorKind::InvalidOption).
    pub fn allow_content_type(mut self, essence: impl AsRef<str>) -> Self {
        let essence = essence.as_ref();
        match parse_essence(essence) {
            Some(parsed) => self.options.allowed.types.push(parsed),
            None => {
                let cause = format!("`allow_content_type`: {essence:?} is no content type");
                let error = Error::caused(ErrorKind::InvalidOption, cause);
                self.options.invalid.get_or_insert(error);
            }
        }
        self
    }

    /// Opens a stream whatever the content type, also without one. Default: off.
    pub fn allow_any_content_type(mut self) -> Self {
        self.options.allowed.any_type = true;
        self
    }

    /// One more status that opens a stream, besides 200. Default: no other. A 204 never does.
    pub fn allow_status(mut self, status: StatusCode) -> Self {
        self.options.allowed.statuses.push(status);
        self
    }

    /// Whether a block with a type and no data is an event with empty data. Default: `false`, as in the
    /// standard. (fetch-event-source goes further: there each blank line is one.)
    pub fn empty_events(mut self, deliver: bool) -> Self {
        self.options.reading.empty_events = deliver;
        self
    }

    /// Whether a clean end counts as the blank line of an unfinished event. Default: `false`, as in the
    /// standard. After a cut an unfinished event is never delivered.
    pub fn deliver_unfinished_event(mut self, deliver: bool) -> Self {
        self.options.reading.deliver_unfinished_event = deliver;
        self
    }

    /// One more look at a good response, before it is open. An error is
    /// [`ErrorKind::Validate`](crate::ErrorKind::Validate). It comes after the check of status and content
    /// type, not instead. Default: none.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let events = EventSource::get("http://127.0.0.1:3000/sse")
    ///     .validate(|response| match response.headers().get("x-api-version") {
    ///         Some(version) if version == "2" => Ok(()),
    ///         other => Err(format!("made for version 2, not {other:?}").into()),
    ///     })
    ///     .stream();
    /// # let _ = events;
    /// ```
    pub fn validate<F>(mut self, validate: F) -> Self
    where
        F: FnMut(&ResponseHead) -> Result<(), BoxError> + MaybeSend + 'h,
    {
        self.options.predicates.validate = Some(SyncWrapper::new(Box::new(validate)));
        self
    }

    /// Ends the source when this future ends: with [`Finished::Aborted`](crate::Finished::Aborted), and
    /// nothing is delivered after. Default: nothing ends it.
    ///
    /// It is polled whenever the source is, also while a hook runs: the connection is closed at once, and
    /// the source ends when the hook has come back. Nobody polls a stream whose reader is busy; for that
    /// there is [`Handle::close`](crate::Handle::close).
    ///
    /// For a `CancellationToken` of tokio-util: `abort_on(token.cancelled_owned())`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// # use fetch_event_source::{Finished, fetch_event_source};
    /// let finished = fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .abort_on(tokio::signal::ctrl_c())
    ///     .on_message(|event| println!("{}", event.data()))
    ///     .run()
    ///     .await?;
    /// assert_eq!(finished, Finished::Aborted);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "cancel")]
    #[doc(alias = "shutdown")]
    #[doc(alias = "signal")]
    pub fn abort_on<F>(mut self, abort: F) -> Self
    where
        F: Future + MaybeSend + 'h,
    {
        self.options.predicates.abort = Some(SyncWrapper::new(Box::pin(async move {
            abort.await;
        })));
        self
    }

    /// Whether there is a connection while the page is hidden: another tab is in front, the window is
    /// minimized, the phone is locked. Default: `true`, as the browser's own `EventSource` has it;
    /// fetch-event-source's `openWhenHidden` is `false`. Outside of a page (natively, in a worker) it has no
    /// effect.
    ///
    /// With `false` a page that hides drops the connection, or the wait for one, at once:
    /// [`ReadyState::Paused`](crate::ReadyState::Paused). When it is shown the source connects at once, with
    /// `Last-Event-ID`; only a `Retry-After` may make it wait. Nothing is lost, if the server keeps what it
    /// has sent. A source made in a hidden page sends nothing before that is shown.
    ///
    /// [`Handle::pause`](crate::Handle::pause) is another reason for a pause, and stays when the page is
    /// shown; `resume` and `reconnect` wait for the page. A request that would not be sent again, such as a
    /// POST without [`replay_non_idempotent`](crate::RetryPolicy::replay_non_idempotent), is let alone until
    /// it ends.
    ///
    /// ```
    /// # use fetch_event_source::{RetryPolicy, fetch_event_source};
    /// let prices = fetch_event_source("http://127.0.0.1:3000/prices")
    ///     .retry(RetryPolicy::persistent())
    ///     .open_when_hidden(false);
    /// # drop(prices);
    /// ```
    #[doc(alias = "openWhenHidden")]
    #[doc(alias = "visibility")]
    pub fn open_when_hidden(mut self, opens: bool) -> Self {
        self.options.opens_when_hidden = opens;
        self
    }

    /// A name for logs: the field `source` of each span and event of `tracing`. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }
}
