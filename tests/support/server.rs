//! What every server is, whatever its connections run over.

use std::{any::Any, collections::VecDeque, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

use super::{
    connection::{Connection, ServerClose, Transport},
    exchange::Exchange,
    request::{ParsedRequest, Recorded},
    script::Script,
    watched::Watched,
};

/// A server without its way in: requests as they come, and the record of all that came.
///
/// [`Server`](super::Server) and [`MemoryServer`](super::MemoryServer) read as one, so a helper for both takes
/// `&ServerCore`. Dropped, it closes all its connections, those in the hand of the test too.
pub struct ServerCore {
    shared: Arc<Shared>,
}

/// What a server and its tasks have in common.
pub(super) struct Shared {
    log: Watched<Log>,
    script: Option<Script>,
    patience: Duration,
}

/// All that happened so far.
#[derive(Default)]
struct Log {
    connections: Vec<Arc<Connection>>,
    max_open: usize,
    requests: Vec<Recorded>,
    /// Requests that the test has not accepted yet.
    waiting: VecDeque<Exchange>,
    tasks: Vec<AbortHandle>,
    panics: Vec<String>,
}

impl ServerCore {
    /// With `patience` a test that waits for something fails instead of hanging.
    pub(super) fn new(script: Option<Script>, patience: Duration) -> Self {
        let shared = Shared {
            log: Watched::new(Log::default()),
            script,
            patience,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes over a connection that the test made itself, over any transport.
    pub fn serve(&self, transport: impl Transport) {
        self.shared.open(Box::new(transport));
    }

    /// Waits for the next request nobody has accepted yet. For a server without a script.
    ///
    /// # Panics
    ///
    /// If none comes for as long as the server's patience lasts.
    pub async fn accept(&self) -> Exchange {
        self.shared.in_time("a request", self.next_waiting()).await
    }

    /// The next request nobody has accepted yet, if it comes within that time.
    pub async fn accept_within(&self, time: Duration) -> Option<Exchange> {
        timeout(time, self.next_waiting()).await.ok()
    }

    /// Waits for that time and fails if it brings another request or even a connection, or if there is a request
    /// that the test has not accepted yet.
    pub async fn expect_no_request(&self, time: Duration) {
        let (connections, requests) = self.count();
        let unexpected = self.shared.log.until(|log| {
            log.check();
            if let Some(exchange) = log.waiting.front() {
                return Some(format!("{:?}", exchange.request()));
            }
            if let Some(request) = log.requests.get(requests) {
                return Some(format!("{request:?}"));
            }
            (log.connections.len() > connections).then(|| "a connection".to_owned())
        });
        if let Ok(what) = timeout(time, unexpected).await {
            panic!("expected nothing for {time:?}, got {what}");
        }
    }

    /// Waits until so many requests have come, accepted or not, and gives them all.
    ///
    /// # Panics
    ///
    /// If they do not come for as long as the server's patience lasts.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Recorded> {
        let all = self.shared.log.until(|log| {
            log.check();
            (log.requests.len() >= count).then(|| log.requests.clone())
        });
        self.shared.in_time(&format!("{count} requests"), all).await
    }

    /// All requests so far, in the order in which they were whole.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.log.lock().requests.clone()
    }

    /// How many connections were ever opened, those without a request too.
    pub fn connections(&self) -> usize {
        self.shared.log.lock().connections.len()
    }

    /// How many connections are open now: those that neither side has closed.
    pub fn open_connections(&self) -> usize {
        self.shared.log.lock().open_connections()
    }

    /// The largest number of connections that were open at one moment.
    pub fn max_open_connections(&self) -> usize {
        self.shared.log.lock().max_open
    }

    /// Waits until no connection is open.
    ///
    /// # Panics
    ///
    /// If one stays open for as long as the server's patience lasts.
    pub async fn wait_all_closed(&self) {
        let connections = self.shared.log.lock().connections.clone();
        for connection in connections {
            self.shared
                .in_time("all connections closed", connection.closed())
                .await;
        }
    }

    fn count(&self) -> (usize, usize) {
        let log = self.shared.log.lock();
        (log.connections.len(), log.requests.len())
    }

    async fn next_waiting(&self) -> Exchange {
        assert!(
            self.shared.script.is_none(),
            "a script answers the requests of this server: look at requests()"
        );
        self.shared
            .log
            .until(|log| {
                log.check();
                log.waiting.pop_front()
            })
            .await
    }
}

impl Drop for ServerCore {
    fn drop(&mut self) {
        let (waiting, panics) = self.shared.log.update(|log| {
            log.tasks.drain(..).for_each(|task| task.abort());
            for connection in &log.connections {
                connection.close(ServerClose::Fin);
            }
            (std::mem::take(&mut log.waiting), log.panics.join("; "))
        });
        // Each of them holds the server, which must not go in circles.
        drop(waiting);
        // A test that is failing already says more than a second panic, which would abort the process.
        if !panics.is_empty() && !std::thread::panicking() {
            panic!("a task of the server panicked: {panics}");
        }
    }
}

impl Shared {
    /// Begins to serve a new connection.
    pub(super) fn open(self: &Arc<Self>, transport: Box<dyn Transport>) -> Arc<Connection> {
        let connection = Connection::start(transport);
        self.log.update(|log| {
            log.connections.push(Arc::clone(&connection));
            log.max_open = log.max_open.max(log.open_connections());
        });
        self.spawn(Arc::clone(self).serve(Arc::clone(&connection)));
        connection
    }

    /// Runs a task that ends with the server and whose panic fails the test.
    pub(super) fn spawn(
        self: &Arc<Self>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                shared.log.update(|log| log.panics.push(message(&*panic)));
            }
        });
        self.log.lock().tasks.push(task.abort_handle());
        task
    }

    /// Adds a request to the record.
    pub(super) fn record(&self, request: ParsedRequest, connection: &Arc<Connection>) -> Recorded {
        self.log.update(|log| {
            let number = log.requests.len() + 1;
            let request = Recorded::new(number, request, Arc::clone(connection));
            log.requests.push(request.clone());
            request
        })
    }

    /// Puts an exchange where `accept` finds it.
    pub(super) fn wait_for_accept(&self, exchange: Exchange) {
        self.log.update(|log| log.waiting.push_back(exchange));
    }

    /// Waits for `future`, but not longer than the server's patience lasts.
    pub(super) async fn in_time<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        match timeout(self.patience, future).await {
            Ok(value) => value,
            Err(_) => panic!(
                "waited for {what} for {:?}; so far: {:#?}",
                self.patience,
                self.log.lock().requests
            ),
        }
    }

    async fn serve(self: Arc<Self>, connection: Arc<Connection>) {
        let Some(request) = connection.next_request().await else {
            return connection.close(ServerClose::Fin);
        };
        let request = self.record(request, &connection);
        let mut exchange = Exchange::new(request, Arc::clone(&self));
        let Some(script) = &self.script else {
            return self.wait_for_accept(exchange);
        };
        while let Some(still_open) = script.reply(&exchange).play(exchange).await {
            match still_open.next_request_or_close().await {
                Some(next) => exchange = next,
                None => return,
            }
        }
    }
}

impl Log {
    fn open_connections(&self) -> usize {
        self.connections
            .iter()
            .filter(|connection| connection.is_open())
            .count()
    }

    /// Fails the test at once where it would otherwise wait for a task that is no more.
    fn check(&self) {
        if let Some(panic) = self.panics.first() {
            panic!("a task of the server panicked: {panic}");
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}
