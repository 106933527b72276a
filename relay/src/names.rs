//! What a relay is called in NATS, what all its members must agree on, and how its streams are made.

use std::fmt::{self, Display, Formatter};
use std::hash::Hasher;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::jetstream::kv::{CreateErrorKind, Store};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What cannot change once there are events: a source's partition follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Agreement {
    partitions: u32,
    partition_by: String,
}

/// How streams are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    pub replicas: usize,
    pub max_age: Duration,
}

/// A member is set up otherwise than the others. Waiting does not help.
#[derive(Debug)]
pub struct Refused(String);

impl std::error::Error for Refused {}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug)]
pub struct Names {
    /// All streams, buckets and subjects begin with it.
    pub name: String,
    /// How many logs the sources are divided among.
    pub partitions: u32,
}

impl Names {
    /// Reads the agreement; the first worker writes it.
    pub async fn agree(config: &Store, name: &str, wanted: Option<u32>) -> Result<Self> {
        let agreed =
            Agreement { partitions: wanted.unwrap_or(16), partition_by: "source".to_owned() };
        let created = config.create("agreement", serde_json::to_vec(&agreed)?.into());
        if let Err(error) = created.await
            && error.kind() != CreateErrorKind::AlreadyExists
        {
            return Err(error.into());
        }
        let Self { partitions, .. } = Self::read(config, name).await?;
        if let Some(wanted) = wanted.filter(|wanted| *wanted != partitions) {
            bail!(Refused(format!(
                "relay {name} has {partitions} partitions, and this worker was started with {wanted}"
            )));
        }
        Ok(Self { name: name.to_owned(), partitions })
    }

    pub async fn read(config: &Store, name: &str) -> Result<Self> {
        let found = config.get("agreement").await?;
        let found = found.with_context(|| format!("relay {name} has no workers yet"))?;
        match serde_json::from_slice(&found) {
            Ok(Agreement { partitions: partitions @ 1.., partition_by })
                if partition_by == "source" =>
            {
                Ok(Self { name: name.to_owned(), partitions })
            }
            _ => bail!(Refused(format!(
                "relay {name} is set up in a way that this version does not know: {}",
                String::from_utf8_lossy(&found)
            ))),
        }
    }

    pub fn partition_of(&self, source: &str) -> u32 {
        let mut hasher = fnv::FnvHasher::default();
        hasher.write(source.as_bytes());
        u32::try_from(hasher.finish() % u64::from(self.partitions)).unwrap_or_default()
    }

    pub fn stream(&self, partition: u32) -> String {
        format!("{}-{partition}", self.name)
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
    pub async fn open(&self, jetstream: &Context, partition: u32, keeping: &Keeping) -> Result<()> {
        let mut config = serde_json::to_value(Config {
            name: self.stream(partition),
            subjects: vec![format!("{}.{partition}.>", self.name)],
            num_replicas: keeping.replicas,
            max_age: keeping.max_age,
            allow_direct: true,
            ..Config::default()
        })?;
        // By hand: the client has a field for it only with servers newer than Debian's in mind.
        if has_batches(jetstream) {
            config["allow_atomic"] = true.into();
        }
        make(jetstream, config).await
    }
}

/// How many events a write has at most, if so many are wanted: a server that has no batches takes one.
pub fn batch(jetstream: &Context, wanted: usize) -> usize {
    if has_batches(jetstream) { wanted.clamp(1, 1000) } else { 1 }
}

/// From 2.12 on a server can store several messages at once, or none of them.
pub fn has_batches(jetstream: &Context) -> bool {
    let version = jetstream.client().server_info().version;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(2), Some(12))
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

/// A bucket of the relay. It is made as a plain stream: `create_key_value` of async-nats 0.51 cannot read
/// what NATS 2.9 says of an account.
pub async fn bucket(jetstream: &Context, name: &str, of: &str, replicas: usize) -> Result<Store> {
    let bucket = format!("{name}-{of}");
    if let Ok(store) = jetstream.get_key_value(&bucket).await {
        return Ok(store);
    }
    let config = Config {
        name: format!("KV_{bucket}"),
        subjects: vec![format!("$KV.{bucket}.>")],
        max_messages_per_subject: 1,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        ..Config::default()
    };
    make(jetstream, serde_json::to_value(config)?).await?;
    Ok(jetstream.get_key_value(&bucket).await?)
}

/// A server that has just started says of streams that they are not there, until it has read them.
const READING: Duration = Duration::from_secs(5);

/// Since when NATS says that a stream is not there.
#[derive(Default)]
pub struct Missing(Option<Instant>);

impl Missing {
    /// Whether the stream is gone, by what NATS says of it now.
    pub fn is_gone(&mut self, is_there: bool) -> bool {
        if is_there {
            self.0 = None;
            return false;
        }
        self.0.get_or_insert_with(Instant::now).elapsed() > READING
    }
}

/// What NATS says of a stream; `None` if there is none of that name, or not any more.
pub async fn info<I>(stream: &Stream<I>) -> Result<Option<Info>> {
    let is_not_found = |error: &anyhow::Error| {
        let found = error.chain().find_map(|error| error.downcast_ref::<jetstream::Error>());
        found.is_some_and(|error| error.error_code() == ErrorCode::STREAM_NOT_FOUND)
    };
    match stream.get_info().await.map_err(anyhow::Error::from) {
        Ok(info) => Ok(Some(info)),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn make(jetstream: &Context, config: Value) -> Result<()> {
    /// The server's number for a stream of that name which is configured otherwise.
    const OTHERWISE: u64 = 10058;
    let name = config["name"].as_str().unwrap_or_default().to_owned();
    let subject = format!("STREAM.CREATE.{name}");
    let mut answer: Value = jetstream.request(subject, &config).await?;
    if answer["error"]["err_code"] == json!(OTHERWISE) {
        let subject = format!("STREAM.UPDATE.{name}");
        answer = jetstream.request(subject, &config).await?;
    }
    match &answer["error"] {
        Value::Null => Ok(()),
        error => bail!("stream {name} cannot be made: {}", error["description"]),
    }
}

/// What a header of NATS carries whatever its parser trims: printable ASCII without blanks.
const PLAIN: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
