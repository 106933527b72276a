//! A scripted server without a network, to test your own code.
//!
//! A [`ScriptedServer`] answers requests with a list of [`Reply`]s: events, raw bytes, waits, a body that is
//! cut, a status, a refused connection. Afterwards it returns the [requests](ReceivedRequest) and their times.
//! It replaces the HTTP stack with [`EventSource::connect_with`](crate::EventSource::connect_with), or the
//! client with [`EventSource::fetch`](crate::EventSource::fetch). There is no socket, task or port, so any
//! number of tests can run at once. Its time is tokio's: in a test with paused time (tokio's feature
//! `test-util`) a wait of an hour takes no time. Do not combine paused time with real sockets: paused time runs
//! ahead of the socket, so timeouts expire before the first byte arrives.
//!
//! Enable the feature for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! fetch-event-source = { version = "0.13", features = ["testing"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! A whole test. The function under test takes the source from its caller, which chooses the URL:
//!
//! ```
//! use fetch_event_source::{Error, EventSource, Finished, RetryPolicy};
//! use std::time::Duration;
//!
//! /// Follows the prices until the server asks for a new login.
//! async fn follow(prices: EventSource<'_>, seen: &mut Vec<String>) -> Result<Finished, Error> {
//!     prices
//!         .retry(RetryPolicy::persistent().jitter(0.0))
//!         .idle_timeout(Duration::from_secs(45))
//!         .on_message(|event| seen.push(event.into_data()))
//!         .run()
//!         .await
//! }
//!
//! use fetch_event_source::Event;
//! use fetch_event_source::testing::{Reply, ScriptedServer};
//!
//! #[tokio::test(start_paused = true)]
//! # async fn shown() {}
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn resumes_after_a_cut_and_gives_up_on_a_401() {
//!     let price = |id: &str, price: &str| Event::new(price).with_last_event_id(id);
//!     let server = ScriptedServer::new([
//!         // A stream that breaks off in the middle of its second event.
//!         Reply::ok().event(price("1", "9.50")).bytes("id: 2\nda").cut(),
//!         Reply::refused(),
//!         // A stream that falls silent after a minute of keep-alive comments.
//!         Reply::ok()
//!             .event(price("2", "9.60"))
//!             .wait(Duration::from_secs(30))
//!             .comment("keep-alive")
//!             .wait(Duration::from_secs(30))
//!             .event(price("3", "9.70"))
//!             .hold(),
//!         Reply::status(401).bytes("log in again"),
//!     ]);
//!
//!     let mut seen = Vec::new();
//!     let prices = EventSource::get("http://prices.test/sse").fetch(server.fetch());
//!     let error = follow(prices, &mut seen).await.unwrap_err();
//!
//!     assert_eq!(seen, ["9.50", "9.60", "9.70"]);
//!     assert_eq!(error.status().unwrap(), 401);
//!     assert_eq!(error.body().unwrap(), "log in again");
//!
//!     let requests = server.requests();
//!     let ids: Vec<_> = requests.iter().map(|request| request.last_event_id()).collect();
//!     assert_eq!(ids, [None, Some("1"), Some("1"), Some("3")]);
//!     // After the cut 1 s; after the refusal 2 s; then 60 s of stream, 45 s of silence, and 1 s.
//!     let times: Vec<_> = requests.iter().map(|request| request.at().as_secs()).collect();
//!     assert_eq!(times, [0, 1, 3, 109]);
//!     assert_eq!(server.open_connections(), 0);
//! }
//! # fn main() { resumes_after_a_cut_and_gives_up_on_a_401() }
//! ```
//!
//! The requests also show what did not happen: a paid answer that breaks off is not requested again.
//!
//! ```
//! use fetch_event_source::testing::{Reply, ScriptedServer};
//! use fetch_event_source::{ErrorKind, Event, EventSource, reqwest};
//! use futures_util::StreamExt;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let server = ScriptedServer::new([Reply::ok().event(Event::new("Hel")).cut()]);
//! let question = reqwest::Client::new().post("http://llm.test/chat").body("Why?");
//! let answer = EventSource::new(question)
//!     .until(|event| event.data() == "[DONE]")
//!     .fetch(server.fetch())
//!     .stream();
//! let answer: Vec<_> = answer.collect().await;
//!
//! assert_eq!(answer[0].as_ref().unwrap().data(), "Hel");
//! let error = answer[1].as_ref().unwrap_err();
//! assert_eq!(error.kind(), ErrorKind::Disconnected);
//! let [request] = &server.requests()[..] else {
//!     panic!("it was requested again");
//! };
//! assert_eq!(request.body(), Some(&b"Why?"[..]));
//! # }
//! ```
//!
//! # What it does not cover
//!
//! The work of an HTTP stack: redirects, cookies, proxies, TLS, decoding, shared connections. A redirect is only a
//! status here.

mod body;
mod received;
mod reply;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Version};
use url::Url;

pub use body::ScriptedBody;
pub use received::ReceivedRequest;
pub(crate) use received::ScriptedRequest;
pub use reply::Reply;

use crate::bounds::{BoxError, BoxFuture, BoxLook, MaybeSend};
use crate::client::error::{Error, ErrorKind, Refused};
use crate::client::http::request_source::Attempt;
use crate::client::http::response::{self, ResponseHead};
use crate::client::platform::{self, Transport};
use crate::client::timer::Clock;

/// The future of an answer of [`ScriptedServer::fetch`].
pub type Answering = BoxFuture<'static, Result<Response<ScriptedBody>, BoxError>>;

/// A scripted server: it answers requests with replies in the order of its list. See the [module](self).
///
/// Several sources may use it at once: replies follow the order of the requests. A clone is the same server.
#[derive(Clone)]
pub struct ScriptedServer(Arc<Shared>);

struct Shared {
    script: Mutex<Script>,
    log: Mutex<Vec<ReceivedRequest>>,
    /// Time since the first request.
    clock: Clock,
}

struct Script {
    /// Returns `None` after the last reply.
    next: BoxLook<'static, ReceivedRequest, Option<Reply>>,
    /// The number of replies in the list.
    length: usize,
    then: Option<Reply>,
}

impl ScriptedServer {
    /// Makes a server whose first request gets the first reply, and so on. [`fetch`](Self::fetch) panics at a request
    /// after the last reply, unless [`then`](Self::then) is set.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = Vec::from_iter(replies);
        let (length, mut replies) = (replies.len(), replies.into_iter());
        Self::of(length, move |_| replies.next())
    }

    /// Makes a server that calls this function for each reply, so that answers can depend on the request.
    ///
    /// ```
    /// use fetch_event_source::Event;
    /// use fetch_event_source::testing::{Reply, ScriptedServer};
    ///
    /// let server = ScriptedServer::from_fn(|request| match request.header("authorization") {
    ///     Some("Bearer fresh") => Reply::ok().event(Event::new("hello")),
    ///     _ => Reply::status(401),
    /// });
    /// # drop(server);
    /// ```
    pub fn from_fn(mut reply: impl FnMut(&ReceivedRequest) -> Reply + MaybeSend + 'static) -> Self {
        Self::of(0, move |request| Some(reply(request)))
    }

    fn of<F>(length: usize, next: F) -> Self
    where
        F: FnMut(&ReceivedRequest) -> Option<Reply> + MaybeSend + 'static,
    {
        let next = Box::new(next);
        Self(Arc::new(Shared {
            script: Mutex::new(Script {
                next,
                length,
                then: None,
            }),
            log: Mutex::default(),
            clock: Clock::default(),
        }))
    }

    /// Sets the reply for all requests after the last one of the list: [`Reply::pending`] lets them wait,
    /// [`Reply::no_content`] ends a subscription. (A server [`from_fn`](Self::from_fn) has no last reply.)
    #[must_use]
    pub fn then(self, reply: Reply) -> Self {
        lock(&self.0.script).then = Some(reply);
        self
    }

    /// Returns the argument for [`EventSource::connect_with`](crate::EventSource::connect_with).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use fetch_event_source::testing::{Reply, ScriptedServer};
    /// use fetch_event_source::{Event, EventSource};
    ///
    /// let server = ScriptedServer::new([Reply::ok().event(Event::new("hello"))]);
    /// let mut events = EventSource::connect_with(server.connect()).idempotent(true).stream();
    /// assert_eq!(events.next().await.unwrap().unwrap().data(), "hello");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// At a request after the last reply it panics. That ends the source, and the test or the task that polls it.
    pub fn connect(
        &self,
    ) -> impl Fn(Attempt) -> Answering + Clone + MaybeSend + Sync + 'static + use<> {
        let server = self.clone();
        move |attempt: Attempt| {
            server.answer(ScriptedRequest {
                method: Method::GET,
                url: Url::parse("http://scripted.test/").expect("it is valid"),
                headers: attempt.headers().clone(),
                body: None,
            })
        }
    }

    pub(crate) fn answer(&self, request: ScriptedRequest) -> Answering {
        let at = self.0.clock.now();
        let mut log = lock(&self.0.log);
        let request = ReceivedRequest::new(log.len() + 1, request, at);
        log.push(request.clone());
        drop(log);
        let server = Arc::clone(&self.0);
        let connection = Connection { request, server };
        let reply = lock(&self.0.script).reply(&connection.request);
        reply.play(connection)
    }

    /// Returns the requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.0.log).clone()
    }

    /// Returns how many requests wait for their answer, or have a body that neither ended nor was dropped by the
    /// client. A source has at most one, and none after it was closed or dropped.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        let requests = self.requests();
        let open = requests.iter().filter(|request| request.is_open());
        open.count()
    }
}

/// Makes a response head, for unit tests. It has no URL.
///
/// # Panics
///
/// If the status is below 100 or above 999.
#[must_use]
#[track_caller]
pub fn response_head(status: u16, headers: &HeaderMap) -> ResponseHead {
    let Ok(status) = StatusCode::from_u16(status) else {
        panic!("{status} is not a status: use 100 to 999");
    };
    ResponseHead::new(
        status,
        headers,
        None,
        Transport::of_version(Version::HTTP_11),
    )
}

/// Makes the error of a response that was refused for its status, for unit tests.
///
/// ```
/// use fetch_event_source::http::HeaderMap;
/// use fetch_event_source::testing::refused;
///
/// let error = refused(429, &HeaderMap::new(), "slow down");
/// assert_eq!(error.status().unwrap(), 429);
/// assert_eq!(error.body_text().unwrap(), "slow down");
/// ```
///
/// # Panics
///
/// If the status is below 100 or above 999.
#[must_use]
#[track_caller]
pub fn refused(status: u16, headers: &HeaderMap, body: impl Into<Bytes>) -> Error {
    let head = response_head(status, headers);
    let mut refused = Refused::new(body.into(), Bytes::new(), None);
    refused.retry_after = response::retry_after(headers, platform::wall_time());
    Error::refused(ErrorKind::Status(head.status()), head, refused)
}

/// Makes an error of this kind without a cause, for unit tests.
#[must_use]
pub fn error(kind: ErrorKind) -> Error {
    kind.into()
}

impl Script {
    fn reply(&mut self, request: &ReceivedRequest) -> Reply {
        let next = (self.next)(request).or_else(|| self.then.clone());
        let length = self.length;
        next.unwrap_or_else(|| {
            panic!(
                "the script is over: {request:?} arrived after the last of {length} replies; add \
                 one, or set a reply with `then`"
            )
        })
    }
}

impl fmt::Debug for ScriptedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedServer")
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

/// A request or response in flight. Dropping it closes the connection.
struct Connection {
    request: ReceivedRequest,
    server: Arc<Shared>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.request.close(self.server.clock.now());
    }
}

/// After a panic at the end of the script, the test may still inspect earlier requests.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
