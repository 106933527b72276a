//! All sequences of one generation are of one log. A log that lost its end, or was made anew, gets a new one,
//! so that nobody takes an old sequence for a new one.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::Info;
use futures_util::StreamExt;
use tokio::time::sleep;

/// In each message: generation, worker, and a part that is new each time a worker takes the log.
pub const OWNER: &str = "Relay-Owner";

fn key(partition: u32) -> String {
    format!("generation.{partition}")
}

/// What the bucket has: the generation, the time at which its log was made, and the revision of both.
async fn stored(config: &Store, partition: u32) -> Result<(String, String, u64)> {
    let Some(found) = config.entry(key(partition)).await? else { return Ok(Default::default()) };
    let text = String::from_utf8_lossy(&found.value);
    let (generation, created) = text.split_once(' ').unwrap_or_default();
    Ok((generation.to_owned(), created.to_owned(), found.revision))
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
pub async fn generation(config: &Store, partition: u32, log: &Info) -> Result<String> {
    for _ in 0..3 {
        let (generation, of, revision) = stored(config, partition).await?;
        if of == created(log) {
            return Ok(generation);
        }
        begin(config, partition, &created(log), revision).await.ok(); // another may be faster
    }
    bail!("the generation of partition {partition} can be neither read nor made")
}

/// The same for one who only reads.
pub async fn read_generation(config: &Store, partition: u32, log: &Info) -> Result<String> {
    let (generation, of, _) = stored(config, partition).await?;
    ensure!(of == created(log), "no worker has taken this log yet");
    Ok(generation)
}

/// The sequences begin anew: nobody may take one of the old generation for one of the new.
pub async fn begin_generation(config: &Store, partition: u32, old: &str) -> Result<()> {
    let (generation, created, revision) = stored(config, partition).await?;
    if generation == old {
        begin(config, partition, &created, revision).await?;
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
