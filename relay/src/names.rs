//! What a relay is called in NATS.

use std::hash::Hasher;

use anyhow::{Result, ensure};
use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, Info};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::agreement::Agreement;
use crate::nats::{has_batches, make};

#[derive(Clone, Debug)]
pub struct Names {
    /// All streams, buckets and subjects begin with it.
    pub name: String,
    pub agreed: Agreement,
}

impl Names {
    pub fn partitions(&self) -> u32 {
        self.agreed.partitions.get()
    }

    pub fn partition_of(&self, source: &str) -> u32 {
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(source.as_bytes());
        u32::try_from(hasher.finish() % u64::from(self.partitions())).unwrap_or_default()
    }

    pub fn stream(&self, partition: u32) -> String {
        format!("{}-{partition}", self.name)
    }

    /// All that is in a partition's log.
    pub fn subjects(&self, partition: u32) -> String {
        format!("{}.{partition}.>", self.name)
    }

    /// `event` is an event of the source, `mark` says how far it has come without one.
    pub fn subject(&self, kind: &str, source: &str) -> String {
        format!("{}.{}.{kind}.{source}", self.name, self.partition_of(source))
    }

    pub fn owner_subject(&self, partition: u32) -> String {
        format!("{}.{partition}.owner", self.name)
    }

    /// Kind and source of a subject; `None` for a fence.
    pub fn parse<'a>(&self, subject: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = subject.strip_prefix(&self.name)?.strip_prefix('.')?;
        rest.split_once('.')?.1.split_once('.')
    }

    /// The stream of a partition, made where it is not there, and changed where it is kept otherwise.
    pub async fn open(&self, jetstream: &Context, partition: u32) -> Result<Info> {
        let config = Config {
            name: self.stream(partition),
            subjects: vec![self.subjects(partition)],
            num_replicas: self.agreed.replicas,
            max_age: self.agreed.max_age,
            allow_direct: true,
            allow_atomic_publish: has_batches(jetstream),
            ..Config::default()
        };
        make(jetstream, &config).await
    }
}

/// A name that can be a part of a subject, of a key and of a path.
pub fn check_name(name: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    ensure!(
        (1..=100).contains(&name.len()) && name.bytes().all(is_plain),
        "{name:?} is not a name: 1 to 100 of a-z, A-Z, 0-9, - and _"
    );
    Ok(())
}

/// What a header of NATS carries whatever its parser trims: printable ASCII without blanks.
const PLAIN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
