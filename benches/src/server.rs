//! A server on the loopback that costs as little as can be: sockets of the standard library, and
//! bytes that were made before.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A response's head; a body of this length follows, or chunks.
#[must_use]
pub fn head(length: Option<usize>) -> String {
    let framing = match length {
        Some(length) => format!("content-length: {length}"),
        None => "transfer-encoding: chunked".to_owned(),
    };
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{framing}\r\n\r\n")
}

/// The bytes in HTTP/1.1 chunks of this size, the last one included.
#[must_use]
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut framed = Vec::with_capacity(body.len() + body.len() / size * 8 + 16);
    for chunk in body.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
    }
    framed.extend_from_slice(b"0\r\n\r\n");
    framed
}

/// Answers every request with these bytes, head included, from a thread of its own. Where it is.
///
/// # Errors
///
/// No port is free.
pub fn serve(response: Arc<[u8]>) -> io::Result<SocketAddr> {
    answer(move |mut stream| stream.write_all(&response))
}

/// Answers every request by this function, from a thread of its own. Where it is.
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
            // A client that goes away in the midst of it is no concern of ours.
            let _ = stream.and_then(|stream| {
                stream.set_nodelay(true)?;
                read_request(&stream)?;
                answer(&stream)
            });
        }
    });
    Ok(address)
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
        assert_eq!(chunked(b"abcde", 3), b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    }
}
