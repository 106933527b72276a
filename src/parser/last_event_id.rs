//! The last event ID: the string, and the buffer an `id` line writes to.

use super::text::Span;
use super::value::Value;

/// The standard's "last event ID string", and its "last event ID buffer" where an `id` line has
/// written to it.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEventId {
    string: Value,
    buffer: Value,
    /// Whether the buffer was written to. If not, it has what the string has.
    buffered: bool,
    /// How often the buffer has become the string.
    commits: u64,
}

impl LastEventId {
    pub(super) fn new(string: String) -> Self {
        Self {
            string: string.into(),
            ..Self::default()
        }
    }

    /// The string: what a reconnection sends.
    #[inline]
    pub(super) fn committed<'a>(&'a self, text: &'a str) -> &'a str {
        self.string.get(text)
    }

    #[inline]
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    /// The bytes that the buffer holds.
    #[inline]
    pub(super) fn buffered_len(&self) -> usize {
        if self.buffered {
            self.buffer.len()
        } else {
            self.string.len()
        }
    }

    /// Whether the buffer was written to since the string was set.
    #[inline]
    pub(super) fn is_buffered(&self) -> bool {
        self.buffered
    }

    /// "Set the last event ID buffer to the field value."
    #[inline]
    pub(super) fn set(&mut self, value: Span) {
        self.buffer.set(value);
        self.buffered = true;
    }

    /// "Set the last event ID string of the event source to the value of the last event ID
    /// buffer."
    #[inline]
    pub(super) fn commit(&mut self) {
        if self.buffered {
            self.buffered = false;
            self.commits += 1;
            self.string.take(&mut self.buffer);
        }
    }

    /// What an `id` line of the unfinished block has said.
    pub(super) fn buffered<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        self.buffered.then(|| self.buffer.get(text))
    }

    /// Whether [`commit`](Self::commit) would change the string.
    pub(super) fn is_changing(&self, text: &str) -> bool {
        self.buffered && self.buffer.get(text) != self.string.get(text)
    }

    /// Copies what is still in the text, which is about to go.
    #[inline]
    pub(super) fn keep(&mut self, text: &str) {
        self.string.keep(text);
        self.buffer.keep(text);
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.string.capacity().max(self.buffer.capacity())
    }

    /// How much memory it has that nothing is in.
    #[inline]
    pub(super) fn unused(&self) -> usize {
        self.string.unused().max(self.buffer.unused())
    }

    /// Gives that memory back, if it is more than is kept.
    pub(super) fn shrink(&mut self) {
        self.string.shrink();
        self.buffer.shrink();
    }

    /// A new connection: its buffer starts with the string, not empty. (Taken literally the
    /// standard would forget the ID with the first blank line of a stream without IDs; no browser
    /// does.)
    pub(super) fn seed(&mut self) {
        self.buffer = Value::default();
        self.buffered = false;
    }
}
