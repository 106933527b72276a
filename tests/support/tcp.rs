//! The server over real sockets, and addresses where nobody answers.

use std::{
    io::{self, Read},
    net::SocketAddr,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use super::{
    connection::Transport,
    script::Script,
    server::{ServerCore, Shared},
};

/// Long enough for the slowest machine, short enough for a person to wait for a failure.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server on 127.0.0.1 and a free port. It dereferences to [`ServerCore`]: `accept`, `requests` and the rest.
pub struct Server {
    core: ServerCore,
    address: SocketAddr,
    entrance: Mutex<Entrance>,
}

enum Entrance {
    Listening(JoinHandle<()>),
    /// Bound and not listening: refuses, and nobody else gets the port meanwhile.
    Refusing(TcpSocket),
    /// On the way from one to the other.
    Between,
}

impl Server {
    /// Starts a server driven by hand: the test accepts each request.
    pub async fn start() -> Self {
        Self::new(None).await
    }

    /// Starts a server driven by a script: a list of replies, or a [`Script`].
    pub async fn script(script: impl Into<Script>) -> Self {
        Self::new(Some(script.into())).await
    }

    async fn new(script: Option<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("the address of a listener");
        let core = ServerCore::new(script, PATIENCE);
        let entrance = Entrance::listening(listener, core.shared());
        Self {
            core,
            address,
            entrance: Mutex::new(entrance),
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        url(self.address, path)
    }

    /// Refuses new connections from now on. Open ones stay as they are.
    pub async fn stop_listening(&self) {
        let Entrance::Listening(acceptor) = self.replace_entrance(Entrance::Between) else {
            panic!("the server does not listen");
        };
        acceptor.abort();
        // Only the end of the task closes the listener; its result is reported elsewhere.
        let _ = acceptor.await;
        self.replace_entrance(Entrance::Refusing(bind(self.address)));
    }

    /// Listens again, on the same port.
    pub fn listen_again(&self) {
        let Entrance::Refusing(socket) = self.replace_entrance(Entrance::Between) else {
            panic!("the server listens already");
        };
        let listener = socket.listen(1024).expect("to listen on our own port");
        self.replace_entrance(Entrance::listening(listener, self.core.shared()));
    }

    fn replace_entrance(&self, entrance: Entrance) -> Entrance {
        let mut current = self.entrance.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, entrance)
    }
}

impl Deref for Server {
    type Target = ServerCore;

    fn deref(&self) -> &ServerCore {
        &self.core
    }
}

impl Entrance {
    fn listening(listener: TcpListener, shared: &Arc<Shared>) -> Self {
        Self::Listening(shared.spawn(let_in(listener, Arc::clone(shared))))
    }
}

async fn let_in(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (socket, _) = listener.accept().await.expect("to accept a connection");
        // Each write is a separate packet, as the script says.
        socket.set_nodelay(true).expect("to switch Nagle off");
        shared.open(Box::new(socket));
    }
}

impl Transport for TcpStream {
    fn reset(self: Box<Self>) {
        // A socket that was reset by its peer may refuse the option; it is closed either way.
        let _ = self.set_zero_linger();
    }

    fn take_arrived(&mut self, inbox: &mut Vec<u8>) -> io::Result<bool> {
        let mut block = [0; 8192];
        loop {
            // Around tokio, which only reads after its reactor has seen the event.
            match (&*SockRef::from(&*self)).read(&mut block) {
                Ok(0) => return Ok(true),
                Ok(length) => inbox.extend_from_slice(&block[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A port that refuses for as long as this value is kept.
pub struct ClosedPort {
    _reserved: TcpSocket,
    address: SocketAddr,
}

/// Reserves a port that refuses connections.
pub fn closed_port() -> ClosedPort {
    let reserved = bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    ClosedPort {
        address: reserved.local_addr().expect("the address of a socket"),
        _reserved: reserved,
    }
}

impl ClosedPort {
    /// The address that refuses.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// A URL that is refused.
    pub fn url(&self, path: &str) -> String {
        url(self.address, path)
    }
}

/// An address that neither takes nor refuses a connection, for as long as this value is kept.
pub struct BlackHole {
    listener: TcpListener,
    queued: Vec<TcpStream>,
}

/// Builds an address where connecting never ends: a listener with a full queue. `None` on systems that do not ignore new
/// connections to a full queue (Linux does).
pub async fn black_hole() -> Option<BlackHole> {
    const LARGEST_QUEUE: usize = 16;
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .listen(1)
        .expect("to listen on a free port");
    let address = listener.local_addr().expect("the address of a listener");
    let mut queued = Vec::new();
    while queued.len() < LARGEST_QUEUE {
        match timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => queued.push(stream),
            Ok(Err(_)) => return None,
            Err(_) => {
                return Some(BlackHole { listener, queued });
            }
        }
    }
    None
}

impl BlackHole {
    /// A URL to which no connection is ever made.
    pub fn url(&self, path: &str) -> String {
        let address = self.listener.local_addr();
        url(address.expect("the address of a listener"), path)
    }

    /// Accepts connections from now on; returns whether a waiting client connects within that time. It tries again after a
    /// second.
    pub async fn somebody_comes_within(self, time: Duration) -> bool {
        let queued: Vec<_> = self.queued.iter().map(TcpStream::local_addr).collect();
        let queued: io::Result<Vec<_>> = queued.into_iter().collect();
        let queued = queued.expect("the addresses of sockets");
        let another = async {
            loop {
                let accepted = self.listener.accept().await;
                let (_, address) = accepted.expect("to accept a connection");
                if !queued.contains(&address) {
                    return;
                }
            }
        };
        timeout(time, another).await.is_ok()
    }
}

fn url(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    // Connections of the listener before this one may linger on the port. (On Windows the option would take the
    // port from another process.)
    if cfg!(unix) {
        socket.set_reuseaddr(true).expect("to set SO_REUSEADDR");
    }
    socket.bind(address).expect("to bind to loopback");
    socket
}
