//! What `status` and `sources list` print.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use futures_util::StreamExt;
use relay::names::Names;
use relay::record::RECEIVED;
use relay::sources::Source;

/// Names and URLs; of headers only the names.
pub(crate) async fn list_sources(sources: &Store) -> Result<()> {
    let mut keys: Vec<String> =
        sources.keys().await?.filter_map(async |key| key.ok()).collect().await;
    keys.sort();
    for key in keys {
        let Some(value) = sources.get(&key).await? else { continue };
        match serde_json::from_slice::<Source>(&value) {
            Ok(source) => {
                let headers: Vec<&str> = source.headers.keys().map(String::as_str).collect();
                println!("{key}={} {}", source.url, headers.join(" "));
            }
            Err(error) => println!("{key}: not a source: {error}"),
        }
    }
    Ok(())
}

/// The lag is how long the newest event took from its source to the log.
pub(crate) async fn partitions(jetstream: &Context, names: &Names, leases: &Store) -> Result<()> {
    println!(
        "{:>9}  {:<24} {:>9} {:>9} {:>9} {:>7}",
        "partition", "owner", "fence", "last", "messages", "lag"
    );
    for partition in 0..names.partitions() {
        let owner = leases.get(format!("p.{partition}")).await?;
        let owner =
            owner.map_or("-".to_owned(), |owner| String::from_utf8_lossy(&owner).into_owned());
        let Ok(stream) = jetstream.get_stream(names.stream(partition)).await else {
            println!("{partition:>9}  {owner:<24} {:>9}", "-");
            continue;
        };
        let fence = stream.get_last_raw_message_by_subject(&names.owner_subject(partition)).await;
        let fence = fence.map_or("-".to_owned(), |fence| fence.sequence.to_string());
        let state = &stream.cached_info().state;
        let events = names.subjects(partition).replace('>', "event.>");
        let newest = stream.get_last_raw_message_by_subject(&events).await;
        let lag = newest.ok().and_then(|event| {
            let received: u64 = event.headers.get(RECEIVED)?.as_str().parse().ok()?;
            let received = SystemTime::UNIX_EPOCH + Duration::from_millis(received);
            SystemTime::from(event.time).duration_since(received).ok()
        });
        let lag = lag.map_or("-".to_owned(), |lag| format!("{} ms", lag.as_millis()));
        println!(
            "{partition:>9}  {owner:<24} {fence:>9} {:>9} {:>9} {lag:>7}",
            state.last_sequence, state.messages
        );
    }
    Ok(())
}
