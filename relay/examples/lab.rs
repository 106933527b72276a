//! What `relay/run` shows and measures: `lab demo`, `lab writes`, `lab speed`, `lab many`.

#![allow(clippy::unwrap_used)] // what cannot be set up ends it

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fetch_event_source::{EventSource, RetryPolicy};
use relay::log::Log;
use relay::nats::{bucket, has_batches};
use relay::record::Record;
use relay::sources::Source;
use support::check::{Faults, read, sum};
use support::nats::Nats;
use support::numbers::{Numbers, Options};
use support::process::Process;
use support::{eventually, names};
use tokio::time::{interval, sleep};

const SOURCES: u64 = 12;
const PER_SECOND: f64 = 20.0;
const LIMIT: u64 = 280;
const WORKERS: [&str; 3] = ["anna", "bert", "cleo"];

#[tokio::main]
async fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("speed") => speed().await,
        Some("many") => many().await,
        Some("writes") => writes().await,
        _ => demo().await,
    }
}

fn follow(nats: &str, worker: &str, partitions: &str, sources: &[String]) -> Process {
    let mut arguments =
        vec!["follow", "--worker", worker, "--partitions", partitions, "--per-host", "100"];
    arguments.extend(sources.iter().map(String::as_str));
    Process::start(nats, &arguments)
}

/// Twelve sources, three workers, one that serves; the first worker is killed after five seconds.
async fn demo() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let version = jetstream.client().server_info().version;
    let writes = if has_batches(&jetstream) { "up to 1000 events" } else { "one event" };
    println!("NATS {version} at {}, {writes} a write", nats.url());
    println!(
        "{SOURCES} sources of {PER_SECOND} events a second, three workers, one machine that serves\n"
    );
    let numbers =
        Numbers::start(Options { per_second: PER_SECOND, limit: LIMIT, makes_trouble: true }).await;
    let sources: Vec<_> = (0..SOURCES)
        .map(|source| format!("s{source}={}", numbers.url(&format!("s{source}"))))
        .collect();
    let mut workers: Vec<_> =
        WORKERS.iter().map(|name| follow(&nats.url(), name, "12", &sources)).collect();
    let server = Process::start(&nats.url(), &["serve", "--listen", "127.0.0.1:0"]);
    let seen = listen(&server.url().await).await;
    let leases = bucket(&jetstream, "sse", "leases", Some(1)).await.unwrap();
    println!(
        "  s  partitions of {:<5}{:<5}{:<5} in the log  seen by browsers",
        WORKERS[0], WORKERS[1], WORKERS[2]
    );
    let (start, mut seconds) = (Instant::now(), interval(Duration::from_secs(1)));
    let mut complete = false;
    for second in 0..45 {
        seconds.tick().await;
        let mut note = "";
        if second == 5 {
            workers[0].kill();
            note = "  <- kill -9 anna";
        }
        let mut owners = Vec::new();
        for partition in 0..12 {
            let owner = leases.get(format!("p.{partition}")).await.ok().flatten();
            owners.extend(owner.map(|owner| String::from_utf8_lossy(&owner).into_owned()));
        }
        let held = WORKERS.map(|name| owners.iter().filter(|owner| *owner == name).count());
        let log: usize = read(&jetstream, &names(12)).await.values().map(Vec::len).sum();
        let seen = seen.load(Ordering::Relaxed);
        println!(
            "{second:>3}  {:13} {:<5}{:<5}{:<5} {log:>10}  {seen:>16}{note}",
            "", held[0], held[1], held[2]
        );
        complete = log as u64 >= SOURCES * LIMIT && seen >= SOURCES * LIMIT;
        if complete && second > 15 {
            break;
        }
    }
    assert!(complete, "not complete after {:?}", start.elapsed());
    let requests: u64 = numbers.counts().values().map(|count| count.requests).sum();
    println!("\nthe sources cut their connections all the time: {requests} requests");
    let (sum, all) = sum(&read(&jetstream, &names(12)).await, LIMIT);
    println!(
        "the log: {all} events, {} lost, {} twice, {} out of order",
        sum.lost, sum.twice, sum.out_of_order
    );
    println!("the browsers: {} events, each the next of its source", seen.load(Ordering::Relaxed));
    let well = workers[1..].iter_mut().all(Process::terminate);
    assert!(sum == Faults::default() && well, "{sum:?}, workers ended well: {well}");
}

/// One client a source. It fails where an event is not the next one.
async fn listen(origin: &str) -> Arc<AtomicU64> {
    let seen = Arc::new(AtomicU64::new(0));
    for source in 0..SOURCES {
        let seen = seen.clone();
        let url = format!("{origin}/sources/s{source}?from=start");
        let policy = RetryPolicy::persistent()
            .base_delay(Duration::from_millis(200))
            .max_delay(Duration::from_secs(1));
        let source = EventSource::get(url)
            .retry(policy)
            .on_error(|failure| failure.retry_after(Duration::from_millis(200)));
        let mut events = source.stream();
        tokio::spawn(async move {
            for expected in 1..=LIMIT {
                let event = events.next().await.unwrap().unwrap();
                if event.data() != expected.to_string() {
                    eprintln!("a browser saw {} instead of {expected}", event.data());
                    std::process::exit(1);
                }
                seen.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    seen
}

/// Sources that flood, one worker, one event in flight or batches.
async fn speed() {
    for (count, batch, events) in
        [(1, "1", 50_000), (16, "1", 50_000), (1, "1000", 200_000), (16, "1000", 200_000)]
    {
        let nats = Nats::start();
        let jetstream = nats.connect().await;
        if batch != "1" && !has_batches(&jetstream) {
            break;
        }
        let each = events / count;
        let numbers =
            Numbers::start(Options { per_second: 1e9, limit: each, makes_trouble: false }).await;
        let sources: Vec<_> = (0..count)
            .map(|source| format!("s{source}={}", numbers.url(&format!("s{source}"))))
            .collect();
        let mut arguments =
            vec!["follow", "--partitions", "16", "--batch", batch, "--per-host", "100"];
        arguments.extend(sources.iter().map(String::as_str));
        let mut worker = Process::start(&nats.url(), &arguments);
        eventually("all is in the log", Duration::from_secs(120), async || {
            sleep(Duration::from_millis(500)).await;
            let mut messages = 0;
            for partition in 0..16 {
                let stream = jetstream.get_stream(names(16).stream(partition)).await;
                messages += stream.map_or(0, |stream| stream.cached_info().state.messages);
            }
            messages >= events
        })
        .await;
        let cpu = worker.cpu();
        sleep(Duration::from_secs(1)).await; // fences are messages, too: the last events may be on their way
        let found = read(&jetstream, &names(16)).await;
        let times = found.values().flatten().map(|(_, at)| *at);
        let (first, last) =
            times.fold((f64::MAX, f64::MIN), |(first, last), at| (first.min(at), last.max(at)));
        assert_eq!(found.values().map(Vec::len).sum::<usize>() as u64, each * count);
        println!(
            "{count} sources, {batch} events a write at most: {:.0} events/s, {:.1} µs of the worker's CPU an event, {} KiB",
            events as f64 / (last - first),
            cpu.as_secs_f64() * 1e6 / events as f64,
            worker.memory()
        );
        worker.terminate();
    }
}

/// The log alone: what a write of so many events costs.
async fn writes() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let config = bucket(&jetstream, "sse", "config", Some(1)).await.unwrap();
    let names = support::agree(&config, 1).await;
    names.open(&jetstream, 0).await.unwrap();
    let (mut log, _) = Log::take(&jetstream, &names, &config, 0, "lab", 1000).await.unwrap();
    for size in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000] {
        let data = "x".repeat(100);
        let record =
            |id: usize| Record::event(&names, "a", "message", &id.to_string(), data.clone().into());
        let records: Vec<_> = (0..size).map(record).collect();
        if size > log.batch {
            break;
        }
        let (start, mut writes) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(2) {
            log.append(&records).await.unwrap();
            writes += 1;
        }
        let each = start.elapsed() / writes;
        println!(
            "{size:>5} events a write: {each:>9.1?} a write, {:>7.0} events/s",
            size as f64 / each.as_secs_f64()
        );
    }
}

/// Five thousand sources that say nothing.
async fn many() {
    let count: u64 = 5000;
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let numbers = Numbers::start(Options {
        per_second: 1.0 / 3600.0,
        limit: 1_000_000,
        makes_trouble: false,
    })
    .await;
    let mut worker = Process::start(
        &nats.url(),
        &["follow", "--per-host", "1000", "--connects-per-second", "1000", "--idle-timeout", "600"],
    );
    worker.said("taken").await;
    let sources = bucket(&jetstream, "sse", "sources", None).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    let before = worker.memory();
    for source in 0..count {
        let name = format!("s{source}");
        let source = serde_json::to_vec(&Source::parse(&numbers.url(&name)).unwrap()).unwrap();
        sources.put(name, source.into()).await.unwrap();
    }
    let start = Instant::now();
    eventually("all are followed", Duration::from_secs(120), async || {
        numbers.counts().values().map(|count| count.open).sum::<u64>() == count
    })
    .await;
    let connected = start.elapsed();
    sleep(Duration::from_secs(5)).await;
    let after = worker.memory();
    println!("{count} sources in one worker, the last {connected:.1?} after it was put");
    println!(
        "{before} KiB, then {after} KiB: {:.1} KiB for an idle source",
        (after - before) as f64 / count as f64
    );
    assert!(worker.terminate());
}
