//! Against a server that is not ours: Express, from npm.
//!
//! `interop/express/run.sh` installs it and runs these tests. Elsewhere they are ignored, for want of Node.

#![cfg(feature = "client")]

use std::{ops::ControlFlow, path::Path, process::Stdio, time::Duration};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use fetch_event_source::{
    Error, Event, EventSource, Finished, RetryPolicy, Signal, Signals, fetch_event_source,
};

/// A wait that is longer fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "needs Node and Express: run interop/express/run.sh"]
async fn a_killed_server_costs_no_event() {
    let mut express = Express::start(0).await;
    let port = express.port;
    let mut client = Client::connect(port);
    client.receive(20).await;
    assert_eq!(express.says().await, "open ");

    for _ in 0..3 {
        express.kill().await;
        client.receive_until_refused().await;
        let last_event_id = client.signals.handle().last_event_id();
        assert_eq!(last_event_id, client.received.to_string());

        express = Express::start(port).await;
        client.receive(20).await;
        assert_eq!(express.says().await, format!("open {last_event_id}"));
    }

    assert_eq!(client.opened, 4);
    drop(client);
    assert_eq!(express.says().await, "close"); // req.on('close')
}

#[tokio::test]
#[ignore = "needs Node and Express: run interop/express/run.sh"]
async fn a_replaced_server_costs_no_event() {
    let mut received = 0;
    let first = Express::start(0).await;
    let source = subscription(first.port);
    let express = Mutex::new(first);
    let finished = source
        .on_message(async |event| {
            received += 1;
            assert_eq!(event, message(received));
            match received {
                20 => express.lock().await.end(),
                _ if received < 60 => {}
                _ => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        })
        .on_error(async |failure| failure.fail()) // a clean end is no failure
        .on_close(async |end| {
            express.lock().await.replace().await;
            end.proceed()
        })
        .run();
    let finished = timeout(PATIENCE, finished).await.expect("to end");

    assert_eq!(finished.expect("no error"), Finished::Stopped);
    assert_eq!(received, 60);
    let mut express = express.into_inner();
    let opened = express.says().await;
    let last_event_id = opened.strip_prefix("open ").expect("a stream");
    assert!((20..60).contains(&last_event_id.parse().expect("a number")));
    assert_eq!(express.says().await, "close");
}

fn subscription(port: u16) -> EventSource {
    fetch_event_source(format!("http://127.0.0.1:{port}/sse")).retry(RetryPolicy::persistent())
}

/// The n-th event, as server.js makes it.
fn message(n: usize) -> Event {
    let contents = ["hello", "γειά σου", "こんにちは", "🚀 two\nlines"];
    let (minute, second) = (n / 60, n % 60);
    let content = Value::from(contents[n % contents.len()]);
    let time = format!("2026-01-01T00:{minute:02}:{second:02}.000Z");
    let data = format!(r#"{{"time":"{time}","content":{content},"code":200,"count":{n}}}"#);
    Event::new(data).with_last_event_id(n.to_string())
}

/// A client that takes only the event that is due.
struct Client {
    signals: Signals,
    received: usize,
    opened: usize,
}

impl Client {
    fn connect(port: u16) -> Self {
        let signals = subscription(port).signals();
        Self {
            signals,
            received: 0,
            opened: 0,
        }
    }

    /// So many more events.
    async fn receive(&mut self, events: usize) {
        let enough = self.received + events;
        while self.received < enough {
            self.next().await;
        }
    }

    /// What is still on its way, until nobody listens on the port any more.
    async fn receive_until_refused(&mut self) {
        loop {
            match self.next().await {
                Signal::Retrying { error, .. }
                    if error.as_deref().is_some_and(Error::is_connect) =>
                {
                    return;
                }
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> Signal {
        let next = timeout(PATIENCE, self.signals.next()).await;
        let signal = next.expect("a signal in time").expect("a signal");
        let signal = signal.expect("no final error");
        match &signal {
            Signal::Open(_) => self.opened += 1,
            Signal::Event(event) => {
                self.received += 1;
                assert_eq!(*event, message(self.received));
            }
            _ => {}
        }
        signal
    }
}

/// server.js in a process of its own.
struct Express {
    node: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Express {
    /// On that port, or with 0 on a free one.
    async fn start(port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/express/server.js");
        let mut node = Command::new("node")
            .arg(script)
            .arg(port.to_string())
            .stdin(Stdio::piped()) // it ends with us
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node to run");
        let stdout = node.stdout.take().expect("a pipe");
        let lines = BufReader::new(stdout).lines();
        let mut express = Self { node, lines, port };
        let says = express.says().await;
        let port = says.strip_prefix("listening ").expect("its port");
        express.port = port.parse().expect("a port");
        express
    }

    /// The next line from it.
    async fn says(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("a line in time").expect("a pipe");
        line.expect("a line before the end of the process")
    }

    /// SIGKILL: it has no time to end its streams.
    async fn kill(mut self) {
        self.node.kill().await.expect("to be killed");
    }

    /// Asks it to end its streams and go.
    fn end(&mut self) {
        drop(self.node.stdin.take());
    }

    /// Waits for its end, and starts another on its port.
    async fn replace(&mut self) {
        let status = timeout(PATIENCE, self.node.wait()).await;
        assert!(status.expect("to end").expect("a status").success());
        *self = Self::start(self.port).await;
    }
}
