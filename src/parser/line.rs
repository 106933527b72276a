//! The meaning of a line.

use std::time::Duration;

/// A line, by its meaning. Values are raw bytes, not decoded yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    Comment(&'a [u8]),
    Data(&'a [u8]),
    EventType(&'a [u8]),
    Id(&'a [u8]),
    Retry(Duration),
    /// A known field with an ignored value.
    BadValue,
    /// An unknown field.
    Unknown,
}

impl<'a> Line<'a> {
    /// Reads a line without its end.
    ///
    /// Field names are compared literally: "with no case folding performed".
    #[inline(always)]
    pub(super) fn parse(line: &'a [u8]) -> Self {
        // The most frequent names first, one comparison each.
        if let Some(rest) = line.strip_prefix(b"data") {
            return field(rest, Self::Data);
        }
        // "If the line is empty (a blank line): Dispatch the event"
        if line.is_empty() {
            return Self::Blank;
        }
        // "If the line starts with a U+003A COLON character (:): Ignore the line."
        if let Some(comment) = line.strip_prefix(b":") {
            return Self::Comment(without_space(comment));
        }
        if let Some(rest) = line.strip_prefix(b"id") {
            return field(rest, Self::id);
        }
        if let Some(rest) = line.strip_prefix(b"event") {
            return field(rest, Self::EventType);
        }
        if let Some(rest) = line.strip_prefix(b"retry") {
            return field(rest, Self::retry);
        }
        // "Otherwise: The field is ignored."
        Self::Unknown
    }

    /// "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the
    /// field value. Otherwise, ignore the field."
    #[inline(always)]
    fn id(value: &'a [u8]) -> Self {
        if value.contains(&0) {
            return Self::BadValue;
        }
        Self::Id(value)
    }

    /// "If the field value consists of only ASCII digits, then interpret the field value as an
    /// integer in base ten, and set the event stream's reconnection time to that integer.
    /// Otherwise, ignore the field."
    ///
    /// The standard leaves two values open: an empty value is ignored, and one beyond `u64` is its maximum.
    fn retry(value: &'a [u8]) -> Self {
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Self::BadValue;
        }
        // Saturates, so that the time is never shorter than the server asked for.
        let digits = value.iter().map(|digit| u64::from(digit - b'0'));
        let number = |number: u64, digit| number.saturating_mul(10).saturating_add(digit);
        Self::Retry(Duration::from_millis(digits.fold(0, number)))
    }
}

/// The field of a line that continues with `rest` after the name.
#[inline(always)]
fn field<'a>(rest: &'a [u8], known: impl FnOnce(&'a [u8]) -> Line<'a>) -> Line<'a> {
    match rest {
        [b':', value @ ..] => known(without_space(value)),
        // "Process the field using [...] the whole line as the field name, and the empty string
        // as the field value."
        [] => known(&[]),
        // Another, longer name.
        _ => Line::Unknown,
    }
}

/// Whether a line that ends here without a line end may be a known line: it is one, or the beginning of a known
/// field's name.
pub(super) fn may_be_known(line: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"data", b"event", b"id", b"retry"];
    NAMES.iter().any(|name| name.starts_with(line)) || is_known(line)
}

/// Whether the line is a comment or has a known field.
pub(super) fn is_known(line: &[u8]) -> bool {
    !matches!(Line::parse(line), Line::Unknown | Line::Blank)
}

/// Returns the value of a data line after its colon, as far as it has arrived.
pub(super) fn data_value(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(b"data:").map(without_space)
}

/// "If value starts with a U+0020 SPACE character, remove it from value."
#[inline(always)]
fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}
