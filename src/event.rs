//! The event, owned.

use std::fmt;
use std::hash::{Hash, Hasher};

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};
use ecow::EcoString;

/// The type of an event that was given none.
pub(crate) const MESSAGE: &str = "message";

/// The standard alphabet; the padding may be there or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An event, as the [standard] dispatches it.
///
/// It owns its data, and does not hold on to the network buffer it came in. A type or ID of more
/// than 15 bytes is shared with other events of the stream: only the data is allocated anew by a
/// clone.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
///
/// Two are equal if type, data and last event ID are: [`has_own_id`](Self::has_own_id) does not
/// count.
#[derive(Clone, Default)]
pub struct Event {
    /// Boxed, for a `String` and the flag would make the event larger, and moves of it are dear.
    data: Box<str>,
    /// Empty: "message".
    event_type: EcoString,
    last_event_id: EcoString,
    has_own_id: bool,
}

impl Event {
    /// An event of type `message`, without an ID. For tests, and for what stands behind the stream.
    #[must_use]
    pub fn new(data: impl Into<String>) -> Self {
        Self {
            data: data.into().into_boxed_str(),
            ..Self::default()
        }
    }

    /// Sets the type. Default: `message`, which an empty type means too.
    #[must_use]
    pub fn with_type(self, event_type: impl AsRef<str>) -> Self {
        let event_type = match event_type.as_ref() {
            MESSAGE => EcoString::new(),
            other => other.into(),
        };
        Self { event_type, ..self }
    }

    /// Sets the last event ID, as the event's own. Default: empty, which means none.
    #[must_use]
    #[doc(alias = "id")]
    pub fn with_last_event_id(self, id: impl AsRef<str>) -> Self {
        Self {
            last_event_id: id.as_ref().into(),
            has_own_id: true,
            ..self
        }
    }

    pub(crate) fn set_own_id(self, has_own_id: bool) -> Self {
        Self { has_own_id, ..self }
    }

    /// An event of type `message`, without an ID.
    #[inline(always)]
    pub(crate) fn plain(data: Box<str>) -> Self {
        Self::from_parts(data, EcoString::new(), EcoString::new(), false)
    }

    #[inline(always)]
    pub(crate) fn from_parts(
        data: Box<str>,
        event_type: EcoString,
        last_event_id: EcoString,
        has_own_id: bool,
    ) -> Self {
        Self {
            data,
            event_type,
            last_event_id,
            has_own_id,
        }
    }

    /// The type: the value of the `event` field, or `message`.
    #[must_use]
    #[doc(alias = "event")]
    #[inline]
    pub fn event_type(&self) -> &str {
        match &*self.event_type {
            "" => MESSAGE,
            other => other,
        }
    }

    /// The data: the values of the `data` lines, with an LF between them.
    #[must_use]
    #[inline]
    pub fn data(&self) -> &str {
        &self.data
    }

    /// The last event ID: that of this event, or of the last one before it that had one. Empty if
    /// there was none.
    #[must_use]
    #[doc(alias = "id")]
    #[inline]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Whether the event's own block had an `id` line, an empty one included. If not, its
    /// [`last_event_id`](Self::last_event_id) is that of an event before it.
    #[must_use]
    #[doc(alias = "id")]
    #[inline]
    pub fn has_own_id(&self) -> bool {
        self.has_own_id
    }

    /// The data alone.
    #[must_use]
    #[doc(alias = "data")]
    #[inline]
    pub fn into_data(self) -> String {
        self.data.into_string()
    }

    /// The data, read as base64: event streams are text, and this is how bytes travel in them.
    ///
    /// The standard alphabet (with `+` and `/`), with or without padding. ASCII white space is
    /// passed over, so that the data may stand on several lines.
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
        if !self.data.as_bytes().iter().any(is_space) {
            return BASE64.decode(self.data.as_bytes()).map_err(Base64Error);
        }
        let mut digits = self.data.as_bytes().to_vec();
        digits.retain(|byte| !is_space(byte));
        BASE64.decode(digits).map_err(Base64Error)
    }
}

/// The data of an event is not base64: see [`Event::decode_base64`]. What is wrong says the
/// [`source`](std::error::Error::source).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event's data is not base64")]
pub struct Base64Error(#[source] base64::DecodeError);

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        (&self.data, &self.event_type, &self.last_event_id)
            == (&other.data, &other.event_type, &other.last_event_id)
    }
}

impl Eq for Event {}

impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.data, &self.event_type, &self.last_event_id).hash(state);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("data", &self.data)
            .field("event_type", &self.event_type())
            .field("last_event_id", &self.last_event_id)
            .field("has_own_id", &self.has_own_id)
            .finish()
    }
}

/// Writes the event as it goes over the wire, its blank line included: what the parser makes of it
/// is this event.
///
/// Three things the wire cannot carry. A CR in the data ends a line, as an LF does (and CR LF
/// once), and comes back as an LF. CR and LF in the type and the ID, and NUL in the ID, are left
/// out: no value can smuggle in a field. An empty ID is not written, so that in a stream the event
/// takes the ID of the one before it.
///
/// It is for the wire, not for logs or terminals: control characters go out as they are. `Debug`
/// escapes them.
///
/// ```
/// use fetch_event_source::Event;
///
/// let event = Event::new("1\n2").with_type("count").with_last_event_id("7");
/// assert_eq!(event.to_string(), "event: count\nid: 7\ndata: 1\ndata: 2\n\n");
/// ```
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_field(f, "event", &self.event_type, &['\r', '\n'])?;
        write_field(f, "id", &self.last_event_id, &['\r', '\n', '\0'])?;
        let mut rest = Some(self.data());
        while let Some(data) = rest {
            let (line, after) = split_line(data);
            writeln!(f, "data: {line}")?;
            rest = after;
        }
        writeln!(f)
    }
}

/// The text before its first line end, and what follows that.
fn split_line(text: &str) -> (&str, Option<&str>) {
    match text.split_once(['\r', '\n']) {
        Some((line, rest)) if text[line.len()..].starts_with("\r\n") => (line, rest.get(1..)),
        Some((line, rest)) => (line, Some(rest)),
        None => (text, None),
    }
}

/// Writes a line, unless nothing is left of the value. There is always a space after the colon:
/// the reader takes one off, which may not be the value's own.
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
