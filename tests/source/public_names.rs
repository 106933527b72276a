//! The public names, as programs use them: it has to compile, nothing more.
#![cfg(all(feature = "client", feature = "json"))]
#![allow(
    dead_code,
    unused,
    clippy::let_underscore_future,
    clippy::redundant_closure
)]

use fetch_event_source::reqwest::{self, StatusCode};
use fetch_event_source::{BoxError, EventSource, Frame, Parser, RetryPolicy, fetch_event_source};
use futures_util::StreamExt;
use std::time::Duration;

#[derive(serde::Deserialize)]
struct Delta {
    text: String,
}
#[derive(serde::Serialize)]
struct Question;

async fn one() -> Result<(), fetch_event_source::Error> {
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
    events.finished(); // Option<&Finished>: why it ended without an error
    Ok(())
}

async fn two(client: reqwest::Client, url: &str, question: Question) -> Result<(), BoxError> {
    let mut answer = String::new();
    let finished = EventSource::new(client.post(url).json(&question)) // any reqwest::RequestBuilder
        .until(|event| event.data() == "[DONE]") // the end marker: not delivered; a clean end before it is Error::Incomplete
        .on_open(async |response| println!("{}", response.status()))
        .on_message(async |event| {
            answer.push_str(&event.json::<Delta>()?.text);
            Ok::<_, BoxError>(())
        })
        .on_error(async |failure| match failure.error().status() {
            Some(StatusCode::CONFLICT) => failure.retry_after(Duration::from_secs(5)),
            _ => failure.proceed(), // what the policy would do
        })
        .on_close(async |end| end.proceed())
        .run()
        .await?;
    Ok(())
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

fn three(
    client: reqwest::Client,
    tokens: Tokens,
    url: String,
    token: Token,
) -> fetch_event_source::EventStream {
    EventSource::from_fn(move |attempt| {
        // asked before each attempt: a fresh token, another URL, a body that cannot be cloned
        let (client, tokens, url) = (client.clone(), tokens.clone(), url.clone());
        async move {
            Ok(client
                .get(url)
                .bearer_auth(tokens.fresh(attempt.number()).await?))
        }
    })
    .last_event_id("41") // where an earlier process stopped
    .retry(RetryPolicy::persistent().base_delay(Duration::from_millis(200)))
    .response_timeout(Duration::from_secs(10)) // request sent .. response headers
    .idle_timeout(Duration::from_secs(45)) // no byte at all; comments are bytes
    .event_timeout(Duration::from_secs(300)) // no event
    .max_event_size(16 << 20)
    .accept_content_type("text/plain") // besides text/event-stream
    .validate(|response| Ok(())) // one more look at a good response, before it is open
    .decide(|failure| failure.proceed()) // on_error's decision for streams: synchronous
    .fetch(move |request| send_through_my_middleware(request)) // reqwest::Request -> future of Result<reqwest::Response, BoxError>
    .abort_on(token.cancelled_owned()) // any future
    .stream()
}

fn use_it(_: &str, _: &str, _: &str) {}

async fn four(response: reqwest::Response, chunk: &[u8]) -> Result<(), BoxError> {
    let mut events = fetch_event_source::events(response.bytes_stream()); // any Stream of Result<impl AsRef<[u8]>, E>; no reconnection
    let _ = events.next().await;
    let mut parser = Parser::new(); // no async, no I/O, no clock
    let mut input: &[u8] = chunk;
    while let Some(frame) = parser.next(&mut input)? {
        // consumes input; None: feed the next chunk
        match frame {
            Frame::Event(event) => use_it(event.event_type, event.data, event.last_event_id), // EventRef<'_>: &str fields; event.to_event() owns
            Frame::Comment(text) => {}
            Frame::Retry(reconnection_time) => {}
            _ => {}
        }
    }
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
    deltas.get_ref().finished();
    let mut updates = fetch_event_source::events(response.bytes_stream())
        .typed::<Update>()
        .until(|event| event.data() == "[DONE]");
    match updates.next().await {
        Some(Err(JsonStreamError::Event(error))) => {
            let _: (&str, &str, &str) = (error.path(), error.event_type(), error.last_event_id());
        }
        Some(Err(JsonStreamError::Stream(_) | JsonStreamError::Incomplete)) => {}
        _ => {}
    }
    Ok(())
}

#[cfg(feature = "testing")]
fn testing() {
    use fetch_event_source::testing::{ReceivedRequest, Reply, ScriptedServer};

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
    let requests: Vec<ReceivedRequest> = server.requests();
    let _: Option<Duration> = requests[0].closed_at();
    let _: Option<&[u8]> = requests[0].body();
    let _ = ScriptedServer::from_fn(|request| Reply::status(401)).open_connections();
}

fn policies() {
    let _ = RetryPolicy::default()
        .max_retries(3)
        .max_elapsed(Duration::from_secs(1))
        .max_delay(None)
        .healthy_after(None)
        .jitter_seed(7)
        .factor(2)
        .jitter(0);
    let _ = RetryPolicy::default()
        .max_retries(None)
        .server_delay_bounds(Duration::ZERO..);
    let _ = EventSource::get("x")
        .idle_timeout(None)
        .on_open(async |_| {})
        .idle_timeout(Duration::from_secs(1))
        .until(|e| e.data() == "x")
        .decide(|f| {
            let _ = f;
        })
        .run();
}

// Send-ness: each hook kind, owned captures, awaiting with the argument held.
async fn nap() {
    tokio::task::yield_now().await
}
fn spawned() {
    let s = String::new();
    let mut n = 0;
    tokio::spawn(
        EventSource::get("x")
            .on_open(async move |r| {
                nap().await;
                n += 1;
                println!("{} {s}", r.status())
            })
            .run(),
    );
    let (tx, _rx) = tokio::sync::mpsc::channel::<fetch_event_source::Event>(1);
    tokio::spawn(
        EventSource::get("x")
            .on_message(async move |e| {
                tx.send(e).await.map_err(|_| "gone")?;
                nap().await;
                Ok::<_, BoxError>(())
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
}

struct App {
    events: fetch_event_source::EventStream,
    run: std::pin::Pin<
        Box<
            dyn Future<Output = Result<fetch_event_source::Finished, fetch_event_source::Error>>
                + Send,
        >,
    >,
    source: Option<EventSource>,
}
