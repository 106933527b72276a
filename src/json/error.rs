//! What is wrong with an event's JSON, and where.

use std::fmt::{self, Write};

use serde_path_to_error::{Path, Segment};

use crate::event::Event;

/// So many bytes of what a server wrote are shown.
const QUOTED: usize = 128;

/// An event that is not what was expected: from [`Event::json`], [`Event::typed`] and
/// [`JsonStream`](crate::JsonStream).
///
/// `Display` says which event, and where in its JSON; the cause is in
/// [`source`](std::error::Error::source), a [`serde_json::Error`]. What it prints may go to a log: of
/// the data it shows no more than the path, and the one value that serde quotes in the cause, each
/// at most a line, without control characters.
///
/// ```
/// use fetch_event_source::Event;
///
/// let event = Event::new(r#"{"bids": [{"price": "high"}]}"#)
///     .with_type("book")
///     .with_last_event_id("7");
///
/// #[derive(Debug, serde::Deserialize)]
/// struct Book {
///     bids: Vec<Bid>,
/// }
/// #[derive(Debug, serde::Deserialize)]
/// struct Bid {
///     price: f64,
/// }
/// let error = event.json::<Book>().unwrap_err();
/// assert_eq!(error.path(), "bids[0].price");
/// assert_eq!(
///     error.to_string(),
///     r#"event "book" with ID "7": its data is not the JSON expected, at "bids[0].price""#
/// );
/// # use std::error::Error;
/// let cause = error.source().unwrap().to_string();
/// assert_eq!(cause, r#"invalid type: string "high", expected f64 at line 1 column 26"#);
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "json")))]
pub struct JsonError(Box<Parts>);

struct Parts {
    event: Event,
    path: String,
    is_unknown_type: bool,
    source: serde_json::Error,
}

impl JsonError {
    /// The data is at fault, at this path; an empty one where it is not known.
    #[cold]
    pub(super) fn data(event: &Event, path: &Path, source: serde_json::Error) -> Self {
        Self::new(event, in_words(path), false, source)
    }

    /// There is nothing to read an event of this type as.
    #[cold]
    pub(super) fn unknown_type(event: &Event, source: serde_json::Error) -> Self {
        Self::new(event, String::new(), true, source)
    }

    fn new(event: &Event, path: String, is_unknown_type: bool, source: serde_json::Error) -> Self {
        Self(Box::new(Parts {
            event: event.clone(),
            path,
            is_unknown_type,
            source: in_a_line(source),
        }))
    }

    /// Where in the data, such as `choices[0].delta.text`; at most the first 128 bytes of it.
    /// Empty: the data as a whole, or not known. (Within what serde reads first and sorts later,
    /// `untagged` and `flatten` for example, it sees no path.)
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The event that could not be read.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.0.event
    }

    /// The event that could not be read.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.0.event
    }

    /// The type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.0.event.event_type()
    }

    /// The last event ID, as of the event.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.0.event.last_event_id()
    }

    /// Whether [`Event::typed`] found no variant for the type. The data was not looked at.
    #[must_use]
    pub fn is_unknown_type(&self) -> bool {
        self.0.is_unknown_type
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {:?} ", shortened(self.event_type()))?;
        match self.last_event_id() {
            "" => write!(f, "without an ID: ")?,
            id => write!(f, "with ID {:?}: ", shortened(id))?,
        }
        if self.is_unknown_type() {
            return f.write_str(
                "no variant has the name of its type: add one, or a unit variant with \
                 #[serde(other)]",
            );
        }
        f.write_str("its data is not the JSON expected")?;
        match self.path() {
            "" => Ok(()),
            path => write!(f, ", at {path:?}"),
        }
    }
}

impl fmt::Debug for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonError")
            .field("event_type", &shortened(self.event_type()))
            .field("last_event_id", &shortened(self.last_event_id()))
            .field("path", &self.path())
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for JsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0.source)
    }
}

/// As one would write it in code. Its keys are the server's.
fn in_words(path: &Path) -> String {
    let mut words = String::new();
    for segment in path {
        let dot = if words.is_empty() { "" } else { "." };
        let _ = match segment {
            Segment::Seq { index } => write!(words, "[{index}]"),
            Segment::Map { key: name } | Segment::Enum { variant: name } => {
                write!(words, "{dot}{name}")
            }
            Segment::Unknown => write!(words, "{dot}?"),
        };
        if words.len() > QUOTED {
            break;
        }
    }
    shortened(&words).to_string()
}

/// serde quotes the value that it did not expect, whatever its length, and a name as it is.
fn in_a_line(error: serde_json::Error) -> serde_json::Error {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    if words.len() <= 2 * QUOTED && !words.contains(char::is_control) {
        return error;
    }
    let words: String = shortened(&words)
        .to_string()
        .chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    // It reads the place from the end of the words.
    serde::de::Error::custom(format_args!("{words} at line {line} column {column}"))
}

/// The beginning of a text of any length.
fn shortened(text: &str) -> Shortened<'_> {
    match text.char_indices().find(|&(at, _)| at >= QUOTED) {
        Some((end, _)) => Shortened(&text[..end], "…"),
        None => Shortened(text, ""),
    }
}

/// A beginning, and what stands for the rest.
struct Shortened<'a>(&'a str, &'static str);

impl fmt::Display for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, self.1)
    }
}

/// Quoted and escaped.
impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}{}\"", self.0.escape_debug(), self.1)
    }
}
