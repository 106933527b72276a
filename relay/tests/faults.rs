//! Bad input and faults: each is said in a line of the log, or an event, and nothing else suffers.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream::kv::Operation;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use relay::names::Names;
use relay::nats::bucket;
use relay::record::TYPE;
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
    support::names(2)
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
    worker.said("cannot be set up yet").await;
    gate.open();
    has_events(&nats, "a", 5).await;
    gate.swallow_from("STREAM.INFO");
    let mut server = Process::start(&gate.url(), &["serve", "--listen", "127.0.0.1:0"]);
    server.said("cannot be set up yet").await;
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
    let mut worker = follow(&nats.url(), &["--max-age", "1h"]);
    worker.said("following").await;
    for (option, given, agreed) in [
        ("--partitions", "3", "3 is not what this relay was made with: 2"),
        ("--replicas", "3", "3 is not what this relay was made with: 1"),
        ("--lease", "5", "5s is not what this relay was made with: 1s"),
        ("--max-age", "2h", "7200s is not what this relay was made with: 3600s"),
    ] {
        let (said, is_well) = run(&nats.url(), &["follow", option, given]);
        assert!(!is_well && said.contains(&format!("{option} {agreed}")), "{said}");
    }
    assert!(worker.terminate());
    let config = bucket(&nats.connect().await, "other", "config", Some(1)).await.expect("a bucket");
    for agreement in [
        r#"{"partitions":2,"partition_by":"host","max_age":{"secs":9,"nanos":0},"lease":{"secs":9,"nanos":0}}"#,
        r#"{"partitions":2,"partition_by":"source"}"#,
        r#"{"partitions":0,"partition_by":"source","max_age":{"secs":9,"nanos":0},"lease":{"secs":9,"nanos":0}}"#,
        "nonsense",
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

/// A worker without options leaves a log as the others made it.
#[tokio::test]
async fn a_worker_takes_from_the_others_what_its_options_do_not_say() {
    let nats = Nats::start();
    let mut worker = follow(&nats.url(), &["--max-age", "1h"]);
    worker.said(" taken ").await;
    assert!(worker.terminate());
    let worker = Process::start(&nats.url(), &["follow"]);
    eventually("it has both partitions", SOON, async || {
        worker.log().lines().filter(|line| line.contains(" taken ")).count() == 2
    })
    .await;
    let stream = nats.connect().await.get_stream("sse-0").await.expect("the stream");
    assert_eq!(stream.cached_info().config.max_age, Duration::from_secs(3600));
}

/// Nor does a worker make what it could not ask for: it may be there, and otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_makes_nothing() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let mut server = Process::start(&nats.url(), &["serve", "--listen", "127.0.0.1:0"]);
    server.said("has no workers yet").await;
    for arguments in [&["status"][..], &["sources", "list"], &["sources", "put", "a", "http://a/"]]
    {
        let (said, is_well) = run(&nats.url(), arguments);
        assert!(!is_well && said.contains("has no workers yet"), "{said}");
    }
    let gate = Gate::start(nats.port()).await;
    gate.drop_each("STREAM.INFO.KV_sse-config");
    let gated = async_nats::connect(gate.url()).await.expect("through the gate");
    let gated = async_nats::jetstream::new(gated);
    bucket(&gated, "sse", "config", Some(1)).await.expect_err("no answer");
    assert_eq!(jetstream.stream_names().count().await, 0);
    let _worker = follow(&nats.url(), &[]);
    server.said("listening on").await;
    assert!(server.terminate());
}

/// Nobody mends it by waiting.
#[tokio::test]
async fn nats_that_refuses_for_good_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let accounts = folder.path().join("accounts.conf");
    let text = "accounts { a { users: [{ user: a, password: a }] } }\nno_auth_user: a\n";
    std::fs::write(&accounts, text).expect("written");
    let locked: &[&str] = &["--user", "somebody", "--pass", "else"];
    let without: &[&str] = &["-c", accounts.to_str().expect("a path")];
    for (nats, option, words) in [
        (locked, "1", "authorization violation"),
        (without, "1", "cannot be set up yet"),
        (&[], "3", "replicas > 1 not supported"),
    ] {
        let nats = Nats::start_with(nats);
        let (said, is_well) = run(&nats.url(), &["follow", "--replicas", option]);
        assert!(!is_well && said.contains(words), "{said}");
        assert!(said.contains("ERROR") && said.contains("mend what is set up"), "{said}");
    }
}

/// While one of its keys is there, so is that of the worker: nobody takes what is still being written.
#[tokio::test]
async fn a_worker_that_stops_gives_back_its_own_key_last() {
    let nats = Nats::start();
    let numbers = Numbers::start(NUMBERS).await;
    let mut worker = follow(&nats.url(), &["--worker", "one", &format!("a={}", numbers.url("a"))]);
    has_events(&nats, "a", 5).await;
    let leases = bucket(&nats.connect().await, "sse", "leases", None).await.expect("the bucket");
    let mut entries = leases.watch(">").await.expect("watched");
    assert!(worker.terminate());
    let mut deleted = Vec::new();
    while deleted.last().is_none_or(|key| key != "w.one") {
        let entry = tokio::time::timeout(SOON, entries.next()).await.expect("a change in time");
        let entry = entry.expect("a change").expect("no error");
        if entry.operation == Operation::Delete {
            deleted.push(entry.key);
        }
    }
    deleted.sort();
    assert_eq!(deleted, ["p.0", "p.1", "w.one"]);
}

/// It has partitions to give back, whose logs take nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_stuck_does_not_hold_up_the_heartbeat() {
    let nats = Nats::start();
    let gate = Gate::start(nats.port()).await;
    let numbers = Numbers::start(NUMBERS).await;
    let in_partition =
        |partition| (0..).map(|n| format!("s{n}")).find(|s| names().partition_of(s) == partition);
    let sources: Vec<_> = (0..2)
        .filter_map(in_partition)
        .map(|source| format!("{source}={}", numbers.url(&source)))
        .collect();
    let options = ["follow", "--partitions", "2", "--lease", "3"];
    let sources = [sources[0].as_str(), sources[1].as_str()];
    let worker = Process::start(&gate.url(), &[&options[..], &sources].concat());
    eventually("it has both partitions", SOON, async || {
        worker.log().lines().filter(|line| line.contains(" taken ")).count() == 2
    })
    .await;
    gate.drop_each(".event.");
    eventually("both are stuck", SOON, async || gate.drops() > 3).await;
    let other = Process::start(&nats.url(), &options);
    worker.said("not all was written in time").await;
    worker.said("given_back=true").await;
    other.said(" taken ").await;
    assert!(!worker.log().contains("out of touch"), "{}", worker.log());
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
        (&["follow", "--partitions", "0"], "invalid value '0'"),
        (&["follow", "--partitions", "4097"], "1 to 4096"),
        (&["follow", "--replicas", "0"], "1 to 5"),
        (&["follow", "--replicas", "6"], "1 to 5"),
        (&["follow", "--max-age", "999ms"], "1s to 10y"),
        (&["follow", "--max-age", "500y"], "1s to 10y"),
        (&["follow", "--connects-per-second", "2000000000"], "not in 1..=1000000"),
        (&["follow", "a=nonsense"], "is not a URL"),
        (&["status"], "has no workers yet"),
        (&["serve", "--allow-origin", "*", "--allow-origin", "http://a"], "permits all"),
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
        run(&nats.url(), &["sources", "put", "a", &numbers.url("a"), "--header", "x-key: secret"])
            .1
    );
    has_events(&nats, "a", 5).await;
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
    assert!(ids.iter().enumerate().all(|(index, id)| *id == (index + 1).to_string()), "{ids:?}");
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

/// It is passed over, but its server may send it again and again.
#[tokio::test]
async fn a_server_that_sends_the_same_large_event_again_is_not_asked_in_a_hurry() {
    let nats = Nats::start();
    let (url, asked) = start(|_| events(format!("id: 1\ndata: {}\n\n", "x".repeat(300_000)))).await;
    let start = Instant::now();
    let _worker = follow(&nats.url(), &["--max-event-size", "200000", &format!("a={url}")]);
    eventually("it is asked three times", SOON, async || {
        asked.lock().expect("no panic").len() >= 3
    })
    .await;
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
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

/// Until the source's event has aged out, and its position was written again just now.
async fn ages_out(nats: &Nats, source: &str) {
    let jetstream = nats.connect().await;
    eventually("the event ages out", SOON, async || read(&jetstream, &names()).await.is_empty())
        .await;
    let stream = names().stream(names().partition_of(source));
    let stream = jetstream.get_stream(stream).await.expect("the stream");
    let mark = async || {
        let found = stream.get_last_raw_message_by_subject(&names().subject("mark", source)).await;
        found.map_or(0, |found| found.sequence)
    };
    let before = mark().await;
    eventually("its position is written again", SOON, async || mark().await > before).await;
}

/// A quiet source's position is written again before it ages out.
#[tokio::test]
async fn a_quiet_sources_position_does_not_age_out() {
    let nats = Nats::start();
    let (url, asked) =
        start(|id| events(if id.is_none() { "id: 1\ndata: one\n\n" } else { "" })).await;
    let mut worker = follow(&nats.url(), &["--max-age", "6s", &format!("a={url}")]);
    has_events(&nats, "a", 1).await;
    ages_out(&nats, "a").await;
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &[]);
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
    let mut worker = follow(&nats.url(), &["--max-age", "6s", &format!("a={url}")]);
    worker.said("over: the server asks not to come again").await;
    ages_out(&nats, "a").await;
    assert!(worker.terminate());
    let _worker = follow(&nats.url(), &[]);
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
    let config = bucket(&jetstream, "sse", "config", Some(1)).await.expect("a bucket");
    let partition = names().partition_of("a");
    let old = support::generation(&config, partition).await;
    jetstream.delete_stream(names().stream(partition)).await.expect("it is deleted");
    worker.said("the log lost its end").await;
    has_events(&nats, "a", 5).await;
    assert_ne!(support::generation(&config, partition).await, old);
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

/// Another worker was faster, and agreed on something else.
#[tokio::test]
async fn a_worker_whose_store_was_wiped_takes_what_another_wrote() {
    let mut nats = Nats::start();
    let free = Process::start(&nats.url(), &["follow"]);
    free.said(" taken ").await;
    let mut bound = Process::start(&nats.url(), &["follow", "--partitions", "16"]);
    bound.said(" taken ").await;
    nats.kill();
    nats.wipe();
    nats.start_again();
    let config = bucket(&nats.connect().await, "sse", "config", Some(1)).await.expect("a bucket");
    support::agree(&config, 2).await;
    free.said("NATS has lost its store").await;
    eventually("it follows again", SOON, async || {
        free.log().lines().filter(|line| line.contains("following")).count() == 2
    })
    .await;
    // The options of this one say otherwise, and it goes on asking.
    bound.said("--partitions 16 is not what this relay was made with: 2").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(bound.has_ended().is_none(), "{}", bound.log());
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
    let leases = bucket(&nats.connect().await, "sse", "leases", Some(1)).await.expect("a bucket");
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

/// It was killed with all of them, and takes its share alone: the rest names a worker that lives.
#[tokio::test]
async fn a_worker_that_comes_back_under_its_name_leaves_the_others_their_share() {
    let nats = Nats::start();
    let start = |name: &str| {
        let options = ["follow", "--partitions", "16", "--lease", "3", "--worker", name];
        Process::start(&nats.url(), &options)
    };
    let mut first = start("a");
    let taken = |log: &str| log.lines().filter(|line| line.contains(" taken ")).count();
    eventually("it has all", SOON, async || taken(&first.log()) == 16).await;
    first.kill();
    let second = start("b");
    second.said("following").await;
    let third = start("a");
    eventually("each has its half", SOON, async || {
        taken(&third.log()) >= 8 && taken(&second.log()) >= 8
    })
    .await;
    let leases = bucket(&nats.connect().await, "sse", "leases", None).await.expect("the bucket");
    eventually("the leases say so", SOON, async || {
        let mut owners = std::collections::BTreeMap::<_, usize>::new();
        for partition in 0..16 {
            let owner = leases.get(format!("p.{partition}")).await.expect("an answer");
            *owners.entry(owner).or_default() += 1;
        }
        owners == [(Some("a".into()), 8), (Some("b".into()), 8)].into()
    })
    .await;
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
    let start = Instant::now();
    assert!(worker.terminate(), "{}", worker.log());
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}: {}", start.elapsed(), worker.log());
    let released = worker.log().lines().filter(|line| line.contains("given_back=true")).count();
    assert_eq!(released, 32);
}
