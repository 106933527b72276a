//! Each event once and in order, whatever happens to workers, NATS and sources: `RELAY_CHAOS_SECONDS`.

mod support;

use std::time::{Duration, Instant};

use support::check::{Faults, read, sum};
use support::eventually;
use support::gate::Gate;
use support::nats::Nats;
use support::numbers::{Numbers, Options};
use support::process::{self, Process};

const PER_SECOND: f64 = 20.0;
const LEASE: f64 = 2.0;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn follow(nats: &str, sources: &[String]) -> Process {
    let lease = LEASE.to_string();
    let mut arguments = vec!["follow", "--partitions", "8", "--lease", &lease, "--per-host", "100"];
    arguments.extend(sources.iter().map(String::as_str));
    Process::start(nats, &arguments)
}

async fn pause(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_once_and_in_order() {
    let seconds = setting("RELAY_CHAOS_SECONDS", 20);
    let count = setting("RELAY_CHAOS_SOURCES", 20);
    let seed = setting("RELAY_CHAOS_SEED", fastrand::u64(..1_000_000));
    println!("chaos for {seconds} s, RELAY_CHAOS_SEED={seed}");
    fastrand::seed(seed);
    let limit = (seconds as f64 * PER_SECOND) as u64;
    let mut nats = Nats::start();
    let mut gates = Vec::new();
    for _ in 0..3 {
        gates.push(Gate::start(nats.port()).await);
    }
    let numbers =
        Numbers::start(Options { per_second: PER_SECOND, limit, makes_trouble: true }).await;
    let sources: Vec<_> = (0..count)
        .map(|source| format!("s{source}={}", numbers.url(&format!("s{source}"))))
        .collect();
    let mut workers: Vec<_> = gates.iter().map(|gate| follow(&gate.url(), &sources)).collect();
    let mut done = std::collections::BTreeMap::<&str, u32>::new();
    let start = Instant::now();
    pause(3.0).await;
    while start.elapsed() < Duration::from_secs(seconds) {
        let worker = fastrand::usize(..3);
        let fault = ["kill -9", "SIGSTOP", "cut off", "SIGTERM", "NATS killed", "NATS stopped"]
            [fastrand::usize(..6)];
        *done.entry(fault).or_default() += 1;
        match fault {
            "kill -9" => workers[worker].kill(),
            "SIGSTOP" => {
                let pid = workers[worker].pid();
                process::signal(pid, "STOP");
                pause(LEASE * (1.0 + fastrand::f64())).await;
                process::signal(pid, "CONT");
            }
            "cut off" => {
                gates[worker].shut();
                pause(LEASE * (1.0 + fastrand::f64())).await;
                gates[worker].open();
            }
            "SIGTERM" => drop(workers[worker].terminate()),
            "NATS killed" => {
                nats.kill();
                pause(fastrand::f64() * 3.0).await;
                nats.start_again();
            }
            _ => {
                nats.terminate();
                pause(fastrand::f64() * 3.0).await;
                nats.start_again();
            }
        }
        if matches!(fault, "kill -9" | "SIGTERM") {
            pause(LEASE * fastrand::f64()).await;
            workers[worker] = follow(&gates[worker].url(), &[]);
        }
        pause(1.0 + 4.0 * fastrand::f64()).await;
    }
    let jetstream = nats.connect().await;
    let names = support::names(8);
    eventually("the last event of each source is there", Duration::from_secs(60), async || {
        let found = read(&jetstream, &names).await;
        found.len() as u64 == count
            && found.values().all(|events| events.iter().any(|(id, _)| *id == limit.to_string()))
    })
    .await;
    pause(1.0).await; // for what a zombie may still have on its way
    let found = read(&jetstream, &names).await;
    let (sum, all) = sum(&found, limit);
    let counts = numbers.counts();
    let requests: u64 = counts.values().map(|count| count.requests).sum();
    let most_open = counts.values().map(|count| count.most_open).max().unwrap_or(0);
    println!("{done:?}");
    println!(
        "{all} events of {count} sources, {requests} requests, at most {most_open} connections of a source at once"
    );
    println!("lost {}, twice {}, out of order {}", sum.lost, sum.twice, sum.out_of_order);
    assert_eq!(sum, Faults::default());
}
