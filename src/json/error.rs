//! The error of an event's JSON, and its place.

use std::fmt;

use serde_path_to_error::Path;

use crate::event::Event;

/// How many bytes of the server's text are shown.
const QUOTED: usize = 128;

/// The error of an event whose data is not the expected JSON: from [`Event::json`], [`Event::typed`] and
/// [`JsonStream`](crate::JsonStream).
///
/// `Display` names the event and the place in its JSON; [`source`](std::error::Error::source) is a
/// [`serde_json::Error`]. You can log them: of the data they show only the path, and the one value that serde
/// quotes, each in at most one line without control characters.
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
///     r#"event "book" with ID "7": its data is not the expected JSON, at "bids[0].price""#
/// );
/// # use std::error::Error;
/// let cause = error.source().unwrap().to_string();
/// assert_eq!(cause, r#"invalid type: string "high", expected f64 at line 1 column 26"#);
/// ```
pub struct JsonError(Box<Parts>);

struct Parts {
    event: Event,
    /// `None` if the type has no variant, so that the data was not read.
    path: Option<String>,
    source: serde_json::Error,
}

impl JsonError {
    /// Makes the error for wrong data at this path; without a path, for a type without a variant.
    pub(super) fn new(event: &Event, path: Option<&Path>, source: serde_json::Error) -> Self {
        Self(Box::new(Parts {
            event: event.clone(),
            path: path.map(|path| match path.iter().count() {
                0 => String::new(), // the value itself
                _ => shortened(&path.to_string()),
            }),
            source: in_a_line(source),
        }))
    }

    /// Returns the place in the data, such as `choices[0].delta.text`; at most its first 128 bytes. Empty for the
    /// data as a whole, and if the path is not known. (serde loses the path inside `untagged` and `flatten`.)
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path.as_deref().unwrap_or_default()
    }

    /// Returns the event that could not be read.
    #[must_use]
    pub fn event(&self) -> &Event {
        &self.0.event
    }

    /// Returns the event that could not be read.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.0.event
    }

    /// Returns the type of the event.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.0.event.event_type()
    }

    /// Returns the last event ID of the event.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        self.0.event.last_event_id()
    }

    /// Whether [`Event::typed`] found no variant for the type. The data was not read then.
    #[must_use]
    pub fn is_unknown_type(&self) -> bool {
        self.0.path.is_none()
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} ", quoted(self.event_type()))?;
        match self.last_event_id() {
            "" => write!(f, "without an ID: ")?,
            id => write!(f, "with ID {}: ", quoted(id))?,
        }
        if self.is_unknown_type() {
            return f.write_str("no variant for its type: add one, or one with #[serde(other)]");
        }
        f.write_str("its data is not the expected JSON")?;
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

/// serde quotes an unexpected value at any length, and a name without escapes, so this shortens and escapes.
fn in_a_line(error: serde_json::Error) -> serde_json::Error {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    if words.len() <= 2 * QUOTED && !words.contains(char::is_control) {
        return error;
    }
    let words = shortened(&words).replace(char::is_control, "\u{fffd}");
    // serde_json reads the place from the end of the text.
    serde::de::Error::custom(format_args!("{words} at line {line} column {column}"))
}

/// The beginning of a text, escaped, in quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", shortened(text).escape_debug())
}

/// The beginning of a text, and a sign for the rest.
fn shortened(text: &str) -> String {
    match text.char_indices().find(|&(at, _)| at >= QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
