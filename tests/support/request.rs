//! A request as the server received it, to the byte.

use std::{fmt, sync::Arc};

use tokio::time::Instant;

use super::connection::Connection;

/// A request as it arrived, and the end of its connection.
#[derive(Clone)]
pub struct Recorded {
    number: usize,
    parsed: ParsedRequest,
    connection: Arc<Connection>,
}

/// A request taken out of the bytes of a connection.
#[derive(Clone)]
pub(super) struct ParsedRequest {
    head: Vec<u8>,
    body: Vec<u8>,
    arrived_at: Instant,
}

impl Recorded {
    pub(super) fn new(number: usize, parsed: ParsedRequest, connection: Arc<Connection>) -> Self {
        Self {
            number,
            parsed,
            connection,
        }
    }

    /// Its place among all requests of the server, from 1: R1, R2, …
    pub fn number(&self) -> usize {
        self.number
    }

    /// The raw head: request line, header lines and the blank line, with all their CRLFs.
    pub fn head(&self) -> &[u8] {
        &self.parsed.head
    }

    /// The body, by Content-Length, or taken out of its chunks.
    pub fn body(&self) -> &[u8] {
        &self.parsed.body
    }

    /// The method, `GET`.
    pub fn method(&self) -> &str {
        self.request_line(0)
    }

    /// The request target, `/s?a=1`.
    pub fn target(&self) -> &str {
        self.request_line(1)
    }

    /// The raw values of all header lines of that name, white space around them taken off.
    ///
    /// Each line counts by itself, so that a doubled header shows.
    pub fn header_values(&self, name: &str) -> Vec<Vec<u8>> {
        values_of(self.head(), name).map(<[u8]>::to_vec).collect()
    }

    /// The same as text.
    pub fn values(&self, name: &str) -> Vec<String> {
        values_of(self.head(), name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect()
    }

    /// When the request was whole.
    pub fn arrived_at(&self) -> Instant {
        self.parsed.arrived_at
    }

    /// When its connection was closed by the first of the two sides; `None` while it is open.
    pub fn closed_at(&self) -> Option<Instant> {
        self.connection.closed_at()
    }

    /// Whether both requests came over one connection.
    pub fn same_connection(&self, other: &Recorded) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection)
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    fn request_line(&self, part: usize) -> &str {
        std::str::from_utf8(self.head())
            .unwrap_or_else(|error| {
                // Header values may be any bytes; the request line before them may not.
                std::str::from_utf8(&self.head()[..error.valid_up_to()]).expect("valid up to there")
            })
            .split("\r\n")
            .next()
            .and_then(|line| line.split(' ').nth(part))
            .unwrap_or_else(|| panic!("no request line: {self:?}"))
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("number", &self.number)
            .field("head", &self.head().escape_ascii().to_string())
            .field("body", &self.body().escape_ascii().to_string())
            .field("arrived_at", &self.arrived_at())
            .field("closed_at", &self.closed_at())
            .finish()
    }
}

impl ParsedRequest {
    /// Takes the first request out of `inbox`, once it is whole.
    pub(super) fn take_from(inbox: &mut Vec<u8>) -> Option<Self> {
        let head_end = find(inbox, b"\r\n\r\n")? + 4;
        let (head, rest) = inbox.split_at(head_end);
        let (body, body_end) = read_body(head, rest)?;
        let head = head.to_vec();
        inbox.drain(..head_end + body_end);
        Some(Self {
            head,
            body,
            arrived_at: Instant::now(),
        })
    }
}

/// The body at the front of `rest` and the length it has on the wire; `None` until it is whole.
fn read_body(head: &[u8], rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    if values_of(head, "transfer-encoding").any(|coding| coding.eq_ignore_ascii_case(b"chunked")) {
        return read_chunks(rest);
    }
    let length = values_of(head, "content-length")
        .next()
        .map_or(0, |value| number(value, 10));
    Some((rest.get(..length)?.to_vec(), length))
}

fn read_chunks(rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut position = 0;
    loop {
        let line_end = position + find(&rest[position..], b"\r\n")?;
        let size = rest[position..line_end]
            .split(|byte| *byte == b';')
            .next()
            .map_or(0, |size| number(size, 16));
        position = line_end + 2;
        if size == 0 {
            let trailers_end = find(&rest[line_end..], b"\r\n\r\n")? + 4;
            return Some((body, line_end + trailers_end));
        }
        body.extend_from_slice(rest.get(position..position + size)?);
        position += size + 2;
        rest.get(..position)?;
    }
}

fn values_of<'head>(head: &'head [u8], name: &str) -> impl Iterator<Item = &'head [u8]> {
    head.split(|byte| *byte == b'\n')
        .skip(1)
        .filter_map(move |line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            line[..colon]
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| line[colon + 1..].trim_ascii())
        })
}

fn number(digits: &[u8], radix: u32) -> usize {
    std::str::from_utf8(digits.trim_ascii())
        .ok()
        .and_then(|digits| usize::from_str_radix(digits, radix).ok())
        .unwrap_or_else(|| panic!("the client sent no number: {}", digits.escape_ascii()))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
