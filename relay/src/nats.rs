//! Streams and buckets of NATS: how they are made, and what its errors mean.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_nats::jetstream::context::{RequestError, RequestErrorKind};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, Stream};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{ConnectError, ConnectErrorKind};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tracing::{error, warn};

/// For a write, and for each question to NATS.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// A member is set up otherwise than the others.
#[derive(Debug)]
pub struct Refused(pub String);

impl std::error::Error for Refused {}

impl Display for Refused {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it fails for good, until somebody mends what was set up.
pub fn is_final(error: &anyhow::Error) -> bool {
    const FINAL: [ErrorCode; 3] = [
        ErrorCode::JETSTREAM_NOT_ENABLED,
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
        ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED,
    ];
    let rejected = [ConnectErrorKind::Authentication, ConnectErrorKind::AuthorizationViolation];
    error.chain().any(|cause| {
        let connect = cause.downcast_ref::<ConnectError>();
        let request = cause.downcast_ref::<RequestError>();
        cause.is::<Refused>()
            || connect.is_some_and(|error| rejected.contains(&error.kind()))
            || request.is_some_and(|error| error.kind() == RequestErrorKind::NoResponders)
    }) || code(error).is_some_and(|code| FINAL.contains(&code))
}

/// Of what is tried again.
pub fn log_failure(what: &str, error: &anyhow::Error) {
    let text = format!("{error:#}");
    if is_final(error) {
        error!(error = text, "{what}: trying again does not help, mend what is set up");
    } else {
        warn!(error = text, "{what}: trying again");
    }
}

/// The server's number of an error.
fn code(error: &anyhow::Error) -> Option<ErrorCode> {
    let mut causes = error.chain();
    causes.find_map(|cause| Some(cause.downcast_ref::<jetstream::Error>()?.error_code()))
}

/// From 2.12 on a server can store several messages at once, or none of them.
pub fn has_batches(jetstream: &Context) -> bool {
    let version = jetstream.client().server_info().version;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(2), Some(12))
}

/// A server that has just started says of streams that they are not there, until it has read them.
const READING: Duration = Duration::from_secs(5);

/// What NATS says of a stream; `None` if it is gone for good.
pub async fn info<I>(stream: &Stream<I>) -> Result<Option<Info>> {
    let start = Instant::now();
    loop {
        match if_there(stream.get_info().await.map_err(anyhow::Error::from))? {
            None if start.elapsed() < READING => sleep(Duration::from_millis(250)).await,
            found => return Ok(found),
        }
    }
}

fn if_there(found: Result<Info>) -> Result<Option<Info>> {
    match found {
        Err(error) if code(&error) == Some(ErrorCode::STREAM_NOT_FOUND) => Ok(None),
        found => found.map(Some),
    }
}

async fn ask(jetstream: &Context, what: &str, name: &str, body: &impl Serialize) -> Result<Info> {
    match jetstream.request(format!("STREAM.{what}.{name}"), body).await? {
        Response::Ok(info) => Ok(info),
        Response::Err { error } => Err(error.into()),
    }
}

/// A stream that is made where it is not there, and changed where it is kept otherwise.
pub async fn make(jetstream: &Context, config: &Config) -> Result<Info> {
    let mut made = ask(jetstream, "CREATE", &config.name, config).await;
    if made.as_ref().is_err_and(|error| code(error) == Some(ErrorCode::STREAM_NAME_EXIST)) {
        made = ask(jetstream, "UPDATE", &config.name, config).await;
    }
    made.with_context(|| format!("stream {} cannot be made", config.name))
}

/// A bucket of the relay. A worker makes one that NATS says is not there, with so many replicas. A reader
/// gives none, and makes none. It is made as a plain stream: `create_key_value` of async-nats 0.51 cannot
/// read what NATS 2.9 says of an account.
pub async fn bucket(
    jetstream: &Context,
    name: &str,
    of: &str,
    replicas: Option<usize>,
) -> Result<Store> {
    let bucket = format!("{name}-{of}");
    let stream = format!("KV_{bucket}");
    if if_there(ask(jetstream, "INFO", &stream, &()).await)?.is_none() {
        let Some(num_replicas) = replicas else {
            bail!("relay {name} has no workers yet: start one with `follow`");
        };
        let config = Config {
            name: stream,
            subjects: vec![format!("$KV.{bucket}.>")],
            max_messages_per_subject: 1,
            num_replicas,
            discard: DiscardPolicy::New,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        };
        match ask(jetstream, "CREATE", &config.name, &config).await {
            // Another was faster.
            Err(error) if code(&error) == Some(ErrorCode::STREAM_NAME_EXIST) => {}
            made => drop(made.with_context(|| format!("bucket {bucket} cannot be made"))?),
        }
    }
    Ok(jetstream.get_key_value(&bucket).await?)
}
