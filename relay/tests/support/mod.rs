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
