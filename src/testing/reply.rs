//! Scripted replies.

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

/// Constructors.
impl Reply {
    /// A stream: 200, `Content-Type: text/event-stream`, and an empty body so far.
    pub fn ok() -> Self {
        let mut reply = Self::status(200);
        let event_stream = HeaderValue::from_static("text/event-stream");
        reply.response().headers.insert(CONTENT_TYPE, event_stream);
        reply
    }

    /// A response with this status, without headers and body so far.
    ///
    /// # Panics
    ///
    /// If the status is below 100 or above 999.
    #[track_caller]
    pub fn status(code: u16) -> Self {
        let Ok(status) = StatusCode::from_u16(code) else {
            panic!("{code} is not a status: use 100 to 999");
        };
        Self::of(Answer::Response(Scripted {
            status,
            headers: HeaderMap::new(),
            steps: Vec::new(),
            end: End::Clean,
        }))
    }

    /// A 204: no more events will come, and a subscriber must not reconnect.
    pub fn no_content() -> Self {
        Self::status(204)
    }

    /// No response, because the connection was refused: nothing was sent, so a POST may be sent again.
    pub fn refused() -> Self {
        Self::failed(io::ErrorKind::ConnectionRefused)
    }

    /// No response, for this reason: for example `ConnectionReset`, or `TimedOut` for a timeout of the client.
    pub fn failed(kind: io::ErrorKind) -> Self {
        Self::of(Answer::Failure(kind))
    }

    /// No answer for ever. The test continues when a timeout expires:
    /// [`response_timeout`](crate::EventSource::response_timeout), or `tokio::time::timeout` around the source.
    /// Without a timeout it hangs.
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

/// The head.
impl Reply {
    /// Sets a header of the response, and replaces one of the same name.
    ///
    /// # Panics
    ///
    /// If the header is invalid, or the reply is not a response.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (Ok(header), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) else {
            panic!("{name:?}: {value:?} is not a header");
        };
        self.response().headers.insert(header, value);
        self
    }

    /// Answers or fails after this time. Default: at once.
    pub fn after(mut self, time: Duration) -> Self {
        self.after = time;
        self
    }
}

/// The steps of the body, in the order of the calls. (They panic if the reply is not a response.)
impl Reply {
    /// Sends an event in wire form. Without its own ID it has the ID of the event before.
    #[track_caller]
    pub fn event(self, event: Event) -> Self {
        self.bytes(event.to_string())
    }

    /// Sends these events one by one.
    #[track_caller]
    pub fn events(self, events: impl IntoIterator<Item = Event>) -> Self {
        events.into_iter().fold(self, Self::event)
    }

    /// Sends a comment, as servers do to keep a connection alive. Each line of the text becomes one.
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

    /// Sends these bytes unchanged, as one chunk: half an event, a recorded stream, the body of a refusal.
    #[track_caller]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        match bytes.as_ref() {
            [] => self, // a server sends no empty chunk
            bytes => self.step(Step::Send(Bytes::copy_from_slice(bytes))),
        }
    }

    /// Sends nothing for this time. It passes whether or not the client reads.
    #[track_caller]
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// Breaks the body off after the last step, as a lost connection does:
    /// [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected).
    #[track_caller]
    pub fn cut(self) -> Self {
        self.ending(End::Cut)
    }

    /// Keeps the body open and silent after the last step. The test continues when the client closes, or a timeout
    /// expires: [`idle_timeout`](crate::EventSource::idle_timeout), or `tokio::time::timeout` around the source.
    /// Without a timeout it hangs.
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
            _ => panic!(
                "this reply has no head and no body: begin with `Reply::ok()` or `Reply::status(…)`"
            ),
        }
    }
}

impl Reply {
    /// The time starts with the call.
    pub(super) fn play(self, connection: Connection) -> Answering {
        let mut timer = Timer::new(connection.server.clock.clone());
        let due = timer.now().saturating_add(self.after);
        Box::pin(async move {
            poll_fn(|cx| timer.poll_until(due, cx)).await;
            let scripted = match self.answer {
                Answer::Response(scripted) => scripted,
                Answer::Failure(kind) => return Err(io::Error::from(kind).into()),
                Answer::Nothing => pending().await,
            };
            let mut response = Response::new(ScriptedBody {
                steps: scripted.steps.into_iter(),
                end: scripted.end,
                connection: Some(connection),
                timer,
                due,
            });
            *response.status_mut() = scripted.status;
            *response.headers_mut() = scripted.headers;
            Ok(response)
        })
    }
}
