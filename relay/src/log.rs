//! One partition's log: a JetStream stream to which one worker at a time can write.
//!
//! One write is on its way at a time: an event, or a batch that is stored whole or not at all. It names the
//! sequence acknowledged last. A worker that takes the partition writes a fence first: all that its
//! predecessor sends, or has sent, names a sequence that the fence has passed for good.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::HeaderMap;
use async_nats::header::{
    NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
    NATS_EXPECTED_LAST_SEQUENCE,
};
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{DeliverPolicy, pull};
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{LastRawMessageError, LastRawMessageErrorKind, Stream};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::generation::{OWNER, begin_generation, generation, note_last};
use crate::names::{Names, decode};
use crate::nats::{TIMEOUT, has_batches, info};
use crate::record::{ID, Position, Record};

/// In a fence that follows a failure: the sequence of the last event before it.
const END: &str = "Relay-End";

/// The result of a write that was not acknowledged.
#[derive(Debug, PartialEq)]
pub enum Reclaimed {
    /// The log is still ours, and the write is in it.
    Stored,
    /// The log is still ours, and the write is not in it.
    Missing,
    /// Another worker has taken the log.
    Lost,
    /// The log does not hold what was acknowledged: it has lost its end, or all of it.
    Rewound,
}

pub struct Log {
    jetstream: Context,
    stream: Stream<()>,
    config: Store,
    names: Names,
    partition: u32,
    owner: String,
    /// All sequences of one generation are of one log. A log that lost its end gets a new one.
    pub generation: String,
    /// How many records a write has at most.
    pub batch: usize,
    pub last: u64,
    pub fence: u64,
    writes: u64,
}

impl Log {
    /// Shuts out its predecessor, and says how far each source has come. `batch` counts where NATS has batches.
    pub async fn take(
        jetstream: &Context,
        names: &Names,
        config: &Store,
        partition: u32,
        worker: &str,
        batch: usize,
    ) -> Result<(Self, HashMap<String, Position>)> {
        let mut log = Self {
            stream: jetstream.get_stream_no_info(names.stream(partition)).await?,
            jetstream: jetstream.clone(),
            config: config.clone(),
            names: names.clone(),
            partition,
            owner: String::new(),
            generation: String::new(),
            batch: if has_batches(jetstream) { batch.clamp(1, 1000) } else { 1 },
            last: 0,
            fence: 0,
            writes: 0,
        };
        loop {
            let current = generation(config, partition, &log.stream).await?;
            if current == log.generation {
                break;
            }
            log.owner = format!("{current}.{worker}.{:08x}", fastrand::u32(..));
            log.generation = current;
            // A fence that compared could lose for ever against a predecessor that still writes.
            ensure!(log.write_fence(None).await?, "a fence that compares nothing was refused");
        }
        note_last(config, partition, &log.generation, log.fence).await.ok(); // another may be faster
        let positions = log.positions().await?;
        Ok((log, positions))
    }

    /// Writes up to `batch` records, all or none.
    pub async fn append(&mut self, records: &[Record]) -> Result<(), PublishError> {
        self.writes += 1;
        // NATS takes at most 64 bytes. The end of the owner is random.
        let nonce = self.owner.rsplit('.').next().unwrap_or_default();
        let batch = format!("{nonce}.{}", self.writes);
        let client = self.jetstream.client();
        for (index, record) in records.iter().enumerate() {
            let mut headers = record.headers();
            headers.insert(OWNER, self.owner.as_str());
            if index == 0 {
                headers.insert(NATS_EXPECTED_LAST_SEQUENCE, self.last.to_string());
            }
            if records.len() > 1 {
                headers.insert(NATS_BATCH_ID, batch.as_str());
                headers.insert(NATS_BATCH_SEQUENCE, (index + 1).to_string());
            }
            if index + 1 < records.len() {
                let (subject, data) = (record.subject.clone(), record.data.clone());
                let sent = client.publish_with_headers(subject, headers, data).await;
                sent.map_err(|error| PublishError::with_source(PublishErrorKind::Other, error))?;
                continue;
            }
            if index > 0 {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            let sent = self.send(&record.subject, headers, record.data.clone()).await?;
            self.last = sent.await?.sequence;
        }
        Ok(())
    }

    /// After a failed write: whose is the log, and is the write in it? The order of the questions counts.
    pub async fn reclaim(&mut self, records: &[Record]) -> Result<Reclaimed> {
        loop {
            let last = info(&self.stream).await?.map_or(0, |found| found.state.last_sequence);
            if last < self.last {
                begin_generation(&self.config, self.partition, &self.generation).await?;
                return Ok(Reclaimed::Rewound);
            }
            let owner = self.names.owner_subject(self.partition);
            // A fence that has aged out was ours: a successor would have written another.
            let fence = if_there(self.stream.get_last_raw_message_by_subject(&owner).await)?;
            if fence.as_ref().is_some_and(|fence| !self.is_ours(fence)) {
                // It may have lost its end before another took it.
                let own = self.stream.get_raw_message(self.last).await;
                if own.is_ok_and(|own| !self.is_ours(&own)) {
                    begin_generation(&self.config, self.partition, &self.generation).await?;
                }
                return Ok(Reclaimed::Lost);
            }
            // A fence of ours whose acknowledgement was lost says itself where the events end.
            let fence = fence.filter(|fence| fence.sequence == last && last > self.last);
            let end = match fence.as_ref().and_then(|fence| fence.headers.get(END)) {
                Some(end) => end.as_str().parse()?,
                None => last,
            };
            let stored = usize::try_from(end - self.last)?;
            if stored > 0 && !(stored == records.len() && self.holds(end, records).await?) {
                return Ok(Reclaimed::Rewound);
            }
            if self.write_fence(Some((last, end))).await? {
                return Ok(if stored > 0 { Reclaimed::Stored } else { Reclaimed::Missing });
            }
            // The write came in between: ask again.
        }
    }

    fn is_ours(&self, message: &StreamMessage) -> bool {
        message.headers.get(OWNER).is_some_and(|owner| owner.as_str() == self.owner)
    }

    /// Is the last of these records what the log has there?
    async fn holds(&self, end: u64, records: &[Record]) -> Result<bool> {
        let found = if_there(self.stream.get_raw_message(end).await)?;
        let Some((found, record)) = found.as_ref().zip(records.last()) else { return Ok(false) };
        let id = found.headers.get(ID).map(|id| id.as_str());
        let is_same = *record.subject == *found.subject && id == Some(record.id.as_str());
        Ok(is_same && self.is_ours(found))
    }

    /// Sends, and gives what waits for the acknowledgement.
    async fn send(
        &self,
        subject: &str,
        headers: HeaderMap,
        data: Bytes,
    ) -> Result<PublishAckFuture, PublishError> {
        let message = PublishMessage::build().payload(data).headers(headers);
        self.jetstream.send_publish(subject.to_owned(), message).await
    }

    /// `false`: somebody wrote in between.
    async fn write_fence(&mut self, after: Option<(u64, u64)>) -> Result<bool> {
        let mut headers = HeaderMap::new();
        headers.insert(OWNER, self.owner.as_str());
        if let Some((last, end)) = after {
            headers.insert(NATS_EXPECTED_LAST_SEQUENCE, last.to_string());
            headers.insert(END, end.to_string());
        }
        let subject = self.names.owner_subject(self.partition);
        match self.send(&subject, headers, Bytes::new()).await?.await {
            Ok(ack) => {
                self.fence = ack.sequence;
                self.last = ack.sequence;
                Ok(true)
            }
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Nothing before the fence can change any more. That the fence itself comes shows that the replica
    /// which answers has all of it.
    async fn positions(&self) -> Result<HashMap<String, Position>> {
        let config = pull::OrderedConfig {
            deliver_policy: DeliverPolicy::LastPerSubject,
            filter_subject: self.names.subjects(self.partition),
            headers_only: true,
            ..Default::default()
        };
        let mut messages = self.stream.create_consumer(config).await?.messages().await?;
        let mut positions = HashMap::new();
        while let Some(message) =
            timeout(TIMEOUT * 5, messages.next()).await.context("the log says nothing")?
        {
            let message = message?;
            let info = message.info().map_err(anyhow::Error::from_boxed)?;
            if let Some((_, source)) = self.names.parse(&message.subject) {
                let id = message.headers.as_ref().and_then(|headers| headers.get(ID));
                let id = decode(id.context("a message that is not ours")?.as_str());
                let stored = info.published.into();
                positions.insert(source.to_owned(), Position { id, stored });
            } else if info.stream_sequence >= self.fence {
                return Ok(positions);
            } else {
                bail!("the replica that answered lags behind");
            }
        }
        bail!("the log ended before its fence")
    }
}

pub fn if_there(
    found: Result<StreamMessage, LastRawMessageError>,
) -> Result<Option<StreamMessage>> {
    match found {
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        found => Ok(Some(found?)),
    }
}
