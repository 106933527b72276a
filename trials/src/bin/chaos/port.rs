//! Ports that listen, that stop listening for a while, and that never do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// More than a consumer has connections on their way.
const BACKLOG: i32 = 16;

/// A port of ours for as long as this lives. A second socket is bound to it, and does not listen:
/// so nobody else gets the port while it refuses.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    _reserve: Socket,
    /// Whether it should listen.
    wanted: watch::Sender<bool>,
    /// Whether it does.
    listens: watch::Sender<bool>,
}

impl Port {
    /// One that refuses, until it is served.
    pub(crate) fn new() -> io::Result<Self> {
        let reserve = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = reserve.local_addr()?.as_socket();
        Ok(Self {
            address: address.ok_or(io::ErrorKind::AddrNotAvailable)?,
            _reserve: reserve,
            wanted: watch::Sender::new(true),
            listens: watch::Sender::new(false),
        })
    }

    /// Takes connections, while it listens.
    pub(crate) async fn serve(&self, mut take: impl FnMut(TcpStream, Instant)) -> io::Result<()> {
        let mut wanted = self.wanted.subscribe();
        loop {
            // The sender lives as long as this.
            let _ = wanted.wait_for(|wanted| *wanted).await;
            let listener = self.listen()?;
            self.listens.send_replace(true);
            loop {
                tokio::select! {
                    biased;
                    _ = wanted.wait_for(|wanted| !*wanted) => break,
                    accepted = listener.accept() => {
                        let at = Instant::now();
                        let (stream, _) = accepted?;
                        stream.set_nodelay(true)?;
                        take(stream, at);
                    }
                }
            }
            drop(listener);
            self.listens.send_replace(false);
        }
    }

    /// Listens or refuses, from when this is done.
    pub(crate) async fn set_listening(&self, listening: bool) {
        self.wanted.send_replace(listening);
        let mut listens = self.listens.subscribe();
        let _ = listens.wait_for(|listens| *listens == listening).await;
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = bound(self.address)?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket.into())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}
