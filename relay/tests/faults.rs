//! Bad input and faults: each is said in a line of the log, or an event, and nothing else suffers.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use relay::generation::generation;
use relay::names::{Names, bucket};
use relay::write::TYPE;
use support::check::read;
use support::eventually;
use support::gate::Gate;
use support::nats::Nats;
use support::numbers::{Numbers, Options};
use support::process::{Process, run};
use tokio::net::TcpListener;

const NUMBERS: Options = Options { per_second: 20.0, limit: 1_000_000, makes_trouble: false };
const FOLLOW: [&str; 5] = ["follow", "--partitions", "2", "--lease", "1"];
const SOON: Duration = Duration::from_secs(30);

fn names() -> Names {
    Names { name: "sse".to_owned(), partitions: 2 }
}

fn follow(nats: &str, more: &[&str]) -> Process {
    Process::start(nats, &[&FOLLOW, more].concat())
}

/// Until the source has at least so many events in the log.
async fn has_events(nats: &Nats, source: &str, count: usize) {
    let jetstream = nats.connect().await;
    eventually(&format!("{count} events of {source}"), SOON, async || {
        read(&jetstream, &names()).await.get(source).is_some_and(|events| events.len() >= count)
    })
    .await;
}

async fn ids(nats: &Nats, source: &str) -> Vec<String> {
    let mut found = read(&nats.connect().await, &names()).await;
    found.remove(source).unwrap_or_default().into_iter().map(|(id, _)| id).collect()
}

type Asked = Arc<Mutex<Vec<Option<Vec<u8>>>>>;

/// Answers each request with what this gives for its Last-Event-ID.
async fn start(answer: fn(Option<&[u8]>) -> Response) -> (String, Asked) {
    let asked = Asked::default();
    let routes = Router::new()
        .route(
            "/",
            get(async move |State(asked): State<Asked>, headers: HeaderMap| {
                let id = headers.get("last-event-id").map(|id| id.as_bytes().to_vec());
                let response = answer(id.as_deref());
                asked.lock().expect("no panic").push(id);
                response
            }),
        )
        .with_state(asked.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

/// These events; then it stays open and says nothing.
fn events(text: impl Into<String>) -> Response {
    let first = stream::iter([Ok::<_, Infallible>(text.into())]).chain(stream::pending());
    ([("content-type", "text/event-stream")], Body::from_stream(first)).into_response()
}

#[tokio::test]
async fn nats_away_at_the_start_is_waited_for() {
    let mut nats = Nats::start();
    nats.terminate();
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&nats.url(), &[&format!("a={}", numbers.url("a"))]);
    let mut server = Process::start(&nats.url(), &["serve", "--listen", "127.0.0.1:0"]);
    worker.said("NATS cannot be reached").await;
    server.said("NATS cannot be reached").await;
    let (said, is_well) = run(&nats.url(), &["status"]);
    assert!(!is_well && said.contains("NATS cannot be reached"), "{said}");
    nats.start_again();
    has_events(&nats, "a", 5).await;
    server.said("listening on").await;
    assert!(worker.terminate() && server.terminate());
}

/// It is there when they connect, and answers no more when they set up.
#[tokio::test(flavor = "multi_thread")]
async fn nats_that_goes_away_at_the_start_is_waited_for() {
    let nats = Nats::start();
    let gate = Gate::start(nats.port()).await;
    gate.swallow_from("STREAM.CREATE");
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&gate.url(), &[&format!("a={}", numbers.url("a"))]);
    worker.said("trying again every second").await;
    gate.open();
    has_events(&nats, "a", 5).await;
    gate.swallow_from("STREAM.INFO");
    let mut server = Process::start(&gate.url(), &["serve", "--listen", "127.0.0.1:0"]);
    server.said("trying again every second").await;
    gate.open();
    server.said("listening on").await;
    assert!(worker.terminate() && server.terminate());
}

#[tokio::test]
async fn nats_away_later_holds_the_sources_and_costs_no_connection() {
    let mut nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    // The lease is longer than the outage.
    let source = format!("a={}", numbers.url("a"));
    let mut worker =
        Process::start(&nats.url(), &["follow", "--partitions", "2", "--lease", "20", &source]);
    has_events(&nats, "a", 5).await;
    nats.kill();
    worker.said("NATS is away").await;
    tokio::time::sleep(Duration::from_secs(3)).await; // longer than an acknowledgement is waited for
    nats.start_again();
    has_events(&nats, "a", 100).await;
    let ids = ids(&nats, "a").await;
    assert!(ids.iter().enumerate().all(|(index, id)| *id == (index + 1).to_string()), "{ids:?}");
    assert_eq!(numbers.counts()["a"].requests, 1);
    assert!(worker.terminate());
}

#[tokio::test]
async fn a_worker_that_stops_while_nats_is_away_ends_all_the_same() {
    let mut nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&nats.url(), &[&format!("a={}", numbers.url("a"))]);
    has_events(&nats, "a", 5).await;
    nats.kill();
    worker.said("NATS is away").await;
    worker.signal("TERM");
    eventually("it ends", Duration::from_secs(10), async || worker.has_ended().is_some()).await;
}

#[tokio::test]
async fn another_configuration_is_refused() {
    let nats = Nats::start();
    let worker = follow(&nats.url(), &[]);
    worker.said("following").await;
    let (said, is_well) = run(&nats.url(), &["follow", "--partitions", "3"]);
    assert!(
        !is_well && said.contains("relay sse has 2 partitions, and this worker was started with 3"),
        "{said}"
    );
    let config = bucket(&nats.connect().await, "other", "config", 1).await.expect("a bucket");
    for agreement in [
        r#"{"partitions":2,"partition_by":"host"}"#,
        "nonsense",
        r#"{"partitions":0,"partition_by":"source"}"#,
    ] {
        config.put("agreement", agreement.into()).await.expect("put");
        let (said, is_well) = run(&nats.url(), &["--name", "other", "follow"]);
        let refused = "set up in a way that this version does not know";
        assert!(!is_well && said.contains(refused), "{said}");
        let serve = ["--name", "other", "serve", "--listen", "127.0.0.1:0"];
        let (said, is_well) = run(&nats.url(), &serve);
        assert!(!is_well && said.contains(refused), "{said}");
    }
}

#[tokio::test]
async fn bad_arguments_are_refused() {
    let nats = Nats::start();
    for (arguments, words) in [
        (&["sources", "put", "a.b", "http://127.0.0.1/"][..], "is not a name"),
        (&["sources", "put", "", "http://127.0.0.1/"], "is not a name"),
        (&["sources", "put", "a", "ftp://127.0.0.1/"], "not http or https"),
        (&["sources", "put", "a", "nonsense"], "is not a URL"),
        (&["sources", "put", "a", "http://127.0.0.1/", "--header", "a b: c"], "invalid"),
        (&["--name", "a b", "status"], "is not a name"),
        (&["follow", "--partitions", "0"], "0 is not in 1.."),
        (&["follow", "a=nonsense"], "is not a URL"),
        (&["status"], "has no workers yet"),
    ] {
        let (said, is_well) = run(&nats.url(), arguments);
        assert!(!is_well && said.contains(words), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn sources_are_put_listed_and_removed() {
    let nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let worker = follow(&nats.url(), &[]);
    worker.said("following").await;
    assert!(
        run(
            &nats.url(),
            &[
                "sources",
                "put",
                "a",
                &numbers.url("a"),
                "--header",
                "x-key: secret",
                "--last-event-id",
                "7"
            ]
        )
        .1
    );
    has_events(&nats, "a", 5).await;
    assert_eq!(ids(&nats, "a").await[0], "8");
    let (said, _) = run(&nats.url(), &["sources", "list"]);
    assert!(
        said.contains(&numbers.url("a")) && said.contains("x-key") && !said.contains("secret"),
        "{said}"
    );
    assert!(run(&nats.url(), &["status"]).0.contains("worker-"));
    assert!(run(&nats.url(), &["sources", "remove", "a"]).1);
    eventually("it is followed no more", SOON, async || numbers.counts()["a"].open == 0).await;
    // Put in again it goes on where the log ends.
    assert!(run(&nats.url(), &["sources", "put", "a", &numbers.url("a")]).1);
    let before = ids(&nats, "a").await.len();
    has_events(&nats, "a", before + 20).await;
    let ids = ids(&nats, "a").await;
    assert!(ids.iter().enumerate().all(|(index, id)| *id == (index + 8).to_string()), "{ids:?}");
}

#[tokio::test]
async fn a_source_that_answers_401_for_ever_is_asked_rarely_and_holds_nobody_up() {
    let nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let (url, asked) = start(|_| StatusCode::UNAUTHORIZED.into_response()).await;
    let worker =
        follow(&nats.url(), &[&format!("locked={url}"), &format!("a={}", numbers.url("a"))]);
    let line = worker.said("refused: asking again in a minute").await;
    assert!(line.contains("locked") && line.contains("401"), "{line}");
    has_events(&nats, "a", 40).await;
    assert_eq!(asked.lock().expect("no panic").len(), 1);
}

#[tokio::test]
async fn an_event_over_the_limit_is_replaced_by_one_that_says_so() {
    let nats = Nats::start();
    let (url, asked) = start(|id| {
        let huge = "x".repeat(300_000);
        match id {
            None => {
                events(format!("id: 1\ndata: one\n\nid: 2\ndata: {huge}\n\nid: 3\ndata: three\n\n"))
            }
            Some(b"2") => events("id: 3\ndata: three\n\n"),
            Some(_) => events(""),
        }
    })
    .await;
    let mut worker = follow(&nats.url(), &["--max-event-size", "200000", &format!("a={url}")]);
    let line = worker.said("an event over the limit is left out").await;
    assert!(line.contains("200000"), "{line}");
    has_events(&nats, "a", 3).await;
    assert_eq!(ids(&nats, "a").await, ["1", "2", "3"]);
    let stream = nats
        .connect()
        .await
        .get_stream(names().stream(names().partition_of("a")))
        .await
        .expect("the stream");
    let second =
        stream.raw_message_builder().sequence(1).next_by_subject(names().subject("event", "a"));
    let first = second.send().await.expect("the first event").sequence;
    let second = stream
        .raw_message_builder()
        .sequence(first + 1)
        .next_by_subject(names().subject("event", "a"));
    let second = second.send().await.expect("the second event");
    assert_eq!(second.headers.get(TYPE).expect("a type").as_str(), "relay.too_large");
    // A takeover does not meet it again.
    assert!(worker.terminate());
    let worker = follow(&nats.url(), &[]);
    eventually("it is followed again", SOON, async || {
        asked.lock().expect("no panic").last() == Some(&Some(b"3".to_vec()))
    })
    .await;
    assert!(!worker.log().contains("over the limit"));
}

/// The type grows threefold in a header: what the parser lets through can still be too much for NATS.
#[tokio::test]
async fn an_event_over_the_limit_of_nats_is_replaced_as_well() {
    let nats = Nats::start();
    let (url, _) = start(|id| match id {
        None => events(format!(
            "id: 1\nevent: {}\ndata: x\n\nid: 2\ndata: two\n\n",
            "é".repeat(300_000)
        )),
        Some(_) => events(""),
    })
    .await;
    let worker = follow(&nats.url(), &[&format!("a={url}")]);
    worker.said("an event over the limit is left out").await;
    has_events(&nats, "a", 2).await;
    assert_eq!(ids(&nats, "a").await, ["1", "2"]);
}

/// NATS takes 64 KiB of headers, and so an ID or a type can be too much although its event is small. What comes
/// behind it in the partition is not held up.
#[tokio::test]
async fn an_id_or_a_type_that_nats_does_not_take_holds_nothing_up() {
    let nats = Nats::start();
    let (url, asked) = start(|id| match id {
        None => {
            let long = "x".repeat(70_000);
            events(format!(
                "id: 1\nevent: {long}\ndata: one\n\nid: {long}\ndata: two\n\nid: {long}\n\nid: 3\ndata: three\n\n"
            ))
        }
        Some(_) => events(""),
    })
    .await;
    let mut worker = follow(&nats.url(), &[&format!("a={url}")]);
    worker.said("an event over the limit is left out").await;
    worker.said("an ID that is too long").await;
    has_events(&nats, "a", 3).await;
    assert_eq!(ids(&nats, "a").await, ["1", "1", "3"]);
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &[]);
    eventually("it is followed again", SOON, async || {
        asked.lock().expect("no panic").last() == Some(&Some(b"3".to_vec()))
    })
    .await;
}

/// There is no way past it, and its source is not asked in a hurry.
#[tokio::test]
async fn an_event_over_the_limit_under_an_id_that_is_too_long_is_waited_for() {
    let nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let (url, asked) =
        start(|_| events(format!("id: {}\ndata: {}\n\n", "x".repeat(70_000), "y".repeat(300_000))))
            .await;
    let (long, other) = (format!("long={url}"), format!("a={}", numbers.url("a")));
    let worker = follow(&nats.url(), &["--max-event-size", "200000", &long, &other]);
    worker.said("asking again in a minute").await;
    has_events(&nats, "a", 40).await;
    assert_eq!(asked.lock().expect("no panic").len(), 1);
    assert!(ids(&nats, "long").await.is_empty());
}

#[tokio::test]
async fn an_id_that_no_header_can_carry_is_said_and_kept() {
    let nats = Nats::start();
    let (url, asked) = start(|_| events("id: a\u{1}b\ndata: one\n\n")).await;
    let mut worker = follow(&nats.url(), &[&format!("a={url}")]);
    has_events(&nats, "a", 1).await;
    assert_eq!(ids(&nats, "a").await, ["a\u{1}b"]);
    assert!(worker.terminate());
    let worker = follow(&nats.url(), &[]);
    worker.said("an ID that no header can carry").await;
    eventually("it is followed again", SOON, async || asked.lock().expect("no panic").len() == 2)
        .await;
    assert_eq!(asked.lock().expect("no panic")[1], None);
}

/// Its ID moves without an event, and is not forgotten by a takeover.
#[tokio::test]
async fn a_block_without_data_moves_the_position_in_the_log() {
    let nats = Nats::start();
    let (url, asked) =
        start(|id| events(if id.is_none() { "id: 1\ndata: one\n\nid: 5\n\n" } else { "" })).await;
    let mut worker = follow(&nats.url(), &[&format!("a={url}")]);
    has_events(&nats, "a", 1).await;
    let jetstream = nats.connect().await;
    eventually("the mark is there", SOON, async || {
        let stream = jetstream
            .get_stream(names().stream(names().partition_of("a")))
            .await
            .expect("the stream");
        stream.get_last_raw_message_by_subject(&names().subject("mark", "a")).await.is_ok()
    })
    .await;
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &[]);
    eventually("it is followed again", SOON, async || {
        asked.lock().expect("no panic").last() == Some(&Some(b"5".to_vec()))
    })
    .await;
}

/// A quiet source's position is written again before it ages out.
#[tokio::test]
async fn a_quiet_sources_position_does_not_age_out() {
    let nats = Nats::start();
    let (url, asked) =
        start(|id| events(if id.is_none() { "id: 1\ndata: one\n\n" } else { "" })).await;
    let mut worker = follow(&nats.url(), &["--max-age", "4s", &format!("a={url}")]);
    has_events(&nats, "a", 1).await;
    let jetstream = nats.connect().await;
    eventually("the event ages out", SOON, async || read(&jetstream, &names()).await.is_empty())
        .await;
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &["--max-age", "4s"]);
    eventually("it is followed again", SOON, async || asked.lock().expect("no panic").len() == 2)
        .await;
    assert_eq!(asked.lock().expect("no panic")[1], Some(b"1".to_vec()));
}

/// Nor does that of one whose server has nothing more to say.
#[tokio::test]
async fn the_position_of_a_source_that_is_over_does_not_age_out() {
    let nats = Nats::start();
    let (url, asked) = start(|id| match id {
        None => {
            let body = "retry: 100\nid: 1\ndata: one\n\n";
            ([("content-type", "text/event-stream")], body).into_response()
        }
        Some(_) => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let mut worker = follow(&nats.url(), &["--max-age", "4s", &format!("a={url}")]);
    worker.said("over: the server asks not to come again").await;
    let jetstream = nats.connect().await;
    eventually("the event ages out", SOON, async || read(&jetstream, &names()).await.is_empty())
        .await;
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &["--max-age", "4s"]);
    eventually("it is asked again", SOON, async || asked.lock().expect("no panic").len() == 3)
        .await;
    assert_eq!(asked.lock().expect("no panic")[2], Some(b"1".to_vec()));
}

/// Its sequences begin anew, and so does its generation.
#[tokio::test]
async fn a_log_that_was_deleted_is_made_anew() {
    let nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&nats.url(), &[&format!("a={}", numbers.url("a"))]);
    has_events(&nats, "a", 5).await;
    let jetstream = nats.connect().await;
    let config = bucket(&jetstream, "sse", "config", 1).await.expect("a bucket");
    let partition = names().partition_of("a");
    let old = generation(&config, partition).await.expect("a generation");
    jetstream.delete_stream(names().stream(partition)).await.expect("it is deleted");
    worker.said("the log lost its end").await;
    has_events(&nats, "a", 5).await;
    assert_ne!(generation(&config, partition).await.expect("a generation"), old);
    let ids = ids(&nats, "a").await;
    assert!(ids.iter().enumerate().all(|(index, id)| *id == (index + 1).to_string()), "{ids:?}");
    assert!(worker.terminate());
}

/// Logs, leases, sources and what the workers agreed on.
#[tokio::test]
async fn a_store_that_was_wiped_is_made_anew() {
    let mut nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&nats.url(), &[&format!("a={}", numbers.url("a"))]);
    has_events(&nats, "a", 5).await;
    nats.kill();
    nats.wipe();
    nats.start_again();
    worker.said("NATS has lost its store").await;
    has_events(&nats, "a", 5).await;
    let ids = ids(&nats, "a").await;
    assert!(ids.iter().enumerate().all(|(index, id)| *id == (index + 1).to_string()), "{ids:?}");
    assert!(run(&nats.url(), &["status"]).0.contains("worker-"));
    assert!(worker.terminate());
}

#[tokio::test]
async fn the_keys_of_dead_workers_go_away() {
    let nats = Nats::start();
    let mut workers = ["dead", "gone", "here"].map(|name| {
        Process::start(
            &nats.url(),
            &["follow", "--partitions", "2", "--lease", "0.5", "--worker", name],
        )
    });
    let leases = bucket(&nats.connect().await, "sse", "leases", 1).await.expect("a bucket");
    let has = async |name: &str| {
        let entry = leases.entry(format!("w.{name}")).await;
        entry.expect("an answer").is_some() // also of a key that was deleted
    };
    eventually("all are there", SOON, async || {
        has("dead").await && has("gone").await && has("here").await
    })
    .await;
    workers[0].kill();
    assert!(workers[1].terminate());
    eventually("two are gone", SOON, async || !has("dead").await && !has("gone").await).await;
    assert!(has("here").await);
}

/// Not one after the other: NATS may be far.
#[tokio::test(flavor = "multi_thread")]
async fn all_partitions_are_released_at_once() {
    let nats = Nats::start();
    let gate = Gate::start(nats.port()).await;
    let mut worker = Process::start(&gate.url(), &["follow", "--partitions", "32", "--lease", "2"]);
    let taken = |log: &str| log.lines().filter(|line| line.contains(" taken ")).count();
    eventually("all are taken", SOON, async || taken(&worker.log()) == 32).await;
    gate.delay(Duration::from_millis(100));
    assert!(worker.terminate(), "more than two leases: {}", worker.log());
    let released = worker.log().lines().filter(|line| line.contains("given_back=true")).count();
    assert_eq!(released, 32);
}
