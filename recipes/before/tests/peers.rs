//! What other crates do, as the README's table says: reqwest-eventsource, eventsource-client, and sse-stream
//! over one response.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventsource_client::{Client as _, ClientBuilder, Error as ClientError, ReconnectOptions, SSE};
use futures_util::{Stream, StreamExt};
use launchdarkly_sdk_transport::HyperTransport;
use reqwest_eventsource::{Error as ReqwestError, Event, RequestBuilderExt};
use sse_stream::SseStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A stream that ends cleanly after these bytes.
fn whole(body: &[u8]) -> Vec<u8> {
    [&cut(body)[..], b"0\r\n\r\n"].concat()
}

/// A stream that breaks off after these bytes.
fn cut(body: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", body.len());
    [STREAM.as_bytes(), size.as_bytes(), body, b"\r\n"].concat()
}

fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// A server that answers each connection with the next reply, and repeats the last one.
struct Server {
    url: String,
    requests: Arc<(Mutex<Vec<String>>, Notify)>,
}

impl Server {
    async fn start(replies: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let requests = Arc::new((Mutex::<Vec<String>>::default(), Notify::new()));
        let log = requests.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((mut socket, _)) = listener.accept().await else {
                    return;
                };
                let Some(head) = read_head(&mut socket).await else {
                    continue;
                };
                log.0.lock().expect("no panic").push(head);
                log.1.notify_one();
                let reply = replies.get(number).or(replies.last());
                let _ = socket.write_all(reply.expect("a reply")).await;
            }
        });
        Self { url, requests }
    }

    /// The requests, when there are this many.
    async fn wait_for(&self, count: usize) -> Vec<String> {
        loop {
            let requests = self.requests.0.lock().expect("no panic").clone();
            if requests.len() >= count {
                return requests;
            }
            self.requests.1.notified().await;
        }
    }

    /// The requests, when there are this many while the client is polled.
    async fn drives<S: Stream + Unpin>(&self, client: &mut S, count: usize) -> Vec<String> {
        let polled = async {
            loop {
                if client.next().await.is_none() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let reached = async {
            tokio::select! {
                requests = self.wait_for(count) => requests,
                () = polled => unreachable!("it never ends"),
            }
        };
        timeout(PATIENCE, reached).await.expect("so many requests")
    }
}

/// The head of a request, in lower case, after its body was read.
async fn read_head(socket: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|it| it.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |it| it.parse().expect("a length")) {
                return Some(head.to_owned());
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn last_event_id(head: &str) -> Option<&str> {
    head.lines()
        .find_map(|line| Some(line.strip_prefix("last-event-id:")?.trim()))
}

fn by_reqwest_eventsource(request: reqwest012::RequestBuilder) -> reqwest_eventsource::EventSource {
    request.eventsource().expect("it can be cloned")
}

fn get(server: &Server) -> reqwest_eventsource::EventSource {
    by_reqwest_eventsource(reqwest012::Client::new().get(&server.url))
}

type Items = std::pin::Pin<Box<dyn Stream<Item = Result<SSE, ClientError>> + Send + Sync>>;

fn by_eventsource_client(server: &Server, method: &str) -> Items {
    let transport = HyperTransport::builder().build_http().expect("a transport");
    let options = ReconnectOptions::reconnect(true)
        .retry_initial(true)
        .build();
    let builder = ClientBuilder::for_url(&server.url).expect("a URL");
    let builder = builder.method(method.to_owned()).reconnect(options);
    builder.build_with_transport(transport).stream()
}

async fn by_sse_stream(server: &Server) -> Vec<Result<String, sse_stream::Error>> {
    let response = reqwest::Client::new().post(&server.url).send().await;
    let stream = SseStream::from_bytes_stream(response.expect("a response").bytes_stream());
    let items = stream.map(|item| item.map(|event| event.data.unwrap_or_default()));
    timeout(PATIENCE, items.collect()).await.expect("it ends")
}

/// Everything until the end, without what opens the stream.
async fn messages(
    mut events: reqwest_eventsource::EventSource,
) -> Vec<Result<Event, ReqwestError>> {
    let mut items = Vec::new();
    while let Some(item) = timeout(PATIENCE, events.next()).await.expect("in time") {
        if !matches!(item, Ok(Event::Open)) {
            items.push(item);
        }
    }
    items
}

#[tokio::test]
async fn a_post_that_breaks_off_is_sent_again() {
    let server = Server::start(vec![cut(b"data: a\n\n")]).await;
    let request = reqwest012::Client::new().post(&server.url).body("x");
    let requests = server.drives(&mut by_reqwest_eventsource(request), 2).await;
    assert!(requests.iter().all(|head| head.starts_with("post ")));

    let server = Server::start(vec![cut(b"data: a\n\n")]).await;
    let requests = server
        .drives(&mut by_eventsource_client(&server, "POST"), 2)
        .await;
    assert!(requests.iter().all(|head| head.starts_with("post ")));

    let server = Server::start(vec![cut(b"data: a\n\n")]).await;
    let items = by_sse_stream(&server).await;
    assert!(
        matches!(&items[..], [Ok(data), Err(_)] if data == "a"),
        "{items:?}"
    );
}

#[tokio::test]
async fn a_clean_end_before_the_end_marker_is_an_error_or_looks_like_a_whole_answer() {
    let server = Server::start(vec![whole(b"data: a\n\n")]).await;
    let mut events = get(&server);
    let mut errors = 0;
    while errors == 0 {
        match timeout(PATIENCE, events.next()).await.expect("in time") {
            Some(Err(ReqwestError::StreamEnded)) => errors += 1,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    server.drives(&mut events, 2).await;

    let server = Server::start(vec![whole(b"data: a\n\n")]).await;
    let mut events = by_eventsource_client(&server, "GET");
    let mut errors = 0;
    while errors == 0 {
        match timeout(PATIENCE, events.next()).await.expect("in time") {
            Some(Err(ClientError::Eof)) => errors += 1,
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    server.drives(&mut events, 2).await;

    let server = Server::start(vec![whole(b"data: a\n\n")]).await;
    let items = by_sse_stream(&server).await;
    assert!(matches!(&items[..], [Ok(data)] if data == "a"), "{items:?}");
}

#[tokio::test]
async fn a_status_is_final_or_asked_for_again() {
    for reply in [
        status("404 Not Found"),
        status("503 Service Unavailable\r\nretry-after: 600"),
        status("204 No Content"),
    ] {
        let server = Server::start(vec![reply.clone()]).await;
        let items = messages(get(&server)).await;
        let refused = matches!(&items[..], [Err(ReqwestError::InvalidStatusCode(..))]);
        assert!(refused, "{items:?}");
        assert_eq!(server.wait_for(1).await.len(), 1);

        let server = Server::start(vec![reply]).await;
        server
            .drives(&mut by_eventsource_client(&server, "GET"), 2)
            .await;
    }
}

#[tokio::test]
async fn an_event_without_an_id_loses_the_last_one() {
    let replies = || vec![whole(b"id: 7\ndata: a\n\n"), whole(b"data: b\n\n")];

    let server = Server::start(replies()).await;
    let requests = server.drives(&mut get(&server), 3).await;
    let ids: Vec<_> = requests.iter().map(|head| last_event_id(head)).collect();
    assert_eq!(ids[1..3], [Some("7"), Some("")]);

    let server = Server::start(replies()).await;
    let requests = server
        .drives(&mut by_eventsource_client(&server, "GET"), 3)
        .await;
    let ids: Vec<_> = requests.iter().map(|head| last_event_id(head)).collect();
    assert_eq!(ids[1..3], [Some("7"), None]);
}

#[tokio::test]
async fn a_byte_that_is_not_utf8_stops_the_events() {
    let body = b"data: \xff\n\ndata: b\n\n";

    let server = Server::start(vec![whole(body)]).await;
    let mut events = get(&server);
    loop {
        match timeout(PATIENCE, events.next()).await.expect("in time") {
            Some(Ok(Event::Open)) => {}
            Some(Ok(Event::Message(message))) => panic!("{message:?}"),
            Some(Err(_)) | None => break,
        }
    }

    let server = Server::start(vec![whole(body)]).await;
    let mut events = by_eventsource_client(&server, "GET");
    let error = loop {
        match timeout(PATIENCE, events.next()).await.expect("in time") {
            Some(Ok(SSE::Event(event))) => panic!("{event:?}"),
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("an end"),
        }
    };
    assert!(!matches!(error, ClientError::Eof), "{error:?}");
    server.drives(&mut events, 2).await;

    let server = Server::start(vec![whole(body)]).await;
    let items = by_sse_stream(&server).await;
    assert!(
        matches!(items[0], Err(sse_stream::Error::Utf8Parse(_))),
        "{items:?}"
    );
}
