//! A real NATS, servers of numbered events, workers as processes, and what the log should hold.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file compiles its own copy of this module and uses a part of it"
)]
#![allow(clippy::unwrap_used)] // what cannot be set up is a failed test

pub mod check;
pub mod gate;
pub mod nats;
pub mod numbers;
pub mod process;

use std::time::{Duration, Instant};

use async_nats::jetstream::kv::Store;
use relay::agreement::{Agreement, Wanted};
use relay::names::Names;

/// What a worker wants that is given only the number of partitions.
fn wanted(partitions: u32) -> Wanted {
    Wanted { partitions: Some(partitions.try_into().unwrap()), ..Default::default() }
}

pub fn names(partitions: u32) -> Names {
    Names { name: "sse".to_owned(), agreed: Agreement::from(&wanted(partitions)) }
}

/// As the first worker does.
pub async fn agree(config: &Store, partitions: u32) -> Names {
    let wanted = wanted(partitions);
    let agreed = Agreement::make(config, &Agreement::from(&wanted), &wanted).await.unwrap();
    Names { name: "sse".to_owned(), agreed }
}

/// As it stands in the bucket.
pub async fn generation(config: &Store, partition: u32) -> String {
    let found = config.get(format!("generation.{partition}")).await.unwrap().unwrap();
    String::from_utf8_lossy(&found).split(' ').next().unwrap().to_owned()
}

/// Asks until it holds, or fails.
pub async fn eventually(what: &str, within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The value that p of a hundred do not exceed.
pub fn percentile(values: &mut [f64], p: usize) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    values[(values.len() * p).div_ceil(100).clamp(1, values.len()) - 1]
}
