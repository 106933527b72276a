//! Processes, and the system's data about this one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{BoxError, HEAP};

/// What a process needs besides a descriptor for each stream.
const FEW: u64 = 200;

/// Lets the process open a descriptor for each stream.
pub(crate) fn raise_limits(streams: usize) -> Result<(), BoxError> {
    let needed = streams as u64 + FEW;
    let limit = rlimit::increase_nofile_limit(u64::MAX)?;
    if limit < needed {
        return Err(
            format!("{needed} file descriptors are needed, {limit} allowed: ulimit -Hn").into(),
        );
    }
    Ok(())
}

/// What a process holds at a moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Bytes allocated and not freed.
    pub(crate) heap: f64,
    /// Pages in memory, in bytes.
    pub(crate) resident: f64,
    /// Unfinished tasks of the runtime.
    pub(crate) tasks: f64,
    /// Open file descriptors: sockets, and a few others that stay.
    pub(crate) descriptors: f64,
}

impl Held {
    /// Measures within a runtime that is idle: the task of a connection sees its end after the client.
    pub(crate) async fn at_rest() -> Result<Self, BoxError> {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let heap = HEAP.current_usage();
        Ok(Self {
            heap: heap as f64,
            resident: resident()?,
            tasks: tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks() as f64,
            descriptors: fs::read_dir("/proc/self/fd")?.count() as f64,
        })
    }
}

/// The second number of statm, in pages.
fn resident() -> Result<f64, BoxError> {
    const PAGE: f64 = 4096.0; // of every Linux that this runs on
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split(' ')
        .nth(1)
        .ok_or("statm without a second number")?;
    Ok(pages.parse::<f64>()? * PAGE)
}

/// A part of the trial in a separate process, with the options of this one.
fn part(words: &[&str]) -> Result<Command, BoxError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(std::env::args().skip(1)).args(words);
    Ok(command)
}

/// Runs a part to its end and returns its output.
pub(crate) fn run<T: DeserializeOwned>(words: &[&str]) -> Result<T, BoxError> {
    let output = part(words)?.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{} {}", words.join(" "), output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    /// Closing it ends the process.
    stdin: Option<ChildStdin>,
    bodies: String,
    answers: String,
}

impl Server {
    pub(crate) fn start() -> Result<Self, BoxError> {
        let mut child = part(&["server"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut addresses = String::new();
        let stdout = child.stdout.take().ok_or("a server without an output")?;
        BufReader::new(stdout).read_line(&mut addresses)?;
        let stdin = child.stdin.take();
        let (bodies, answers) = addresses.trim_end().split_once(' ').ok_or("no addresses")?;
        Ok(Self {
            child,
            stdin,
            bodies: bodies.to_owned(),
            answers: answers.to_owned(),
        })
    }

    /// Where streams are.
    pub(crate) fn bodies(&self) -> &str {
        &self.bodies
    }

    /// Where answers are that end at once.
    pub(crate) fn answers(&self) -> &str {
        &self.answers
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("the server: {error}");
        }
    }
}
