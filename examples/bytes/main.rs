//! Receives a file in events, as base64: writes each piece, and checks the hash at the end.
//! `cargo run --features json --example bytes` fetches one from its own server, which breaks off in
//! the middle; `… --example bytes -- URL FILE` from one that sends the same events, to that file.

mod server;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use clap::Parser;
use fetch_event_source::reqwest::Url;
use fetch_event_source::{BoxError, Event, Finished, RetryPolicy, fetch_event_source};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempDir};

use crate::support::{exit_code, say, say_retry};

/// What the file will be, in an event of type `about`.
#[derive(Deserialize)]
struct About {
    length: u64,
    sha256: String,
}

/// The file so far. It gets its name when it is whole.
struct Download {
    about: Option<About>,
    file: NamedTempFile,
    length: u64,
    hash: Sha256,
}

/// Fetches a file that comes in events, and checks its hash. Without arguments: a file of a
/// built-in server that breaks off in the middle
#[derive(Parser)]
#[command(override_usage = "bytes [URL FILE]")]
struct Arguments {
    /// Where the events come from
    #[arg(value_parser = support::url, requires = "file")]
    url: Option<Url>,
    /// The file to write
    file: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match (arguments.url, arguments.file) {
        (Some(url), Some(file)) => fetch(url.as_str(), &file).await,
        _ => demo().await,
    };
    exit_code("bytes", result)
}

async fn demo() -> Result<(), BoxError> {
    let directory = TempDir::new()?;
    fetch(&server::start().await?, &directory.path().join("file")).await
}

async fn fetch(url: &str, to: &Path) -> Result<(), BoxError> {
    let mut download = Download::new(to)?;
    let mut events = fetch_event_source(url)
        .until(|event| event.event_type() == "end") // what breaks off before is asked for again
        .retry(RetryPolicy::default())
        .on_error(|failure| say_retry(&failure))
        .abort_on(tokio::signal::ctrl_c())
        .stream();
    while let Some(event) = events.next().await {
        download.take(&event?)?;
    }
    match events.finished() {
        Some(Finished::EndMarker) => download.finish(to),
        _ => Err("interrupted".into()), // and nothing is left of the file
    }
}

pub(crate) fn hex(hash: &[u8]) -> String {
    format!("{:x}", Bytes::copy_from_slice(hash))
}

impl Download {
    fn new(to: &Path) -> Result<Self, BoxError> {
        let directory = match to.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        Ok(Self {
            about: None,
            file: NamedTempFile::new_in(directory)?, // so that it can be renamed
            length: 0,
            hash: Sha256::new(),
        })
    }

    fn take(&mut self, event: &Event) -> Result<(), BoxError> {
        match event.event_type() {
            "about" => self.about = Some(event.json()?),
            "piece" => self.append(&event.decode_base64()?)?,
            _ => {} // of a later version of the server's
        }
        Ok(())
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), BoxError> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    fn finish(self, to: &Path) -> Result<(), BoxError> {
        let about = self
            .about
            .ok_or("the server did not say what the file is")?;
        let hash = hex(&self.hash.finalize());
        if (self.length, &hash) != (about.length, &about.sha256) {
            let (length, wanted) = (self.length, about.length);
            return Err(format!("{length} bytes of {wanted}, or not the right ones").into());
        }
        self.file.as_file().sync_all()?;
        self.file.persist(to)?;
        say(format_args!(
            "{} bytes, SHA-256 {hash}: as the server says",
            self.length
        ))?;
        say(to.display())?;
        Ok(())
    }
}
