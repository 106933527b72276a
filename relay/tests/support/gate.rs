//! A gate in front of NATS, which can be shut in several ways.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Default)]
struct State {
    /// Nothing gets through; what was on its way comes later.
    is_shut: bool,
    /// How much later it comes.
    delay: Duration,
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
                tokio::spawn(pass(a, d, shared.clone(), true));
                tokio::spawn(pass(c, b, shared.clone(), false));
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

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: Arc<watch::Sender<State>>,
    is_client: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    let mut changes = state.subscribe();
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(now) = changes.wait_for(|state| !state.is_shut).await.map(|state| state.clone())
        else {
            return;
        };
        let bytes = &buffer[..length];
        let holds = |text: &Option<Arc<str>>| {
            text.as_deref().is_some_and(|text| {
                text.is_empty() || bytes.windows(text.len()).any(|at| at == text.as_bytes())
            })
        };
        if is_client && holds(&now.swallowed) {
            state.send_modify(|state| state.swallowed = Some("".into()));
            continue;
        }
        if is_client && holds(&now.unanswered) {
            state.send_modify(|state| state.unanswered = Some("".into()));
        }
        if !is_client && now.unanswered.as_deref() == Some("") {
            continue;
        }
        tokio::time::sleep(now.delay).await;
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
