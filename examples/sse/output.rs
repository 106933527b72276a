//! Events on standard output, one write each; what the connection does on standard error.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use fetch_event_source::{Event, ResponseHead, Signal};
use serde::Serialize;

use crate::arguments::Format;
use crate::support::{printable, what_happened};

const TYPE: Style = AnsiColor::Cyan.on_default().bold();
const ID: Style = AnsiColor::BrightBlack.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();

pub(crate) struct Output {
    format: Format,
    verbose: bool,
    /// Standard output is a terminal that wants colours. (Data must not go through `anstream`, which
    /// would take the server's own escape sequences out.)
    colours: bool,
}

/// An event as JSON.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    id: &'a str,
    data: &'a str,
}

impl Output {
    pub(crate) fn new(format: Format, verbose: bool) -> Self {
        let colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self {
            format,
            verbose,
            colours,
        }
    }

    pub(crate) fn event(&self, event: &Event) -> io::Result<()> {
        let text = match self.format {
            Format { json: true, .. } => as_json(event)?,
            Format { raw: true, .. } => event.to_string(),
            Format {
                data_only: true, ..
            } => format!("{}\n", event.data()),
            _ => self.for_people(event),
        };
        write(&text)
    }

    /// What is no event.
    pub(crate) fn signal(&self, signal: &Signal) -> io::Result<()> {
        match signal {
            Signal::Open(response) => self.open(response),
            Signal::Comment(comment) if self.format.raw => write(&format!(": {comment}\n"))?,
            Signal::Comment(comment) => self.tell(format_args!("comment: {}", printable(comment))),
            Signal::ReconnectionTime(time) => {
                if self.format.raw {
                    write(&format!("retry: {}\n", time.as_millis()))?;
                }
                self.tell(format_args!("reconnection time: {time:?}"));
            }
            Signal::Disconnected => self.tell("disconnected"),
            Signal::Retrying { error, delay, .. } => {
                let reason = match error {
                    Some(error) => what_happened(error),
                    None => "the stream ended".to_owned(),
                };
                self.retrying(&reason, *delay);
            }
            Signal::UnsendableId(id) => warn(format_args!("no header can carry the ID {id:?}")),
            _ => {}
        }
        Ok(())
    }

    /// One line, where it is one line of data; further ones stand below the first.
    fn for_people(&self, event: &Event) -> String {
        let (kind, id) = (
            one_line(event.event_type()),
            one_line(event.last_event_id()),
        );
        let width = kind.chars().count().max(8) + 1 + id.chars().count().max(4) + 2;
        let data = printable(event.data()).replace('\n', &format!("\n{:width$}", ""));
        let (type_style, id_style) = match self.colours {
            true => (TYPE, ID),
            false => (Style::new(), Style::new()),
        };
        format!("{type_style}{kind:<8}{type_style:#} {id_style}{id:>4}{id_style:#}  {data}\n")
    }

    fn open(&self, response: &ResponseHead) {
        let from = match response.remote_addr() {
            Some(address) => format!(" from {address}"),
            None => String::new(),
        };
        let (version, status) = (response.version(), response.status());
        self.tell(format_args!("open: {version:?} {status}{from}"));
        for (name, value) in response.headers() {
            self.tell(format_args!(
                "  {name}: {}",
                value.as_bytes().escape_ascii()
            ));
        }
    }

    /// Always told where it failed: who waits wants to know for what.
    fn retrying(&self, reason: &str, delay: Duration) {
        let delay = delay.as_secs_f64();
        warn(format_args!("{reason}; again in {delay:.1} s"));
    }

    fn tell(&self, what: impl Display) {
        if self.verbose {
            note(format_args!("* {what}"));
        }
    }
}

/// To standard error, with the name of the program.
pub(crate) fn warn(what: impl Display) {
    note(format_args!("sse: {what}"));
}

fn note(what: impl Display) {
    // If nobody can read this, nobody can be told so either.
    let _ = writeln!(anstream::stderr(), "{NOTE}{what}{NOTE:#}");
}

fn one_line(text: &str) -> String {
    printable(text).replace('\t', "\\t")
}

fn as_json(event: &Event) -> io::Result<String> {
    let line = Line {
        event_type: event.event_type(),
        id: event.last_event_id(),
        data: event.data(),
    };
    Ok(serde_json::to_string(&line)? + "\n")
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush() // now: an event is news
}
