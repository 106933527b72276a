//! All sequences of one generation are of one log. A log that lost its end gets a new one, so that nobody
//! takes an old sequence for a new one.

use anyhow::{Result, bail};
use async_nats::HeaderMap;
use async_nats::jetstream::kv::Store;

/// In each message: generation, worker, and a part that is new each time a worker takes the log.
pub const OWNER: &str = "Relay-Owner";

/// The generation of a partition's sequences. The first that asks makes one.
pub async fn generation(config: &Store, partition: u32) -> Result<String> {
    let key = format!("generation.{partition}");
    for _ in 0..2 {
        if let Some(found) = config.get(&key).await? {
            return Ok(String::from_utf8_lossy(&found).into_owned());
        }
        let new = format!("{:08x}", fastrand::u32(..));
        config.create(&key, new.into()).await.ok();
    }
    bail!("the generation of partition {partition} can be neither read nor made")
}

/// The sequences begin anew: nobody may take one of the old generation for one of the new.
pub async fn begin_generation(config: &Store, partition: u32, old: &str) -> Result<()> {
    let key = format!("generation.{partition}");
    let Some(found) = config.entry(&key).await? else { return Ok(()) };
    if found.value == old.as_bytes() {
        let new = format!("{:08x}", fastrand::u32(..));
        config.update(&key, new.into(), found.revision).await?;
    }
    Ok(())
}

/// The generation that a message was written in.
pub fn generation_of(headers: Option<&HeaderMap>) -> Option<&str> {
    Some(headers?.get(OWNER)?.as_str().split_once('.')?.0)
}
