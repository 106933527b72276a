//! A cheap server on the loopback: sockets of the standard library, and prepared bytes.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;

/// A response's head; a body of this length follows, or chunks.
#[must_use]
pub fn head(length: Option<usize>) -> String {
    let framing = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framing}\r\n\r\n")
}

/// The chunk that ends an HTTP/1.1 body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// These bytes as an HTTP/1.1 chunk.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Each piece as an HTTP/1.1 chunk, and the last one.
pub fn chunked(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Vec<u8> {
    let chunks = pieces.into_iter().flat_map(|piece| chunk(piece.as_ref()));
    chunks.chain(LAST_CHUNK.iter().copied()).collect()
}

/// Answers every request with these bytes, head included, from a separate thread. Returns its address.
///
/// # Errors
///
/// No port is free.
pub fn serve(response: Arc<[u8]>) -> io::Result<SocketAddr> {
    answer(move |mut stream| stream.write_all(&response))
}

/// Answers every request with this function, from a separate thread. Returns its address.
///
/// # Errors
///
/// No port is free.
pub fn answer<F>(mut answer: F) -> io::Result<SocketAddr>
where
    F: FnMut(&TcpStream) -> io::Result<()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            // A client may leave before the end.
            let _ = stream.and_then(|stream| {
                stream.set_nodelay(true)?;
                read_request(&stream)?;
                answer(&stream)
            });
        }
    });
    Ok(address)
}

/// Answers every request over HTTP/2 without TLS, from a separate thread: each piece is a DATA frame, unless
/// the client's window cuts it. Returns its address.
///
/// # Errors
///
/// No port is free.
pub fn serve_h2(pieces: Vec<Bytes>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let pieces: Arc<[Bytes]> = pieces.into();
            loop {
                let (socket, _) = listener.accept().await?;
                socket.set_nodelay(true)?;
                tokio::spawn(answer_h2(socket, pieces.clone()));
            }
            #[allow(unreachable_code)]
            io::Result::Ok(())
        })
    });
    Ok(address)
}

async fn answer_h2(socket: tokio::net::TcpStream, pieces: Arc<[Bytes]>) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(socket).await?;
    while let Some(request) = connection.accept().await {
        let (_, mut respond) = request?;
        let mut head = http::Response::new(());
        let event_stream = http::HeaderValue::from_static("text/event-stream");
        head.headers_mut()
            .insert(http::header::CONTENT_TYPE, event_stream);
        let stream = respond.send_response(head, false)?;
        tokio::spawn(send(stream, pieces.clone()));
    }
    Ok(())
}

async fn send(mut stream: h2::SendStream<Bytes>, pieces: Arc<[Bytes]>) -> Result<(), h2::Error> {
    for piece in &*pieces {
        let mut rest = piece.clone();
        while !rest.is_empty() {
            stream.reserve_capacity(rest.len());
            while stream.capacity() == 0 {
                match poll_fn(|context| stream.poll_capacity(context)).await {
                    Some(more) => drop(more?),
                    None => return Ok(()), // the client left
                }
            }
            let room = stream.capacity().min(rest.len());
            stream.send_data(rest.split_to(room), false)?;
        }
    }
    stream.send_data(Bytes::new(), true)
}

/// Reads a request without a body.
///
/// # Errors
///
/// The client is gone, or sends too much.
pub fn read_request(mut stream: &TcpStream) -> io::Result<()> {
    let mut request = [0; 4096];
    let mut length = 0;
    while !request[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut request[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_framed() {
        assert_eq!(
            chunked(b"abcde".chunks(3)),
            b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        );
    }
}
