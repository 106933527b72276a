//! A gate in front of NATS, which can be shut in several ways.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Default)]
struct State {
    /// Nothing gets through; what was on its way comes later.
    is_shut: bool,
    /// How much later it comes.
    delay: Duration,
    /// Each message of the client that holds this text is thrown away.
    dropped: Option<Arc<str>>,
    /// How many were.
    drops: usize,
    /// What the client sends is thrown away, from the message on that holds this text.
    swallowed: Option<Arc<str>>,
    /// What the server answers is thrown away, from the client's message on that holds this text.
    unanswered: Option<Arc<str>>,
}

pub struct Gate {
    port: u16,
    state: Arc<watch::Sender<State>>,
}

impl Gate {
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(watch::Sender::new(State::default()));
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((inside, _)) = listener.accept().await {
                let Ok(outside) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                inside.set_nodelay(true).unwrap();
                outside.set_nodelay(true).unwrap();
                let ((a, b), (c, d)) = (inside.into_split(), outside.into_split());
                tokio::spawn(send(BufReader::new(a), d, shared.clone()));
                tokio::spawn(answer(c, b, shared.clone()));
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn open(&self) {
        self.state.send_replace(State::default());
    }

    pub fn shut(&self) {
        self.state.send_modify(|state| state.is_shut = true);
    }

    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    pub fn drop_each(&self, text: &str) {
        self.state.send_modify(|state| state.dropped = Some(text.into()));
    }

    pub fn drops(&self) -> usize {
        self.state.borrow().drops
    }

    pub fn swallow(&self) {
        self.swallow_from("");
    }

    pub fn swallow_from(&self, text: &str) {
        self.state.send_modify(|state| state.swallowed = Some(text.into()));
    }

    pub fn shut_answers(&self) {
        self.shut_answers_to("");
    }

    pub fn shut_answers_to(&self, text: &str) {
        self.state.send_modify(|state| state.unanswered = Some(text.into()));
    }
}

fn holds(message: &[u8], text: &Option<Arc<str>>) -> bool {
    text.as_deref().is_some_and(|text| {
        text.is_empty() || message.windows(text.len()).any(|at| at == text.as_bytes())
    })
}

/// One operation of NATS' protocol: a line, and what follows it.
async fn operation(from: &mut BufReader<OwnedReadHalf>) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    from.read_until(b'\n', &mut message).await.ok().filter(|length| *length > 0)?;
    if message.starts_with(b"PUB ") || message.starts_with(b"HPUB ") {
        let line = String::from_utf8_lossy(&message);
        let length: usize = line.split_whitespace().last()?.parse().ok()?;
        let start = message.len();
        message.resize(start + length + 2, 0);
        from.read_exact(&mut message[start..]).await.ok()?;
    }
    Some(message)
}

/// From the client to the server: what has come at once goes on at once.
async fn send(
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    state: Arc<watch::Sender<State>>,
) {
    let mut changes = state.subscribe();
    loop {
        let mut passed = Vec::new();
        loop {
            let Some(message) = operation(&mut from).await else { return };
            let now = changes.wait_for(|state| !state.is_shut).await;
            let Ok(now) = now.map(|state| state.clone()) else { return };
            if holds(&message, &now.unanswered) {
                state.send_modify(|state| state.unanswered = Some("".into()));
            }
            if holds(&message, &now.swallowed) {
                state.send_modify(|state| state.swallowed = Some("".into()));
            } else if holds(&message, &now.dropped) {
                state.send_modify(|state| state.drops += 1);
            } else {
                passed.extend(message);
            }
            if from.buffer().is_empty() {
                break;
            }
        }
        let delay = state.borrow().delay;
        tokio::time::sleep(delay).await;
        if to.write_all(&passed).await.is_err() {
            return;
        }
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: Arc<watch::Sender<State>>) {
    let mut buffer = vec![0; 64 << 10];
    let mut changes = state.subscribe();
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let now = changes.wait_for(|state| !state.is_shut).await;
        let Ok(now) = now.map(|state| state.clone()) else { return };
        if now.unanswered.as_deref() == Some("") {
            continue;
        }
        tokio::time::sleep(now.delay).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
