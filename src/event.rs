//! The owned event.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

/// The type of an event without one.
pub(crate) const MESSAGE: &str = "message";

/// The standard alphabet, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An event, as the [standard] dispatches it.
///
/// It owns its data and does not keep the network buffer alive. The events after it that inherit a long ID
/// share it.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
///
/// Two events are equal if type, data and last event ID are equal; [`has_own_id`](Self::has_own_id) does not
/// count.
#[derive(Clone, Default)]
pub struct Event {
    // One allocation, and words alone. Moves of narrower fields stall on memory, and cost as much as parsing the event
    // (`benches`, events() and stream(), small).
    /// The data, the type unless it is `message`, and the ID unless it is shared.
    text: Box<str>,
    data_len: usize,
    /// Twice the length of the type, and 1 if the event's own block had an ID.
    type_len_and_own_id: usize,
    /// An ID that is too long to be copied for each event.
    shared_id: Option<Arc<String>>,
}

/// From this length on, an ID is long: the events that inherit it share it.
pub(crate) const LONG_ID: usize = 64;

impl Event {
    /// Makes an event of type `message` without an ID: for tests, or to send it on.
    #[must_use]
    pub fn new(data: impl Into<String>) -> Self {
        Self::plain(data.into().into_boxed_str())
    }

    /// Sets the type. Default: `message`; an empty type means the same.
    #[must_use]
    pub fn with_type(self, event_type: impl AsRef<str>) -> Self {
        let event_type = kept_type(event_type.as_ref());
        let (data_len, type_end, has_own_id) = (self.data_len, self.type_end(), self.has_own_id());
        let mut text = self.text.into_string();
        let id_len = text.len() - type_end;
        text.replace_range(data_len..type_end, event_type);
        let (text, shared_id) = (text.into(), self.shared_id);
        Self::from_text(text, event_type.len(), id_len, has_own_id, shared_id)
    }

    /// Sets the event's own ID. Default: empty, no ID.
    #[must_use]
    #[doc(alias = "id")]
    pub fn with_last_event_id(self, id: impl AsRef<str>) -> Self {
        let (id, data_len, type_end) = (id.as_ref(), self.data_len, self.type_end());
        let mut text = self.text.into_string();
        text.replace_range(type_end.., id);
        Self::from_text(text.into(), type_end - data_len, id.len(), true, None)
    }

    /// Makes an event of these parts.
    pub(crate) fn of(data: &str, event_type: &str, id: &str, has_own_id: bool) -> Self {
        let event_type = kept_type(event_type);
        let text = [data, event_type, id].concat().into();
        Self::from_text(text, event_type.len(), id.len(), has_own_id, None)
    }

    /// Makes an event of type `message` without an ID.
    #[inline(always)]
    pub(crate) fn plain(data: Box<str>) -> Self {
        Self::from_text(data, 0, 0, false, None)
    }

    /// Makes an event of its text: data, type, and an ID that is not shared.
    #[inline(always)]
    pub(crate) fn from_text(
        text: Box<str>,
        type_len: usize,
        id_len: usize,
        has_own_id: bool,
        shared_id: Option<Arc<String>>,
    ) -> Self {
        Self {
            data_len: text.len() - type_len - id_len,
            text,
            type_len_and_own_id: 2 * type_len + usize::from(has_own_id),
            shared_id,
        }
    }

    /// Where the type ends in the text.
    #[inline]
    fn type_end(&self) -> usize {
        self.data_len + self.type_len_and_own_id / 2
    }

    /// Returns the type: the value of the `event` field, or `message`.
    #[must_use]
    #[doc(alias = "event")]
    #[inline]
    pub fn event_type(&self) -> &str {
        match &self.text[self.data_len..self.type_end()] {
            "" => MESSAGE,
            other => other,
        }
    }

    /// Returns the data: the values of the `data` lines, with an LF between them.
    #[must_use]
    #[inline]
    pub fn data(&self) -> &str {
        &self.text[..self.data_len]
    }

    /// Returns the last event ID: of this event, or of the last event before it that had one. Empty if there
    /// is none.
    #[must_use]
    #[doc(alias = "id")]
    #[inline]
    pub fn last_event_id(&self) -> &str {
        match &self.shared_id {
            Some(id) => id,
            None => &self.text[self.type_end()..],
        }
    }

    /// Whether the event's own block had an `id` line, even an empty one. If not, its
    /// [`last_event_id`](Self::last_event_id) is that of an earlier event.
    #[must_use]
    #[doc(alias = "id")]
    #[inline]
    pub fn has_own_id(&self) -> bool {
        self.type_len_and_own_id % 2 == 1
    }

    /// Returns the data.
    #[must_use]
    #[doc(alias = "data")]
    #[inline]
    pub fn into_data(self) -> String {
        let mut data = self.text.into_string();
        data.truncate(self.data_len);
        if data.len() < data.capacity() / 2 {
            data.shrink_to_fit(); // type and ID were the larger part
        }
        data
    }

    /// Decodes the data from base64. Event streams are text, so servers send bytes as base64.
    ///
    /// It accepts the standard alphabet (with `+` and `/`), with or without padding. It ignores ASCII white
    /// space, so the data may have several lines.
    ///
    /// ```
    /// use fetch_event_source::Event;
    ///
    /// assert_eq!(Event::new("3q2+\n7w").decode_base64()?, [0xDE, 0xAD, 0xBE, 0xEF]);
    /// # Ok::<_, fetch_event_source::Base64Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the data is not base64. The offset in the error's source does not count white space.
    pub fn decode_base64(&self) -> Result<Vec<u8>, Base64Error> {
        let is_space = |byte: &u8| byte.is_ascii_whitespace();
        if !self.data().as_bytes().iter().any(is_space) {
            return BASE64.decode(self.data().as_bytes()).map_err(Base64Error);
        }
        let mut digits = self.data().as_bytes().to_vec();
        digits.retain(|byte| !is_space(byte));
        BASE64.decode(digits).map_err(Base64Error)
    }
}

/// The data of an event is not base64: see [`Event::decode_base64`]. The
/// [`source`](std::error::Error::source) says what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event's data is not base64")]
pub struct Base64Error(#[source] base64::DecodeError);

/// Returns what an event keeps of its type: nothing, if it is `message`.
fn kept_type(event_type: &str) -> &str {
    match event_type {
        MESSAGE => "",
        other => other,
    }
}

impl Event {
    /// What makes events equal.
    fn parts(&self) -> (&str, &str, &str) {
        (self.data(), self.event_type(), self.last_event_id())
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Event {}

impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("data", &self.data())
            .field("event_type", &self.event_type())
            .field("last_event_id", &self.last_event_id())
            .field("has_own_id", &self.has_own_id())
            .finish()
    }
}

/// Writes the event in wire form, including its blank line. A parser reads the same event back, with
/// three exceptions:
///
/// - A CR or CR LF in the data ends a line, and comes back as an LF.
/// - CR and LF in the type and the ID, and NUL in the ID, are left out, so that no value can add a field.
/// - An empty ID is not written, so in a stream the event gets the ID of the event before it.
///
/// It is for sending, not for logs or terminals: control characters are not escaped. `Debug` escapes
/// them.
///
/// ```
/// use fetch_event_source::Event;
///
/// let event = Event::new("1\n2").with_type("count").with_last_event_id("7");
/// assert_eq!(event.to_string(), "event: count\nid: 7\ndata: 1\ndata: 2\n\n");
/// ```
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event_type = &self.text[self.data_len..self.type_end()];
        write_field(f, "event", event_type, &['\r', '\n'])?;
        write_field(f, "id", self.last_event_id(), &['\r', '\n', '\0'])?;
        let mut rest = Some(self.data());
        while let Some(data) = rest {
            let (line, after) = split_line(data);
            writeln!(f, "data: {line}")?;
            rest = after;
        }
        writeln!(f)
    }
}

/// Splits the text at its first line end.
fn split_line(text: &str) -> (&str, Option<&str>) {
    match text.split_once(['\r', '\n']) {
        Some((line, rest)) if text[line.len()..].starts_with("\r\n") => (line, rest.get(1..)),
        Some((line, rest)) => (line, Some(rest)),
        None => (text, None),
    }
}

/// Writes a line, unless nothing is left of the value. The space after the colon is needed: the reader
/// removes one, which must not be part of the value.
fn write_field(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    value: &str,
    left_out: &[char],
) -> fmt::Result {
    let parts = || value.split(left_out).filter(|part| !part.is_empty());
    if parts().next().is_none() {
        return Ok(());
    }
    write!(f, "{name}: ")?;
    parts().try_for_each(|part| f.write_str(part))?;
    writeln!(f)
}
