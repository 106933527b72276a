//! HTTP/1.1 by hand, because faults need control of every byte.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::Instant;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

use crate::judge::Ended;
use crate::plan::{Fault, Phase, Refusal, Target, Transport};
use crate::request::Request;
use crate::server::{Exchange, REFUSAL, Server, reset_when_dropped};

/// How the server ends a connection.
enum Way {
    Close,
    Reset,
    /// The client must give up.
    Hold,
    /// The body ended; the client must close the connection.
    Linger,
}

/// What the server does to the connection, and reports to the judge; `None` if the exchange continues elsewhere.
struct Outcome {
    way: Way,
    ended: Option<Ended>,
}

/// One connection, one request.
pub(crate) async fn serve(server: Rc<Server>, consumer: usize, mut stream: TcpStream, at: Instant) {
    let Some(request) = read_request(&mut stream).await else {
        return; // dropped by its consumer
    };
    let (mut input, mut output) = stream.split();
    let begun = tokio::select! {
        biased;
        () = left(&mut input) => return, // dropped meanwhile
        begun = server.judge.requested(consumer, &request, at) => begun,
    };
    let Some(begun) = begun else {
        return; // the same
    };
    let is_hop = request.hop_of.is_some();
    let Some(mut exchange) = server.begin(consumer, begun, is_hop, at).await else {
        // If the write fails, the client has left without noticing the fault.
        let _ = output.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        return;
    };
    let mut answer = Answer {
        server: &server,
        exchange: &mut exchange,
        output: &mut output,
    };
    let outcome = tokio::select! {
        outcome = answer.give() => outcome.ok(),
        () = left(&mut input) => None,
    };
    match outcome {
        Some(outcome) => carry_out(&server, &exchange, stream, outcome).await,
        None => server.leave(&exchange),
    }
    server.refuse(&exchange).await;
}

async fn carry_out(server: &Server, exchange: &Exchange, mut stream: TcpStream, outcome: Outcome) {
    let consumer = exchange.consumer;
    let Some(mut ended) = outcome.ended else {
        server.judge.ended(consumer, None);
        return;
    };
    server.judge.coverage.count(exchange.cell);
    let idle = server.judge.clocks.idle;
    ended.untimed = exchange.was_slow(idle);
    match outcome.way {
        Way::Close => server.judge.ended(consumer, Some(ended)),
        Way::Reset => {
            reset_when_dropped(&stream);
            server.judge.ended(consumer, Some(ended));
        }
        Way::Linger => {
            server.judge.ended(consumer, Some(ended));
            wait_until_left(server, consumer, &mut stream).await;
        }
        Way::Hold => {
            wait_until_left(server, consumer, &mut stream).await;
            ended.left_at = Some(Instant::now());
            ended.clock = exchange.clock(idle);
            ended.read_whole = !ended.untimed && exchange.cell.phase != Phase::Framing;
            server.judge.ended(consumer, Some(ended));
        }
    }
}

async fn wait_until_left(server: &Server, consumer: usize, stream: &mut TcpStream) {
    let (mut input, _) = stream.split();
    let patience = server.judge.clocks.patience;
    if timeout(patience, left(&mut input)).await.is_err() {
        let complaint = format!("still connected {patience:?} after the last byte");
        server.judge.complain(consumer, &complaint);
    }
}

/// Waits until the client has closed.
async fn left(input: &mut ReadHalf<'_>) {
    let mut block = [0; 64];
    while matches!(input.read(&mut block).await, Ok(1..)) {}
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(request) = parse(&bytes) {
            return Some(request);
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let is_whole = request
        .parse(bytes)
        .is_ok_and(|status| status.is_complete());
    let path = request.path.filter(|_| is_whole)?;
    let headers = request.headers.iter();
    let headers = headers.map(|header| (header.name, header.value));
    Some(Request::new(path, headers))
}

struct Answer<'a, 's> {
    server: &'a Server,
    exchange: &'a mut Exchange,
    output: &'a mut WriteHalf<'s>,
}

impl Answer<'_, '_> {
    async fn give(&mut self) -> io::Result<Outcome> {
        let cell = self.exchange.cell;
        match (cell.fault, cell.phase) {
            (Fault::Status(refusal), _) => self.refuse(refusal).await,
            (Fault::Redirect(target), _) => self.redirect(target).await,
            (fault, Phase::BeforeHead) => Ok(self.broken(fault)),
            (fault, Phase::InHead) => self.half_a_head(fault).await,
            (_, Phase::Connect | Phase::BeforeRequest) => {
                let fault = self.exchange.out_of_turn();
                Ok(self.broken(fault))
            }
            (fault, _) => self.body(fault).await,
        }
    }

    async fn half_a_head(&mut self, fault: Fault) -> io::Result<Outcome> {
        let mut head = self.head(Transport::Chunked, 0);
        head.truncate(self.exchange.rng.usize(1..head.len() - 1));
        self.write(&head, 0).await?;
        Ok(self.broken(fault))
    }

    async fn refuse(&mut self, refusal: Refusal) -> io::Result<Outcome> {
        let (headers, retry_after) = refusal.headers();
        let status = refusal.status(&mut self.exchange.rng);
        let promised = REFUSAL.len() + [0, 0, 100][self.exchange.rng.usize(..3)];
        let mut answer = format!("HTTP/1.1 {status} Try again\r\ncontent-length: {promised}\r\n");
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        answer.push_str(REFUSAL);
        self.write(answer.as_bytes(), 0).await?;
        Ok(Outcome {
            way: Way::Close,
            ended: Some(Ended {
                retry_after,
                ..self.exchange.end(self.exchange.last_write)
            }),
        })
    }

    async fn redirect(&mut self, target: Target) -> io::Result<Outcome> {
        let location = self.server.location(self.exchange, target);
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        );
        self.write(answer.as_bytes(), 0).await?;
        let ended = self.exchange.end(self.exchange.last_write);
        Ok(Outcome {
            way: Way::Close,
            ended: (target == Target::Nobody).then_some(ended),
        })
    }

    async fn body(&mut self, fault: Fault) -> io::Result<Outcome> {
        self.exchange.set_body(self.server);
        let cell = self.exchange.cell;
        let ends = fault == Fault::End || cell.phase == Phase::AfterEnd;
        let missing = match ends {
            true => 0,
            false => self.exchange.rng.usize(1..3000),
        };
        let mut coder = Coder::new(cell.transport);
        let mut pending = self.head(cell.transport, self.exchange.body().len() + missing);
        let in_last_piece = match cell.phase != Phase::Framing && self.exchange.rng.bool() {
            true => missing,
            false => 0,
        };
        self.pieces(&mut coder, &mut pending, in_last_piece).await?;
        let sent = self.exchange.body().len();
        if cell.phase == Phase::Framing && !ends {
            return self.framing(&mut coder, &mut pending, fault).await;
        }
        if ends {
            coder.end(&mut pending)?;
        }
        if !pending.is_empty() {
            self.write(&pending, sent).await?;
        }
        Ok(match ends {
            true => self.after_end(fault),
            false => self.cut(fault),
        })
    }

    /// Writes the pieces, sometimes several at once, after pending bytes. This many bytes of the last piece are missing.
    async fn pieces(
        &mut self,
        coder: &mut Coder,
        pending: &mut Vec<u8>,
        missing: usize,
    ) -> io::Result<()> {
        let ends = self.exchange.pieces();
        let mut from = 0;
        for (left, &to) in (0..ends.len()).rev().zip(&ends) {
            let is_last = left == 0;
            let flush = is_last || self.exchange.rng.bool();
            let missing = if is_last { missing } else { 0 };
            coder.piece(&self.exchange.body()[from..to], missing, flush, pending)?;
            if is_last || self.exchange.rng.u8(..4) > 0 {
                self.write(pending, to).await?;
                pending.clear();
                self.exchange.pause().await;
            }
            from = to;
        }
        Ok(())
    }

    /// Writes another piece, cut inside its framing.
    async fn framing(
        &mut self,
        coder: &mut Coder,
        pending: &mut Vec<u8>,
        fault: Fault,
    ) -> io::Result<Outcome> {
        let mut rng = self.exchange.rng.fork();
        let part = coder.part(self.exchange.more(), &mut rng, pending)?;
        let seen = self.exchange.last_write;
        let sent = self.exchange.body().len() + part;
        self.write(pending, sent).await?;
        self.exchange.last_write = seen; // the client may not see this part
        Ok(self.broken(fault))
    }

    /// Cuts between two pieces: a client reads everything that was sent before an orderly close.
    fn cut(&mut self, fault: Fault) -> Outcome {
        let mut outcome = self.broken(fault);
        // A decoder may keep a part to itself if the end is missing.
        let is_plain = self.exchange.cell.transport != Transport::Gzip;
        if let (Way::Close, Some(ended)) = (&outcome.way, &mut outcome.ended) {
            ended.read_whole = is_plain;
        }
        outcome
    }

    /// The body ended, and the connection stays.
    fn after_end(&mut self, fault: Fault) -> Outcome {
        let is_delimited = self.exchange.cell.transport != Transport::Close;
        let way = match fault {
            Fault::Reset => Way::Reset,
            Fault::Stall => Way::Linger,
            Fault::End if is_delimited && self.exchange.rng.bool() => Way::Linger,
            _ => Way::Close,
        };
        // The exchange is over with the last byte, whatever happens to the connection.
        let at = match is_delimited {
            true => self.exchange.last_write,
            false => self.now(),
        };
        let ended = Ended {
            read_whole: !matches!(way, Way::Reset),
            ..self.exchange.end(at)
        };
        Outcome {
            way,
            ended: Some(ended),
        }
    }

    /// Breaks off here.
    fn broken(&mut self, fault: Fault) -> Outcome {
        let (way, at) = match fault {
            Fault::Reset => (Way::Reset, self.now()),
            Fault::Stall => (Way::Hold, self.exchange.last_write),
            _ => (Way::Close, self.now()),
        };
        Outcome {
            way,
            ended: Some(self.exchange.end(at)),
        }
    }

    /// Ends the body explicitly.
    fn now(&mut self) -> Instant {
        let sent = self.exchange.sent();
        self.exchange.writes(self.server, sent);
        self.exchange.last_write
    }

    async fn write(&mut self, bytes: &[u8], sent: usize) -> io::Result<()> {
        self.exchange.writes(self.server, sent);
        self.output.write_all(bytes).await
    }

    fn head(&mut self, transport: Transport, length: usize) -> Vec<u8> {
        let rng = &mut self.exchange.rng;
        let mut head = String::new();
        if rng.u8(..10) == 0 {
            head.push_str("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n");
        }
        head.push_str("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n");
        head.push_str(&match transport {
            Transport::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
            Transport::Length => format!("content-length: {length}\r\n"),
            Transport::Gzip => {
                "content-encoding: gzip\r\ntransfer-encoding: chunked\r\n".to_owned()
            }
            _ => "connection: close\r\n".to_owned(),
        });
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// How pieces of the body become bytes on the wire.
enum Coder {
    Plain,
    Chunked,
    /// In chunks, as servers send it.
    Gzip(GzEncoder<Vec<u8>>),
}

impl Coder {
    fn new(transport: Transport) -> Self {
        match transport {
            Transport::Chunked => Self::Chunked,
            Transport::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            _ => Self::Plain,
        }
    }

    /// `missing`: the announced length is this much longer than the piece.
    fn piece(
        &mut self,
        bytes: &[u8],
        missing: usize,
        flush: bool,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        match self {
            Self::Plain => out.extend_from_slice(bytes),
            Self::Chunked => chunk(bytes, missing, out)?,
            Self::Gzip(encoder) => {
                encoder.write_all(bytes)?;
                if flush {
                    encoder.flush()?; // a sync flush: all of it can be decoded
                    chunk(&std::mem::take(encoder.get_mut()), missing, out)?;
                }
            }
        }
        Ok(())
    }

    /// Cuts a piece inside its framing; returns how much of its content is sent.
    fn part(&mut self, bytes: &[u8], rng: &mut Rng, out: &mut Vec<u8>) -> io::Result<usize> {
        let mut piece = Vec::new();
        self.piece(bytes, 0, true, &mut piece)?;
        let payload = match self {
            Self::Chunked if rng.bool() => {
                piece.truncate(piece.len() - rng.usize(1..=2)); // in the CRLF after it
                bytes.len()
            }
            Self::Chunked => {
                let size = piece.iter().position(|&byte| byte == b'\n').unwrap_or(1);
                piece.truncate(rng.usize(1..=size));
                0
            }
            // Somewhere in a block of gzip, or in its framing.
            _ => {
                piece.truncate(rng.usize(1..piece.len()));
                bytes.len()
            }
        };
        out.append(&mut piece);
        Ok(payload)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Plain => {}
            Self::Chunked => out.extend_from_slice(b"0\r\n\r\n"),
            Self::Gzip(encoder) => {
                encoder.try_finish()?;
                chunk(&std::mem::take(encoder.get_mut()), 0, out)?;
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Ok(())
    }
}

/// One chunk, announced as longer by `missing` bytes.
fn chunk(bytes: &[u8], missing: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if bytes.is_empty() && missing == 0 {
        return Ok(()); // it would be the last
    }
    let extension = if bytes.len() % 5 == 0 { ";x=\"y\"" } else { "" };
    write!(out, "{:x}{extension}\r\n", bytes.len() + missing)?;
    out.extend_from_slice(bytes);
    if missing == 0 {
        out.extend_from_slice(b"\r\n");
    }
    Ok(())
}
