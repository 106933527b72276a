//! What the members of a relay agree on. The first worker writes it; a worker whose options say otherwise
//! does not start.

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::kv::{CreateErrorKind, Store};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::nats::Refused;

/// Where it stands in the bucket `config`.
const KEY: &str = "agreement";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// How many logs the sources are divided among. It cannot change once there are events.
    pub partitions: NonZeroU32,
    partition_by: PartitionBy,
    /// How long a log keeps an event.
    pub max_age: Duration,
    /// After this silence a worker is taken for dead.
    pub lease: Duration,
    /// Copies that NATS keeps of everything: as many as of the bucket that holds this agreement.
    #[serde(skip)]
    pub replicas: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PartitionBy {
    Source,
}

/// What the options of a worker say. The rest it takes from the agreement.
#[derive(Args, Clone, Debug, Default)]
pub struct Wanted {
    /// How many logs the sources are divided among. The first worker fixes it [default: 16]
    #[arg(long, value_parser = partitions)]
    pub partitions: Option<NonZeroU32>,
    /// Copies that NATS keeps, 3 in a cluster. The first worker fixes it [default: 1]
    #[arg(long, value_parser = replicas)]
    pub replicas: Option<usize>,
    /// Seconds of silence after which a worker is taken for dead. The first worker fixes it [default: 3]
    #[arg(long, value_parser = lease)]
    pub lease: Option<Duration>,
    /// How long a log keeps an event. The first worker fixes it [default: 7d]
    #[arg(long, value_parser = max_age)]
    pub max_age: Option<Duration>,
}

fn partitions(text: &str) -> Result<NonZeroU32> {
    let partitions: NonZeroU32 = text.parse()?;
    ensure!(partitions.get() <= 4096, "1 to 4096");
    Ok(partitions)
}

fn replicas(text: &str) -> Result<usize> {
    let replicas = text.parse()?;
    ensure!((1..=5).contains(&replicas), "1 to 5");
    Ok(replicas)
}

/// NATS takes it in nanoseconds.
fn max_age(text: &str) -> Result<Duration> {
    const YEAR: u64 = 31_557_600;
    let age = humantime::parse_duration(text)?;
    let range = Duration::from_secs(1)..=Duration::from_secs(10 * YEAR);
    ensure!(range.contains(&age), "1s to 10y");
    Ok(age)
}

fn lease(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse()?;
    ensure!((0.5..=3600.0).contains(&seconds), "0.5 to 3600 seconds");
    Ok(Duration::from_secs_f64(seconds))
}

impl From<&Wanted> for Agreement {
    fn from(wanted: &Wanted) -> Self {
        const SIXTEEN: NonZeroU32 = NonZeroU32::new(16).unwrap();
        Self {
            partitions: wanted.partitions.unwrap_or(SIXTEEN),
            partition_by: PartitionBy::Source,
            max_age: wanted.max_age.unwrap_or(Duration::from_secs(7 * 24 * 3600)),
            lease: wanted.lease.unwrap_or(Duration::from_secs(3)),
            replicas: wanted.replicas.unwrap_or(1),
        }
    }
}

impl Agreement {
    /// Reads the agreement, which must be as `wanted`. The first worker writes what it proposes.
    pub async fn make(config: &Store, proposed: &Self, wanted: &Wanted) -> Result<Self> {
        check("replicas", config.stream.cached_info().config.num_replicas, wanted.replicas)?;
        let new = serde_json::to_vec(proposed)?;
        if let Err(error) = config.create(KEY, new.into()).await
            && error.kind() != CreateErrorKind::AlreadyExists
        {
            return Err(error.into());
        }
        let agreed = Self::read(config).await?;
        check("partitions", agreed.partitions, wanted.partitions)?;
        check("lease", agreed.lease, wanted.lease)?;
        check("max-age", agreed.max_age, wanted.max_age)?;
        Ok(agreed)
    }

    pub async fn read(config: &Store) -> Result<Self> {
        let found = config.get(KEY).await?;
        let found = found.context("this relay has no workers yet: start one with `follow`")?;
        let Ok(mut agreed) = serde_json::from_slice::<Self>(&found) else {
            bail!(Refused(format!(
                "this relay is set up in a way that this version does not know: {}",
                String::from_utf8_lossy(&found)
            )));
        };
        agreed.replicas = config.stream.cached_info().config.num_replicas;
        Ok(agreed)
    }
}

fn check<T: Debug + PartialEq>(option: &str, agreed: T, given: Option<T>) -> Result<()> {
    match given {
        Some(given) if given != agreed => bail!(Refused(format!(
            "--{option} {given:?} is not what this relay was made with: {agreed:?}"
        ))),
        _ => Ok(()),
    }
}
