//! One partition's log: a worker that has lost it writes nothing more, and each acknowledged event stays there once.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::kv::Store;
use futures_util::StreamExt;
use relay::log::{Log, Reclaimed};
use relay::metrics::Metrics;
use relay::names::{Names, decode};
use relay::nats::{bucket, has_batches};
use relay::record::{ID, Record};
use relay::write::{Written, write_all};
use support::gate::Gate;
use support::nats::Nats;

const PARTITION: u32 = 0;

async fn relay(jetstream: &Context) -> (Names, Store) {
    let config = bucket(jetstream, "sse", "config", Some(1)).await.expect("a bucket");
    let names = support::agree(&config, 1).await;
    names.open(jetstream, PARTITION).await.expect("a stream");
    (names, config)
}

/// Again where NATS is slow to answer.
async fn take(
    jetstream: &Context,
    names: &Names,
    config: &Store,
    worker: &str,
    batch: usize,
) -> Log {
    let mut log = None;
    support::eventually("the log is taken", Duration::from_secs(60), async || {
        log = Log::take(jetstream, names, config, PARTITION, worker, batch).await.ok();
        log.is_some()
    })
    .await;
    log.expect("it is taken").0
}

fn event(names: &Names, id: &str) -> Record {
    Record::event(names, "a", "message", id, "data".into())
}

/// The IDs in the log, in its order.
async fn ids(jetstream: &Context) -> Vec<String> {
    let mut stream = jetstream.get_stream("sse-0").await.expect("the stream");
    let last = stream.info().await.expect("its state").state.last_sequence;
    let config = pull::OrderedConfig {
        deliver_policy: DeliverPolicy::All,
        headers_only: true,
        ..Default::default()
    };
    let consumer = stream.create_consumer(config).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages");
    let mut ids = Vec::new();
    loop {
        let message = messages.next().await.expect("a message").expect("no error");
        if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get(ID)) {
            ids.push(decode(id.as_str()));
        }
        if message.info().expect("its place").stream_sequence >= last {
            return ids;
        }
    }
}

#[derive(Default)]
struct Fire {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

/// Writes as fast as it can, and then goes on so often although the log has been taken from it.
const ZOMBIE_WRITES: u64 = 40;

/// Only the last one is stopped before it has lost the log.
async fn fire(mut log: Log, names: Names, writer: usize, size: usize, fire: Arc<Fire>) {
    let mut next = 0;
    let mut refused = 0;
    while refused < ZOMBIE_WRITES && !(refused == 0 && fire.stop.load(Ordering::Relaxed)) {
        let id = |number: u64| format!("{writer}.{number}");
        let records: Vec<_> =
            (next..next + size as u64).map(|number| event(&names, &id(number))).collect();
        let mut stored = || {
            fire.acknowledged.fetch_add(size as u64, Ordering::Relaxed);
            next += size as u64;
        };
        match log.append(&records).await {
            Ok(()) => stored(),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => refused += 1,
            // NATS was slow to answer.
            Err(error) => {
                assert_eq!(error.kind(), PublishErrorKind::TimedOut, "{error}");
                loop {
                    match log.reclaim(&records).await {
                        Ok(Reclaimed::Stored) => stored(),
                        Ok(Reclaimed::Rewound) => panic!("nothing was cut off"),
                        Ok(Reclaimed::Missing | Reclaimed::Lost) => {}
                        Err(_) => continue,
                    }
                    break;
                }
            }
        }
    }
    fire.refused.fetch_add(refused, Ordering::Relaxed);
}

/// A writer's events stand together, from its first on, without a gap, and nothing of it comes after its
/// successor's.
async fn takeovers(nats: Nats, size: usize) {
    let takeovers: usize =
        std::env::var("RELAY_TAKEOVERS").map_or(300, |count| count.parse().expect("a number"));
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let state = Arc::new(Fire::default());
    let mut writers = Vec::new();
    for writer in 0..takeovers {
        let own = nats.connect().await;
        let log = take(&own, &names, &config, "worker", size).await;
        writers.push(tokio::spawn(fire(log, names.clone(), writer, size, state.clone())));
        let before = state.acknowledged.load(Ordering::Relaxed);
        support::eventually("the new owner writes", Duration::from_secs(60), async || {
            state.acknowledged.load(Ordering::Relaxed) > before + 10 * size as u64
        })
        .await;
    }
    state.stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("a writer ends");
    }
    let ids = ids(&jetstream).await;
    let (mut writer, mut next, mut wrong) = (0, 0, 0);
    for id in &ids {
        let (of, number) = id.split_once('.').expect("writer and number");
        let (of, number): (u64, u64) =
            (of.parse().expect("a writer"), number.parse().expect("a number"));
        if of > writer {
            (writer, next) = (of, 0);
        }
        wrong += u64::from(of != writer || number != next);
        next = number + 1;
    }
    let refused = state.refused.load(Ordering::Relaxed);
    println!(
        "{takeovers} takeovers, {size} events a write: {} events, {wrong} wrong, {refused} writes of zombies refused",
        ids.len()
    );
    assert_eq!(wrong, 0);
    assert_eq!(ids.len() as u64, state.acknowledged.load(Ordering::Relaxed));
    assert!(refused >= ZOMBIE_WRITES * (takeovers as u64 - 1), "only {refused} writes of zombies");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_takeovers_under_fire() {
    takeovers(Nats::start(), 1).await;
}

/// Needs NATS 2.12 or newer: `relay/run test --latest`. `RELAY_BATCH` says how many events.
#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_takeovers_under_fire_by_batches() {
    let size = std::env::var("RELAY_BATCH").map_or(50, |size| size.parse().expect("a number"));
    let nats = Nats::start_in_memory();
    if has_batches(&nats.connect().await) {
        takeovers(nats, size).await;
    } else {
        println!("this NATS has no batches: only single events were tried");
    }
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1000).await;
    let records: Vec<_> = (0..log.batch).map(|id| event(&names, &id.to_string())).collect();
    log.append(&records).await.expect("stored");
    assert_eq!(ids(&jetstream).await.len(), log.batch);
    take(&jetstream, &names, &config, "two", 1).await;
    log.append(&records).await.expect_err("of another now");
    assert_eq!(ids(&jetstream).await.len(), log.batch);
    assert_eq!(log.reclaim(&records).await.expect("an answer"), Reclaimed::Lost);
}

/// A log behind a gate, which has one write and whose writer waits for the acknowledgement of a second.
struct Behind {
    nats: Nats,
    gate: Gate,
    names: Names,
    log: Log,
    /// Events of a write.
    size: usize,
}

/// The names of the events of a write.
fn expand(write: &str, size: usize) -> Vec<String> {
    (0..size).map(|index| format!("{write}.{index}")).collect()
}

impl Behind {
    /// `None`: this NATS has no batches. They need 2.12, so `relay/run --latest test`.
    async fn start(size: usize) -> Option<Self> {
        let nats = Nats::start();
        let gate = Gate::start(nats.port()).await;
        let client = async_nats::connect(gate.url()).await.expect("through the gate");
        let jetstream = async_nats::jetstream::context::ContextBuilder::new()
            .timeout(Duration::from_millis(500))
            .ack_timeout(Duration::from_millis(500))
            .build(client);
        let (names, config) = relay(&jetstream).await;
        let mut log = take(&jetstream, &names, &config, "one", size).await;
        if log.batch < size {
            println!("this NATS has no batches: only single events were tried");
            return None;
        }
        let first: Vec<_> = expand("1", size).iter().map(|id| event(&names, id)).collect();
        log.append(&first).await.expect("stored");
        Some(Self { nats, gate, names, log, size })
    }

    fn records(&self, write: &str) -> Vec<Record> {
        expand(write, self.size).iter().map(|id| event(&self.names, id)).collect()
    }

    async fn assert_holds(&self, writes: &[&str]) {
        let expected: Vec<_> = writes.iter().flat_map(|write| expand(write, self.size)).collect();
        assert_eq!(ids(&self.nats.connect().await).await, expected);
    }

    async fn append(&mut self, write: &str) -> bool {
        let records = self.records(write);
        self.log.append(&records).await.is_ok()
    }

    async fn reclaim(&mut self, write: &str) -> anyhow::Result<Reclaimed> {
        let records = self.records(write);
        self.log.reclaim(&records).await
    }
}

#[tokio::test]
async fn a_write_whose_acknowledgement_was_lost_is_not_written_again() {
    for size in [1, 3] {
        let Some(mut behind) = Behind::start(size).await else { return };
        behind.gate.shut_answers();
        assert!(!behind.append("2").await);
        behind.gate.open();
        assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Stored);
        assert!(behind.append("3").await);
        behind.assert_holds(&["1", "2", "3"]).await;
    }
}

#[tokio::test]
async fn a_write_that_was_lost_is_written_again() {
    for size in [1, 3] {
        let Some(mut behind) = Behind::start(size).await else { return };
        behind.gate.swallow();
        assert!(!behind.append("2").await);
        behind.gate.open();
        assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Missing);
        assert!(behind.append("2").await);
        behind.assert_holds(&["1", "2"]).await;
    }
}

/// Of a batch any message may be lost, and the others not.
#[tokio::test]
async fn a_batch_of_which_a_message_was_lost_is_not_stored() {
    for lost in 1..=3 {
        let Some(mut behind) = Behind::start(3).await else { return };
        behind.gate.drop_each(&format!("Nats-Batch-Sequence: {lost}"));
        assert!(!behind.append("2").await);
        assert_eq!(behind.gate.drops(), 1);
        behind.gate.open();
        assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Missing);
        assert!(behind.append("2").await);
        behind.assert_holds(&["1", "2"]).await;
    }
}

/// Who took it away, or what stands there now, nobody knows: the log is read anew.
#[tokio::test]
async fn a_write_whose_last_message_is_gone_is_not_taken_for_stored() {
    for size in [1, 3] {
        let Some(mut behind) = Behind::start(size).await else { return };
        behind.gate.shut_answers();
        assert!(!behind.append("2").await);
        behind.gate.open();
        let mut stream = behind.nats.connect().await.get_stream("sse-0").await.expect("the stream");
        let last = stream.info().await.expect("its state").state.last_sequence;
        stream.delete_message(last).await.expect("it is gone");
        assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Rewound);
    }
}

#[tokio::test]
async fn a_write_that_comes_late_is_refused_or_found() {
    for size in [1, 3] {
        let Some(mut behind) = Behind::start(size).await else { return };
        behind.gate.shut();
        assert!(!behind.append("2").await);
        behind.reclaim("2").await.expect_err("nothing gets through");
        behind.gate.open();
        let reclaimed = behind.reclaim("2").await.expect("an answer");
        if reclaimed == Reclaimed::Missing {
            assert!(behind.append("2").await);
        }
        assert!(behind.append("3").await);
        behind.assert_holds(&["1", "2", "3"]).await;
    }
}

/// The fences of a reclaim are stored, one after the other, but their acknowledgements are lost.
#[tokio::test]
async fn a_fence_whose_acknowledgement_was_lost_says_where_the_events_end() {
    for (size, is_stored) in [(1, true), (1, false), (3, true), (3, false)] {
        let Some(mut behind) = Behind::start(size).await else { return };
        if is_stored {
            behind.gate.shut_answers();
        } else {
            behind.gate.swallow();
        }
        assert!(!behind.append("2").await);
        for _ in 0..2 {
            behind.gate.open();
            behind.gate.shut_answers_to("Relay-End");
            behind.reclaim("2").await.expect_err("its fence is not acknowledged");
        }
        behind.gate.open();
        let expected = if is_stored { Reclaimed::Stored } else { Reclaimed::Missing };
        assert_eq!(behind.reclaim("2").await.expect("an answer"), expected);
        behind.assert_holds(if is_stored { &["1", "2"] } else { &["1"] }).await;
    }
}

/// A fence ages out with the events before it. A missing fence does not mean that another worker took the log.
#[tokio::test]
async fn a_log_whose_fence_has_aged_out_is_still_ours() {
    let mut behind = Behind::start(1).await.expect("single events");
    let stream = behind.nats.connect().await.get_stream("sse-0").await.expect("the stream");
    stream.purge().filter(behind.names.owner_subject(0)).await.expect("its fence is gone");
    behind.gate.swallow();
    assert!(!behind.append("2").await);
    behind.gate.open();
    assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Missing);
    assert!(behind.append("2").await);
    behind.assert_holds(&["1", "2"]).await;
}

#[tokio::test]
async fn a_fence_that_was_lost_is_written_again() {
    let mut behind = Behind::start(1).await.expect("single events");
    behind.gate.shut_answers();
    assert!(!behind.append("2").await);
    behind.gate.open();
    behind.gate.swallow_from("Relay-End");
    behind.reclaim("2").await.expect_err("its fence is lost");
    behind.gate.open();
    assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Stored);
    assert!(behind.append("3").await);
    behind.assert_holds(&["1", "2", "3"]).await;
}

#[tokio::test]
async fn what_another_has_taken_stays_its_own_although_it_has_written_nothing() {
    let mut behind = Behind::start(1).await.expect("single events");
    let jetstream = behind.nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut other = take(&jetstream, &names, &config, "two", 1).await;
    assert!(!behind.append("2").await);
    assert_eq!(behind.reclaim("2").await.expect("an answer"), Reclaimed::Lost);
    assert!(!behind.append("2").await);
    other.append(&[event(&names, "2.0")]).await.expect("stored");
    behind.assert_holds(&["1", "2"]).await;
}

#[tokio::test]
async fn a_log_that_lost_its_end_gets_a_new_generation() {
    let mut nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1).await;
    log.append(&[event(&names, "1")]).await.expect("stored");
    let copy = nats.back_up();
    support::eventually("the client is back", Duration::from_secs(20), async || {
        matches!(log.reclaim(&[event(&names, "2")]).await, Ok(Reclaimed::Missing))
    })
    .await;
    let old = log.generation.clone();
    for id in 2..10 {
        log.append(&[event(&names, &id.to_string())]).await.expect("stored");
    }
    nats.restore(&copy);
    let lost = [event(&names, "10")];
    support::eventually("the loss is noticed", Duration::from_secs(20), async || {
        log.append(&lost).await.is_err()
            && matches!(log.reclaim(&lost).await, Ok(Reclaimed::Rewound))
    })
    .await;
    assert_ne!(support::generation(&config, PARTITION).await, old);
    let (log, positions) =
        Log::take(&jetstream, &names, &config, PARTITION, "one", 1).await.expect("taken");
    assert_ne!(log.generation, old);
    assert_eq!(positions["a"].id, "1");
}

/// Another worker has taken it before the loser looks, and has written past the old end.
#[tokio::test]
async fn a_loss_is_noticed_by_the_worker_that_also_lost_the_log() {
    let mut nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1).await;
    let copy = nats.back_up();
    let records = [event(&names, "1")];
    support::eventually("the client is back", Duration::from_secs(20), async || {
        matches!(log.reclaim(&records).await, Ok(Reclaimed::Missing))
    })
    .await;
    log.append(&records).await.expect("stored");
    nats.restore(&copy);
    let jetstream = nats.connect().await;
    let mut other = take(&jetstream, &names, &config, "two", 1).await;
    for id in 1..10 {
        other.append(&[event(&names, &id.to_string())]).await.expect("stored");
    }
    let old = other.generation.clone();
    support::eventually("an answer", Duration::from_secs(20), async || {
        matches!(log.reclaim(&records).await, Ok(Reclaimed::Lost))
    })
    .await;
    assert_ne!(support::generation(&config, PARTITION).await, old);
}

/// A worker takes it that knows nothing of the old one.
#[tokio::test]
async fn a_log_that_was_deleted_gets_a_new_generation_from_its_next_worker() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let old = take(&jetstream, &names, &config, "one", 1).await.generation;
    let same = take(&jetstream, &names, &config, "two", 1).await.generation;
    assert_eq!(old, same);
    jetstream.delete_stream("sse-0").await.expect("it is deleted");
    names.open(&jetstream, PARTITION).await.expect("a stream");
    let new = take(&jetstream, &names, &config, "three", 1).await.generation;
    assert_ne!(old, new);
    assert_eq!(support::generation(&config, PARTITION).await, new);
}

/// Needs NATS 2.12 or newer: `relay/run --latest test`. Here the stream takes no batches, although the server
/// has them.
#[tokio::test]
async fn events_are_written_singly_where_a_batch_is_refused() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1000).await;
    if log.batch == 1 {
        return println!("this NATS has no batches");
    }
    let stream = jetstream.get_stream("sse-0").await.expect("the stream");
    let mut changed = stream.cached_info().config.clone();
    changed.allow_atomic_publish = false;
    jetstream.update_stream(&changed).await.expect("it is changed");
    let (events, received) = tokio::sync::mpsc::channel(20);
    let sent: Vec<_> = (0..20).map(|id| id.to_string()).collect();
    for id in &sent {
        events.send(event(&names, id)).await.expect("there is room");
    }
    drop(events);
    let metrics = Metrics::default();
    assert_eq!(write_all(&mut log, received, &metrics).await, Written::All);
    assert_eq!(ids(&jetstream).await, sent);
    assert_eq!(metrics.failures.get(), 1, "a batch was tried, and only once");
}

/// As from a backup, or a cluster that made it anew on an empty disk: it says the same time at which it was made.
#[tokio::test]
async fn a_log_that_is_shorter_than_when_it_was_taken_gets_a_new_generation() {
    let mut nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1).await;
    log.append(&[event(&names, "1")]).await.expect("stored");
    let copy = nats.back_up();
    let log = take(&jetstream, &names, &config, "two", 1).await;
    let same = take(&jetstream, &names, &config, "three", 1).await;
    assert_eq!(same.generation, log.generation);
    // The log comes back as it was, and the bucket stays.
    let key = "generation.0";
    let noted = config.get(key).await.expect("an answer").expect("a generation");
    nats.restore(&copy);
    support::eventually("NATS answers", Duration::from_secs(20), async || {
        config.put(key, noted.clone()).await.is_ok()
    })
    .await;
    let new = take(&jetstream, &names, &config, "four", 1).await;
    assert_ne!(new.generation, log.generation);
    assert_eq!(take(&jetstream, &names, &config, "five", 1).await.generation, new.generation);
}

#[tokio::test]
async fn positions_are_those_of_events_and_of_marks_whatever_the_id() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, "one", 1).await;
    let odd = " [1],0 \u{1}é% ";
    log.append(&[event(&names, odd)]).await.expect("stored");
    log.append(&[Record::mark(&names, "b", "7")]).await.expect("stored");
    log.append(&[Record::event(&names, "b", "x", "8", "".into())]).await.expect("stored");
    log.append(&[Record::mark(&names, "b", "9")]).await.expect("stored");
    let (_, positions) =
        Log::take(&jetstream, &names, &config, PARTITION, "two", 1).await.expect("taken");
    assert_eq!(positions["a"].id, odd);
    assert_eq!(positions["b"].id, "9");
}

/// NATS refuses an ID of a batch of more than 64 bytes.
#[tokio::test]
async fn a_worker_with_a_long_name_writes_batches() {
    let nats = Nats::start();
    let jetstream = nats.connect().await;
    let (names, config) = relay(&jetstream).await;
    let mut log = take(&jetstream, &names, &config, &"w".repeat(100), 3).await;
    let records: Vec<_> = (0..log.batch).map(|id| event(&names, &id.to_string())).collect();
    log.append(&records).await.expect("stored");
    assert_eq!(ids(&jetstream).await.len(), log.batch);
}
