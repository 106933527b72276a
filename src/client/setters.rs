//! The setters of options.

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

/// Options, for every style and in any order. If an option is set twice, the last value counts; the
/// `allow_` options add up.
impl<'h> EventSource<'h> {
    /// The ID where an earlier process stopped: sent as `Last-Event-ID` with the first request. Default: none.
    ///
    /// An ID that no header can hold is the first error:
    /// [`ErrorKind::InvalidLastEventId`](crate::ErrorKind::InvalidLastEventId).
    #[doc(alias("resume", "last event id", "Last-Event-ID"))]
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        self.options.last_event_id = Some(id.into());
        self
    }

    /// When to retry. Default: [`RetryPolicy::default()`], ten retries in a row, and a clean end is the end.
    /// Use [`RetryPolicy::persistent()`] for a subscription, and [`RetryPolicy::interactive()`] if a person
    /// waits for the answer.
    #[doc(alias("backoff", "reconnect"))]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// How long an attempt may take until the response head: [`from_fn`](Self::from_fn), connecting and
    /// waiting for the server together. Default: `None`, no limit. When it expires, the attempt fails and is
    /// retried: [`ErrorKind::ResponseTimeout`](crate::ErrorKind::ResponseTimeout).
    #[doc(alias("connect_timeout", "timeout"))]
    pub fn response_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.response = timeout.into();
        self
    }

    /// How long an open stream may take to send its first event. Comments, IDs without data and
    /// [keep-alive events](Self::keep_alive_if) do not count. Default: `None`, no limit. When it expires, the
    /// attempt fails and is retried: [`ErrorKind::FirstEventTimeout`](crate::ErrorKind::FirstEventTimeout).
    ///
    /// Use it for an answer that takes time to begin. While it is set, [`idle_timeout`](Self::idle_timeout)
    /// and [`event_timeout`](Self::event_timeout) start at the first event.
    #[doc(alias = "timeout")]
    pub fn first_event_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.first_event = timeout.into();
        self
    }

    /// How long an open stream may send no byte; comments are bytes. Default: `None`, no limit, as in the
    /// standard. When it expires, the connection counts as dead, and the attempt is retried:
    /// [`ErrorKind::IdleTimeout`](crate::ErrorKind::IdleTimeout).
    ///
    /// Set it to about three times the server's keep-alive interval. Without it a connection whose peer is
    /// gone may stay open for ever. The clock stops while the source is not polled: a slow consumer is not an
    /// idle server.
    #[doc(alias("timeout", "keep-alive", "read_timeout", "heartbeat"))]
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.idle = timeout.into();
        self
    }

    /// How long an open stream may send no event; comments and [keep-alive events](Self::keep_alive_if) do
    /// not count. Default: `None`, no limit, because only you know how quiet the channel may be. When it
    /// expires, the attempt fails and is retried:
    /// [`ErrorKind::EventTimeout`](crate::ErrorKind::EventTimeout).
    ///
    /// The clock stops while the source is not polled.
    #[doc(alias = "timeout")]
    pub fn event_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.event = timeout.into();
        self
    }

    /// Which events only show that the server is alive, such as `event: ping`. They are delivered, but
    /// [`event_timeout`](Self::event_timeout) and [`first_event_timeout`](Self::first_event_timeout) ignore
    /// them, and a clean end after nothing else is not progress. Default: none.
    ///
    /// ```
    /// # use fetch_event_source::fetch_event_source;
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .event_timeout(std::time::Duration::from_secs(60))
    ///     .keep_alive_if(|event| event.event_type() == "ping");
    /// # drop(source);
    /// ```
    #[doc(alias("ping", "heartbeat"))]
    pub fn keep_alive_if<F>(mut self, is_keep_alive: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'h,
    {
        self.options.predicates.keep_alive = Some(SyncWrapper::new(Box::new(is_keep_alive)));
        self
    }

    /// The end marker. The first event for which this returns `true` ends the source with
    /// [`Finished::EndMarker`](crate::Finished::EndMarker), and is not delivered. If the stream ends before
    /// it, that is [`ErrorKind::Incomplete`](crate::ErrorKind::Incomplete), so a truncated answer does not
    /// look whole. Default: none, and a clean end is not an error.
    ///
    /// The marker may have a type and no data. At a clean end it may lack its blank line.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let answer = EventSource::get("http://127.0.0.1:3000/answer")
    ///     .until(|event| event.data() == "[DONE]")
    ///     .stream();
    /// # let _ = answer;
    /// ```
    #[doc(alias("[DONE]", "take_while"))]
    pub fn until<F>(mut self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + MaybeSend + 'h,
    {
        self.options.predicates.until = Some(SyncWrapper::new(Box::new(is_end)));
        self
    }

    /// The maximum size of one event, in bytes: data, type, ID and unfinished line together. Default: 16 MiB,
    /// far more than servers send, and little enough for memory. A larger event is
    /// [`ErrorKind::EventTooLarge`](crate::ErrorKind::EventTooLarge), after all events before it.
    #[doc(alias = "limit")]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.options.reading.max_event_size = bytes;
        self
    }

    /// Whether the request may be repeated as a GET may: for a POST that only reads, or a GET sent by
    /// [`connect_with`](Self::connect_with). Default: `false`, the method decides.
    #[doc(alias = "post")]
    pub fn idempotent(mut self, is_idempotent: bool) -> Self {
        self.options.is_idempotent = is_idempotent;
        self
    }

    /// Another content type that opens a stream, besides `text/event-stream`; parameters are ignored. Some
    /// LLM servers stream as `text/plain`. Default: none.
    ///
    /// Wildcards such as `text/*` never match. A string that is not a content type is the first error:
    /// [`ErrorKind::InvalidOption`](crate::ErrorKind::InvalidOption).
    pub fn allow_content_type(mut self, essence: impl AsRef<str>) -> Self {
        let essence = essence.as_ref();
        match parse_essence(essence) {
            Some(parsed) => self.options.allowed.types.push(parsed),
            None => {
                let cause = format!("`allow_content_type`: {essence:?} is not a content type");
                let error = Error::caused(ErrorKind::InvalidOption, cause);
                self.options.invalid.get_or_insert(error);
            }
        }
        self
    }

    /// Opens a stream with any content type, or without one. Default: off.
    pub fn allow_any_content_type(mut self) -> Self {
        self.options.allowed.any_type = true;
        self
    }

    /// Another status that opens a stream, besides 200. Default: none. A 204 never opens one.
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

    /// Whether to deliver an unfinished event at a clean end, as if its blank line had come. Default: `false`,
    /// as in the standard. After a cut an unfinished event is never delivered.
    pub fn deliver_unfinished_event(mut self, deliver: bool) -> Self {
        self.options.reading.deliver_unfinished_event = deliver;
        self
    }

    /// An additional check of a response, after its status and content type were accepted. An error is
    /// [`ErrorKind::Validate`](crate::ErrorKind::Validate). Default: none.
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

    /// Ends the source when this future completes, with [`Finished::Aborted`](crate::Finished::Aborted).
    /// Nothing is delivered afterwards. Default: none.
    ///
    /// With a `CancellationToken` of tokio-util: `abort_on(token.cancelled_owned())`.
    ///
    /// The future is polled whenever the source is, also while a hook runs. Then the connection is closed at
    /// once, and the source ends when the hook has finished. A stream whose reader is busy is not polled; use
    /// [`Handle::close`](crate::Handle::close) for that.
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
    #[doc(alias("cancel", "shutdown", "signal", "cancellation token", "token", "stop"))]
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
    #[doc(alias("openWhenHidden", "visibility"))]
    pub fn open_when_hidden(mut self, opens: bool) -> Self {
        self.options.closes_when_hidden = !opens;
        self
    }

    /// A name for logs: the field `source` of each span and event of `tracing`. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }
}
