//! All sequences of one generation are of one log. A log that lost its end, or was made anew, gets a new one,
//! so that nobody takes an old sequence for a new one.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Info, Stream};
use futures_util::StreamExt;
use tokio::time::sleep;

/// In each message: generation, worker, and a part that is new each time a worker takes the log.
pub const OWNER: &str = "Relay-Owner";

fn key(partition: u32) -> String {
    format!("generation.{partition}")
}

/// What the bucket has.
#[derive(Default)]
struct Stored {
    generation: String,
    /// The time at which its log was made.
    created: String,
    /// So long was the log when it was taken last.
    last: u64,
    revision: u64,
}

async fn stored(config: &Store, partition: u32) -> Result<Stored> {
    let Some(found) = config.entry(key(partition)).await? else { return Ok(Default::default()) };
    let text = String::from_utf8_lossy(&found.value);
    let mut parts = text.split(' ').map(str::to_owned);
    Ok(Stored {
        generation: parts.next().unwrap_or_default(),
        created: parts.next().unwrap_or_default(),
        last: parts.next().and_then(|last| last.parse().ok()).unwrap_or_default(),
        revision: found.revision,
    })
}

async fn begin(config: &Store, partition: u32, created: &str, revision: u64) -> Result<()> {
    let new = format!("{:08x} {created}", fastrand::u32(..));
    config.update(key(partition), new.into(), revision).await?;
    Ok(())
}

fn created(log: &Info) -> String {
    log.created.unix_timestamp_nanos().to_string()
}

/// The generation of a log that a worker takes. It begins one if there is none, or that of another log.
pub async fn generation(config: &Store, partition: u32, log: &Stream<()>) -> Result<String> {
    for _ in 0..3 {
        // In this order: meanwhile the log can only become longer.
        let stored = stored(config, partition).await?;
        let found = log.get_info().await?;
        if stored.created == created(&found) && found.state.last_sequence >= stored.last {
            return Ok(stored.generation);
        }
        // Another may be faster.
        begin(config, partition, &created(&found), stored.revision).await.ok();
    }
    bail!("the generation of partition {partition} can be neither read nor made")
}

/// So that a log which comes back shorter, with the time at which it was made, is taken for another.
pub async fn note_last(config: &Store, partition: u32, generation: &str, last: u64) -> Result<()> {
    let Stored { generation: found, created, revision, .. } = stored(config, partition).await?;
    if found == generation {
        let new = format!("{found} {created} {last}");
        config.update(key(partition), new.into(), revision).await?;
    }
    Ok(())
}

/// The generation for one who only reads.
pub async fn read_generation(config: &Store, partition: u32, log: &Info) -> Result<String> {
    let stored = stored(config, partition).await?;
    ensure!(stored.created == created(log), "no worker has taken this log yet");
    Ok(stored.generation)
}

/// The sequences begin anew: nobody may take one of the old generation for one of the new.
pub async fn begin_generation(config: &Store, partition: u32, old: &str) -> Result<()> {
    let stored = stored(config, partition).await?;
    if stored.generation == old {
        begin(config, partition, &stored.created, stored.revision).await?;
    }
    Ok(())
}

/// Until another member has begun a new one: it found that the log had lost its end, or was made anew.
pub async fn changed(config: &Store, partition: u32, current: &str) {
    loop {
        if let Ok(mut entries) = config.watch_with_history(key(partition)).await {
            while let Some(Ok(entry)) = entries.next().await {
                if !entry.value.starts_with(current.as_bytes()) {
                    return;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// The generation that a message was written in.
pub fn generation_of(headers: Option<&HeaderMap>) -> Option<&str> {
    Some(headers?.get(OWNER)?.as_str().split_once('.')?.0)
}
