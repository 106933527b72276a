//! The last event ID: the string, and the buffer an `id` line writes to.

/// The standard's "last event ID string", and its "last event ID buffer" where the two differ.
#[derive(Debug, Clone, Default)]
pub(super) struct LastEventId {
    committed: String,
    buffer: String,
    /// Whether the buffer has something else than the string. While it has not, it is not kept, so
    /// that the same ID on every event costs one comparison.
    differs: bool,
    /// How often the string has changed.
    changes: u64,
}

impl LastEventId {
    pub(super) fn new(committed: String) -> Self {
        Self {
            committed,
            ..Self::default()
        }
    }

    /// The string: what a reconnection sends.
    #[inline]
    pub(super) fn committed(&self) -> &str {
        &self.committed
    }

    #[inline]
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The bytes that the buffer holds.
    #[inline]
    pub(super) fn buffered_len(&self) -> usize {
        let buffer = if self.differs {
            &self.buffer
        } else {
            &self.committed
        };
        buffer.len()
    }

    /// "Set the last event ID buffer to the field value."
    #[inline]
    pub(super) fn set(&mut self, value: &str) {
        self.differs = value != self.committed;
        if self.differs {
            self.buffer.clear();
            self.buffer.push_str(value);
        }
    }

    /// "Set the last event ID string of the event source to the value of the last event ID
    /// buffer." Says whether it has changed.
    #[inline]
    pub(super) fn commit(&mut self) -> bool {
        if !self.differs {
            return false;
        }
        self.changes += 1;
        std::mem::swap(&mut self.committed, &mut self.buffer);
        self.differs = false;
        true
    }

    /// A new connection: its buffer starts with the string, not empty. (Taken literally the
    /// standard would forget the ID with the first blank line of a stream without IDs; no browser
    /// does.)
    pub(super) fn seed(&mut self) {
        self.differs = false;
    }
}
