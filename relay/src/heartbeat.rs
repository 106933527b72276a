//! The key by which a worker shows that it lives.

use std::time::Duration;

use anyhow::Error;
use async_nats::jetstream::kv::Store;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The value of a worker's key.
pub const HERE: &str = "";
/// It is stopping: what it still has is left to it, but the others share among fewer.
pub const LEAVING: &str = "leaving";

/// Renews the key of this worker. A put that fails is not tried again: the next one comes soon.
pub async fn beat(leases: &Store, key: &str, lease: Duration, stop: &CancellationToken) {
    loop {
        let is_leaving = stop.is_cancelled();
        let value = if is_leaving { LEAVING } else { HERE };
        let put = timeout(lease / 2, leases.put(key, value.into())).await;
        if let Err(error) = put.map_err(Error::from).and_then(|put| Ok(put?)) {
            warn!(error = format!("{error:#}"), "a heartbeat failed");
        }
        if is_leaving {
            sleep(lease / 4).await;
        } else {
            timeout(lease / 4, stop.cancelled()).await.ok();
        }
    }
}
