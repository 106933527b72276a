//! The command line.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use async_nats::ServerAddr;
use axum::http::{HeaderName, HeaderValue};
use clap::{Args, Parser, Subcommand, value_parser};
use relay::agreement::Wanted;
use relay::names::check_name;
use relay::sources::Source;

/// Many machines follow event streams into one log of NATS JetStream, and any of them serves it.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// The servers of one NATS cluster.
    #[arg(
        long,
        env = "RELAY_NATS",
        hide_env_values = true,
        default_value = "nats://127.0.0.1:4222",
        value_delimiter = ',',
        global = true
    )]
    pub(crate) nats: Vec<ServerAddr>,
    /// All streams, buckets and subjects of this relay begin with it.
    #[arg(id = "relay", long = "name", env = "RELAY_NAME", default_value = "sse", global = true, value_parser = name)]
    pub(crate) name: String,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Follows its share of the sources.
    Follow(Follow),
    /// Serves the logs: GET /sources/NAME
    Serve(Serve),
    /// The sources that are followed.
    #[command(subcommand)]
    Sources(Sources),
    /// Each partition with its owner and its log.
    Status,
}

#[derive(Args)]
pub(crate) struct Follow {
    /// Sources to put into the bucket first, as `sources put` does.
    #[arg(value_name = "NAME=URL", value_parser = name_and_url)]
    pub(crate) sources: Vec<(String, Source)>,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Events in one write at most, up to 1000. NATS takes several from 2.12 on, and before that always one.
    #[arg(long, default_value_t = 1000)]
    pub(crate) batch: usize,
    /// Connects that this worker begins in a second.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) connects_per_second: u32,
    /// Connects to one host that may be under way at once.
    #[arg(long, default_value_t = 6)]
    pub(crate) per_host: usize,
    /// Seconds without a byte after which a connection is taken for dead.
    #[arg(long, default_value_t = 45)]
    pub(crate) idle_timeout: u64,
    /// Bytes of the largest event. NATS takes 1 MiB with all headers, unless it is set up otherwise.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) max_event_size: usize,
    /// Where /metrics is.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// The name of this worker; no two may have the same. Default: a random one.
    #[arg(long, value_parser = name)]
    pub(crate) worker: Option<String>,
}

#[derive(Args)]
pub(crate) struct Serve {
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Events of a source that are kept in memory.
    #[arg(long, default_value_t = 1024)]
    pub(crate) keep: usize,
    /// Pages of which origins may read it; `*` for all.
    #[arg(long)]
    pub(crate) allow_origin: Vec<HeaderValue>,
}

#[derive(Subcommand)]
pub(crate) enum Sources {
    List,
    /// Adds a source, or changes it.
    Put {
        #[arg(value_parser = name)]
        name: String,
        #[arg(value_name = "URL", value_parser = Source::parse)]
        source: Source,
        /// A header of its requests; `list` does not show the value.
        #[arg(long, value_name = "NAME:VALUE", value_parser = name_and_value)]
        header: Vec<(String, String)>,
    },
    /// Follows it no more. Its events stay in the log.
    Remove {
        #[arg(value_parser = name)]
        name: String,
    },
}

fn name(text: &str) -> Result<String> {
    check_name(text)?;
    Ok(text.to_owned())
}

fn name_and_url(text: &str) -> Result<(String, Source)> {
    let (name, url) = text.split_once('=').context("not NAME=URL")?;
    check_name(name)?;
    Ok((name.to_owned(), Source::parse(url)?))
}

fn name_and_value(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once(':').context("not NAME:VALUE")?;
    HeaderName::try_from(name)?;
    HeaderValue::try_from(value.trim())?;
    Ok((name.to_owned(), value.trim().to_owned()))
}
