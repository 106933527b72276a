//! The sources as they stand in the bucket, and as they change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use fetch_event_source::reqwest::Url;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::warn;

/// A source, as it stands in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub url: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

impl Source {
    pub fn parse(text: &str) -> Result<Self> {
        let url = Url::parse(text).with_context(|| format!("{text:?} is not a URL"))?;
        ensure!(matches!(url.scheme(), "http" | "https"), "{text:?} is not http or https");
        Ok(Self { url: text.to_owned(), headers: BTreeMap::new() })
    }
}

pub type Sources = watch::Receiver<Arc<BTreeMap<String, Source>>>;

/// Reads them in the background, again where NATS was away.
pub fn watch_sources(bucket: Store) -> Sources {
    let (sender, receiver) = watch::channel(Arc::default());
    tokio::spawn(async move {
        let reading = async {
            loop {
                if let Err(error) = read_sources(&bucket, &sender).await {
                    warn!(error = format!("{error:#}"), "the sources cannot be read: trying again");
                }
                sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = reading => {}
            () = sender.closed() => {}
        }
    });
    receiver
}

async fn read_sources(
    bucket: &Store,
    sender: &watch::Sender<Arc<BTreeMap<String, Source>>>,
) -> Result<()> {
    let mut entries = bucket.watch_with_history(">").await?.ready_chunks(1000);
    while let Some(entries) = entries.next().await {
        let mut sources = BTreeMap::clone(&sender.borrow());
        for entry in entries {
            let Entry { key, value, operation, .. } = entry?;
            match serde_json::from_slice::<Source>(&value) {
                Ok(source) if operation == Operation::Put => sources.insert(key, source),
                Err(error) if operation == Operation::Put => {
                    warn!(source = key, %error, "not a source: left out");
                    sources.remove(&key)
                }
                _ => sources.remove(&key),
            };
        }
        sender.send_replace(Arc::new(sources));
    }
    Ok(())
}
