//! A source that is not connected yet: how it is made, and how it is taken.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::task::Poll;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, StatusCode};
use sync_wrapper::SyncWrapper;

use crate::bounds::{BoxError, MaybeSend};
use crate::client::control::ControlOwner;
use crate::client::driver::{Driver, SignalFilter};
use crate::client::error::Error;
use crate::client::finished::Finished;
use crate::client::handle::Handle;
use crate::client::http::body::Chunks;
use crate::client::http::exchange::{Exchange, Incoming};
use crate::client::http::request_source::{
    Attempt, Connections, IntoConnection, IntoRequest, IntoResponse, Maker, RequestSource,
};
use crate::client::http::response::ResponseHead;
use crate::client::options::Options;
use crate::client::platform::Transport;
use crate::client::stream::{EventStream, Signals};

/// A source of events that is not yet connected: nothing is sent before it is polled.
///
/// | I want | method |
/// |---|---|
/// | the events of a URL | [`get`](Self::get), or [`fetch_event_source`](crate::fetch_event_source()) |
/// | … of a POST, with headers and a body | [`new`](Self::new) |
/// | a fresh token for each attempt | [`from_fn`](Self::from_fn) |
/// | another HTTP stack: hyper, reqwest 0.12, a tower service | [`connect_with`](Self::connect_with) |
/// | the events of a response, or of bytes, that I have | [`from_response`](Self::from_response), [`from_body`](Self::from_body) |
/// | a `Stream` of events | [`stream`](Self::stream) |
/// | callbacks | [`on_message`](Self::on_message) and the others, then [`run`](Self::run) |
/// | to know that it opened before I read | [`open`](Self::open) |
/// | all that happens, retries included | [`signals`](Self::signals) |
/// | to stop, pause or reconnect from elsewhere | [`handle`](Self::handle), [`abort_on`](Self::abort_on) |
/// | to say when to retry | [`retry`](Self::retry), [`on_error`](Self::on_error) |
/// | to find a dead connection | [`idle_timeout`](Self::idle_timeout) and the other clocks |
/// | to tell a whole answer from a truncated one | [`until`](Self::until) |
/// | to go on where an earlier process stopped | [`last_event_id`](Self::last_event_id) |
///
/// ```no_run
/// # async fn example() -> Result<(), fetch_event_source::BoxError> {
/// use fetch_event_source::EventSource;
///
/// let client = reqwest::Client::new();
/// let mut answer = String::new();
/// let finished = EventSource::new(client.post("http://127.0.0.1:3000/chat").body("Why?"))
///     .until(|event| event.data() == "[DONE]")
///     .on_open(|response| println!("{}", response.status()))
///     .on_message(|event| answer.push_str(event.data()))
///     .run()
///     .await?;
/// println!("{answer} ({finished:?})");
/// # Ok(())
/// # }
/// ```
///
/// `'h` is what hooks and predicates borrow: `EventSource<'static>` in a struct. Hooks do not change the
/// type. It is covariant in `'h`, so a function that takes an `EventSource<'_>` may be given any, and set a
/// hook that borrows a local.
///
/// # The request
///
/// `Accept: text/event-stream`, `Cache-Control: no-cache` and `Accept-Encoding: identity` are set unless the
/// request has them. (The default headers of a client cannot be seen, and are overridden: set them on the
/// request.) `Last-Event-ID` is set by what was delivered.
///
/// A total timeout of the client is lifted, for it would cut healthy streams; a timeout of the request
/// stays. The client's `read_timeout` cannot be lifted, and it runs while the consumer is busy: leave it
/// unset, and use [`idle_timeout`](Self::idle_timeout).
///
/// Redirects are followed by the HTTP stack. Each attempt starts from the URL given here. What a client of
/// your own should set, what a redirect gives away, compression and HTTP/2 are in the guide:
/// [HTTP clients](crate::guide::http_clients).
///
/// # Panics
///
/// Nothing here panics by itself. Polled outside of a tokio runtime with I/O and time enabled, reqwest and
/// tokio do. A panic of your function, hook or future goes through to the poller, and the source is over:
/// its connection is closed, and a stream that is kept nevertheless has ended.
#[must_use = "a source does nothing until it is polled: see `stream`, `signals`, `open` and `run`"]
pub struct EventSource<'h> {
    requests: SyncWrapper<RequestSource>,
    pub(crate) options: Options<'h>,
    control: ControlOwner,
}

/// How a source is made. What makes connections is `'static`, because a [`Handle`] can drop it.
impl EventSource<'static> {
    /// Any request: method, headers, body and client are yours.
    ///
    /// It is cloned for each attempt. One whose body is a stream cannot be cloned, so it is sent once; a retry
    /// that is due then fails with [`ErrorKind::NotCloneable`](crate::ErrorKind::NotCloneable). A request that
    /// cannot be built is the first error that comes out. A `Last-Event-ID` header on it is where the source
    /// starts, as with [`last_event_id`](Self::last_event_id).
    #[cfg_attr(feature = "reqwest", doc = "```")]
    #[cfg_attr(not(feature = "reqwest"), doc = "```ignore")]
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
    #[doc(alias = "post")]
    pub fn new(request: impl IntoRequest) -> Self {
        Self::of(RequestSource::Template(request.into_template().0))
    }

    /// Asks for the request before each attempt: for a fresh token, another URL, or a body that cannot be
    /// cloned.
    ///
    /// It is asked while the source is polled, one attempt at a time; [`Attempt`] says what came before. An
    /// order of a [`Handle`] drops its future. [`response_timeout`](Self::response_timeout) runs meanwhile. An
    /// error is [`ErrorKind::MakeRequest`](crate::ErrorKind::MakeRequest): retried if it is transient (see
    /// [`transient`](crate::transient)), else final.
    ///
    /// A `Last-Event-ID` header on the request, an empty one included, replaces ours, and the source goes on
    /// from there. So a constant one rewinds on every attempt. Without the header ours is set.
    ///
    /// ```no_run
    /// # #[derive(Clone)] struct Tokens;
    /// # impl Tokens { async fn fresh(&self) -> Result<String, fetch_event_source::BoxError> { todo!() } }
    /// # let tokens = Tokens;
    /// use fetch_event_source::EventSource;
    ///
    /// let client = reqwest::Client::new();
    /// let source = EventSource::from_fn(move |attempt| {
    ///     let (client, tokens) = (client.clone(), tokens.clone());
    ///     async move {
    ///         println!("attempt {}", attempt.number());
    ///         Ok(client.get("http://127.0.0.1:3000/sse").bearer_auth(tokens.fresh().await?))
    ///     }
    /// });
    /// # let _ = source;
    /// ```
    #[doc(alias = "token")]
    #[doc(alias = "bearer")]
    #[doc(alias = "auth")]
    pub fn from_fn<F, Fut, R>(request: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<R, BoxError>> + MaybeSend + 'static,
        R: IntoRequest + 'static,
    {
        Self::of(Connections::of_requests(Maker::new(request)).0)
    }

    /// Sends each request by this function: hyper, reqwest 0.12, a tower service, a middleware. It gives a
    /// response whose body is unread.
    ///
    /// The method is not known here and counts as not idempotent: a GET says so by
    /// [`idempotent(true)`](Self::idempotent), or it is not repeated once the server may have acted.
    ///
    /// ```
    /// # type Body = http_body_util::Full<bytes::Bytes>;
    /// # async fn send(_: http::Request<()>) -> Result<http::Response<Body>, std::io::Error> { todo!() }
    /// use fetch_event_source::EventSource;
    ///
    /// let source = EventSource::connect_with(|attempt| async move {
    ///     let mut request = http::Request::get("http://127.0.0.1:3000/sse").body(())?;
    ///     request.headers_mut().extend(attempt.headers().clone());
    ///     Ok(send(request).await?)
    /// })
    /// .idempotent(true);
    /// # drop(source);
    /// ```
    ///
    /// Who does what: your stack resolves, connects, follows redirects, and sets its own headers; the source
    /// judges status and content type, reads the body, runs the clocks and reconnects. An error is
    /// [`ErrorKind::NoResponse`](crate::ErrorKind::NoResponse), and retried, unless its chain says that a retry
    /// is futile. Only an [`io::Error`](std::io::Error) of the kind `ConnectionRefused` in the chain, or a
    /// connect error of reqwest, says that nothing was sent. A redirect that your stack does not follow is
    /// [`ErrorKind::Status`](crate::ErrorKind::Status).
    #[doc(alias = "hyper")]
    #[doc(alias = "tower")]
    #[doc(alias = "middleware")]
    pub fn connect_with<F, Fut, R>(connect: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<R, BoxError>> + MaybeSend + 'static,
        R: IntoResponse + 'static,
    {
        Self::of(Connections::of_responses(Maker::new(connect)).0)
    }

    /// The events of a response that is there already.
    ///
    /// It is the first attempt: its status and content type are judged as ever, and the clocks run. The
    /// request behind it counts as sent and not idempotent. There is no second attempt, unless
    /// [`reconnect_with`](Self::reconnect_with) makes one: a clean end finishes, and a failure is final.
    ///
    /// A [`Handle`] that closes or pauses the source drops the response at once, polled or not.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::BoxError> {
    /// use fetch_event_source::EventSource;
    ///
    /// let response = reqwest::get("http://127.0.0.1:3000/sse").await?;
    /// let mut events = EventSource::from_response(response).stream();
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.data());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_response(response: impl IntoResponse) -> Self {
        Self::in_hand(response.into_incoming().0, false)
    }

    /// The events of a body: any stream of `Result<impl Into<Bytes>, E>`. As
    /// [`from_response`](Self::from_response), with the head of an empty 200: `on_open` is called with it, and
    /// `validate` and the content type are not asked.
    ///
    /// For bytes alone, without clocks, hooks and handles, there is [`events`](crate::events()).
    pub fn from_body<S, B, E>(body: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + MaybeSend + 'static,
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        let headers = HeaderMap::new();
        let head = ResponseHead::new(StatusCode::OK, &headers, None, Transport::default());
        let response = Incoming {
            head,
            body: Box::new(Chunks(Box::pin(body))),
        };
        Self::in_hand(response, true)
    }

    fn in_hand(response: Incoming, is_bare: bool) -> Self {
        let source = Self::of(RequestSource::InHand {
            is_bare,
            is_begun: false,
            then: None,
        });
        let response = Box::pin(ready(Ok(response)));
        source.control.put_exchange(Exchange::Sending(response));
        source.control.set_only_one(true); // until more is known
        source
    }

    /// The events, as a stream.
    ///
    /// As JSON: `JsonStreamExt`, of the feature `json`.
    #[doc(alias = "subscribe")]
    pub fn stream(self) -> EventStream {
        EventStream::new(self.into_driver(SignalFilter::Events))
    }

    /// The events and every change of state, as a stream: see [`Signal`](crate::Signal).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::{Signal, fetch_event_source};
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
        Signals::new(self.into_driver(SignalFilter::Everything))
    }

    /// Connects, following the policy, until a response opens; then gives its head and the events. So an API
    /// of yours can fail before it hands out a stream.
    ///
    /// After a 204, or a `Break` of `on_open`, the stream has ended.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::Error> {
    /// use fetch_event_source::{RetryPolicy, fetch_event_source};
    ///
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse").retry(RetryPolicy::interactive());
    /// let (head, mut events) = source.open().await?;
    /// println!("{:?}", head.headers().get("x-request-id"));
    /// while let Some(event) = events.next().await {
    ///     println!("{}", event?.data());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The last failure, where the policy or a hook did not retry it.
    /// [`ErrorKind::NeverOpened`](crate::ErrorKind::NeverOpened) if the source ended without an error before
    /// anything opened.
    ///
    /// # Cancel safety
    ///
    /// Dropped is closed.
    pub fn open(
        self,
    ) -> impl Future<Output = Result<(ResponseHead, EventStream), Error>> + use<> + Unpin {
        let mut driver = Some(self.into_driver(SignalFilter::Opening));
        poll_fn(move |cx| {
            let Some(opening) = &mut driver else {
                return Poll::Pending; // polled after its end
            };
            let opened = std::task::ready!(opening.poll_opened(cx));
            let driver = driver.take().expect("it was polled");
            Poll::Ready(opened.map(|head| (head, EventStream::new(driver))))
        })
    }

    pub(crate) fn of(requests: RequestSource) -> Self {
        let options = Options {
            last_event_id: requests.last_event_id(),
            ..Options::default()
        };
        Self {
            requests: SyncWrapper::new(requests),
            options,
            control: ControlOwner::default(),
        }
    }
}

impl<'h> EventSource<'h> {
    /// Makes the attempts after the response, or body, that is [in hand](Self::from_response): gives a request
    /// as [`from_fn`](Self::from_fn) does, or a response as [`connect_with`](Self::connect_with) does. Another
    /// source ignores it.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fetch_event_source::BoxError> {
    /// use fetch_event_source::{EventSource, RetryPolicy};
    ///
    /// let client = reqwest::Client::new();
    /// let response = client.get("http://127.0.0.1:3000/sse").send().await?;
    /// let mut events = EventSource::from_response(response)
    ///     .reconnect_with(move |_| {
    ///         let client = client.clone();
    ///         async move { Ok(client.get("http://127.0.0.1:3000/sse")) }
    ///     })
    ///     .retry(RetryPolicy::persistent())
    ///     .stream();
    /// # let _ = events.next().await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconnect_with<F, Fut, C>(mut self, connect: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<C, BoxError>> + MaybeSend + 'static,
        C: IntoConnection + 'static,
    {
        if let RequestSource::InHand { then, .. } = self.requests.get_mut() {
            *then = Some(Box::new(C::connections(Maker::new(connect)).0));
        }
        self
    }

    /// Steers the source from elsewhere: close, pause, resume, reconnect. Take it before the source becomes
    /// a stream or a future; streams have it, too.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let id = self.options.last_event_id.as_deref();
        Handle::of(self.control.share(&id.unwrap_or_default().into()))
    }

    /// Connects, calls the hooks, reconnects, until it is over: then says why.
    ///
    /// An event counts as delivered when its `on_message` came back without an error. To keep a running source
    /// in a struct, box what `run` gives, or spawn it.
    ///
    /// ```
    /// use fetch_event_source::{Error, Finished, fetch_event_source};
    /// use std::pin::Pin;
    ///
    /// struct Subscription {
    ///     running: Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>,
    /// }
    ///
    /// let source = fetch_event_source("http://127.0.0.1:3000/sse")
    ///     .on_message(|event| println!("{}", event.data()));
    /// let subscription = Subscription { running: Box::pin(source.run()) };
    /// # drop(subscription.running);
    /// ```
    ///
    /// # Errors
    ///
    /// The last failure, where the policy or a hook did not retry it.
    ///
    /// # Cancel safety
    ///
    /// Dropped is closed. An event whose `on_message` did not come back is not delivered: its ID is not in
    /// [`Handle::last_event_id`].
    pub fn run(self) -> impl Future<Output = Result<Finished, Error>> + Unpin + use<'h> {
        let mut driver = self.into_driver(SignalFilter::Nothing);
        poll_fn(move |cx| driver.poll_run(cx))
    }

    fn into_driver(self, filter: SignalFilter) -> Driver<'h> {
        Driver::new(self.requests, self.options, self.control, filter)
    }
}

impl fmt::Debug for EventSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSource")
            .field("policy", &self.options.policy)
            .field("clocks", &self.options.clocks)
            .finish_non_exhaustive()
    }
}
