//! A message of a log, and the bytes that NATS takes of it.

use std::time::{SystemTime, UNIX_EPOCH};

use async_nats::HeaderMap;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::names::{Names, encode};

/// How far a source has come in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Position {
    pub id: String,
    pub stored: SystemTime,
}

pub const ID: &str = "Sse-Id";
pub const TYPE: &str = "Sse-Event";
pub const RECEIVED: &str = "Sse-Received";

/// The type of an event that stands for one which was too large.
pub const TOO_LARGE: &str = "relay.too_large";

/// A message of the log.
pub struct Record {
    pub subject: String,
    /// As it stands in the header.
    pub id: String,
    /// Of an event its type, as it stands in the header, and the milliseconds since 1970 when it came.
    event: Option<(String, u128)>,
    pub data: Bytes,
    /// Its share of the partition's memory, while it is on its way.
    pub room: Option<OwnedSemaphorePermit>,
}

impl Record {
    pub fn event(names: &Names, source: &str, event_type: &str, id: &str, data: Bytes) -> Self {
        let received =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        let event = Some((encode(event_type), received));
        Self { subject: names.subject("event", source), id: encode(id), event, data, room: None }
    }

    /// Says how far a source has come where no event of it does.
    pub fn mark(names: &Names, source: &str, id: &str) -> Self {
        let subject = names.subject("mark", source);
        Self { subject, id: encode(id), event: None, data: Bytes::new(), room: None }
    }

    /// Stands for an event that NATS would not take.
    pub fn too_large(names: &Names, source: &str, id: &str, limit: usize) -> Self {
        let data = format!("an event of more than {limit} bytes was left out");
        Self::event(names, source, TOO_LARGE, id, data.into())
    }

    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, self.id.as_str());
        if let Some((event_type, received)) = &self.event {
            headers.insert(TYPE, event_type.as_str());
            headers.insert(RECEIVED, received.to_string());
        }
        headers
    }

    fn header_size(&self) -> usize {
        OVERHEAD + self.id.len() + self.event.as_ref().map_or(0, |(event_type, _)| event_type.len())
    }

    /// Its size to NATS, and a little more.
    pub fn size(&self) -> usize {
        self.header_size() + self.data.len()
    }

    /// Whether a server takes it that takes so many bytes at once. Of headers it counts the bytes in 16 bits.
    pub fn fits(&self, limit: usize) -> bool {
        self.size() <= limit && self.header_size() <= usize::from(u16::MAX)
    }
}

/// Room for names of headers, and for the headers of the log.
pub const OVERHEAD: usize = 1024;

/// Bytes of the longest ID that is written. With it a record fits, although it may be three times as long
/// there. No common server takes it back in a header if it is longer.
pub fn longest_id(limit: usize) -> usize {
    (16 << 10).min(limit / 8)
}
