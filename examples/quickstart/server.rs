//! The quickstart's server: a log of numbered messages as Server-Sent Events, from which a client
//! reads on where its `Last-Event-ID` says; and all the bad luck of a network, in a few seconds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{interval, timeout};

/// How many messages there will be, and how often.
const MESSAGES: usize = 64;
const MESSAGE_EVERY: Duration = Duration::from_millis(100);
/// A comment after so much silence. A real server takes 15 s.
const KEEP_ALIVE: Duration = Duration::from_millis(60);
/// What clients are asked to wait before they come back.
const RETRY: &str = "retry: 300\n\n";
const CONTENTS: [&str; 6] = [
    "hello",
    "bonjour",
    "γειά σου",
    "こんにちは",
    "olá",
    "привіт",
];

const STREAM: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream;charset=utf-8\r\n\
    Cache-Control: no-cache\r\n\
    Transfer-Encoding: chunked\r\n\
    Connection: close\r\n\r\n";
const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const UNAVAILABLE: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What befalls a connection.
#[derive(Clone, Copy)]
enum Luck {
    /// So many events, then half of one, and the connection is gone.
    BreaksAfter(usize),
    /// No stream, but a 503 with `Retry-After`.
    Unavailable,
    /// So many events, then the end, as a server does that is being replaced.
    EndsAfter(usize),
    /// So many events, then nothing, not even a comment: the connection is dead, and nobody says so.
    DiesAfter(usize),
    /// Every event there is, up to the end of the log.
    Good,
}

/// The first connections, in order; all others have [`Luck::Good`].
const LUCK: [Luck; 6] = [
    Luck::BreaksAfter(7),
    Luck::Unavailable,
    Luck::EndsAfter(9),
    Luck::Good,
    Luck::BreaksAfter(6),
    Luck::DiesAfter(9),
];

/// The messages so far: the n-th has the ID n.
type Log = watch::Receiver<Vec<String>>;

pub(crate) struct Server {
    address: SocketAddr,
    log: Log,
    streams: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port of the loopback interface, until the program ends.
    pub(crate) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (sender, log) = watch::channel(Vec::new());
        let server = Self {
            address: listener.local_addr()?,
            log,
            streams: Arc::default(),
        };
        tokio::spawn(write_log(sender));
        tokio::spawn(accept(listener, server.log.clone(), server.streams.clone()));
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    /// The messages that were logged, whether or not anybody saw them.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    /// How many times a stream was opened.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }
}

/// The log grows whether or not somebody is connected: what is missed meanwhile must be caught up.
async fn write_log(log: watch::Sender<Vec<String>>) {
    let mut clock = interval(MESSAGE_EVERY);
    for count in 1..=MESSAGES {
        clock.tick().await;
        log.send_modify(|log| log.push(message(count)));
    }
}

fn message(count: usize) -> String {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let content = CONTENTS[count % CONTENTS.len()];
    format!(r#"{{"time":{time},"content":"{content}","code":200,"count":{count}}}"#)
}

async fn accept(listener: TcpListener, log: Log, streams: Arc<AtomicUsize>) {
    let mut luck = LUCK.into_iter();
    while let Ok((socket, _)) = listener.accept().await {
        let luck = luck.next().unwrap_or(Luck::Good);
        let (log, streams) = (log.clone(), streams.clone());
        tokio::spawn(async move {
            // An error means that the client has gone: nobody is left to be told.
            let _ = answer(BufReader::new(socket), log, &streams, luck).await;
        });
    }
}

async fn answer(
    mut socket: BufReader<TcpStream>,
    log: Log,
    streams: &AtomicUsize,
    luck: Luck,
) -> io::Result<()> {
    let Request {
        path,
        last_event_id,
    } = Request::read(&mut socket).await?;
    // An ID is the number of a message: what follows it has not been seen yet.
    let seen = last_event_id.parse().unwrap_or(0);
    let head = match luck {
        _ if path != "/sse" => NOT_FOUND,
        _ if seen >= MESSAGES => NO_CONTENT, // nothing more will come: do not ask again
        Luck::Unavailable => UNAVAILABLE,
        _ => STREAM,
    };
    socket.write_all(head.as_bytes()).await?;
    if head == STREAM {
        streams.fetch_add(1, Ordering::Relaxed);
        stream(&mut socket, log, seen, luck).await?;
    }
    Ok(())
}

/// What matters of a request.
struct Request {
    path: String,
    last_event_id: String,
}

impl Request {
    async fn read(socket: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let mut lines = socket.take(16 * 1024).lines();
        let first = lines.next_line().await?.unwrap_or_default();
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut last_event_id = String::new();
        while let Some(line) = lines.next_line().await?.filter(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("last-event-id") => {
                    last_event_id = value.trim().to_owned();
                }
                _ => {}
            }
        }
        Ok(Self {
            path,
            last_event_id,
        })
    }
}

/// The log from after what was seen, until the luck runs out or there is no more.
async fn stream(
    socket: &mut BufReader<TcpStream>,
    mut log: Log,
    seen: usize,
    luck: Luck,
) -> io::Result<()> {
    send(socket, RETRY.as_bytes()).await?;
    for sent in 0..MESSAGES - seen {
        let event = next_event(socket, &mut log, seen + sent + 1).await?;
        match luck {
            Luck::BreaksAfter(n) if sent == n => {
                return send(socket, &event[..event.len() / 2]).await;
            }
            Luck::EndsAfter(n) if sent == n => break,
            Luck::DiesAfter(n) if sent == n => return until_client_leaves(socket).await,
            _ => send(socket, &event).await?,
        }
    }
    socket.write_all(b"0\r\n\r\n").await // the last chunk: a clean end
}

/// Waits for that message, with a comment now and then so that the client knows we are alive.
async fn next_event(
    socket: &mut BufReader<TcpStream>,
    log: &mut Log,
    id: usize,
) -> io::Result<Vec<u8>> {
    loop {
        match timeout(KEEP_ALIVE, log.wait_for(|log| log.len() >= id)).await {
            Ok(Ok(log)) => return Ok(format!("id: {id}\ndata: {}\n\n", log[id - 1]).into_bytes()),
            Ok(Err(closed)) => return Err(io::Error::other(closed)),
            Err(_elapsed) => {}
        }
        send(socket, b": keep-alive\n\n").await?;
    }
}

async fn until_client_leaves(socket: &mut BufReader<TcpStream>) -> io::Result<()> {
    socket.read_to_end(&mut Vec::new()).await.map(drop)
}

/// One chunk.
async fn send(socket: &mut BufReader<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    let size = format!("{:x}\r\n", bytes.len());
    socket
        .write_all(&[size.as_bytes(), bytes, b"\r\n"].concat())
        .await
}
