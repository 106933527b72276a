//! HTTP/2 by the h2 crate, with prior knowledge; faults that it cannot produce are made at its socket.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::judge::Ended;
use crate::plan::{Fault, Phase, Refusal, Target};
use crate::server::{Exchange, REFUSAL, Server};
use crate::tap::{Cut, Tap, Valve};

/// An order of an exchange to its connection.
enum Order {
    Close,
    GoAway,
    Drain,
}

/// The client reset the stream, or the connection is gone.
struct Left;

/// The connection, for its exchanges.
#[derive(Clone)]
struct Under {
    valve: Valve,
    orders: UnboundedSender<Order>,
}

impl Under {
    fn order(&self, order: Order) {
        // It is ignored if the connection is gone.
        let _ = self.orders.send(order);
    }

    async fn close(&self, fault: Fault) {
        if fault == Fault::Reset {
            self.valve.end_by_reset();
        }
        self.order(Order::Close);
        self.orders.closed().await; // when it is gone
    }

    /// Cuts the connection within the next frame.
    fn cut_within(&self, bytes: usize, fault: Fault) {
        match fault {
            Fault::Stall => self.valve.cut_after(bytes, Cut::Stall),
            Fault::Reset => {
                self.valve.end_by_reset();
                self.valve.cut_after(bytes, Cut::End);
            }
            _ => self.valve.cut_after(bytes, Cut::End),
        }
    }
}

/// One connection, and the streams that the client opens on it.
pub(crate) async fn serve(server: Rc<Server>, consumer: usize, stream: TcpStream, at: Instant) {
    let (tap, valve) = Tap::new(stream);
    let Ok(connection) = h2::server::handshake(tap).await else {
        return; // dropped by its consumer
    };
    let (orders, received) = unbounded_channel();
    let under = Under { valve, orders };
    let mut connected = Some(at);
    drive(connection, received, |request, respond| {
        // A stream on a reused connection begins when it arrives.
        let at = connected.take().unwrap_or_else(Instant::now);
        spawn_local(exchange(
            server.clone(),
            consumer,
            under.clone(),
            request,
            respond,
            at,
        ));
    })
    .await;
}

/// Drives the connection until it ends, or an exchange ends it.
async fn drive(
    mut connection: Connection<Tap, Bytes>,
    mut orders: UnboundedReceiver<Order>,
    mut take: impl FnMut(Request<RecvStream>, SendResponse<Bytes>),
) {
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => take(request, respond),
                _ => return,
            },
            order = orders.recv() => match order {
                Some(Order::GoAway) => connection.abrupt_shutdown(Reason::INTERNAL_ERROR),
                Some(Order::Drain) => connection.graceful_shutdown(),
                Some(Order::Close) | None => return,
            },
        }
    }
}

async fn exchange(
    server: Rc<Server>,
    consumer: usize,
    under: Under,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    at: Instant,
) {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = crate::request::Request::new(request.uri().path(), headers);
    let begun = tokio::select! {
        biased;
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return, // dropped by its consumer
        begun = server.judge.requested(consumer, &request, at) => begun,
    };
    let Some(begun) = begun else {
        return; // the same
    };
    let is_hop = request.hop_of.is_some();
    let Some(mut exchange) = server.begin(consumer, begun, is_hop, at).await else {
        // If sending fails, the client has left without noticing the fault.
        let _ = respond.send_response(head(204, &[]), true);
        return;
    };
    let answer = Answer {
        server: &server,
        exchange: &mut exchange,
        under: &under,
        respond,
    };
    if answer.give().await.is_err() {
        server.leave(&exchange);
    }
    // A connection whose bytes vanish must not be reused, even if the client left during the exchange.
    if under.valve.is_cut() || server.next_needs_a_connection(&exchange) {
        settle(&under.valve).await;
        under.close(Fault::Fin).await;
    }
    // Only now, because the client may have reused a connection that is about to end.
    if let Some(ended) = exchange.to_tell.take() {
        server.judge.ended(consumer, Some(ended));
    }
    server.refuse(&exchange).await;
}

fn head(status: u16, headers: &[(&'static str, String)]) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            head.headers_mut().insert(*name, value);
        }
    }
    head
}

/// The state of the response, which can be reset before or after its head.
enum Stream {
    Headless(SendResponse<Bytes>),
    Open(SendStream<Bytes>),
}

impl Stream {
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Headless(respond) => respond.poll_reset(cx).map(drop),
            Self::Open(stream) => stream.poll_reset(cx).map(drop),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Headless(respond) => respond.send_reset(Reason::INTERNAL_ERROR),
            Self::Open(stream) => stream.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}

struct Answer<'a> {
    server: &'a Server,
    exchange: &'a mut Exchange,
    under: &'a Under,
    respond: SendResponse<Bytes>,
}

impl Answer<'_> {
    async fn give(mut self) -> Result<(), Left> {
        let cell = self.exchange.cell;
        match (cell.fault, cell.phase) {
            (Fault::Status(refusal), _) => self.refuse(refusal).await,
            (Fault::Redirect(target), _) => self.redirect(target),
            (_, Phase::Connect | Phase::BeforeRequest) => {
                let fault = self.exchange.out_of_turn();
                let stream = Stream::Headless(self.respond);
                Broken::new(self.server, self.exchange, self.under)
                    .carry_out(fault, stream)
                    .await
            }
            (fault, Phase::BeforeHead) => {
                let stream = Stream::Headless(self.respond);
                Broken::new(self.server, self.exchange, self.under)
                    .carry_out(fault, stream)
                    .await
            }
            (fault, Phase::InHead) => {
                let bytes = self.exchange.rng.usize(1..14);
                self.under.cut_within(bytes, fault);
                let stream = Stream::Open(self.open()?);
                Broken::new(self.server, self.exchange, self.under)
                    .cut_off(fault, stream)
                    .await
            }
            (fault, _) => self.body(fault).await,
        }
    }

    fn open(&mut self) -> Result<SendStream<Bytes>, Left> {
        self.exchange.writes(self.server, 0);
        let head = head(200, &[("content-type", "text/event-stream".to_owned())]);
        self.respond.send_response(head, false).map_err(|_| Left)
    }

    async fn refuse(&mut self, refusal: Refusal) -> Result<(), Left> {
        let (headers, retry_after) = refusal.headers();
        let status = refusal.status(&mut self.exchange.rng);
        self.exchange.writes(self.server, 0);
        let head = head(status, &headers);
        let mut stream = self.respond.send_response(head, false).map_err(|_| Left)?;
        stream
            .send_data(Bytes::from_static(REFUSAL.as_bytes()), true)
            .map_err(|_| Left)?;
        self.end(Ended {
            retry_after,
            ..self.exchange.end(self.exchange.last_write)
        });
        settle(&self.under.valve).await;
        Ok(())
    }

    fn redirect(&mut self, target: Target) -> Result<(), Left> {
        let location = self.server.location(self.exchange, target);
        self.exchange.writes(self.server, 0);
        let ended = self.exchange.end(self.exchange.last_write);
        if target == Target::Nobody {
            self.end(ended);
        } else {
            self.server.judge.ended(self.exchange.consumer, None);
        }
        let head = head(307, &[("location", location)]);
        self.respond.send_response(head, true).map_err(|_| Left)?;
        Ok(())
    }

    async fn body(mut self, fault: Fault) -> Result<(), Left> {
        self.exchange.set_body(self.server);
        let mut stream = Stream::Open(self.open()?);
        let pieces = self.exchange.pieces();
        let mut from = 0;
        if fault == Fault::Drain {
            self.under.order(Order::Drain);
        }
        for to in pieces {
            let piece = Bytes::copy_from_slice(&self.exchange.body()[from..to]);
            self.send(&mut stream, piece, to).await?;
            self.pause(&mut stream).await?;
            from = to;
        }
        settle(&self.under.valve).await;
        let ends = matches!(fault, Fault::End | Fault::Drain);
        if ends || self.exchange.cell.phase == Phase::AfterEnd {
            return self.end_stream(fault, stream, from).await;
        }
        let phase = self.exchange.cell.phase;
        if phase == Phase::Framing {
            let bytes = self.exchange.rng.usize(1..9);
            self.under.cut_within(bytes, fault);
            let more = Bytes::copy_from_slice(self.exchange.more());
            let seen = self.exchange.last_write;
            self.send(&mut stream, more, from).await?;
            self.exchange.last_write = seen; // h2 does not report a part of a frame
        }
        let broken = Broken::new(self.server, self.exchange, self.under);
        match phase {
            Phase::Framing => broken.cut_off(fault, stream).await,
            _ => broken.carry_out(fault, stream).await,
        }
    }

    /// Sends END_STREAM, and what follows it.
    async fn end_stream(&mut self, fault: Fault, stream: Stream, sent: usize) -> Result<(), Left> {
        let Stream::Open(mut stream) = stream else {
            return Err(Left);
        };
        self.exchange.writes(self.server, sent);
        let breaks = matches!(fault, Fault::Fin | Fault::Reset);
        self.end(Ended {
            // A GOAWAY may end other streams of a reused connection.
            read_whole: !breaks && fault != Fault::Drain,
            ..self.exchange.end(self.exchange.last_write)
        });
        // An error here means that the client just left.
        let _ = stream.send_data(Bytes::new(), true);
        if breaks {
            settle(&self.under.valve).await;
            self.under.close(fault).await;
        }
        Ok(())
    }

    fn end(&mut self, ended: Ended) {
        self.server.judge.coverage.count(self.exchange.cell);
        // After a GOAWAY, another stream of the connection may have ended it for the client before.
        let untimed = self.exchange.cell.fault == Fault::Drain
            || self.exchange.was_slow(self.server.judge.clocks.idle);
        self.exchange.to_tell = Some(Ended { untimed, ..ended });
    }

    async fn send(&mut self, stream: &mut Stream, data: Bytes, sent: usize) -> Result<(), Left> {
        let Stream::Open(stream) = stream else {
            return Err(Left);
        };
        let mut data = data;
        while !data.is_empty() {
            stream.reserve_capacity(data.len());
            let capacity = poll_fn(|cx| match stream.poll_reset(cx) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => stream.poll_capacity(cx).map(|capacity| capacity?.ok()),
            });
            let capacity = capacity.await.ok_or(Left)?.min(data.len());
            self.exchange.writes(self.server, sent);
            stream
                .send_data(data.split_to(capacity), false)
                .map_err(|_| Left)?;
        }
        Ok(())
    }

    async fn pause(&mut self, stream: &mut Stream) -> Result<(), Left> {
        self.exchange.pause().await;
        let has_left = poll_fn(|cx| Poll::Ready(stream.poll_left(cx).is_ready())).await;
        if has_left { Err(Left) } else { Ok(()) }
    }
}

/// Waits until the connection has written what it was given.
async fn settle(valve: &Valve) {
    loop {
        let written = valve.written();
        sleep(Duration::from_millis(1)).await;
        if valve.written() == written {
            return;
        }
    }
}

/// An exchange that ends with a fault.
struct Broken<'a> {
    server: &'a Server,
    exchange: &'a mut Exchange,
    under: &'a Under,
}

impl<'a> Broken<'a> {
    fn new(server: &'a Server, exchange: &'a mut Exchange, under: &'a Under) -> Self {
        Self {
            server,
            exchange,
            under,
        }
    }

    async fn carry_out(self, fault: Fault, mut stream: Stream) -> Result<(), Left> {
        if fault == Fault::Stall {
            return self.hold(stream).await;
        }
        let under = self.under;
        self.end_now();
        match fault {
            Fault::RstStream => stream.reset(),
            Fault::GoAway => under.order(Order::GoAway),
            fault => under.close(fault).await,
        }
        Ok(())
    }

    /// The connection was cut inside a frame.
    async fn cut_off(self, fault: Fault, stream: Stream) -> Result<(), Left> {
        let under = self.under;
        if fault == Fault::Stall {
            self.hold(stream).await?;
        } else {
            self.end_now();
            settle(&under.valve).await;
        }
        // A write that ran into the cut has ended it already; one that vanished has not.
        under.close(fault).await;
        Ok(())
    }

    fn end_now(self) {
        self.exchange.writes(self.server, self.exchange.sent());
        self.server.judge.coverage.count(self.exchange.cell);
        let ended = Ended {
            untimed: self.exchange.was_slow(self.server.judge.clocks.idle),
            ..self.exchange.end(self.exchange.last_write)
        };
        self.exchange.to_tell = Some(ended);
    }

    /// Sends nothing more: the client must give up.
    async fn hold(self, mut stream: Stream) -> Result<(), Left> {
        let judge = &self.server.judge;
        let left = pin!(poll_fn(|cx| stream.poll_left(cx)));
        if timeout(judge.clocks.patience, left).await.is_err() {
            let complaint = format!("still open {:?} after the last byte", judge.clocks.patience);
            judge.complain(self.exchange.consumer, &complaint);
        }
        judge.coverage.count(self.exchange.cell);
        let untimed = self.exchange.was_slow(judge.clocks.idle);
        self.exchange.to_tell = Some(Ended {
            untimed,
            left_at: Some(Instant::now()),
            clock: self.exchange.clock(judge.clocks.idle),
            read_whole: !untimed && self.exchange.cell.phase != Phase::Framing,
            ..self.exchange.end(self.exchange.last_write)
        });
        Ok(())
    }
}
