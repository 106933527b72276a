//! Paths, and how servers are started.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;

use crate::client::Clients;
use crate::process::{Process, Stdout, free_port};

pub(crate) struct Lab {
    pub(crate) clients: Clients,
    /// `interop/`.
    pub(crate) home: PathBuf,
    /// Where the Python packages are installed.
    pub(crate) venv: PathBuf,
    scratch: TempDir,
    names: AtomicUsize,
}

impl Lab {
    pub(crate) fn new() -> Result<Self> {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
        let programs = std::env::current_exe()?;
        let programs = programs.parent().context("no directory")?.to_owned();
        let scratch = tempfile::Builder::new().prefix("interop-").tempdir()?;
        let clients = Clients {
            ours: programs.join("client"),
            script: home.join("client.js"),
            scratch: scratch.path().to_owned(),
        };
        let venv = match std::env::var_os("INTEROP_VENV") {
            Some(path) => path.into(),
            None => home.join("../target/interop/venv"),
        };
        Ok(Self {
            clients,
            home,
            venv,
            scratch,
            names: AtomicUsize::new(0),
        })
    }

    /// A unique path, in a directory that is deleted at the end.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.scratch.path().join(format!("{number}-{name}"))
    }

    /// Writes a file of `servers/` with names between `@` replaced; returns its path.
    pub(crate) fn configuration(&self, name: &str, values: &[(&str, &str)]) -> Result<PathBuf> {
        let template = std::fs::read_to_string(self.home.join("servers").join(name))?;
        let filled = values.iter().fold(template, |text, (name, value)| {
            text.replace(&format!("@{name}@"), value)
        });
        let path = self.scratch(name);
        std::fs::write(&path, filled)?;
        Ok(path)
    }

    pub(crate) fn node(&self, script: &str) -> Command {
        let mut node = Command::new("node");
        node.arg(self.home.join(script));
        node
    }

    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(self.venv.join("bin/python"));
        python.env("PYTHONDONTWRITEBYTECODE", "1");
        python
    }
}

/// A program outside of the usual PATH.
pub(crate) fn system(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
    command
}

/// A server on a separate port.
pub(crate) struct Server {
    process: Process,
    pub(crate) port: u16,
}

impl Server {
    /// Starts it on a free port, which the command gets, and waits until it listens.
    pub(crate) async fn start(
        lab: &Lab,
        command: impl FnOnce(u16) -> Result<Command>,
    ) -> Result<Self> {
        Self::start_on(lab, free_port()?, command).await
    }

    /// Starts it again on this port.
    pub(crate) async fn start_on(
        lab: &Lab,
        port: u16,
        command: impl FnOnce(u16) -> Result<Command>,
    ) -> Result<Self> {
        let log = lab.scratch("server.log");
        let mut process = Process::start(command(port)?, &log, Stdout::Logged)?;
        process.listens(port).await?;
        Ok(Self { process, port })
    }

    /// Kills it with SIGKILL.
    pub(crate) async fn kill(self) -> Result<()> {
        self.process.kill().await
    }

    /// Closes its stdin, which makes it end its streams, and waits for its end.
    pub(crate) async fn end(self) -> Result<()> {
        let status = self.process.end().await?;
        anyhow::ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }
}
