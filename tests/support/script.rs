//! Answers written down before the requests come.

use std::time::Duration;

use super::{
    exchange::{Exchange, OK, OK_CHUNKED, chunk},
    request::Recorded,
};

/// What the server answers to one request: steps, and how it ends.
///
/// Without an end the connection stays open and silent, and the next request on it gets the next reply.
#[derive(Clone, Debug)]
pub struct Reply {
    steps: Vec<Step>,
    end: End,
}

#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Hold,
    Fin,
    Rst,
}

impl Reply {
    /// No byte at all: with [`fin`](Self::fin) the empty reply, with [`hold`](Self::hold) headers that never come.
    pub fn empty() -> Self {
        Self {
            steps: Vec::new(),
            end: End::Hold,
        }
    }

    /// Exactly these bytes.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Self {
        Self::empty().send(bytes)
    }

    /// [`OK`] and the first bytes of a body that ends with the connection, in one write.
    pub fn ok(body: impl AsRef<[u8]>) -> Self {
        Self::raw([OK.as_bytes(), body.as_ref()].concat())
    }

    /// [`OK_CHUNKED`]; the body follows by [`chunk`](Self::chunk).
    pub fn ok_chunked() -> Self {
        Self::raw(OK_CHUNKED)
    }

    /// A status with `body` as a stream of the right type, then `[FIN]`.
    pub fn status(code: u16, body: impl AsRef<[u8]>) -> Self {
        let head = OK.replacen("200 OK", &format!("{code} Scripted"), 1);
        Self::raw([head.as_bytes(), body.as_ref()].concat()).fin()
    }

    /// A 204 and `[FIN]`: the server's way to end a subscription.
    pub fn no_content() -> Self {
        Self::raw("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").fin()
    }

    /// A redirect without a body, then `[FIN]`.
    pub fn redirect(code: u16, location: &str) -> Self {
        Self::raw(format!(
            "HTTP/1.1 {code} Scripted\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ))
        .fin()
    }

    /// Then sends these bytes, in one write.
    pub fn send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.steps.push(Step::Send(bytes.as_ref().to_vec()));
        self
    }

    /// Then sends these bytes one by one, with a pause of so many milliseconds after each.
    pub fn send_bytewise(self, bytes: impl AsRef<[u8]>, pause_ms: u64) -> Self {
        bytes
            .as_ref()
            .iter()
            .fold(self, |reply, byte| reply.send([*byte]).wait(pause_ms))
    }

    /// Then sends these bytes as one chunk, in one write.
    pub fn chunk(self, bytes: impl AsRef<[u8]>) -> Self {
        self.send(chunk(bytes))
    }

    /// Then sends the last chunk, which ends the body and not the connection.
    pub fn last_chunk(self) -> Self {
        self.send("0\r\n\r\n")
    }

    /// Then is silent for so many milliseconds. A client that closes meanwhile ends the reply.
    pub fn wait(mut self, milliseconds: u64) -> Self {
        self.steps
            .push(Step::Wait(Duration::from_millis(milliseconds)));
        self
    }

    /// At the end closes in order: `[FIN]`.
    pub fn fin(self) -> Self {
        self.ending(End::Fin)
    }

    /// At the end breaks off: `[RST]`. The client may lose what it has not read yet: put a `wait` before it.
    pub fn rst(self) -> Self {
        self.ending(End::Rst)
    }

    /// At the end keeps the connection open, silent until the client closes or sends its next request. The default.
    pub fn hold(self) -> Self {
        self.ending(End::Hold)
    }

    fn ending(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Plays the reply; gives the exchange back if the connection is still open after it.
    pub(super) async fn play(self, exchange: Exchange) -> Option<Exchange> {
        for step in self.steps {
            match step {
                // A client that has left is not a fault of the script: many tests close in the middle of a reply.
                Step::Send(bytes) => exchange.try_send(bytes).await.ok()?,
                Step::Wait(time) if exchange.is_closed_within(time).await => return None,
                Step::Wait(_) => {}
            }
        }
        match self.end {
            End::Hold => return Some(exchange),
            End::Fin => exchange.finish(),
            End::Rst => exchange.reset(),
        }
        None
    }
}

/// A reply for each request, in the order in which requests arrive, whatever their connection.
///
/// Past its end each request is recorded and answered with 204, unless said otherwise.
pub struct Script {
    replies: Vec<Reply>,
    past_end: Box<dyn Fn(&Recorded) -> Reply + Send + Sync>,
}

impl Script {
    /// The first request gets the first reply, and so on.
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            replies: replies.into_iter().collect(),
            past_end: Box::new(|_| Reply::no_content()),
        }
    }

    /// Each request gets what `answer` says to it; [`Recorded::number`] counts from 1.
    pub fn from_fn(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::new([]).then_by(answer)
    }

    /// Requests past the end all get this reply.
    pub fn then(self, reply: Reply) -> Self {
        self.then_by(move |_| reply.clone())
    }

    /// Requests past the end get what `answer` says to each.
    pub fn then_by(mut self, answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        self.past_end = Box::new(answer);
        self
    }

    /// A request past the end fails the test.
    pub fn then_fail(self) -> Self {
        let length = self.replies.len();
        self.then_by(move |request| panic!("request past the script's {length}: {request:?}"))
    }

    pub(super) fn reply(&self, request: &Recorded) -> Reply {
        match self.replies.get(request.number() - 1) {
            Some(reply) => reply.clone(),
            None => (self.past_end)(request),
        }
    }
}

impl<const N: usize> From<[Reply; N]> for Script {
    fn from(replies: [Reply; N]) -> Self {
        Self::new(replies)
    }
}

impl From<Vec<Reply>> for Script {
    fn from(replies: Vec<Reply>) -> Self {
        Self::new(replies)
    }
}
