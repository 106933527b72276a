//! What the examples share: a server of axum's, and how errors and a server's text are shown.

#![allow(
    dead_code,
    reason = "each example compiles this module for itself, and uses a part of it"
)]

use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use fetch_event_source::reqwest::{ClientBuilder, Url};
use fetch_event_source::{BoxError, ErrorKind, Failure};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// The server sends a comment after this much time without an event.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The settings of the library's default client, to add to.
pub(crate) fn client() -> ClientBuilder {
    fetch_event_source::default_client_builder()
}

/// Serves these routes on a free port of the loopback interface, until the program ends. Gives the
/// URL, without a slash at its end.
pub(crate) async fn serve(routes: Router) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

/// Where a server's events go.
pub(crate) struct Sink(mpsc::Sender<io::Result<Event>>);

impl Sink {
    /// Fails when the client has gone.
    pub(crate) async fn send(&self, event: Event) -> io::Result<()> {
        let sent = self.0.send(Ok(event)).await;
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Answers with the events that `write` sends. When it returns, the stream ends; when it returns an
/// error, the connection breaks off.
pub(crate) fn respond<W, F>(write: W) -> Response
where
    W: FnOnce(Sink) -> F,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(1);
    let written = write(Sink(sender.clone()));
    tokio::spawn(async move {
        if let Err(error) = written.await {
            let _ = sender.send(Err(error)).await; // fails if the client has gone
        }
    });
    let events = stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive"))
        .into_response()
}

/// The error that breaks a connection of `respond` off.
pub(crate) fn break_off<T>() -> io::Result<T> {
    Err(io::ErrorKind::ConnectionReset.into())
}

/// The number that the client has as its last event ID; 0, if it has none.
pub(crate) fn last_event_id(headers: &HeaderMap) -> u64 {
    let id = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    id.and_then(|id| id.parse().ok()).unwrap_or(0)
}

/// What `main` returns. Prints an error on standard error, except for a broken pipe: with `| head`
/// nothing is wrong.
pub(crate) fn exit_code(program: &str, result: Result<(), BoxError>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    if is_broken_pipe(&*error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("{program}: {}", describe(&*error));
    ExitCode::FAILURE
}

fn is_broken_pipe(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    // In a hook, the error of `say` becomes the cause of the library's.
    let of_hook = error.downcast_ref::<fetch_event_source::Error>();
    let of_hook = of_hook.and_then(|error| error.downcast_ref::<io::Error>());
    let error = of_hook.or_else(|| error.downcast_ref());
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints a line. Unlike `println!` it does not panic at a broken pipe.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// What failed, and the innermost cause, for the user of a program.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref() {
        return what_happened(error);
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    match causes.last() {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

/// The same for the library's errors, which name the cause themselves. Of a request that is not
/// sent again it is the failure that led there; of a hook that failed, the hook's error.
pub(crate) fn what_happened(error: &fetch_event_source::Error) -> String {
    match (error.kind(), error.source()) {
        (ErrorKind::Hook, Some(cause)) => describe(cause),
        (ErrorKind::Incomplete, _) => "the stream ended too early".to_owned(),
        (ErrorKind::Disconnected, _) => "the connection broke off".to_owned(),
        (_, Some(cause)) => match cause.downcast_ref() {
            Some(failure) => what_happened(failure),
            None => error.to_string(),
        },
        (_, None) => error.to_string(),
    }
}

/// Prints a failure that is followed by another attempt, and when. A final one is the error of
/// `main`.
pub(crate) fn say_retry(failure: &Failure) -> io::Result<()> {
    let Some(delay) = failure.next_delay() else {
        return Ok(());
    };
    let what = what_happened(failure.error());
    say(format_args!(
        "({what}; again in {:.1} s)",
        delay.as_secs_f64()
    ))
}

/// A URL on the command line.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err("not a URL that begins with http:// or https://".to_owned()),
    }
}

/// A server's text for a terminal: with its control characters escaped, for they could move the
/// cursor, or worse. Line ends and tabs remain.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
