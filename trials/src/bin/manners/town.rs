//! The clients, and a server that goes through a restart. One thread, and a clock that jumps to the
//! next timer: the same in every run.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fetch_event_source::{BoxError, EventSource, RetryPolicy, reqwest};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep, sleep_until};

/// The time from a request to its answer or refusal.
const ROUND_TRIP: Duration = Duration::from_millis(10);

/// Until then the clients arrive, evenly.
const ALL_ARE_THERE: Duration = Duration::from_secs(5);

/// All connections are lost; then the server refuses.
pub(crate) const RESTARTS: Duration = Duration::from_secs(10);

/// It accepts, answers 200, and closes.
pub(crate) const DROPS: Duration = Duration::from_secs(40);

/// It works.
pub(crate) const SERVES_AGAIN: Duration = Duration::from_secs(70);

/// The end of the simulation.
pub(crate) const END: Duration = Duration::from_secs(180);

/// How finely requests are counted.
const GRAIN: Duration = Duration::from_millis(10);

/// A number of clients and their server.
pub(crate) struct Town {
    clients: u32,
    /// The reconnection time that the server asks for.
    asked: Option<Duration>,
}

/// What was seen from the server's side.
#[derive(Debug)]
pub(crate) struct Record {
    /// Requests from the restart on, by the time they came, in grains since the start.
    requests: Vec<u32>,
    /// When each client got an event again.
    back: Vec<Duration>,
    clients: u32,
    /// From a connection's end to the next request of its client.
    pub(crate) shortest_wait: Duration,
    /// Of one client at one time.
    pub(crate) most_connections: u32,
}

impl Record {
    pub(crate) fn reconnects(&self) -> u64 {
        self.requests.iter().copied().map(u64::from).sum()
    }

    /// Requests per second, by second: the most within any time of this length.
    pub(crate) fn peak(&self, within: Duration) -> f64 {
        let most = self
            .requests
            .windows(grains(within))
            .map(|window| window.iter().sum::<u32>())
            .max();
        f64::from(most.unwrap_or_default()) / within.as_secs_f64()
    }

    /// Seconds, and requests per second, for one time of this length after the other.
    pub(crate) fn rates(&self, within: Duration, scale: f64) -> Vec<(f64, f64)> {
        let length = within.as_secs_f64();
        let windows = self.requests.chunks(grains(within)).enumerate();
        windows
            .map(|(n, window)| {
                let rate = f64::from(window.iter().sum::<u32>()) / length * scale;
                (n as f64 * length, rate)
            })
            .collect()
    }

    /// Returns when this share of the clients was served again, if ever.
    pub(crate) fn share_back_at(&self, share: f64) -> Option<Duration> {
        let mut back = self.back.clone();
        back.sort_unstable();
        let nth = (f64::from(self.clients) * share).ceil() as usize;
        back.get(nth.max(1) - 1).copied()
    }
}

fn grains(time: Duration) -> usize {
    (time.as_nanos() / GRAIN.as_nanos()) as usize
}

impl Town {
    pub(crate) fn new(clients: u32, asked: Option<Duration>) -> Self {
        Self { clients, asked }
    }

    /// Runs the simulation with the crate's clients and this policy.
    pub(crate) fn run(&self, policy: &RetryPolicy) -> Result<Record, BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(async {
            let server = Server::new(self);
            for client in 0..self.clients {
                let policy = policy.clone().jitter_seed(u64::from(client));
                tokio::spawn(live(client, policy, server.clone()));
            }
            sleep_until(server.start + END).await;
            let mut log = server.log();
            Ok(Record {
                requests: std::mem::take(&mut log.requests),
                back: log.clients.iter().filter_map(|it| it.back).collect(),
                clients: self.clients,
                shortest_wait: log.shortest_wait,
                most_connections: log.most_connections,
            })
        })
    }
}

/// A client, which arrives and listens for ever.
async fn live(number: u32, policy: RetryPolicy, server: Server) {
    sleep(ALL_ARE_THERE * number / server.clients).await;
    let asked_of = server.clone();
    let mut events = EventSource::get("http://127.0.0.1:9/")
        .retry(policy)
        .fetch(move |_| asked_of.clone().answer(number))
        .stream();
    while let Some(event) = events.next().await {
        event.expect("nothing that happens here is final");
        server.note_event(number);
    }
    panic!("a client has given up: {:?}", events.finished());
}

#[derive(Clone)]
struct Server {
    start: Instant,
    clients: u32,
    asked: Option<Duration>,
    log: Arc<Mutex<Log>>,
}

struct Log {
    requests: Vec<u32>,
    clients: Vec<Client>,
    shortest_wait: Duration,
    most_connections: u32,
}

#[derive(Clone, Default)]
struct Client {
    connections: u32,
    /// When its last connection ended.
    ended: Option<Duration>,
    back: Option<Duration>,
}

/// A connection, which closes when it is dropped.
struct Connection {
    server: Server,
    client: u32,
}

impl Server {
    fn new(town: &Town) -> Self {
        Self {
            start: Instant::now(),
            clients: town.clients,
            asked: town.asked,
            log: Arc::new(Mutex::new(Log {
                requests: vec![0; grains(END) + 1],
                clients: vec![Client::default(); town.clients as usize],
                shortest_wait: Duration::MAX,
                most_connections: 0,
            })),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(&self, number: u32) -> Connection {
        let now = self.start.elapsed();
        let mut log = self.log();
        if now >= RESTARTS {
            if let Some(count) = log.requests.get_mut(grains(now)) {
                *count += 1;
            }
        }
        let client = &mut log.clients[number as usize];
        client.connections += 1;
        let (connections, ended) = (client.connections, client.ended);
        log.most_connections = log.most_connections.max(connections);
        if let Some(ended) = ended {
            log.shortest_wait = log.shortest_wait.min(now - ended);
        }
        Connection {
            server: self.clone(),
            client: number,
        }
    }

    fn note_event(&self, number: u32) {
        let now = self.start.elapsed();
        if now >= SERVES_AGAIN {
            self.log().clients[number as usize].back.get_or_insert(now);
        }
    }

    async fn answer(self, client: u32) -> Result<reqwest::Response, BoxError> {
        let connection = self.connect(client);
        let came = self.start.elapsed();
        sleep(ROUND_TRIP).await;
        if (RESTARTS..DROPS).contains(&came) {
            return Err("connection refused".into());
        }
        if (DROPS..SERVES_AGAIN).contains(&came) {
            return Ok(response(stream::empty::<Result<_, Infallible>>()));
        }
        let retry = self
            .asked
            .map(|time| format!("retry: {}\n", time.as_millis()));
        let event = format!("{}data: hello\n\n", retry.unwrap_or_default());
        let lost = (came < RESTARTS).then_some(self.start + RESTARTS);
        Ok(response(stream::once(async { Ok(event) }).chain(
            stream::once(async move {
                let _connection = connection;
                match lost {
                    Some(lost) => sleep_until(lost).await,
                    None => std::future::pending().await,
                }
                Err("connection reset")
            }),
        )))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let now = self.server.start.elapsed();
        let client = &mut self.server.log().clients[self.client as usize];
        client.connections -= 1;
        client.ended = Some(now);
    }
}

fn response<E: Into<BoxError> + 'static>(
    body: impl stream::Stream<Item = Result<String, E>> + Send + 'static,
) -> reqwest::Response {
    let body = reqwest::Body::wrap_stream(body.map(|chunk| chunk.map(Bytes::from)));
    http::Response::builder()
        .header(http::header::CONTENT_TYPE, "text/event-stream")
        .body(body)
        .expect("a response")
        .into()
}
