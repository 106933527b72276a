//! A client under test, in a separate process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fetch_event_source_interop::{Ask, Marker, Seen};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::process::{Process, Stdout};

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Ours,
    JavaScript,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::JavaScript => "javascript",
        })
    }
}

/// A typical [`Ask`] for a subscription.
pub(crate) fn subscription(url: String) -> Ask {
    Ask {
        url,
        method: "GET".to_owned(),
        headers: Default::default(),
        body: None,
        last_event_id: None,
        subscribe: true,
        base_delay_ms: None,
        max_retries: None,
        allow_content_type: None,
        idle_timeout_ms: None,
        response_timeout_ms: None,
        last: None,
        until: None,
        fails_at: None,
        limit_ms: 100_000, // a little less than the limit of a row
        root_certificate: None,
    }
}

/// An [`Ask`] for an answer to a POST.
pub(crate) fn question(url: String, body: String, until: Marker) -> Ask {
    Ask {
        method: "POST".to_owned(),
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: Some(body),
        subscribe: false,
        until: Some(until),
        ..subscription(url)
    }
}

/// How to start one, and where its log goes.
#[derive(Clone)]
pub(crate) struct Clients {
    pub(crate) ours: PathBuf,
    pub(crate) script: PathBuf,
    pub(crate) scratch: PathBuf,
}

impl Clients {
    pub(crate) fn start(&self, who: Who, ask: &Ask) -> Result<Client> {
        let mut command = match who {
            Who::Ours => Command::new(&self.ours),
            Who::JavaScript => {
                let mut node = Command::new("node");
                node.arg(&self.script);
                node
            }
        };
        if let Some(root) = &ask.root_certificate {
            command.env("NODE_EXTRA_CA_CERTS", root);
        }
        command.arg(serde_json::to_string(ask)?);
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let log = self.scratch.join(format!("client-{number}-{who}.log"));
        Client::start(command, &log)
    }
}

pub(crate) struct Client {
    process: Process,
    lines: Lines<BufReader<ChildStdout>>,
    /// Everything that it reported.
    pub(crate) seen: Vec<Seen>,
}

impl Client {
    fn start(command: Command, log: &Path) -> Result<Self> {
        let mut process = Process::start(command, log, Stdout::Taken)?;
        let stdout = process.take_stdout().context("it has no stdout")?;
        Ok(Self {
            process,
            lines: BufReader::new(stdout).lines(),
            seen: Vec::new(),
        })
    }

    /// Returns its next report, `None` after its end.
    async fn next(&mut self) -> Result<Option<&Seen>> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.with_context(|| self.process.tell("says nothing"))??;
        let Some(line) = line else { return Ok(None) };
        let seen = serde_json::from_str(&line).with_context(|| line.clone())?;
        self.seen.push(seen);
        Ok(self.seen.last())
    }

    /// Reads on until it reports this.
    pub(crate) async fn sees(&mut self, is_it: impl Fn(&Seen) -> bool) -> Result<()> {
        loop {
            match self.next().await? {
                Some(seen) if is_it(seen) => return Ok(()),
                Some(seen @ (Seen::Finished { .. } | Seen::Error { .. })) => {
                    bail!("it is over too early: {seen:?}")
                }
                Some(_) => {}
                None => bail!(self.process.tell("has ended")),
            }
        }
    }

    /// Waits for this many more events with data.
    pub(crate) async fn events(&mut self, more: usize) -> Result<()> {
        for _ in 0..more {
            self.sees(|seen| matches!(seen, Seen::Event { data, .. } if !data.is_empty()))
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn opens(&mut self) -> Result<()> {
        self.sees(|seen| matches!(seen, Seen::Open { .. })).await
    }

    pub(crate) async fn retries(&mut self) -> Result<()> {
        self.sees(|seen| matches!(seen, Seen::Retry { .. })).await
    }

    /// Reads on to the end; returns how it ended.
    pub(crate) async fn ends(&mut self) -> Result<Seen> {
        if let Some(last @ (Seen::Finished { .. } | Seen::Error { .. })) = self.seen.last() {
            return Ok(last.clone());
        }
        loop {
            match self.next().await? {
                Some(last @ (Seen::Finished { .. } | Seen::Error { .. })) => {
                    return Ok(last.clone());
                }
                Some(_) => {}
                None => bail!(self.process.tell("has ended")),
            }
        }
    }

    /// Asks it to close its source; returns how it ended.
    pub(crate) async fn stop(&mut self) -> Result<Seen> {
        let stdin = self.process.stdin().context("it has no stdin")?;
        stdin.write_all(b"stop\n").await?;
        self.ends().await
    }

    /// Waits this long for its end, then asks it to close.
    pub(crate) async fn ends_within(&mut self, patience: Duration) -> Result<()> {
        if let Ok(end) = timeout(patience, self.ends()).await {
            end?;
        } else {
            self.stop().await?;
        }
        Ok(())
    }

    /// Kills it with SIGKILL; returns its reports until then.
    pub(crate) async fn kill(mut self) -> Result<Vec<Seen>> {
        self.process.kill().await?;
        // Lines in the pipe still count; an unfinished line does not.
        while let Ok(Ok(Some(line))) = timeout(Duration::from_secs(5), self.lines.next_line()).await
        {
            if let Ok(seen) = serde_json::from_str(&line) {
                self.seen.push(seen);
            }
        }
        Ok(self.seen)
    }

    /// Ends the process; returns its reports.
    pub(crate) async fn quit(self) -> Result<Vec<Seen>> {
        self.process.end().await?;
        Ok(self.seen)
    }
}

/// The ID from which the next process starts. (Messages of the JavaScript client may have none.)
pub(crate) fn last_id(seen: &[Seen]) -> Option<String> {
    seen.iter().rev().find_map(|seen| match seen {
        Seen::Event { id, .. } if !id.is_empty() => Some(id.clone()),
        _ => None,
    })
}
