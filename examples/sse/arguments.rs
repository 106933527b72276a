//! The command line, and the source that it describes.

use std::error::Error;
use std::io::{self, Read};
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use fetch_event_source::reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use fetch_event_source::reqwest::{Client, Method};
use fetch_event_source::{BoxError, Event, EventSource, RetryPolicy};

const EXIT_CODES: &str = "\
Exit codes:
    0  the stream ended, or the end marker or so many events came,
       or nobody reads the output any more
    1  something else failed: a file, the output
    2  the command line or the URL is wrong
    3  no response: no connection, TLS, a redirect, a timeout
    4  refused: another status than 200 and 204, another content type
    5  incomplete: broken off, silent for too long, ended before --until
  130  Ctrl-C";

/// Prints the events of a server-sent event stream as they come.
///
/// Without a URL it brings a server along, to play with.
#[derive(Parser)]
#[command(name = "sse", after_help = EXIT_CODES, term_width = 79)]
pub(crate) struct Arguments {
    /// Where the events come from; http:// may be left out
    pub(crate) url: Option<String>,

    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,

    /// A header of the request; may be given many times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,

    /// The body of the request: text, a file, or standard input. JSON is sent as application/json,
    /// all else as text/plain, if no header says otherwise
    #[arg(short, long, value_name = "TEXT|@FILE|-", allow_hyphen_values = true)]
    data: Option<String>,

    /// Go on after the event with this ID
    #[arg(long, value_name = "ID")]
    last_event_id: Option<String>,

    /// Take this content type, too: some LLM servers stream as text/plain
    #[arg(long, value_name = "TYPE")]
    allow_content_type: Vec<String>,

    /// When to try again
    #[arg(long, value_enum, value_name = "POLICY", default_value = "default")]
    retry: Policy,

    /// Reconnect after a clean end of the stream, whatever the policy says
    #[arg(long)]
    reconnect: bool,

    /// How many times in a row to try again
    #[arg(long, value_name = "N")]
    max_retries: Option<u32>,

    /// Send a POST again, too, where the server may have acted on it
    #[arg(long)]
    replay_non_idempotent: bool,

    #[command(flatten)]
    pub(crate) format: Format,

    /// Show events of this type only; may be given many times
    #[arg(short, long = "event", value_name = "TYPE")]
    events: Vec<String>,

    /// End at the event with this data, without showing it; an end before it is an error
    #[arg(long, value_name = "DATA")]
    until: Option<String>,

    /// End after so many events shown
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_events: Option<u64>,

    /// How long to wait for the response
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    response_timeout: Option<Duration>,

    /// How long the stream may be silent; comments count
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,

    /// How long the stream may bring no event; comments do not count
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    event_timeout: Option<Duration>,

    /// Tell on standard error what the connection does
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// How events are shown. By default for people: type, ID and data, with control characters escaped.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct Format {
    /// A JSON object for each event, on a line of its own
    #[arg(long)]
    pub(crate) json: bool,
    /// As an event stream again, with comments and reconnection times
    #[arg(long)]
    pub(crate) raw: bool,
    /// Nothing but the data
    #[arg(long)]
    pub(crate) data_only: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// Ten times in a row; a clean end is the end
    Default,
    /// For ever, after a clean end too
    Persistent,
    /// As a browser does: always after the same time, but not if it was refused
    Standard,
    /// Not at all
    Never,
}

impl Arguments {
    /// Whether the user wants to see it.
    pub(crate) fn shows(&self, event: &Event) -> bool {
        self.events.is_empty() || self.events.iter().any(|it| it == event.event_type())
    }

    pub(crate) fn source(&self, url: &str) -> Result<EventSource<'static>, BoxError> {
        let mut source = self
            .request(url)?
            .retry(self.policy())
            .response_timeout(self.response_timeout)
            .idle_timeout(self.idle_timeout)
            .event_timeout(self.event_timeout);
        if let Some(id) = &self.last_event_id {
            source = source.last_event_id(id);
        }
        for content_type in &self.allow_content_type {
            source = source.allow_content_type(content_type);
        }
        if let Some(until) = self.until.clone() {
            source = source.until(move |event| event.data() == until);
        }
        Ok(source)
    }

    fn request(&self, url: &str) -> Result<EventSource<'static>, BoxError> {
        let method = match (&self.method, &self.data) {
            (Some(method), _) => method.clone(),
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut headers: HeaderMap = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name, value.clone());
        }
        let mut request = client()?.request(method, url);
        if let Some(data) = &self.data {
            let body = body(data)?;
            if !headers.contains_key(CONTENT_TYPE) {
                headers.insert(CONTENT_TYPE, content_type(&body));
            }
            request = request.body(body);
        }
        Ok(EventSource::new(request.headers(headers)))
    }

    fn policy(&self) -> RetryPolicy {
        let mut policy = match self.retry {
            Policy::Default => RetryPolicy::default(),
            Policy::Persistent => RetryPolicy::persistent(),
            Policy::Standard => RetryPolicy::standard(),
            Policy::Never => RetryPolicy::never(),
        };
        if self.reconnect {
            policy = policy.reconnect_on_close(true);
        }
        if let Some(retries) = self.max_retries {
            policy = policy.max_retries(retries);
        }
        policy.replay_non_idempotent(self.replay_non_idempotent)
    }
}

fn client() -> Result<Client, BoxError> {
    let agent = concat!("sse/", env!("CARGO_PKG_VERSION"));
    Ok(crate::support::client().user_agent(agent).build()?)
}

fn body(data: &str) -> Result<Vec<u8>, BoxError> {
    match data {
        "-" | "@-" => {
            let mut body = Vec::new();
            io::stdin().read_to_end(&mut body)?;
            Ok(body)
        }
        _ => match data.strip_prefix('@') {
            Some(file) => std::fs::read(file).map_err(|error| format!("{file}: {error}").into()),
            None => Ok(data.as_bytes().to_vec()),
        },
    }
}

fn content_type(body: &[u8]) -> HeaderValue {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    HeaderValue::from_static(match is_json {
        true => "application/json",
        false => "text/plain;charset=utf-8",
    })
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), Box<dyn Error + Send + Sync>> {
    let (name, value) = text.split_once(':').ok_or("there is no colon in it")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

fn seconds(text: &str) -> Result<Duration, Box<dyn Error + Send + Sync>> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}
