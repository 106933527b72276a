//! The client under test: this crate. The protocol is in `src/lib.rs`.

use std::io::{Write, stdout};
use std::process::{ExitCode, exit};
use std::time::Duration;

use fetch_event_source::{
    BoxError, Error, ErrorKind, EventSource, Finished, Handle, HookResult, RetryPolicy, Signal,
    Signals, fetch_event_source, reqwest,
};
use fetch_event_source_interop::{Ask, Marker, Seen, Trouble};
use reqwest::{Certificate, Client};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(ask) = std::env::args().nth(1) else {
        eprintln!("client ASK, as JSON: see src/lib.rs");
        return ExitCode::from(2);
    };
    match run(&ask).await {
        Ok(()) => std::future::pending().await, // the harness counts its connections
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(ask: &str) -> Result<(), BoxError> {
    let ask: Ask = serde_json::from_str(ask)?;
    let source = source(&ask)?;
    obey_stdin(source.handle());
    let limit = Duration::from_millis(ask.limit_ms);
    let heard = async {
        match &ask.fails_at {
            Some(marker) => handle(source, marker).await,
            None => listen(source.signals(), &ask).await,
        }
    };
    let last = match tokio::time::timeout(limit, heard).await {
        Ok(last) => last?,
        Err(_) => finished("Limit"),
    };
    say(&last)?;
    Ok(())
}

/// Runs until the source ends; returns the last line to write.
async fn listen(mut signals: Signals, ask: &Ask) -> Result<Seen, BoxError> {
    while let Some(signal) = signals.next().await {
        let seen = match signal {
            Ok(signal) => seen(&signal),
            Err(error) => {
                let error = trouble(&error);
                return Ok(Seen::Error { error });
            }
        };
        let Some(seen) = seen else { continue };
        say(&seen)?;
        let is_last = ask.last.as_ref().is_some_and(|last| match &seen {
            Seen::Event {
                event_type, data, ..
            } => last.is(event_type, data),
            _ => false,
        });
        if is_last {
            return Ok(finished("Stopped"));
        }
    }
    Ok(match signals.finished() {
        Some(how) => finished(name(*how)),
        None => finished("nothing"),
    })
}

/// The same with a hook that fails at this event.
async fn handle(source: EventSource<'static>, fails_at: &Marker) -> Result<Seen, BoxError> {
    let handled = source.on_message(|event| -> HookResult {
        if fails_at.is(event.event_type(), event.data()) {
            return Err("the handler fails".into());
        }
        match seen(&Signal::Event(event)) {
            Some(seen) => say(&seen),
            None => Ok(()),
        }
    });
    Ok(match handled.run().await {
        Ok(how) => finished(name(how)),
        Err(error) => Seen::Error {
            error: trouble(&error),
        },
    })
}

fn name(how: Finished) -> &'static str {
    match how {
        Finished::Ended => "Ended",
        Finished::EndMarker => "EndMarker",
        Finished::NoContent => "NoContent",
        Finished::Stopped => "Stopped",
        Finished::Aborted => "Aborted",
        _ => "unknown",
    }
}

fn source(ask: &Ask) -> Result<EventSource<'static>, BoxError> {
    let policy = if ask.subscribe {
        RetryPolicy::persistent()
    } else {
        RetryPolicy::default()
    };
    let mut source = request(ask)?.retry(with_limits(policy, ask));
    if let Some(id) = &ask.last_event_id {
        source = source.last_event_id(id);
    }
    if let Some(essence) = &ask.allow_content_type {
        source = source.allow_content_type(essence);
    }
    if let Some(end) = ask.until.clone() {
        source = source.until(move |event| end.is(event.event_type(), event.data()));
    }
    Ok(source
        .idle_timeout(ask.idle_timeout_ms.map(Duration::from_millis))
        .response_timeout(ask.response_timeout_ms.map(Duration::from_millis)))
}

fn with_limits(mut policy: RetryPolicy, ask: &Ask) -> RetryPolicy {
    if let Some(delay) = ask.base_delay_ms {
        policy = policy.base_delay(Duration::from_millis(delay));
    }
    if let Some(retries) = ask.max_retries {
        policy = policy.max_retries(retries);
    }
    policy
}

/// Uses a bare URL if there is nothing else, as most users do.
fn request(ask: &Ask) -> Result<EventSource<'static>, BoxError> {
    let is_bare = ask.method == "GET" && ask.headers.is_empty() && ask.root_certificate.is_none();
    if is_bare {
        return Ok(fetch_event_source(&ask.url));
    }
    let mut client = Client::builder().pool_max_idle_per_host(0);
    if let Some(path) = &ask.root_certificate {
        let certificate = Certificate::from_pem(&std::fs::read(path)?)?;
        client = client.tls_certs_merge([certificate]);
    }
    let mut request = client.build()?.request(ask.method.parse()?, &ask.url);
    for (name, value) in &ask.headers {
        request = request.header(name, value);
    }
    if let Some(body) = &ask.body {
        request = request.body(body.clone());
    }
    Ok(EventSource::new(request))
}

fn seen(signal: &Signal) -> Option<Seen> {
    Some(match signal {
        Signal::Open(response) => Seen::Open {
            status: response.status().as_u16(),
            version: Some(format!("{:?}", response.version())),
            encoding: response
                .headers()
                .get("content-encoding")
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        },
        Signal::Event(event) => Seen::Event {
            id: event.last_event_id().to_owned(),
            event_type: event.event_type().to_owned(),
            data: event.data().to_owned(),
        },
        Signal::Comment(text) => Seen::Comment { text: text.clone() },
        Signal::Retrying { error, delay, .. } => Seen::Retry {
            error: error.as_ref().map(trouble),
            delay_ms: u64::try_from(delay.as_millis()).ok(),
        },
        Signal::Disconnected => Seen::Disconnected,
        _ => return None,
    })
}

fn finished(how: &str) -> Seen {
    let how = how.to_owned();
    Seen::Finished { how }
}

fn trouble(error: &Error) -> Trouble {
    let status = error.status().map(|status| status.as_u16());
    let body = error.body();
    Trouble {
        kind: kind(error),
        status,
        body: body.map(|body| String::from_utf8_lossy(body).into_owned()),
        message: error.to_string(),
    }
}

/// `NotReplayed: Disconnected` for an error with another failure as its source.
fn kind(error: &Error) -> String {
    let debug = format!("{:?}", error.kind());
    let variant = debug.split(|char: char| !char.is_alphanumeric()).next();
    let variant = variant.unwrap_or_default().to_owned();
    let failure = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    match (error.kind(), failure) {
        (ErrorKind::NotReplayed | ErrorKind::NotCloneable, Some(failure)) => {
            format!("{variant}: {}", kind(failure))
        }
        _ => variant,
    }
}

/// Flush at once, because the process may be killed after any line.
fn say(seen: &Seen) -> Result<(), BoxError> {
    let mut line = serde_json::to_vec(seen)?;
    line.push(b'\n');
    let mut stdout = stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()?;
    Ok(())
}

/// A line on stdin closes the source, the end of stdin ends the process.
fn obey_stdin(handle: Handle) {
    std::thread::spawn(move || {
        for _ in std::io::stdin().lines() {
            handle.close();
        }
        exit(0);
    });
}
