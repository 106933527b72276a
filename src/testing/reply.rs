//! What is answered.

use std::future::{pending, poll_fn};
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::body::{End, ScriptedBody, Step};
use super::{Answering, Connection};
use crate::client::timer::Timer;
use crate::event::Event;

/// The answer to one request: a head, and a body in steps; or no response.
///
/// The body ends cleanly after its last step, unless it is [cut](Self::cut) or
/// [held](Self::hold).
///
/// ```
/// use fetch_event_source::Event;
/// use fetch_event_source::testing::Reply;
/// use std::time::Duration;
///
/// Reply::ok()
///     .event(Event::new("1").with_type("count").with_last_event_id("a"))
///     .wait(Duration::from_secs(30))
///     .comment("keep-alive")
///     .bytes("data: half an ev")
///     .cut();
/// Reply::status(503).header("retry-after", "120").bytes("back in a minute or two");
/// Reply::refused();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a reply does nothing unless it is given to a server"]
pub struct Reply {
    after: Duration,
    answer: Answer,
}

#[derive(Debug, Clone)]
enum Answer {
    Response(Scripted),
    Failure(io::ErrorKind),
    Nothing,
}

#[derive(Debug, Clone)]
struct Scripted {
    status: StatusCode,
    headers: HeaderMap,
    steps: Vec<Step>,
    end: End,
}

/// Kinds of answers.
impl Reply {
    /// A stream: 200, `Content-Type: text/event-stream`, and nothing in it so far.
    pub fn ok() -> Self {
        let mut reply = Self::status(200);
        let event_stream = HeaderValue::from_static("text/event-stream");
        reply.response().headers.insert(CONTENT_TYPE, event_stream);
        reply
    }

    /// This status, without headers and body so far.
    ///
    /// # Panics
    ///
    /// If it is no status: below 100, or above 999.
    #[track_caller]
    pub fn status(code: u16) -> Self {
        let Ok(status) = StatusCode::from_u16(code) else {
            panic!("{code} is no status: take one from 100 to 999");
        };
        Self::of(Answer::Response(Scripted {
            status,
            headers: HeaderMap::new(),
            steps: Vec::new(),
            end: End::Clean,
        }))
    }

    /// A 204: nothing (more) to come, a subscriber is not to ask again.
    pub fn no_content() -> Self {
        Self::status(204)
    }

    /// No response, since the connection was refused: the request was not sent, so a POST is sent
    /// again.
    pub fn refused() -> Self {
        Self::failed(io::ErrorKind::ConnectionRefused)
    }

    /// No response, for this reason: `ConnectionReset` for a server that hung up, `TimedOut` for a
    /// client that waits no longer.
    pub fn failed(kind: io::ErrorKind) -> Self {
        Self::of(Answer::Failure(kind))
    }

    /// Never an answer. The test goes on when a clock runs out:
    /// [`response_timeout`](crate::EventSource::response_timeout), or `tokio::time::timeout` around
    /// it. Without any it hangs.
    pub fn pending() -> Self {
        Self::of(Answer::Nothing)
    }

    fn of(answer: Answer) -> Self {
        Self {
            after: Duration::ZERO,
            answer,
        }
    }
}

/// Its head.
impl Reply {
    /// Sets a header of the response, in place of any of this name.
    ///
    /// # Panics
    ///
    /// If there can be no such header, or no response is given.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(header), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else {
            panic!("{name:?}: {value:?} is no header");
        };
        self.response().headers.insert(header, value);
        self
    }

    /// Answers after so long, or fails after so long. Default: at once.
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }
}

/// The steps of its body, in the order in which they are called. (They panic where no response is
/// given.)
impl Reply {
    /// Sends an event, in wire form. Without an ID of its own it has that of the one before.
    #[track_caller]
    pub fn event(self, event: Event) -> Self {
        self.bytes(event.to_string())
    }

    /// Sends these events, one by one.
    #[track_caller]
    pub fn events(self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// Sends a comment, which keeps a connection alive and is no event. Each line of the text is one.
    #[track_caller]
    pub fn comment(self, text: &str) -> Self {
        let lines = text.split(['\r', '\n']);
        self.bytes(lines.map(|line| format!(": {line}\n")).collect::<String>())
    }

    /// Sends `retry:`, the reconnection time, in whole milliseconds.
    #[track_caller]
    pub fn reconnection_time(self, time: Duration) -> Self {
        self.bytes(format!("retry: {}\n", time.as_millis()))
    }

    /// Sends these bytes as they are, as one chunk: half an event, a recorded stream, the body of a
    /// refusal.
    #[track_caller]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        match bytes.as_ref() {
            [] => self, // no server sends a chunk with nothing in it
            bytes => self.step(Step::Send(Bytes::copy_from_slice(bytes))),
        }
    }

    /// Sends nothing for so long. It is the server's time: it passes whether or not the client
    /// reads.
    #[track_caller]
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// After the last step the body breaks off, as of a connection that is lost:
    /// [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected).
    #[track_caller]
    pub fn cut(self) -> Self {
        self.ending(End::Cut)
    }

    /// After the last step the body stays open and silent. The test goes on when the client
    /// closes, or a clock runs out: [`idle_timeout`](crate::EventSource::idle_timeout), or
    /// `tokio::time::timeout` around it. Without any it hangs.
    #[track_caller]
    pub fn hold(self) -> Self {
        self.ending(End::Hold)
    }

    #[track_caller]
    fn step(mut self, step: Step) -> Self {
        self.response().steps.push(step);
        self
    }

    #[track_caller]
    fn ending(mut self, end: End) -> Self {
        self.response().end = end;
        self
    }

    #[track_caller]
    fn response(&mut self) -> &mut Scripted {
        match &mut self.answer {
            Answer::Response(response) => response,
            _ => panic!("there is no response, so no header and no body: begin with `Reply::ok()`"),
        }
    }
}

impl Reply {
    /// The time begins with the call.
    pub(super) fn play(self, connection: Connection) -> Answering {
        let mut timer = Timer::new(connection.server.clock.clone());
        let due = timer.now().saturating_add(self.after);
        Box::pin(async move {
            poll_fn(|cx| timer.poll_until(due, cx)).await;
            match self.answer {
                Answer::Response(response) => Ok(response.begin(connection, timer, due)),
                Answer::Failure(kind) => Err(io::Error::from(kind).into()),
                Answer::Nothing => pending().await,
            }
        })
    }
}

impl Scripted {
    fn begin(self, connection: Connection, timer: Timer, due: Duration) -> Response<ScriptedBody> {
        let body = ScriptedBody::new(self.steps, self.end, connection, timer, due);
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}
