//! All sequences of one generation are of one log. A log that lost its end, or was made anew, gets a new one,
//! so that nobody takes an old sequence for a new one.

use anyhow::{Context as _, Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::kv::{Entry, Operation, Store};
use async_nats::jetstream::stream::Info;

/// In each message: generation, worker, and a part that is new each time a worker takes the log.
pub const OWNER: &str = "Relay-Owner";

pub fn key(partition: u32) -> String {
    format!("generation.{partition}")
}

/// The generation, and when its log was made.
fn parts(entry: &Entry) -> (String, String) {
    let text = String::from_utf8_lossy(&entry.value);
    let (generation, created) = text.split_once(' ').unwrap_or((&text, ""));
    (generation.to_owned(), created.to_owned())
}

async fn write(config: &Store, partition: u32, created: &str, revision: u64) -> Result<()> {
    let new = format!("{:08x} {created}", fastrand::u32(..));
    config.update(key(partition), new.into(), revision).await?;
    Ok(())
}

/// The generation of a log's sequences. The worker that asks first makes one, and so does one that finds another log.
pub async fn generation(config: &Store, partition: u32, log: &Info) -> Result<String> {
    let created = log.created.unix_timestamp_nanos().to_string();
    for _ in 0..3 {
        let found = config.entry(key(partition)).await?;
        let revision = found.as_ref().map_or(0, |entry| entry.revision);
        match found.filter(|entry| entry.operation == Operation::Put).as_ref().map(parts) {
            Some((generation, of)) if of == created => return Ok(generation),
            // Another may be faster.
            _ => write(config, partition, &created, revision).await.ok(),
        };
    }
    bail!("the generation of partition {partition} can be neither read nor made")
}

/// The same for one who only reads: it waits for a worker.
pub async fn read_generation(config: &Store, partition: u32, log: &Info) -> Result<String> {
    let found = config.entry(key(partition)).await?.context("no worker had the log yet")?;
    let (generation, created) = parts(&found);
    if created != log.created.unix_timestamp_nanos().to_string() {
        bail!("the log is another one, which no worker has taken yet");
    }
    Ok(generation)
}

/// The sequences begin anew: nobody may take one of the old generation for one of the new.
pub async fn begin_generation(config: &Store, partition: u32, old: &str) -> Result<()> {
    let Some(found) = config.entry(key(partition)).await? else { return Ok(()) };
    let (generation, created) = parts(&found);
    if generation == old {
        write(config, partition, &created, found.revision).await?;
    }
    Ok(())
}

/// The generation that a message was written in.
pub fn generation_of(headers: Option<&HeaderMap>) -> Option<&str> {
    Some(headers?.get(OWNER)?.as_str().split_once('.')?.0)
}
