//! Chaos, exactly once: consumers of a numbered log, and a server that inflicts every fault on their connections. See
//! the README of this package.
//!
//! Exits with 0 if it passed, with 1 if the judge found a fault, with 2 if the trial itself failed.

mod body;
mod consumer;
mod coverage;
mod http1;
mod http2;
mod judge;
mod log;
mod plan;
mod port;
mod request;
mod server;
mod tap;

use std::panic;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::try_join_all;
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use consumer::{Consumer, Kind, Policy, Style};
use judge::{Clocks, Judge, Rules, SharedJudge};
use log::Log;
use plan::{Itinerary, Protocol, Traveller, deck};
use server::{Ports, Server};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Runs consumers of a numbered log against a server that keeps failing, and checks that each event is delivered exactly
/// once and in order.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Determines the log and the faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many events the log has; each consumer takes all of them.
    #[arg(long, default_value_t = 100_000)]
    events: usize,
    /// The minimum number of connections.
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// How often every possible fault must happen.
    #[arg(long, default_value_t = 20)]
    at_least: u32,
    /// How many consumers of each style use HTTP/1.1.
    #[arg(long, default_value_t = 3)]
    http1: usize,
    /// How many use HTTP/2.
    #[arg(long, default_value_t = 2)]
    http2: usize,
    /// The idle and the response timeout of the clients, in milliseconds.
    #[arg(long, default_value_t = 100)]
    idle: u64,
    /// After how many seconds without progress a consumer hangs.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// When to give up, in seconds.
    #[arg(long, default_value_t = 90)]
    deadline: u64,
    /// After how many complaints it ends.
    #[arg(long, default_value_t = 20)]
    complaints: usize,
    /// Leaves out the tables.
    #[arg(long)]
    quiet: bool,
}

/// The reconnection time before the server names one.
const BASE_DELAY: Duration = Duration::from_millis(4);

/// How long after the deadline it is ended by force.
const HARD_DEADLINE: Duration = Duration::from_secs(10);

/// Some planned faults do not happen, because the consumer was dropped meanwhile.
const RESERVE: f64 = 1.3;

fn main() -> ExitCode {
    let options = Options::parse();
    end_by_panics();
    match trial(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            println!("failed: repeat it with --seed {}", options.seed);
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("the trial itself went wrong: {error}");
            ExitCode::from(2)
        }
    }
}

/// A panic in a task would be silent otherwise, and look as if the client hung.
fn end_by_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        process::exit(2);
    }));
}

/// Whether the trial passed.
fn trial(options: &Options) -> Result<bool, BoxError> {
    let started = Instant::now();
    let kinds = kinds(options);
    let judge = Arc::new(judge(options, &kinds));
    watch_from_outside(options, &judge);
    let ports = kinds.iter().map(|_| Ports::new());
    let ports = ports.collect::<Result<Vec<_>, _>>()?;
    let consumers = consumers(options, &judge, &kinds, &ports);
    let itineraries: Vec<_> = (0..)
        .zip(&kinds)
        .map(|(number, kind)| itinerary(options, number, *kind))
        .collect();
    announce(options, &judge, &itineraries);

    let serving = thread::spawn({
        let judge = judge.clone();
        let protocols = kinds.iter().map(|kind| kind.protocol).collect();
        move || {
            let server = Server {
                judge,
                itineraries,
                ports,
            };
            serve(server, protocols)
        }
    });
    consume(options, &judge, consumers)?;
    judge.end();
    match serving.join() {
        Ok(served) => served?,
        Err(_) => return Err("the server panicked".into()),
    }
    Ok(report(options, &judge, started.elapsed()))
}

fn judge(options: &Options, kinds: &[Kind]) -> Judge {
    let log = Log::new(options.seed, options.events);
    let rules = Rules {
        clocks: Clocks {
            base_delay: BASE_DELAY,
            idle: Duration::from_millis(options.idle),
            patience: Duration::from_secs(options.patience),
        },
        enough: options.complaints,
    };
    let names = (0..).zip(kinds).map(|(number, kind)| name(number, *kind));
    Judge::new(log, rules, names.collect())
}

fn consumers(
    options: &Options,
    judge: &SharedJudge,
    kinds: &[Kind],
    ports: &[Ports],
) -> Vec<Consumer> {
    let consumers = (0..).zip(kinds).zip(ports);
    consumers
        .map(|((number, kind), ports)| Consumer {
            number,
            kind: *kind,
            judge: judge.clone(),
            address: ports.address(),
            seed: seed(options.seed, number as u64, 1),
        })
        .collect()
}

fn announce(options: &Options, judge: &Judge, itineraries: &[Itinerary]) {
    let planned: usize = itineraries.iter().map(Itinerary::len).sum();
    println!(
        "seed {}: {} consumers, {} events, {:.1} MiB, {planned} connections planned",
        options.seed,
        itineraries.len(),
        options.events,
        judge.log.bytes.len() as f64 / f64::from(1 << 20),
    );
}

/// Every style in both protocols, with alternating policies and pooling of HTTP/2. A few have no idle timeout, because the
/// client then takes a shorter path to its events.
fn kinds(options: &Options) -> Vec<Kind> {
    let styles = [
        Style::Stream,
        Style::Signals,
        Style::Callbacks,
        Style::Restarted,
    ];
    let of = |protocol, count| {
        styles.into_iter().flat_map(move |style| {
            (0..count).map(move |nth| Kind {
                style,
                protocol,
                policy: if nth % 2 == 0 {
                    Policy::Persistent
                } else {
                    Policy::Standard
                },
                pools: protocol == Protocol::Http2 && nth % 2 == 0,
                notices_silence: nth != 1 || !goes_without_clock(style, protocol),
            })
        })
    };
    of(Protocol::Http1, options.http1)
        .chain(of(Protocol::Http2, options.http2))
        .collect()
}

/// So few that the others still stall often enough.
fn goes_without_clock(style: Style, protocol: Protocol) -> bool {
    match style {
        Style::Stream => true,
        Style::Callbacks => protocol == Protocol::Http1,
        Style::Signals | Style::Restarted => false,
    }
}

fn name(number: usize, kind: Kind) -> String {
    let pooled = if kind.pools { ", pooled" } else { "" };
    let clock = if kind.notices_silence {
        ""
    } else {
        ", no idle clock"
    };
    let (style, protocol, policy) = (kind.style, kind.protocol, kind.policy);
    format!("consumer {number} ({style:?}, {protocol:?}{pooled}{clock}, {policy:?})")
}

/// Runs as many rounds as needed.
fn itinerary(options: &Options, number: usize, kind: Kind) -> Itinerary {
    let protocol = kind.protocol;
    let of_a_kind = 4 * match protocol {
        Protocol::Http1 => options.http1,
        Protocol::Http2 => options.http2,
    };
    let times = (f64::from(options.at_least) * RESERVE).ceil() as usize;
    let rounds = times.div_ceil(of_a_kind.max(1)).max(1);
    let all = 4 * (options.http1 + options.http2);
    let connections = options.connections.div_ceil(all.max(1));
    let rounds = rounds.max(connections.div_ceil(deck(protocol).len()));
    let seed = seed(options.seed, number as u64, 0);
    let traveller = Traveller {
        protocol,
        notices_silence: kind.notices_silence,
    };
    Itinerary::new(seed, traveller, rounds, options.events)
}

/// A separate seed for each.
fn seed(seed: u64, number: u64, what: u64) -> u64 {
    let mut rng = fastrand::Rng::with_seed(seed);
    let base = rng.u64(..);
    base ^ (number * 2 + what + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A client that blocks other tasks would also block the deadline.
fn watch_from_outside(options: &Options, judge: &SharedJudge) {
    let deadline = Duration::from_secs(options.deadline) + HARD_DEADLINE;
    let judge = judge.clone();
    thread::spawn(move || {
        thread::sleep(deadline);
        judge.note(format!(
            "not done within {deadline:?}, for something does not yield"
        ));
        println!("failed");
        process::exit(1);
    });
}

/// The server has a separate thread, so that neither side waits for the other.
fn serve(server: Server, protocols: Vec<Protocol>) -> Result<(), BoxError> {
    let judge = server.judge.clone();
    runtime()?.block_on(LocalSet::new().run_until(async {
        let serving = spawn_local(server.serve(protocols));
        let ended = async {
            while !judge.is_stopped() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            served = serving => Ok(served??),
            () = ended => Ok(()),
            () = judge.heartbeat() => Ok(()),
        }
    }))
}

/// Runs the consumers, until all are done or it is clear that they will not be.
fn consume(
    options: &Options,
    judge: &SharedJudge,
    consumers: Vec<Consumer>,
) -> Result<(), BoxError> {
    let deadline = Duration::from_secs(options.deadline);
    runtime()?.block_on(LocalSet::new().run_until(async {
        let trial = async {
            tokio::select! {
                result = consume_all(consumers) => result,
                () = judge.stop.notified() => Ok(()),
                () = watch(judge) => Ok(()),
                () = judge.heartbeat() => Ok(()),
            }
        };
        timeout(deadline, trial).await.unwrap_or_else(|_| {
            judge.note(format!("not done within {deadline:?}"));
            Ok(())
        })
    }))
}

async fn consume_all(consumers: Vec<Consumer>) -> Result<(), BoxError> {
    let tasks = consumers
        .into_iter()
        .map(|consumer| spawn_local(consumer.consume()));
    for result in try_join_all(tasks).await? {
        result?;
    }
    Ok(())
}

async fn watch(judge: &Judge) {
    loop {
        sleep(Duration::from_millis(500)).await;
        judge.look_for_hung();
    }
}

fn runtime() -> Result<runtime::Runtime, std::io::Error> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Prints the results; returns whether the trial passed.
fn report(options: &Options, judge: &Judge, took: Duration) -> bool {
    if !options.quiet {
        println!("\n{}", judge.coverage.tables());
    }
    let (mut attempts, mut requests, mut left, mut waits) = (0, 0, 0, 0);
    let (mut handed, mut lost, mut duplicated) = (0, 0, 0);
    for state in judge.states() {
        attempts += state.attempts;
        requests += state.requests;
        left += state.left;
        waits += state.waits;
        handed += state.handed;
        lost += state.lost;
        duplicated += state.duplicated;
    }
    println!(
        "{attempts} connections, {requests} requests, {waits} waits measured, {left} left early\n\
         {handed} events, {lost} lost, {duplicated} duplicated, {:.1} s",
        took.as_secs_f64()
    );
    if attempts < options.connections {
        judge.note(format!(
            "{attempts} connections, asked for were {}",
            options.connections
        ));
    }
    if 2 * waits < attempts {
        judge.note(format!(
            "only {waits} waits could be measured: the machine is too busy"
        ));
    }
    for (cell, count) in judge.coverage.gaps(options.at_least) {
        judge.note(format!(
            "{cell}: {count} times, asked for were {}",
            options.at_least
        ));
    }
    let complaints = judge.complaints();
    println!("{} complaints", complaints.len());
    complaints.is_empty()
}
