//! The public names, as programs use them: it has to compile, nothing more.
#![cfg(all(feature = "reqwest", feature = "json"))]
#![allow(
    dead_code,
    unused,
    clippy::let_underscore_future,
    clippy::redundant_closure
)]

use fetch_event_source::reqwest::{self, StatusCode};
use fetch_event_source::{
    BoxError, Error, ErrorKind, Event, EventSource, EventStream, Finished, Frame, HookOutput,
    HookResult, OwnedFrame, Parser, ResponseHead, RetryPolicy, fetch_event_source, http,
};
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Delta {
    text: String,
}
#[derive(serde::Serialize)]
struct Question;

// No other crate is needed for `next`.
async fn one() -> Result<(), Error> {
    let mut events = fetch_event_source("http://127.0.0.1:3000/sse").stream();
    while let Some(event) = events.next().await {
        let event = event?; // an Err is final: the stream ends after it
        println!(
            "{} {} {}",
            event.event_type(),
            event.last_event_id(),
            event.data()
        );
    }
    let _: Option<&Finished> = events.finished(); // why it ended without an error
    Ok(())
}

async fn two(client: reqwest::Client, url: &str, question: Question) -> Result<(), BoxError> {
    let mut answer = String::new();
    let finished = EventSource::new(client.post(url).json(&question)) // any reqwest::RequestBuilder
        .until(|event| event.data() == "[DONE]") // the end marker: not delivered; a clean end before it is Incomplete
        .on_open(|response| println!("{}", response.status()))
        .on_message(|event| -> HookResult {
            answer.push_str(&event.json::<Delta>()?.text);
            Ok(())
        })
        .on_error(|failure| match failure.error().status() {
            Some(StatusCode::CONFLICT) if failure.retries() < 3 => {
                failure.retry_after(Duration::from_secs(5))
            }
            Some(StatusCode::GONE) => failure.retry_without_id(),
            _ => failure.follow_policy(), // what the policy would do
        })
        .on_close(|end| end.follow_policy())
        .run()
        .await?;
    Ok(())
}

async fn two_async(tx: tokio::sync::mpsc::Sender<Event>) -> Result<(), BoxError> {
    fetch_event_source("x")
        .on_message(async |event| tx.send(event).await)
        .on_error(async |failure| failure.retry())
        .on_close(async |end| end.reconnect_after(Duration::ZERO))
        .run()
        .await?;
    Ok(())
}

async fn three(client: &reqwest::Client) -> Result<EventStream, Error> {
    let request = client.get("x");
    let source = EventSource::new(request).retry(RetryPolicy::interactive());
    let (head, events): (ResponseHead, EventStream) = source.open().await?;
    let _: Option<&url::Url> = head.url();
    Ok(events)
}

#[derive(Clone)]
struct Tokens;
impl Tokens {
    async fn fresh(&self, _: u64) -> Result<String, std::io::Error> {
        Ok("t".into())
    }
}
struct Token;
impl Token {
    fn cancelled_owned(self) -> impl Future<Output = ()> + Send + 'static {
        std::future::pending()
    }
}
async fn send_through_my_middleware(
    request: reqwest::Request,
) -> Result<reqwest::Response, BoxError> {
    Ok(reqwest::Client::new().execute(request).await?)
}
async fn send(headers: http::HeaderMap) -> Result<http::Response<reqwest::Body>, std::io::Error> {
    Err(std::io::ErrorKind::ConnectionRefused.into())
}

fn four(response: reqwest::Response, client: reqwest::Client, tokens: Tokens) {
    let again = client.clone();
    let _ = EventSource::from_response(response).reconnect_with(move |attempt| {
        let client = again.clone();
        async move { Ok(client.get("x")) }
    });
    let response = http::Response::new(reqwest::Body::from("data: a\n\n"));
    let _ = EventSource::from_response(response)
        .reconnect_with(move |attempt| async move { Ok(send(attempt.headers().clone()).await?) });
    let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b'a'])]);
    let _ = EventSource::from_body(bytes);
    let _ = EventSource::connect_with(move |attempt| async move {
        Ok(send(attempt.headers().clone()).await?)
    })
    .idempotent(true);
    let _ = EventSource::from_fn(move |attempt| {
        // asked before each attempt: a fresh token, another URL, a body that cannot be cloned
        let (client, tokens) = (client.clone(), tokens.clone());
        async move {
            let _: Option<&Error> = attempt.failure();
            Ok(client
                .get("x")
                .bearer_auth(tokens.fresh(attempt.number()).await?))
        }
    });
}

fn five(url: String, token: Token) -> EventStream {
    fetch_event_source(url)
        .last_event_id("41") // where an earlier process stopped
        .retry(RetryPolicy::persistent().base_delay(Duration::from_millis(200)))
        .response_timeout(Duration::from_secs(10)) // from_fn, connecting, and the head
        .first_event_timeout(Duration::from_secs(60)) // open .. first event
        .idle_timeout(Duration::from_secs(45)) // no byte at all; comments are bytes
        .event_timeout(Duration::from_secs(300)) // no event
        .keep_alive_if(|event| event.event_type() == "ping")
        .until(|event| event.data() == "[DONE]")
        .max_event_size(16 << 20)
        .idempotent(true)
        .allow_content_type("text/plain") // besides text/event-stream
        .allow_any_content_type()
        .allow_status(StatusCode::CREATED)
        .empty_events(true)
        .deliver_unfinished_event(true)
        .validate(|response| Ok(())) // one more look at a good response, before it is open
        .on_error(|failure| failure.follow_policy())
        .fetch(move |request| send_through_my_middleware(request))
        .abort_on(token.cancelled_owned()) // any future
        .name("prices")
        .open_when_hidden(false) // in a page: no connection while it is hidden
        .stream()
}

fn use_it(_: &str, _: &str, _: &str) {}

async fn six(response: reqwest::Response, chunk: &[u8]) -> Result<(), BoxError> {
    let mut events = fetch_event_source::events(response.bytes_stream()); // any Stream of Result<impl AsRef<[u8]>, E>; no reconnection
    let _ = events.next().await;
    let mut frames = events.frames();
    while let Some(frame) = frames.next().await {
        if let OwnedFrame::Event(event) = frame? {
            let _: Event = event;
        }
    }
    let mut parser = Parser::new(); // no async, no I/O, no clock
    let mut input: &[u8] = chunk;
    while let Some(frame) = parser.next(&mut input)? {
        // consumes input; None: feed the next chunk
        match frame {
            Frame::Event(event) => use_it(event.event_type, event.data, event.last_event_id), // EventRef<'_>: &str fields; event.to_event() owns
            Frame::Comment(text) | Frame::Ignored(text) => {}
            Frame::Retry(reconnection_time) => {}
            _ => {}
        }
    }
    let _ = parser.finish();
    Ok(())
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Update {
    Delta(Delta),
    #[serde(other)]
    Other,
}

async fn typed(response: reqwest::Response) -> Result<(), BoxError> {
    use fetch_event_source::{JsonError, JsonStreamError, JsonStreamExt};

    let event = fetch_event_source::Event::new("{}");
    let _: Result<Delta, JsonError> = event.json();
    let _: Result<Update, JsonError> = event.typed(); // the type names the variant
    let mut deltas = fetch_event_source("x").stream().json::<Delta>();
    let _: Option<&Finished> = deltas.finished();
    let _: fetch_event_source::Handle = deltas.handle();
    let mut updates = fetch_event_source::events(response.bytes_stream())
        .typed::<Update>()
        .until(|event| event.data() == "[DONE]");
    match updates.next().await {
        Some(Err(JsonStreamError::Event(error))) => {
            let _: (&str, &str, &str) = (error.path(), error.event_type(), error.last_event_id());
            let _: &Event = error.event();
        }
        Some(Err(JsonStreamError::Stream(_) | JsonStreamError::Incomplete)) => {}
        _ => {}
    }
    Ok(())
}

fn errors(error: Error) {
    let _: ErrorKind = error.kind();
    let _: Option<StatusCode> = error.status();
    let _: Option<&http::HeaderMap> = error.headers();
    let _: Option<&bytes::Bytes> = error.body();
    let _ = error.body_text();
    let _: Option<Duration> = error.retry_after();
    let _: bool = error.is_timeout() || error.is_connect() || error.is_incomplete();
    let _: Option<&std::io::Error> = error.downcast_ref();
    let _: Option<http::Response<fetch_event_source::RefusedBody>> = error.clone().into_response();
    let _: Option<reqwest::Response> = error.clone().into_response().map(Into::into);
    let _: Result<std::io::Error, Error> = error.downcast();
    let _: BoxError = fetch_event_source::transient("busy");
    let _: Result<reqwest::Client, Error> = fetch_event_source::default_client();
    let _: reqwest::ClientBuilder = fetch_event_source::default_client_builder();
}

#[cfg(feature = "testing")]
fn testing() {
    use fetch_event_source::testing::{self, ReceivedRequest, Reply, ScriptedServer};

    let server = ScriptedServer::new([
        Reply::ok()
            .after(Duration::from_secs(1)) // before the head
            .reconnection_time(Duration::from_secs(1))
            .event(fetch_event_source::Event::new("a"))
            .events([])
            .wait(Duration::from_secs(1))
            .comment("keep-alive")
            .bytes("data: a")
            .cut(),
        Reply::ok().hold(),
        Reply::status(503).header("retry-after", "1"),
        Reply::refused(),
        Reply::failed(std::io::ErrorKind::TimedOut),
        Reply::pending(),
    ])
    .then(Reply::no_content());
    let _ = EventSource::get("x").fetch(server.fetch());
    let _ = EventSource::connect_with(server.connect());
    let requests: Vec<ReceivedRequest> = server.requests();
    let _: Option<Duration> = requests[0].closed_at();
    let _: Option<&[u8]> = requests[0].body();
    let _ = ScriptedServer::from_fn(|request| Reply::status(401)).open_connections();
    let headers = http::HeaderMap::new();
    let _: ResponseHead = testing::response_head(200, &headers);
    let _: Error = testing::refused(429, &headers, "slow down");
    let _: Error = testing::error(ErrorKind::Incomplete);
}

fn policies() {
    let _ = RetryPolicy::default()
        .max_retries(3)
        .max_elapsed(Duration::from_secs(1))
        .max_delay(None)
        .healthy_after(None)
        .jitter_seed(7)
        .factor(2)
        .jitter(0)
        .fail_fast(false);
    let _ = RetryPolicy::default()
        .max_retries(None)
        .server_delay_bounds(Duration::ZERO..);
    let _ = EventSource::get("x")
        .idle_timeout(None)
        .on_open(async |_| {})
        .idle_timeout(Duration::from_secs(1))
        .until(|e| e.data() == "x")
        .on_error(|f| {
            let _ = f;
        })
        .run();
}

// Send-ness: each hook kind, owned captures, awaiting with the argument held.
async fn nap() {
    tokio::task::yield_now().await
}
fn spawned() {
    let s = std::sync::Arc::new(String::new());
    let mut n = 0;
    tokio::spawn(
        EventSource::get("x")
            .on_open(move |r| {
                n += 1;
                let s = s.clone();
                async move {
                    nap().await;
                    println!("{} {s}", r.status())
                }
            })
            .run(),
    );
    let (tx, _rx) = tokio::sync::mpsc::channel::<fetch_event_source::Event>(1);
    tokio::spawn(
        EventSource::get("x")
            .on_message(move |e| {
                let tx = tx.clone();
                async move {
                    tx.send(e).await.map_err(|_| "gone")?;
                    nap().await;
                    Ok::<_, BoxError>(())
                }
            })
            .run(),
    );
    tokio::spawn(
        EventSource::get("x")
            .on_error(async |f| {
                nap().await;
                if f.retries() > 3 {
                    return f.fail();
                }
                nap().await;
                f.retry()
            })
            .run(),
    );
    tokio::spawn(
        EventSource::get("x")
            .on_close(async |e| {
                nap().await;
                e.reconnect()
            })
            .run(),
    );
    tokio::spawn(EventSource::get("x").on_message(|_| unimplemented!()).run());
}

// A source is covariant in what its hooks borrow.
async fn follow(prices: EventSource<'_>, seen: &mut Vec<String>) -> Result<Finished, Error> {
    prices
        .on_message(|event| seen.push(event.into_data()))
        .run()
        .await
}
async fn follow_any(prices: EventSource<'static>) {
    let mut seen = Vec::new();
    let _ = follow(prices, &mut seen).await;
}

// A typed hook of an SDK over `on_message`.
fn on_delta<'h, F, T, M>(source: EventSource<'h>, mut f: F) -> EventSource<'h>
where
    F: FnMut(Delta) -> T + Send + 'h,
    T: HookOutput<'h, M>,
{
    source.on_message(move |event| event.json::<Delta>().map(&mut f))
}

struct App {
    events: EventStream,
    run: std::pin::Pin<Box<dyn Future<Output = Result<Finished, Error>> + Send>>,
    source: Option<EventSource<'static>>,
}
