//! Processes of servers and clients that end with the harness.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep, timeout};

use crate::PATIENCE;

/// A process and its children: a separate process group, which is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
    log: PathBuf,
}

impl Process {
    /// The file of its stderr, and of its stdout if that is not read.
    pub(crate) fn start(mut command: Command, log: &Path, stdout: Stdout) -> Result<Self> {
        let file = File::create(log)?;
        let child = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(match stdout {
                Stdout::Taken => Stdio::piped(),
                Stdout::Logged => file.try_clone()?.into(),
            })
            .stderr(file)
            .spawn()
            .with_context(|| format!("{:?} does not start", command.as_std().get_program()))?;
        let id = child.id().context("it has ended already")?;
        Ok(Self {
            child,
            group: Pid::from_raw(i32::try_from(id)?),
            log: log.to_owned(),
        })
    }

    pub(crate) fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn stdin(&mut self) -> Option<&mut ChildStdin> {
        self.child.stdin.as_mut()
    }

    /// Kills the whole group with SIGKILL, without time to clean up.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.kill_group();
        timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }

    /// Closes its stdin, and waits for its end.
    pub(crate) async fn end(mut self) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.with_context(|| self.tell("does not end"))??;
        self.group = None;
        Ok(status)
    }

    /// Sends a signal only to the process.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.group.context("it has ended")?;
        Ok(rustix::process::kill_process(id, signal)?)
    }

    /// Waits until a process listens on the port.
    pub(crate) async fn listens(&mut self, port: u16) -> Result<()> {
        let listening = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    bail!("ended with {status}");
                }
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Ok(());
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, listening).await {
            Ok(result) => result.with_context(|| self.tell("does not listen")),
            Err(_) => bail!(self.tell("does not listen in time")),
        }
    }

    /// Returns the end of its log.
    pub(crate) fn tell(&self, what: &str) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let mut last = VecDeque::new();
        for line in log.lines() {
            last.push_back(line);
            if last.len() > 10 {
                last.pop_front();
            }
        }
        let last = Vec::from(last).join("\n");
        format!("it {what}; {}:\n{last}", self.log.display())
    }

    fn kill_group(&mut self) {
        if let Some(group) = self.group.take() {
            let _ = kill_process_group(group, Signal::KILL); // it may have ended already
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// The reader of a process's stdout.
#[derive(Clone, Copy)]
pub(crate) enum Stdout {
    Taken,
    Logged,
}

/// Returns a free port below those that the kernel gives to connections, so it is still free when the server takes it
/// and when the server restarts.
pub(crate) fn free_port() -> Result<u16> {
    const FIRST: u16 = 15_000;
    const SPAN: u16 = 15_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(SPAN))?;
    for _ in 0..SPAN {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + next % SPAN) % SPAN;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
