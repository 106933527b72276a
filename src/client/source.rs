//! A source that is not connected yet: its constructors, and the styles of reading it.

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
    Attempt, Connections, IntoConnection, IntoRequest, IntoResponse, RequestSource, maker,
};
use crate::client::http::response::ResponseHead;
use crate::client::options::Options;
use crate::client::platform::Transport;
use crate::client::stream::{EventStream, Signals};

/// A source of events that is not connected yet: it sends nothing before it is polled.
///
/// | I want | method |
/// |---|---|
/// | the events of a URL | [`get`](Self::get), or [`fetch_event_source`](crate::fetch_event_source()) |
/// | … of a POST, or of a request with headers or a token | [`new`](Self::new) |
/// | a fresh token for each attempt | [`from_fn`](Self::from_fn) |
/// | another HTTP stack: hyper, reqwest 0.12, a tower service | [`connect_with`](Self::connect_with) |
/// | the events of a response, or of bytes, that I have | [`from_response`](Self::from_response), [`from_body`](Self::from_body) |
/// | a `Stream` of events | [`stream`](Self::stream); as JSON, [`JsonStreamExt`](crate::JsonStreamExt) |
/// | callbacks | [`on_message`](Self::on_message), [`on_open`](Self::on_open), [`on_error`](Self::on_error), [`on_close`](Self::on_close), then [`run`](Self::run) |
/// | to know that the stream opened before I read | [`open`](Self::open) |
/// | events, comments, retries and every other change | [`signals`](Self::signals) |
/// | to cancel with a token or a deadline | [`abort_on`](Self::abort_on): `abort_on(token.cancelled_owned())` |
/// | to close, pause, resume or reconnect from elsewhere | [`handle`](Self::handle) |
/// | to choose when to retry | [`retry`](Self::retry), [`on_error`](Self::on_error) |
/// | to allow a POST to be sent again | [`idempotent`](Self::idempotent), [`RetryPolicy::replay_non_idempotent`](crate::RetryPolicy::replay_non_idempotent) |
/// | to detect a dead connection | [`idle_timeout`](Self::idle_timeout), and [other timeouts](crate::guide::timeouts) |
/// | to tell a whole answer from a truncated one | [`until`](Self::until) |
/// | to resume where an earlier process stopped | [`last_event_id`](Self::last_event_id) |
/// | to accept another content type or status | [`allow_content_type`](Self::allow_content_type), [`allow_status`](Self::allow_status) |
/// | to test without a network | [`ScriptedServer`](crate::testing::ScriptedServer) |
/// | the HTTP client's proxy, TLS, redirects, compression | [HTTP clients](crate::guide::http_clients) |
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
/// # The lifetime
///
/// `'h` is what hooks and predicates borrow. In a struct it is `EventSource<'static>`. Hooks do not change
/// the type. It is covariant in `'h`: a function that takes an `EventSource<'_>` accepts any source, and may
/// set a hook that borrows a local variable.
///
/// # The request
///
/// The source sets `Accept: text/event-stream`, `Cache-Control: no-cache` and `Accept-Encoding: identity`,
/// unless the request has them. (It cannot see the default headers of a client, and overrides them: set them
/// on the request.) It sets `Last-Event-ID` to the ID of the last event that was delivered.
///
/// It lifts a total timeout of the client, which would cut healthy streams; a timeout of the request stays.
/// It cannot lift the client's `read_timeout`, which also runs while the consumer is busy: leave it unset,
/// and use [`idle_timeout`](Self::idle_timeout).
///
/// The HTTP stack follows redirects. Each attempt starts from the original URL.
///
/// # Panics
///
/// reqwest and tokio panic if the source is polled outside of a tokio runtime with I/O and time enabled. A
/// panic of your function, hook or future reaches the poller. It ends the source and closes its connection;
/// a stream that you keep afterwards has ended.
#[doc(alias("axum", "sse", "server-sent events", "proxy"))]
#[must_use = "a source does nothing until it is polled: see `stream`, `signals`, `open` and `run`"]
pub struct EventSource<'h> {
    requests: SyncWrapper<RequestSource>,
    pub(crate) options: Options<'h>,
    control: ControlOwner,
}

/// Constructors. Functions that make connections are `'static`, because a [`Handle`] can drop them.
impl EventSource<'static> {
    /// The events of any request: you choose method, headers, body and client.
    ///
    /// Each attempt sends a clone of the request. A request whose body is a stream cannot be cloned and is
    /// sent once; if a retry is due, the source fails with
    /// [`ErrorKind::NotCloneable`](crate::ErrorKind::NotCloneable). A request that cannot be built is the
    /// first error. The source starts from a `Last-Event-ID` header on the request, as with
    /// [`last_event_id`](Self::last_event_id).
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

    /// Calls this function for the request of each attempt: for a fresh token, another URL, or a body that
    /// cannot be cloned.
    ///
    /// The function runs while the source is polled, one attempt at a time. [`Attempt`] has the number, the
    /// last event ID and the failure before. A command of a [`Handle`] drops the future, and
    /// [`response_timeout`](Self::response_timeout) includes it. An error of the function is
    /// [`ErrorKind::MakeRequest`](crate::ErrorKind::MakeRequest). It is retried if it is transient (see
    /// [`transient`](crate::transient)), otherwise final.
    ///
    /// A `Last-Event-ID` header on the request, even an empty one, replaces ours, and the source continues
    /// from it. So a constant header goes back on every attempt. Without the header the source sets its own.
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
    #[doc(alias("token", "bearer", "auth", "authorization", "refresh"))]
    pub fn from_fn<F, Fut, R>(request: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<R, BoxError>> + MaybeSend + 'static,
        R: IntoRequest + 'static,
    {
        Self::of(Connections::of_requests(maker(request)).0)
    }

    /// Sends each request with this function: hyper, reqwest 0.12, a tower service, middleware. It returns a
    /// response with an unread body.
    ///
    /// The source does not know the method and assumes that it is not idempotent. For a GET set
    /// [`idempotent(true)`](Self::idempotent), or it is not repeated once the server may have acted on it.
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
    /// Your stack resolves names, connects, follows redirects and sets its own headers. The source checks
    /// status and content type, reads the body, runs the timeouts and reconnects. An error of the function is
    /// [`ErrorKind::NoResponse`](crate::ErrorKind::NoResponse), and retried unless its chain shows that a retry
    /// is futile. Only an [`io::Error`](std::io::Error) of kind `ConnectionRefused` in the chain, or a connect
    /// error of reqwest, proves that nothing was sent. A redirect that your stack does not follow is
    /// [`ErrorKind::Status`](crate::ErrorKind::Status).
    #[doc(alias("hyper", "tower", "middleware"))]
    pub fn connect_with<F, Fut, R>(connect: F) -> Self
    where
        F: FnMut(Attempt) -> Fut + MaybeSend + 'static,
        Fut: Future<Output = Result<R, BoxError>> + MaybeSend + 'static,
        R: IntoResponse + 'static,
    {
        Self::of(Connections::of_responses(maker(connect)).0)
    }

    /// The events of a response that you have.
    ///
    /// The response is the first attempt: its status and content type are checked, and the timeouts run. Its
    /// request counts as sent and not idempotent. There is no second attempt, unless
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

    /// The events of a body: any stream of `Result<impl Into<Bytes>, E>`.
    ///
    /// It works as [`from_response`](Self::from_response) with a status 200 and no headers. `on_open` gets
    /// this head; `validate` and the content type are not checked. For bytes without timeouts, hooks and
    /// handles, use [`events`](crate::events()).
    pub fn from_body<S, B, E>(body: S) -> Self
    where
        S: Stream<Item = Result<B, E>> + MaybeSend + 'static,
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        let headers = HeaderMap::new();
        let head = ResponseHead::new(StatusCode::OK, &headers, None, Transport::default());
        Self::in_hand(Incoming::new(head, Chunks(Box::pin(body))), true)
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

    /// Returns the events as a stream.
    ///
    /// [`JsonStreamExt`](crate::JsonStreamExt) (feature `json`) turns it into a stream of values.
    #[doc(alias("subscribe", "connect"))]
    pub fn stream(self) -> EventStream {
        EventStream::new(self.into_driver(SignalFilter::Events))
    }

    /// Returns events, comments, retries and every other change as a stream: see [`Signals`].
    pub fn signals(self) -> Signals {
        Signals::new(self.into_driver(SignalFilter::Everything))
    }

    /// Connects, with retries by the policy, until a response opens. Returns its head and the events, so your
    /// own API can fail before it returns a stream.
    ///
    /// After a 204, or a `Break` of `on_open`, the stream has already ended.
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
    /// The last failure, if neither the policy nor a hook retried it.
    /// [`ErrorKind::NeverOpened`](crate::ErrorKind::NeverOpened) if the source ended without an error before
    /// a response opened.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the source.
    pub fn open(
        self,
    ) -> impl Future<Output = Result<(ResponseHead, EventStream), Error>> + use<> + Unpin {
        let mut driver = Some(self.into_driver(SignalFilter::Opening));
        poll_fn(move |cx| {
            let Some(opening) = &mut driver else {
                return Poll::Pending; // polled after completion
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
    /// Makes the attempts after the first response or body of [`from_response`](Self::from_response) and
    /// [`from_body`](Self::from_body). The function returns a request, as for [`from_fn`](Self::from_fn), or a
    /// response, as for [`connect_with`](Self::connect_with). Other sources ignore it.
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
            *then = Some(Box::new(C::connections(maker(connect)).0));
        }
        self
    }

    /// Returns a handle that closes, pauses, resumes and reconnects the source from elsewhere. Take it before
    /// [`run`](Self::run); a stream has the same method.
    #[doc(alias("cancel", "stop"))]
    #[must_use]
    pub fn handle(&self) -> Handle {
        let id = self.options.last_event_id.as_deref();
        Handle::of(self.control.share(&id.unwrap_or_default().into()))
    }

    /// Connects, calls the hooks and reconnects until the source ends. Returns why it ended.
    ///
    /// An event counts as delivered when its `on_message` finished without an error. To keep a running source
    /// in a struct, box the future of `run`, or spawn it.
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
    /// The last failure, if neither the policy nor a hook retried it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the source. An event whose `on_message` did not finish is not delivered: its
    /// ID is not in [`Handle::last_event_id`].
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
