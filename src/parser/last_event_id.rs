//! The last event ID: the string, and the buffer an `id` line writes to.

use super::text::Span;
use super::value::Value;

/// The standard's "last event ID string", and its "last event ID buffer" once an `id` line wrote to it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEventId {
    /// The string, which a reconnection sends.
    pub(super) string: Value,
    buffer: Value,
    /// Whether the buffer was written to. If not, it equals the string.
    pub(super) is_buffered: bool,
    /// How often the buffer became the string.
    pub(super) commits: u64,
}

impl LastEventId {
    pub(super) fn new(string: String) -> Self {
        Self {
            string: Value::new(string),
            ..Self::default()
        }
    }

    /// The bytes that the buffer holds.
    #[inline]
    pub(super) fn buffered_len(&self) -> usize {
        if self.is_buffered {
            self.buffer.len()
        } else {
            self.string.len()
        }
    }

    /// "Set the last event ID buffer to the field value."
    #[inline]
    pub(super) fn set(&mut self, value: Span) {
        self.buffer.set(value);
        self.is_buffered = true;
    }

    /// "Set the last event ID string of the event source to the value of the last event ID
    /// buffer."
    #[inline]
    pub(super) fn commit(&mut self) {
        if self.is_buffered {
            self.is_buffered = false;
            self.commits += 1;
            self.string.take(&mut self.buffer);
        }
    }

    /// Returns the ID of an `id` line in the unfinished block.
    pub(super) fn buffered<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        self.is_buffered.then(|| self.buffer.get(text))
    }

    /// Whether [`commit`](Self::commit) would change the string.
    pub(super) fn is_changing(&self, text: &str) -> bool {
        self.is_buffered && self.buffer.get(text) != self.string.get(text)
    }

    /// Copies the ID out of the text, which is about to be dropped.
    pub(super) fn keep(&mut self, text: &str) {
        self.string.keep(text);
        self.buffer.keep(text);
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.string.capacity().max(self.buffer.capacity())
    }

    pub(super) fn shrink(&mut self) {
        self.string.shrink();
        self.buffer.shrink();
    }

    /// Starts a new connection, whose buffer starts with the string and not empty. (Read literally, the standard
    /// would forget the ID at the first blank line of a stream without IDs; no browser does.)
    pub(super) fn seed(&mut self) {
        self.buffer = Value::default();
        self.is_buffered = false;
    }
}
