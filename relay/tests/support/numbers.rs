//! Sources of numbered events: `/NAME` has 1, 2, 3 … at its rate, up to the limit, and goes on where it is
//! asked to. If it makes trouble it cuts: cleanly, in the middle of an event, by a reset.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

#[derive(Clone, Copy)]
pub struct Options {
    pub per_second: f64,
    pub limit: u64,
    pub makes_trouble: bool,
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Count {
    pub requests: u64,
    pub open: u64,
    pub most_open: u64,
    /// The sum of the IDs that were asked for tells whether anything was asked for twice.
    pub sent: u64,
}

type Counts = Arc<Mutex<HashMap<String, Count>>>;

pub struct Numbers {
    pub origin: String,
    counts: Counts,
}

impl Numbers {
    pub async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (counts, start) = (Counts::default(), Instant::now());
        let shared = counts.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                socket.set_nodelay(true).ok();
                tokio::spawn(answer(socket, options, start, shared.clone()));
            }
        });
        Self { origin, counts }
    }

    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    pub fn counts(&self) -> HashMap<String, Count> {
        self.counts.lock().unwrap().clone()
    }
}

/// Counts a connection as open while it lives.
struct Open(Counts, String);

impl Open {
    fn new(counts: &Counts, name: &str) -> Self {
        let mut all = counts.lock().unwrap();
        let count = all.entry(name.to_owned()).or_default();
        count.open += 1;
        count.most_open = count.most_open.max(count.open);
        Self(counts.clone(), name.to_owned())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().unwrap().entry(self.1.clone()).or_default().open -= 1;
    }
}

async fn answer(mut socket: TcpStream, options: Options, start: Instant, counts: Counts) {
    let Some((name, seen)) = request(&mut socket).await else { return };
    counts.lock().unwrap().entry(name.clone()).or_default().requests += 1;
    if options.makes_trouble && fastrand::u32(..100) < 5 {
        socket
            .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .await
            .ok();
        return;
    }
    let _open = Open::new(&counts, &name);
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\nretry: 200\n\n";
    if socket.write_all(head).await.is_err() {
        return;
    }
    let cut = options.makes_trouble.then(|| Duration::from_secs_f64(0.5 + fastrand::f64() * 19.5));
    let sending = send(&mut socket, options, start, seen);
    match cut {
        None => sending.await,
        Some(after) => {
            timeout(after, sending).await.ok();
            match fastrand::u32(..3) {
                0 => {}
                1 => drop(socket.write_all(b"id: 999999999\ndata: cut in the mid").await),
                _ => socket.set_zero_linger().unwrap(),
            }
        }
    }
}

/// Until it has sent all and the client is gone, or the client is gone.
async fn send(socket: &mut TcpStream, options: Options, start: Instant, mut seen: u64) {
    let (mut socket, mut writer) = socket.split();
    let mut unread = [0; 64];
    let sending = async {
        loop {
            let due = (start.elapsed().as_secs_f64() * options.per_second) as u64;
            let due = due.min(options.limit).min(seen + 1000);
            let mut events = String::new();
            while seen < due {
                seen += 1;
                events += &format!("id: {seen}\ndata: {seen}\n\n");
            }
            if !events.is_empty() && writer.write_all(events.as_bytes()).await.is_err() {
                return;
            }
            let next = (seen + 1) as f64 / options.per_second - start.elapsed().as_secs_f64();
            if seen == options.limit {
                sleep(Duration::from_secs(5)).await;
                if writer.write_all(b":\n\n").await.is_err() {
                    return;
                }
            } else if next > 0.0 {
                sleep(Duration::from_secs_f64(next)).await;
            }
        }
    };
    tokio::select! {
        () = sending => {}
        _ = socket.read(&mut unread) => {} // the client sends nothing more: it is gone
    }
}

async fn request(socket: &mut TcpStream) -> Option<(String, u64)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let name = head.split(' ').nth(1)?.trim_start_matches('/').to_owned();
    let id = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("last-event-id: ")?.parse().ok());
    Some((name, id.unwrap_or(0)))
}
