//! Events on standard output, one write each.

use std::io::{self, Write};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use fetch_event_source::{Event, ResponseHead, Signal};
use serde::de::IgnoredAny;

use crate::arguments::{self, Format};
use crate::explain;
use crate::notes::Notes;
use crate::text::{json_line, one_line, printable};

const TYPE: Style = AnsiColor::Cyan.on_default().bold();
const ID: Style = AnsiColor::BrightBlack.on_default();

pub(crate) struct Output<'a> {
    format: Format,
    notes: &'a Notes,
    /// Whether standard output is a terminal that wants colours. (`anstream` must not filter the
    /// data: it would remove the server's own escape sequences.)
    colours: bool,
}

impl arguments::Output {
    /// Whether the user wants to see this event.
    pub(crate) fn shows(&self, event: &Event) -> bool {
        self.events.is_empty() || self.events.iter().any(|it| it == event.event_type())
    }
}

impl<'a> Output<'a> {
    pub(crate) fn new(format: Format, notes: &'a Notes) -> Self {
        let colours = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self {
            format,
            notes,
            colours,
        }
    }

    pub(crate) fn event(&self, event: &Event) -> io::Result<()> {
        let format = self.format;
        let text = match () {
            () if format.json_lines => json(event, string(event.data())?)?,
            () if format.json_data => json(event, json_or_string(event.data())?)?,
            () if format.raw => event.to_string(),
            () if format.data_only => format!("{}\n", event.data()),
            () => self.for_people(event),
        };
        write(&text)
    }

    /// Everything that is not an event.
    pub(crate) fn signal(&self, signal: &Signal) -> io::Result<()> {
        let notes = self.notes;
        match signal {
            Signal::Open(response) => self.open(response),
            Signal::Comment(comment) if self.format.raw => write(&format!(": {comment}\n"))?,
            Signal::Comment(comment) => notes.tell(format_args!("comment: {}", one_line(comment))),
            Signal::ReconnectionTime(time) => {
                if self.format.raw {
                    write(&format!("retry: {}\n", time.as_millis()))?;
                }
                notes.tell(format_args!("reconnection time: {time:?}"));
            }
            Signal::Ignored(line) => {
                notes.warn(format_args!(
                    "a line of an unknown field: {}",
                    one_line(line)
                ));
            }
            Signal::Disconnected => notes.tell("disconnected"),
            Signal::Retrying { error, delay, .. } => {
                let reason = match error {
                    Some(error) => explain::describe(error),
                    None => "the stream ended".to_owned(),
                };
                self.retrying(&reason, *delay);
            }
            Signal::UnsendableId(id) => {
                notes.warn(format_args!("no header can carry the ID {id:?}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// One line for each line of data; the second and later ones are indented.
    fn for_people(&self, event: &Event) -> String {
        let kind = one_line(event.event_type());
        let id = one_line(event.last_event_id());
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
        self.notes
            .tell(format_args!("open: {version:?} {status}{from}"));
        for (name, value) in response.headers() {
            let value = value.as_bytes().escape_ascii();
            self.notes.tell(format_args!("  {name}: {value}"));
        }
    }

    /// Also without `--verbose`: a user who waits wants to know why.
    fn retrying(&self, reason: &str, delay: Duration) {
        let delay = delay.as_secs_f64();
        self.notes
            .warn(format_args!("{reason}; again in {delay:.1} s"));
    }
}

/// An object on one line. `data` is JSON already.
fn json(event: &Event, data: String) -> io::Result<String> {
    let (event_type, id) = (string(event.event_type())?, string(event.last_event_id())?);
    let object = format!(r#"{{"type":{event_type},"id":{id},"data":{data}}}"#);
    Ok(json_line(&object) + "\n")
}

fn string(text: &str) -> io::Result<String> {
    Ok(serde_json::to_string(text)?)
}

/// Numbers and the order of fields stay as the server sent them.
fn json_or_string(data: &str) -> io::Result<String> {
    match serde_json::from_str::<IgnoredAny>(data) {
        Ok(_) => Ok(data.trim_ascii().to_owned()),
        Err(_) => string(data),
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush() // the user waits for it
}
