//! A source that is not connected yet, and its options.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::{Request, RequestBuilder, Response};

use crate::action::{Failure, IntoAction, StreamEnd};
use crate::driver::{Audience, Driver};
use crate::error::{BoxError, Error};
use crate::event::Event;
use crate::handle::Handle;
use crate::hooks::{self, Hook, Hooks, IntoFlow, OnClose, OnError, OnMessage, OnOpen};
use crate::options::{Decide, Options};
use crate::origin::{Attempt, Origin};
use crate::response::{ResponseHead, parse_essence};
use crate::retry::RetryPolicy;
use crate::shared::Owned;
use crate::signal::Finished;
use crate::stream::{EventStream, Signals};

/// A source of events that is not yet connected: nothing is sent before it is polled.
///
/// Make one of a URL ([`get`](Self::get)), a request ([`new`](Self::new)), or a function that
/// makes requests ([`from_fn`](Self::from_fn)); set options and hooks in any order; then take it as
/// a [`stream`](Self::stream) of events, as [`signals`](Self::signals), or [`run`](Self::run) its
/// hooks.
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::BoxError> {
/// use fetch_event_source::EventSource;
///
/// let client = reqwest::Client::new();
/// let mut answer = String::new();
/// let finished = EventSource::new(client.post("http://127.0.0.1:3000/chat").body("Why?"))
///     .until(|event| event.data() == "[DONE]")
///     .on_open(async |response| println!("{}", response.status()))
///     .on_message(async |event| answer.push_str(event.data()))
///     .run()
///     .await?;
/// println!("{answer} ({finished:?})");
/// # Ok(())
/// # }
/// ```
///
/// # The request
///
/// `Accept: text/event-stream`, `Cache-Control: no-cache` and `Accept-Encoding: identity` are set
/// unless the request has them. (What a client's `default_headers` say cannot be seen, and is
/// overridden: set them on the request.) `Last-Event-ID` is set by what was delivered; one that the
/// request has is where it starts from, as with [`last_event_id`](Self::last_event_id).
///
/// A total timeout of the client is lifted, for it would cut healthy streams; one of the request
/// itself stays. The client's `read_timeout` cannot be lifted, and it runs while the consumer is
/// busy: leave it unset, and use [`idle_timeout`](Self::idle_timeout).
///
/// Redirects are followed by reqwest, as the client says; every attempt starts from the URL given
/// here, so that a load balancer is asked again.
/// On a redirect to another origin (scheme, host or port) reqwest drops `Authorization`, `Cookie`
/// and `Proxy-Authorization`, but sends on `Last-Event-ID`, headers of your own naming, such as
/// `x-api-key`, and with 307 and 308 the body. It follows from https to http as well. And unless
/// the client is built with `referer(false)`, as the one for bare URLs is, it tells the target the
/// URL it comes from, query included. Where that matters give the client a
/// `reqwest::redirect::Policy`, or make it `https_only(true)`.
///
/// # Compression
///
/// Not asked for: a layer that compresses on the way tends to hold events back until its buffer is
/// full. Where the server flushes it with each event, ask for it, with reqwest's feature on
/// (`gzip`, `brotli`, `deflate`, `zstd`) and the header on the request:
///
/// ```
/// # use fetch_event_source::EventSource;
/// let client = reqwest::Client::new();
/// let request = client.get("http://127.0.0.1:3000/sse").header("accept-encoding", "gzip");
/// let source = EventSource::new(request);
/// # let _ = source;
/// ```
///
/// Each event is then out with the bytes that complete it. A body that is corrupt, or ends before
/// its coding does, is a connection that broke off: [`Error::Disconnected`]. With gzip reqwest reads
/// one member only: a server that compresses each event by itself ends the connection with each.
///
/// However much a body decodes to, what is kept of it is the decoder's window besides
/// [`max_event_size`](Self::max_event_size): 32 KiB for gzip and deflate, but up to 128 MiB for zstd
/// and 1 GiB for brotli, as the server says, and whether or not it was asked to compress. Where it is
/// not trusted, leave these features off, or use a client with `no_brotli()` and `no_zstd()`.
///
/// # A client of one's own
///
/// The one for bare URLs keeps no idle connections, so that each attempt resolves the name and
/// dials anew; gives up connecting after 30 s; and asks a silent connection every 30 s whether it
/// lives, by TCP keep-alive and by HTTP/2's, which wants its answer within 15 s. For a client of
/// one's own set the same, for a dead connection in a pool is taken again and again:
///
/// ```
/// # fn client() -> Result<reqwest::Client, reqwest::Error> {
/// use std::time::Duration;
///
/// let client = reqwest::Client::builder()
///     .pool_max_idle_per_host(0)
///     .connect_timeout(Duration::from_secs(30))
///     .tcp_keepalive(Duration::from_secs(30))
///     .referer(false); // the target of a redirect need not know the URL it comes from
/// # #[cfg(feature = "http2")]
/// let client = client
///     .http2_keep_alive_interval(Duration::from_secs(30))
///     .http2_keep_alive_timeout(Duration::from_secs(15))
///     .http2_keep_alive_while_idle(true); // without it, and without a pool, there is none
/// client.build()
/// # }
/// ```
///
/// HTTP/1.1 has nothing of the kind: there only [`idle_timeout`](Self::idle_timeout) and
/// [`response_timeout`](Self::response_timeout) find a server that hangs while its kernel answers.
///
/// A stream holds its connection for as long as it is open. Where a pool, a proxy or a server allows
/// few for each host (browsers allow six, with HTTP/1.1), others wait behind it. Streams that share a
/// connection of HTTP/2, as they do with a pool, share its window, 5 MiB by default. One whose
/// consumer does not read holds up to 2 MiB of that: with three of them nothing comes for the others.
/// Raise it with `http2_initial_connection_window_size`, or use no pool.
///
/// # What HTTP/2 does not tell
///
/// A stream that is reset with the code `NO_ERROR`, as some proxies do when what is behind them
/// breaks off, is one that broke off. But reqwest takes it for a clean end, and where one of its
/// decoders is built in (`gzip`, `brotli`, `deflate`, `zstd`), or [`fetch`](Self::fetch) sends, the
/// difference cannot be seen. Where it matters, wait for the end marker: [`until`](Self::until).
///
/// # Panics
///
/// Nothing here panics by itself. Polled outside of a tokio runtime with I/O and time enabled,
/// reqwest and tokio do. A panic of a function, hook or future of yours goes through to whoever
/// polls, and the source is over: its connection is closed, and a stream that is kept nevertheless
/// has ended.
#[must_use = "a source does nothing until it is polled: see `stream`, `signals` and `run`"]
pub struct EventSource<H = Hooks> {
    origin: Origin,
    options: Options,
    decide: Option<Decide>,
    shared: Owned,
    hooks: H,
}

/// Events from a URL, by GET: short for [`EventSource::get`].
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::fetch_event_source;
/// use futures_util::StreamExt;
///
/// let mut events = fetch_event_source("http://127.0.0.1:3000/sse").stream();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} {} {}", event.event_type(), event.last_event_id(), event.data());
/// }
/// println!("{:?}", events.finished());
/// # Ok(())
/// # }
/// ```
pub fn fetch_event_source(url: impl AsRef<str>) -> EventSource {
    EventSource::get(url)
}

/// `client.get(url).event_source()`, at the end of a request that was built:
///
/// ```
/// use fetch_event_source::RequestBuilderExt;
///
/// let client = reqwest::Client::new();
/// let events = client
///     .get("http://127.0.0.1:3000/sse")
///     .bearer_auth("token")
///     .event_source()
///     .stream();
/// # let _ = events;
/// ```
pub trait RequestBuilderExt {
    /// The source of this request's events: short for [`EventSource::new`].
    fn event_source(self) -> EventSource;
}

impl RequestBuilderExt for RequestBuilder {
    fn event_source(self) -> EventSource {
        EventSource::new(self)
    }
}

impl EventSource {
    /// A GET of this URL, by a client that all such sources of the process share.
    ///
    /// A URL that cannot be parsed is the first error that comes out.
    pub fn get(url: impl AsRef<str>) -> Self {
        Self::of(Origin::Url(url.as_ref().to_owned()))
    }

    /// Any request: method, headers, body and client are the caller's.
    ///
    /// It is cloned for each attempt. One whose body is a stream cannot be, so it is sent once; a
    /// retry that is due then fails with [`Error::NotCloneable`]. A request that cannot be built is
    /// the first error that comes out.
    ///
    /// ```
    /// use fetch_event_source::EventSource;
    ///
    /// let client = reqwest::Client::new();
    /// let question = client
    ///     .post("http://127.0.0.1:3000/chat")
    ///     .header("content-type", "application/json")
    ///     .body(r#"{"question": "Why?", "stream": true}"#);
    /// let events = EventSource::new(question).stream();
    /// # let _ = events;
    /// ```
    pub fn new(request: RequestBuilder) -> Self {
        Self::of(Origin::request(request))
    }

    /// Asks for the request before each attempt: for a fresh token, another URL, or a body that
    /// cannot be cloned. An error is final: [`Error::Request`].
    ///
    /// It is asked while the source is polled, one attempt at a time; [`Attempt`] says what came
    /// before. An order of [`Handle`]'s drops its future.
    ///
    /// ```no_run
    /// # async fn fresh_token() -> Result<String, fetch_event_source::BoxError> { todo!() }
    /// use fetch_event_source::EventSource;
    ///
    /// let client = reqwest::Client::new();
    /// let source = EventSource::from_fn(move |attempt| {
    ///     let client = client.clone();
    ///     async move {
    ///         println!("attempt {}", attempt.number());
    ///         Ok(client.get("http://127.0.0.1:3000/sse").bearer_auth(fresh_token().await?))
    ///     }
    /// });
    /// # let _ = source;
    /// ```
    pub fn from_fn<F, Fut>(request: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + Send + 'static,
        Fut: Future<Output = Result<RequestBuilder, BoxError>> + Send + 'static,
    {
        Self::of(Origin::factory(request))
    }

    /// The events, as a stream. What their JSON says, as a stream: `JsonStreamExt`, of the feature
    /// `json`.
    pub fn stream(self) -> EventStream {
        let (driver, decide, _) = self.into_driver(Audience::Events);
        EventStream::new(driver, decide)
    }

    /// The events and every change of state, as a stream: see [`Signal`](crate::Signal).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::{Signal, fetch_event_source};
    /// use futures_util::StreamExt;
    ///
    /// let mut signals = fetch_event_source("http://127.0.0.1:3000/sse").signals();
    /// while let Some(signal) = signals.next().await {
    ///     match signal? {
    ///         Signal::Open(response) => println!("open: {}", response.status()),
    ///         Signal::Event(event) => println!("{}", event.data()),
    ///         Signal::Retrying { delay, retries, .. } => println!("retry {retries} in {delay:?}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn signals(self) -> Signals {
        let (driver, decide, _) = self.into_driver(Audience::Everything);
        Signals::new(driver, decide)
    }

    fn of(origin: Origin) -> Self {
        let id = origin.last_event_id();
        let source = Self {
            origin,
            options: Options::default(),
            decide: None,
            shared: Owned::default(),
            hooks: Hooks::default(),
        };
        match id {
            Some(id) => source.last_event_id(id),
            None => source,
        }
    }
}

/// Options: the same for both styles, before or after hooks.
impl<H> EventSource<H> {
    /// Where an earlier process stopped: sent as `Last-Event-ID` with the first request. Default:
    /// none. An ID that no header can carry is the first error: [`Error::InvalidLastEventId`].
    pub fn last_event_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        self.shared.last_event_id().set(&id.as_str().into());
        self.options.last_event_id = Some(id);
        self
    }

    /// When to try again. Default: [`RetryPolicy::default()`], ten retries in a row, and a clean
    /// end is the end. For a subscription take [`RetryPolicy::persistent()`].
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// How long to wait for the response headers, from when the request is sent, connecting
    /// included; `None`: for ever, the default. Then it is retried, as
    /// [`Error::ResponseTimeout`].
    pub fn response_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.response = timeout.into();
        self
    }

    /// How long a stream may bring no byte at all, comments included; `None`: for ever, the
    /// default, as in the standard. Then the connection is taken for dead, and the attempt retried, as
    /// [`Error::IdleTimeout`]. Set it to three times the server's keep-alive interval or so: without it a connection whose peer is
    /// gone may stay open for ever.
    ///
    /// It stands still while nobody polls: a slow consumer is not an idle server. Where it is found
    /// overdue on a late poll, it starts again, at most eight times in a row.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.idle = timeout.into();
        self
    }

    /// How long a stream may bring no event; comments do not count. `None`: for ever, the default, for
    /// only you know how quiet the channel may be. Then it is retried, as [`Error::EventTimeout`].
    ///
    /// It stands still while nobody polls.
    pub fn event_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.options.clocks.event = timeout.into();
        self
    }

    /// The most that one event may take, in bytes: data, type, ID and unfinished line together.
    /// Default: 16 MiB, far above what servers send and far below what hurts. More is
    /// [`Error::EventTooLarge`], final, after all events before it.
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.options.max_event_size = bytes;
        self
    }

    /// Whether small chunks that are there already are read together, up to 64 of them or 16 KiB, and the
    /// chunk after them is kept if it is too much: for bodies of HTTP/2, or of [`fetch`](Self::fetch), that give each event a chunk of its own and are
    /// ahead of the consumer. Such chunks then take less than half of the time, which is 0.2 µs each.
    /// (By HTTP/1.1 there is mostly one at a time.) Default: `false`, nothing is read before it is asked
    /// for.
    ///
    /// What is read ahead is delivered in its order, and nothing waits for more. But a body is then asked
    /// for more while its events are not delivered yet. Leave it off where the body has a timeout of its
    /// own, such as the `read_timeout` of a client: it would run while the consumer is busy. A body that
    /// blocks the thread holds back what it has given; one that panics takes it along.
    pub fn read_ahead(mut self, read_ahead: bool) -> Self {
        self.options.reads_ahead = read_ahead;
        self
    }

    /// One more content type that opens a stream, besides `text/event-stream`; parameters are
    /// ignored. Some LLM servers stream as `text/plain`. Default: no other. It takes whole names
    /// only: `text/*`, or what is no content type, never matches.
    pub fn accept_content_type(mut self, essence: impl AsRef<str>) -> Self {
        self.options
            .accepted_types
            .extend(parse_essence(essence.as_ref()));
        self
    }

    /// One more look at a good response, before it is open. An error is final:
    /// [`Error::Validate`]. It comes after the check of status and content type, not instead.
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
        F: FnMut(&ResponseHead) -> Result<(), BoxError> + Send + 'static,
    {
        self.options.calls.validate = Some(Box::new(validate));
        self
    }

    /// The end marker: the event for which this is true is not delivered, and ends the source with
    /// [`Finished::Done`]. A stream that ends before it is [`Error::Incomplete`], so that a
    /// truncated answer is told from a whole one. Default: none; a clean end is a good end.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let answer = EventSource::get("http://127.0.0.1:3000/answer")
    ///     .until(|event| event.data() == "[DONE]")
    ///     .stream();
    /// # let _ = answer;
    /// ```
    pub fn until<F>(mut self, is_end: F) -> Self
    where
        F: FnMut(&Event) -> bool + Send + 'static,
    {
        self.options.calls.until = Some(Box::new(is_end));
        self
    }

    /// What to do about each failure: [`on_error`](Self::on_error)'s decision for streams,
    /// synchronous. Not asked where `on_error` is set. Default: what the policy says.
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// use std::time::Duration;
    ///
    /// let events = EventSource::get("http://127.0.0.1:3000/sse")
    ///     .decide(|failure| match failure.error().status() {
    ///         Some(status) if status == 409 => failure.retry_after(Duration::from_secs(5)),
    ///         _ => failure.proceed(),
    ///     })
    ///     .stream();
    /// # let _ = events;
    /// ```
    pub fn decide<F, R>(mut self, mut decide: F) -> Self
    where
        F: FnMut(&Failure) -> R + Send + 'static,
        R: IntoAction,
    {
        self.decide = Some(Box::new(move |failure| decide(failure).into_action()));
        self
    }

    /// How requests are sent, in place of the request's own client: by a middleware, another
    /// version of reqwest, another client, or from a recording. An error counts as no response. For
    /// tests there is a scripted one: `testing::ScriptedServer`, of the feature `testing`.
    ///
    /// It is shown as it is: where it wraps one of reqwest's, which print their URL, take that out
    /// by `without_url`. (From a `reqwest::Error` itself it is taken.) One that is, or is caused by,
    /// an [`io::Error`](std::io::Error) of the kind `ConnectionRefused` says that the server saw
    /// nothing of the request, so that a POST may be sent again.
    ///
    /// The clocks run and [`Handle`] works as ever: they drop its future. The guide has recipes for
    /// reqwest-middleware, reqwest 0.12, hyper and recorded responses. Through a second client:
    ///
    /// ```
    /// # use fetch_event_source::EventSource;
    /// let client = reqwest::Client::new();
    /// let events = EventSource::get("http://127.0.0.1:3000/sse")
    ///     .fetch(move |request| {
    ///         let client = client.clone();
    ///         async move { Ok(client.execute(request).await?) }
    ///     })
    ///     .stream();
    /// # let _ = events;
    /// ```
    pub fn fetch<F, Fut>(mut self, mut fetch: F) -> Self
    where
        F: FnMut(Request) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Response, BoxError>> + Send + 'static,
    {
        self.options.calls.fetch = Some(Box::new(move |request| Box::pin(fetch(request))));
        self
    }

    /// Ends the source when this future ends: with [`Finished::Aborted`], nothing is delivered
    /// after. It is looked at whenever the source is polled, while a hook runs too: the connection
    /// is closed at once, and it ends when the hook is through. (Nobody polls a stream whose reader
    /// is busy: for that there is [`Handle::close`].) Default: nothing ends it.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// # use fetch_event_source::{Finished, fetch_event_source};
    /// let finished = fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .abort_on(tokio::signal::ctrl_c())
    ///     .on_message(async |event| println!("{}", event.data()))
    ///     .run()
    ///     .await?;
    /// assert_eq!(finished, Finished::Aborted);
    /// # Ok(())
    /// # }
    /// ```
    pub fn abort_on<F>(mut self, abort: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.options.calls.abort = Some(Box::pin(async move {
            abort.await;
        }));
        self
    }

    /// To steer it from elsewhere: close, pause, resume, reconnect. To be taken before the source
    /// becomes a stream or a future; streams have it, too.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.shared.handle()
    }

    fn into_driver(self, audience: Audience) -> (Driver, Option<Decide>, H) {
        let Self {
            origin,
            options,
            decide,
            shared,
            hooks,
        } = self;
        (
            Driver::new(origin, options, shared, audience),
            decide,
            hooks,
        )
    }

    fn with_hooks<I>(self, set: impl FnOnce(H) -> I) -> EventSource<I> {
        let Self {
            origin,
            options,
            decide,
            shared,
            hooks,
        } = self;
        EventSource {
            origin,
            options,
            decide,
            shared,
            hooks: set(hooks),
        }
    }
}

/// Hooks: async closures, called one at a time and in order. They may await, and borrow and change
/// what they capture.
///
/// Two hooks that change the same local need a `Cell` or a `Mutex`:
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::Error> {
/// use fetch_event_source::fetch_event_source;
/// use std::cell::Cell;
///
/// let events = Cell::new(0);
/// fetch_event_source("http://127.0.0.1:3000/sse")
///     .on_open(async |_| events.set(0))
///     .on_message(async |_| events.set(events.get() + 1))
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
///
/// A task that is spawned needs hooks that own what they use: `async move`. A hook that borrows a
/// local of an async block which itself must be `Send` is not accepted by today's compiler
/// ("higher-ranked lifetime error"): let the hook own it, or take the [`stream`](EventSource::stream).
impl<O, M, E, C> EventSource<Hooks<O, M, E, C>> {
    /// Called each time a stream is open, before its first event. Status and content type were
    /// checked before. Returns `()`, a `ControlFlow`, or a `Result` of either: see [`IntoFlow`].
    ///
    /// An answer that comes from the start with each attempt is begun anew here:
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// # use fetch_event_source::fetch_event_source;
    /// let answer = std::cell::RefCell::new(String::new());
    /// fetch_event_source("http://127.0.0.1:3000/answer")
    ///     .on_open(async |_| answer.borrow_mut().clear())
    ///     .on_message(async |event| answer.borrow_mut().push_str(event.data()))
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_open<F, R>(self, on_open: F) -> EventSource<Hooks<Hook<F, R>, M, E, C>>
    where
        F: AsyncFnMut(&ResponseHead) -> R,
        R: IntoFlow,
    {
        self.with_hooks(|set| Hooks {
            open: Hook::new(on_open),
            message: set.message,
            error: set.error,
            close: set.close,
        })
    }

    /// Called with each event. The next is read when it has come back, so a slow one slows the
    /// server down. Its event's ID counts as delivered when it came back without an error: one that
    /// was cancelled or failed gets its event again, after a restart from
    /// [`Handle::last_event_id`]. Returns `()`, a `ControlFlow`, or a `Result` of either: see
    /// [`IntoFlow`].
    pub fn on_message<F, R>(self, on_message: F) -> EventSource<Hooks<O, Hook<F, R>, E, C>>
    where
        F: AsyncFnMut(Event) -> R,
        R: IntoFlow,
    {
        self.with_hooks(|set| Hooks {
            open: set.open,
            message: Hook::new(on_message),
            error: set.error,
            close: set.close,
        })
    }

    /// Called with each failure, those included that the policy takes as final. Says what to do:
    /// an [`Action`](crate::Action) made from the failure, `()` for what the policy would do, or a
    /// `Result` of either: see [`IntoAction`]. Not called for what a hook returned.
    ///
    /// ```no_run
    /// # async fn renew_session() {}
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::{fetch_event_source, reqwest::StatusCode};
    ///
    /// fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .on_message(async |event| println!("{}", event.data()))
    ///     .on_error(async |failure| match failure.error().status() {
    ///         Some(StatusCode::UNAUTHORIZED) if failure.retries() == 0 => {
    ///             renew_session().await;
    ///             failure.retry()
    ///         }
    ///         _ => failure.proceed(),
    ///     })
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_error<F, R>(self, on_error: F) -> EventSource<Hooks<O, M, Hook<F, R>, C>>
    where
        F: AsyncFnMut(&Failure) -> R,
        R: IntoAction,
    {
        self.with_hooks(|set| Hooks {
            open: set.open,
            message: set.message,
            error: Hook::new(on_error),
            close: set.close,
        })
    }

    /// Called when the server ended the stream cleanly; not for a 204, the end marker, or an
    /// abort. (Where [`until`](Self::until) is set, an end before the marker is a failure:
    /// [`Error::Incomplete`], for [`on_error`](Self::on_error).) Says what to do: an
    /// [`Action`](crate::Action) made from the end, `()` for what the policy would do, or a `Result`
    /// of either: see [`IntoAction`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::fetch_event_source;
    /// use std::time::Duration;
    ///
    /// fetch_event_source("http://127.0.0.1:3000/results") // in batches: one stream each
    ///     .on_message(async |event| println!("{}", event.data()))
    ///     .on_close(async |end| end.reconnect_after(Duration::from_secs(60)))
    ///     .run()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_close<F, R>(self, on_close: F) -> EventSource<Hooks<O, M, E, Hook<F, R>>>
    where
        F: AsyncFnMut(&StreamEnd) -> R,
        R: IntoAction,
    {
        self.with_hooks(|set| Hooks {
            open: set.open,
            message: set.message,
            error: set.error,
            close: Hook::new(on_close),
        })
    }

    /// Connects, calls the hooks, reconnects, until it is over: then says why.
    ///
    /// A source with hooks has no `.stream()`. To keep one in a struct, box what `run` gives:
    ///
    /// ```
    /// use fetch_event_source::{Error, EventSource, Finished};
    /// use std::pin::Pin;
    ///
    /// struct Subscription {
    ///     running: Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>,
    /// }
    ///
    /// let source = EventSource::get("http://127.0.0.1:3000/sse")
    ///     .on_message(async |event| println!("{}", event.data()));
    /// let subscription = Subscription { running: Box::pin(source.run()) };
    /// # drop(subscription.running);
    /// ```
    ///
    /// # Errors
    ///
    /// The last failure, where the policy or a hook did not retry it, or the error of a hook, as
    /// [`Error::Hook`].
    ///
    /// # Cancel safety
    ///
    /// Dropped is closed. An event whose `on_message` did not come back is not delivered: its ID is
    /// not in [`Handle::last_event_id`].
    pub fn run(self) -> impl Future<Output = Result<Finished, Error>>
    where
        O: OnOpen,
        M: OnMessage,
        E: OnError,
        C: OnClose,
    {
        let (driver, decide, hooks) = self.into_driver(Audience::Hooks);
        hooks::run(driver, decide, hooks)
    }
}

impl<H> fmt::Debug for EventSource<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("policy", &self.options.policy)
            .field("clocks", &self.options.clocks)
            .finish_non_exhaustive()
    }
}
