//! Three NATS servers as a cluster, three copies of each log: the servers are killed in turn while workers
//! write. By hand: `relay/run --latest cluster`.

mod support;

use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use support::check::{Faults, read, sum};
use support::nats::Nats;
use support::numbers::{Numbers, Options};
use support::process::Process;
use support::{eventually, names};

const PARTITIONS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Each log has a leader, and the other servers have all of it.
async fn is_whole(jetstream: &Context) -> bool {
    for partition in 0..PARTITIONS {
        let Ok(stream) = jetstream.get_stream(names(PARTITIONS).stream(partition)).await else {
            return false;
        };
        let is_whole = stream.cached_info().cluster.as_ref().is_some_and(|cluster| {
            let others = &cluster.replicas;
            cluster.leader.is_some()
                && others.len() == 2
                && others.iter().all(|other| other.current && !other.offline)
        });
        if !is_whole {
            return false;
        }
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "by hand, with a NATS of 2.12 or newer: relay/run --latest cluster"]
async fn each_event_once_and_in_order_although_servers_of_the_cluster_die() {
    let seconds = setting("RELAY_CHAOS_SECONDS", 60);
    let count = setting("RELAY_CHAOS_SOURCES", 20);
    let per_second = setting("RELAY_CHAOS_PER_SECOND", 20);
    let limit = seconds * per_second;
    let mut nodes = Nats::start_cluster();
    let urls = nodes.each_ref().map(Nats::url).join(",");
    let numbers =
        Numbers::start(Options { per_second: per_second as f64, limit, makes_trouble: true }).await;
    let sources: Vec<_> = (0..count)
        .map(|source| format!("s{source}={}", numbers.url(&format!("s{source}"))))
        .collect();
    let partitions = PARTITIONS.to_string();
    let mut arguments = vec!["follow", "--partitions", &partitions, "--replicas", "3"];
    arguments.extend(["--lease", "2", "--per-host", "100"]);
    arguments.extend(sources.iter().map(String::as_str));
    let mut workers = [(); 3].map(|()| Process::start(&urls, &arguments));
    let client = async_nats::connect(
        urls.split(',')
            .map(|url| url.parse().expect("a URL"))
            .collect::<Vec<async_nats::ServerAddr>>(),
    );
    let jetstream = async_nats::jetstream::new(client.await.expect("a node"));
    eventually("each log has three copies", PATIENCE, async || is_whole(&jetstream).await).await;
    let (start, mut killed) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(seconds) {
        let node = &mut nodes[killed % 3];
        node.kill();
        tokio::time::sleep(Duration::from_secs_f64(1.0 + 4.0 * fastrand::f64())).await;
        node.start_again();
        killed += 1;
        eventually("it has caught up", PATIENCE, async || is_whole(&jetstream).await).await;
    }
    eventually("the last event of each source is there", PATIENCE, async || {
        let found = read(&jetstream, &names(PARTITIONS)).await;
        found.len() as u64 == count
            && found.values().all(|events| events.iter().any(|(id, _)| *id == limit.to_string()))
    })
    .await;
    assert!(workers.iter_mut().all(Process::terminate), "a worker ended with an error");
    let requests: u64 = numbers.counts().values().map(|count| count.requests).sum();
    println!("{killed} times a server was killed; {requests} requests to the sources");
    // Another server leads each time.
    for node in &mut nodes {
        node.terminate();
        let others = Duration::from_secs(30);
        let mut found = Default::default();
        eventually("the others have it", others, async || {
            let all = read(&jetstream, &names(PARTITIONS)).await;
            found = sum(&all, limit);
            found.1 >= count * limit
        })
        .await;
        let (faults, all) = found;
        println!("{all} events of {count} sources with one server stopped: {faults:?}");
        assert_eq!(faults, Faults::default());
        node.start_again();
        eventually("it is back", PATIENCE, async || is_whole(&jetstream).await).await;
    }
}
