//! What stands in the log, held against what the sources sent.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::{GetStreamError, GetStreamErrorKind};
use async_nats::jetstream::{Context, ErrorCode};
use futures_util::StreamExt;
use relay::names::{Names, decode};
use relay::record::ID;

/// An event in the log: its ID, and when it was stored, in seconds.
pub type Found = (String, f64);

/// The events of each source, in the order of the log. Again where NATS does not answer.
pub async fn read(jetstream: &Context, names: &Names) -> BTreeMap<String, Vec<Found>> {
    let mut found = BTreeMap::new();
    super::eventually("NATS answers", Duration::from_secs(30), async || {
        try_read(jetstream, names).await.map(|all| found = all).is_ok()
    })
    .await;
    found
}

async fn try_read(
    jetstream: &Context,
    names: &Names,
) -> anyhow::Result<BTreeMap<String, Vec<Found>>> {
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for partition in 0..names.partitions() {
        let stream = match jetstream.get_stream(names.stream(partition)).await {
            Err(error) if is_missing(&error) => continue,
            stream => stream?,
        };
        let state = &stream.cached_info().state;
        if state.messages == 0 {
            continue;
        }
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::All,
            headers_only: true,
            ..Default::default()
        };
        let mut messages = stream.create_consumer(config).await?.messages().await?;
        loop {
            // What ages out meanwhile never comes.
            let next = tokio::time::timeout(Duration::from_secs(2), messages.next());
            let Ok(Some(message)) = next.await else { break };
            let message = message?;
            let info = message.info().map_err(anyhow::Error::from_boxed)?;
            let at = info.published.unix_timestamp_nanos() as f64 / 1e9;
            if let Some(("event", source)) = names.parse(&message.subject) {
                let id = message.headers.as_ref().unwrap().get(ID).unwrap();
                found.entry(source.to_owned()).or_default().push((decode(id.as_str()), at));
            }
            if info.stream_sequence >= state.last_sequence {
                break;
            }
        }
    }
    Ok(found)
}

fn is_missing(error: &GetStreamError) -> bool {
    let GetStreamErrorKind::JetStream(error) = error.kind() else { return false };
    error.error_code() == ErrorCode::STREAM_NOT_FOUND
}

#[derive(Debug, Default, PartialEq)]
pub struct Faults {
    pub lost: u64,
    pub twice: u64,
    pub out_of_order: u64,
}

/// Against 1, 2, … `limit`.
pub fn faults<'a>(ids: impl IntoIterator<Item = &'a str>, limit: u64) -> Faults {
    let mut faults = Faults::default();
    let mut seen = vec![false; limit as usize + 1];
    let mut last = 0;
    for id in ids {
        let id: u64 = id.parse().expect("a number");
        faults.twice += u64::from(std::mem::replace(&mut seen[id as usize], true));
        faults.out_of_order += u64::from(id < last);
        last = last.max(id);
    }
    faults.lost = seen[1..].iter().filter(|seen| !**seen).count() as u64;
    faults
}

/// Of all sources, and how many events they have.
pub fn sum(found: &BTreeMap<String, Vec<Found>>, limit: u64) -> (Faults, u64) {
    let mut sum = Faults::default();
    for events in found.values() {
        let faults = faults(events.iter().map(|(id, _)| id.as_str()), limit);
        sum.lost += faults.lost;
        sum.twice += faults.twice;
        sum.out_of_order += faults.out_of_order;
    }
    (sum, found.values().map(Vec::len).sum::<usize>() as u64)
}

/// The longest time between two events from `from` on, in seconds.
pub fn silence(events: &[Found], from: f64, until: f64) -> f64 {
    let times: Vec<f64> =
        events.iter().map(|(_, at)| *at).filter(|at| (from..until).contains(at)).collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.fold(0.0, f64::max)
}
