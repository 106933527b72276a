//! Any machine serves: clients miss nothing although machines die, and a slow one costs no memory.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use fetch_event_source::{Event, EventSource, EventStream, RetryPolicy, Signal, default_client};
use relay::log::Log;
use relay::names::Names;
use relay::nats::bucket;
use relay::record::Record;
use relay::sources::Source;
use support::eventually;
use support::gate::Gate;
use support::nats::Nats;
use support::process::Process;

/// A log with one source, `a`, which this test writes.
struct Written {
    nats: Nats,
    jetstream: Context,
    names: Names,
    config: async_nats::jetstream::kv::Store,
    log: Log,
}

impl Written {
    async fn start() -> Self {
        let nats = Nats::start();
        let jetstream = nats.connect().await;
        let config = bucket(&jetstream, "sse", "config", Some(1)).await.expect("a bucket");
        let names = support::agree(&config, 1).await;
        names.open(&jetstream, 0).await.expect("a stream");
        let sources = bucket(&jetstream, "sse", "sources", Some(1)).await.expect("a bucket");
        let source = serde_json::to_vec(&Source::parse("http://127.0.0.1:9/").expect("a URL"))
            .expect("JSON");
        sources.put("a", source.into()).await.expect("put");
        let (log, _) = Log::take(&jetstream, &names, &config, 0, "test", 1).await.expect("taken");
        Self { nats, jetstream, names, config, log }
    }

    async fn write(&mut self, number: u64) {
        self.write_data(number, number.to_string()).await;
    }

    async fn write_data(&mut self, number: u64, data: String) {
        let record = Record::event(&self.names, "a", "message", &number.to_string(), data.into());
        while let Err(error) = self.log.append(std::slice::from_ref(&record)).await {
            println!("{error}");
            if let Ok(relay::log::Reclaimed::Stored) =
                self.log.reclaim(std::slice::from_ref(&record)).await
            {
                return;
            }
        }
    }

    fn serve(&self, listen: &str) -> Process {
        Process::start(&self.nats.url(), &["serve", "--listen", listen, "--keep", "64"])
    }
}

fn url(origin: &str) -> String {
    format!("{origin}/sources/a?from=start")
}

fn listen(origin: &str, id: &str) -> EventStream {
    EventSource::get(url(origin)).last_event_id(id).retry(RetryPolicy::never()).stream()
}

async fn next(events: &mut EventStream) -> Event {
    let event = tokio::time::timeout(Duration::from_secs(20), events.next()).await;
    event.expect("an event in time").expect("an event").expect("no error")
}

/// Reads the events 1 to `number`. Returns the ID of the last.
async fn read_to(events: &mut EventStream, number: u64) -> String {
    let mut last = String::new();
    for number in 1..=number {
        let event = next(events).await;
        assert_eq!(event.data(), number.to_string());
        last = event.last_event_id().to_owned();
    }
    last
}

/// The ID's sequence.
fn sequence(event: &Event) -> u64 {
    event
        .last_event_id()
        .rsplit_once('-')
        .expect("generation and sequence")
        .1
        .parse()
        .expect("a number")
}

#[tokio::test]
async fn a_client_goes_on_at_another_machine() {
    let mut written = Written::start().await;
    for number in 1..=200 {
        written.write(number).await;
    }
    let (one, two) = (written.serve("127.0.0.1:0"), written.serve("127.0.0.1:0"));
    let mut events = listen(&one.url().await, "");
    let last = read_to(&mut events, 100).await;
    let mut events = listen(&two.url().await, &last);
    for number in 101..=200 {
        assert_eq!(next(&mut events).await.data(), number.to_string());
    }
    written.write(201).await;
    assert_eq!(next(&mut events).await.data(), "201");
}

#[tokio::test]
async fn a_client_without_an_id_gets_what_comes_from_now_on() {
    let mut written = Written::start().await;
    for number in 1..=50 {
        written.write(number).await;
    }
    let machine = written.serve("127.0.0.1:0");
    let url = format!("{}/sources/a", machine.url().await);
    let (_, mut events) = EventSource::get(&url).open().await.expect("it opens");
    // An empty one is none.
    let request = default_client().expect("a client").get(url).header("last-event-id", "");
    let response = request.send().await.expect("a response");
    let mut empty = EventSource::from_response(response).stream();
    written.write(51).await;
    assert_eq!(next(&mut events).await.data(), "51");
    assert_eq!(next(&mut empty).await.data(), "51");
}

/// So it misses nothing if the machine dies before its first event.
#[tokio::test]
async fn a_client_without_an_id_gets_one_before_its_first_event() {
    let mut written = Written::start().await;
    for number in 1..=3 {
        written.write(number).await;
    }
    let machine = written.serve("127.0.0.1:0");
    let url = format!("{}/sources/a", machine.url().await);
    let mut signals = EventSource::get(url).signals();
    let id = loop {
        if let Signal::LastEventId(id) = signals.next().await.expect("a signal").expect("no error")
        {
            break id;
        }
    };
    drop(signals);
    written.write(4).await;
    let mut events = listen(&machine.url().await, &id);
    assert_eq!(next(&mut events).await.data(), "4");
}

#[tokio::test]
async fn an_id_that_is_not_of_this_log_or_too_old_is_answered_by_a_reset() {
    let mut written = Written::start().await;
    for number in 1..=9 {
        written.write(number).await;
    }
    let stream = written.jetstream.get_stream("sse-0").await.expect("the stream");
    stream.purge().sequence(6).await.expect("the first five are gone");
    let machine = written.serve("127.0.0.1:0");
    let origin = machine.url().await;
    let generation = written.log.generation.clone();
    let aged_out = format!("{generation}-3");
    let beyond = format!("{generation}-4000");
    for id in ["7", "0badc0de-7", &aged_out, &beyond, "\u{e9}-\u{e9}", "-"] {
        let mut events = listen(&origin, id);
        let reset = next(&mut events).await;
        assert_eq!(reset.event_type(), "relay.reset", "{id}");
        assert_eq!(reset.data(), format!("{generation}-6"));
        let first = next(&mut events).await;
        assert_eq!((sequence(&first), first.data()), (6, "5"), "{id}");
        // With the reset's own ID there is no second one.
        let mut events = listen(&origin, reset.last_event_id());
        assert_eq!(next(&mut events).await.data(), "5");
    }
    let mut events = listen(&origin, &format!("{generation}-7"));
    assert_eq!(next(&mut events).await.data(), "7");
}

#[tokio::test]
async fn a_log_that_lost_its_end_is_served_with_new_ids() {
    let mut written = Written::start().await;
    for number in 1..=5 {
        written.write(number).await;
    }
    let copy = written.nats.back_up();
    for number in 6..=9 {
        written.write(number).await;
    }
    let machine = written.serve("127.0.0.1:0");
    let origin = machine.url().await;
    let mut events = listen(&origin, "");
    let last = read_to(&mut events, 9).await;
    written.nats.restore(&copy);
    // The worker is gone as well: the machine that serves is the only one that can notice.
    let jetstream = written.nats.connect().await;
    let generation = written.log.generation.clone();
    eventually("the machine begins a generation", Duration::from_secs(30), async || {
        support::generation(&written.config, 0).await != generation
    })
    .await;
    let taken = Log::take(&jetstream, &written.names, &written.config, 0, "other", 1).await;
    written.log = taken.expect("taken").0;
    for number in 6..=20 {
        written.write_data(number, format!("new {number}")).await;
    }
    let mut events = listen(&origin, &last);
    assert_eq!(next(&mut events).await.event_type(), "relay.reset");
    for number in 1..=5 {
        assert_eq!(next(&mut events).await.data(), number.to_string());
    }
    assert_eq!(next(&mut events).await.data(), "new 6");
}

/// The connection to NATS stays up.
#[tokio::test]
async fn a_log_that_was_deleted_and_made_anew_is_served_with_new_ids() {
    let mut written = Written::start().await;
    for number in 1..=9 {
        written.write(number).await;
    }
    let machine = written.serve("127.0.0.1:0");
    let origin = machine.url().await;
    let mut events = listen(&origin, "");
    let last = read_to(&mut events, 9).await;
    written.jetstream.delete_stream("sse-0").await.expect("it is deleted");
    written.names.open(&written.jetstream, 0).await.expect("a stream");
    let taken = Log::take(&written.jetstream, &written.names, &written.config, 0, "other", 1).await;
    written.log = taken.expect("taken").0;
    for number in 1..=3 {
        written.write_data(number, format!("new {number}")).await;
    }
    let ended = async { while events.next().await.is_some_and(|event| event.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(20), ended).await.expect("the client is broken off");
    let mut events = listen(&origin, &last);
    assert_eq!(next(&mut events).await.event_type(), "relay.reset");
    for number in 1..=3 {
        assert_eq!(next(&mut events).await.data(), format!("new {number}"));
    }
    let without = EventSource::get(format!("{origin}/sources/a"));
    let (_, mut without) = without.open().await.expect("it opens");
    written.write_data(4, "new 4".to_owned()).await;
    assert_eq!(next(&mut without).await.data(), "new 4");
    assert_eq!(next(&mut events).await.data(), "new 4");
}

/// It lost its end, and before the machine was there again it was longer than before.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_and_grew_past_it_is_served_with_new_ids() {
    let mut written = Written::start().await;
    for number in 1..=5 {
        written.write(number).await;
    }
    let copy = written.nats.back_up();
    for number in 6..=9 {
        written.write(number).await;
    }
    let gate = Gate::start(written.nats.port()).await;
    let machine = Process::start(&gate.url(), &["serve", "--listen", "127.0.0.1:0"]);
    let origin = machine.url().await;
    let mut events = listen(&origin, "");
    let last = read_to(&mut events, 9).await;
    gate.shut();
    written.nats.restore(&copy);
    let jetstream = written.nats.connect().await;
    let generation = written.log.generation.clone();
    let taken = Log::take(&jetstream, &written.names, &written.config, 0, "other", 1).await;
    written.log = taken.expect("taken").0;
    assert_eq!(written.log.generation, generation);
    for number in 6..=20 {
        written.write_data(number, format!("new {number}")).await;
    }
    gate.open();
    eventually("the machine begins a generation", Duration::from_secs(30), async || {
        support::generation(&written.config, 0).await != generation
    })
    .await;
    // As a worker does that sees the change.
    let taken = Log::take(&jetstream, &written.names, &written.config, 0, "other", 1).await;
    written.log = taken.expect("taken").0;
    let mut events = listen(&origin, &last);
    assert_eq!(next(&mut events).await.event_type(), "relay.reset");
    for number in 1..=5 {
        assert_eq!(next(&mut events).await.data(), number.to_string());
    }
    assert_eq!(next(&mut events).await.data(), "new 6");
}

#[tokio::test]
async fn a_source_that_is_not_there_is_not_found() {
    let written = Written::start().await;
    let machine = written.serve("127.0.0.1:0");
    let origin = machine.url().await;
    for (path, status) in
        [("/sources/b", 404), ("/sources/..%2fa", 404), ("/sources/a", 200), ("/metrics", 200)]
    {
        let response =
            default_client().expect("a client").get(format!("{origin}{path}")).send().await;
        assert_eq!(response.expect("a response").status(), status, "{path}");
    }
}

/// A partition that does not answer holds up its own clients, and no others.
#[tokio::test(flavor = "multi_thread")]
async fn clients_do_not_wait_for_a_partition_that_is_not_theirs() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let config = bucket(&jetstream, "sse", "config", Some(1)).await.expect("a bucket");
    let names = support::agree(&config, 2).await;
    let sources = bucket(&jetstream, "sse", "sources", Some(1)).await.expect("a bucket");
    let live = names.partition_of("a");
    let stuck = (0..).map(|number| format!("s{number}"));
    let stuck = stuck.into_iter().find(|name| names.partition_of(name) != live).expect("a name");
    for name in ["a", &stuck] {
        let source = serde_json::to_vec(&Source::parse("http://127.0.0.1:9/").expect("a URL"))
            .expect("JSON");
        sources.put(name, source.into()).await.expect("put");
        let partition = names.partition_of(name);
        names.open(&jetstream, partition).await.expect("a stream");
        let taken = Log::take(&jetstream, &names, &config, partition, "test", 1).await;
        let record = Record::event(&names, name, "message", "1", "data".into());
        taken.expect("taken").0.append(&[record]).await.expect("stored");
    }
    let gate = Gate::start(nats.port()).await;
    gate.drop_each(&format!("STREAM.INFO.sse-{}", 1 - live));
    let machine = Process::start(&gate.url(), &["serve", "--listen", "127.0.0.1:0"]);
    let origin = machine.url().await;
    let request =
        || default_client().expect("a client").get(format!("{origin}/sources/{stuck}")).send();
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(request())).collect();
    eventually("they wait", Duration::from_secs(20), async || gate.drops() > 0).await;
    assert_eq!(next(&mut listen(&origin, "")).await.data(), "data");
    assert!(!waiting.iter().any(tokio::task::JoinHandle::is_finished), "it came after them");
}

/// Its events wait in the log, not in memory, and another client is not held up.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_costs_no_memory() {
    let mut written = Written::start().await;
    let machine = written.serve("127.0.0.1:0");
    let origin = machine.url().await;
    let slow: Vec<_> = futures_util::future::join_all((0..20).map(async |_| {
        let response = default_client().expect("a client").get(url(&origin)).send().await;
        response.expect("a response") // whose body nobody reads yet
    }))
    .await;
    let mut quick = listen(&origin, "");
    written.write(0).await;
    next(&mut quick).await;
    let before = machine.memory();
    let data = "x".repeat(64 << 10);
    for number in 1..=1000 {
        written.write_data(number, data.clone()).await; // 64 MiB, for each of the 20
        assert_eq!(next(&mut quick).await.data().len(), data.len());
    }
    let grown = machine.memory().saturating_sub(before);
    println!("20 clients that read nothing of 64 MiB each: {grown} KiB more");
    assert!(grown < 48 << 10, "{grown} KiB");
    // And nothing of it is lost.
    let response = slow.into_iter().next().expect("a client");
    let mut events = EventSource::from_response(response).stream();
    for number in 0..=1000 {
        let event = next(&mut events).await;
        assert_eq!(sequence(&event), number + 2, "the fence is the first message");
    }
}

/// Two machines are killed in turn while 1 000 clients listen, each attempt at another machine.
#[tokio::test(flavor = "multi_thread")]
async fn clients_lose_nothing_although_machines_die() {
    let clients: u64 =
        std::env::var("RELAY_CLIENTS").map_or(1000, |count| count.parse().expect("a number"));
    let events: u64 =
        std::env::var("RELAY_EVENTS").map_or(200, |count| count.parse().expect("a number"));
    let mut written = Written::start().await;
    let mut machines = [written.serve("127.0.0.1:0"), written.serve("127.0.0.1:0")];
    let origins = [machines[0].url().await, machines[1].url().await];
    let (wrong, done, opened) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let client = default_client().expect("a client");
    for number in 0..clients {
        let (wrong, done, opened) = (wrong.clone(), done.clone(), opened.clone());
        let (client, origins) = (client.clone(), origins.clone());
        tokio::spawn(async move {
            let source = EventSource::from_fn(move |attempt| {
                let origin = &origins[((attempt.number() + number) % 2) as usize];
                let request = client.get(url(origin));
                async move { Ok(request) }
            });
            let policy = RetryPolicy::persistent()
                .base_delay(Duration::from_millis(200))
                .max_delay(Duration::from_secs(1));
            let mut stream = source
                .retry(policy)
                .on_open(move |_| {
                    opened.fetch_add(1, Ordering::Relaxed);
                })
                .stream();
            for expected in 1..=events {
                let event = stream.next().await.expect("an event").expect("no error");
                wrong.fetch_add(u64::from(event.data() != expected.to_string()), Ordering::Relaxed);
            }
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    for number in 1..=events {
        written.write(number).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        if number % (events / 5) == 0 && number < events {
            let dies = (number / (events / 5) % 2) as usize;
            machines[dies].kill();
            let address = origins[dies].trim_start_matches("http://").to_owned();
            machines[dies] = written.serve(&address);
        }
    }
    eventually("each client has all", Duration::from_secs(60), async || {
        done.load(Ordering::Relaxed) == clients as usize
    })
    .await;
    let memory: HashMap<_, _> =
        machines.iter().map(|machine| (machine.pid(), machine.memory())).collect();
    println!(
        "{clients} clients, {} events, 4 times a machine was killed: {} wrong, {} connections; KiB by machine: {:?}",
        clients * events,
        wrong.load(Ordering::Relaxed),
        opened.load(Ordering::Relaxed),
        memory.values(),
    );
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
}
