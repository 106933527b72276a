//! What a contestant saw, as proof that it did its work.

/// Adds up every field of every event, so that no field is left unread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of events.
    pub events: u64,
    /// The total length of their data.
    pub data_bytes: u64,
    /// Everything else that was read.
    pub sum: u64,
}

impl Tally {
    /// One event: the length and a byte of each field.
    #[inline(always)]
    pub fn event(&mut self, event_type: &str, data: &str, id: &str) {
        self.events += 1;
        self.data_bytes += data.len() as u64;
        self.text(event_type);
        self.text(data);
        self.text(id);
    }

    /// Another text that came.
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        let last = text.as_bytes().last().map_or(0, |&byte| u64::from(byte));
        self.sum = self.sum.wrapping_add(text.len() as u64).wrapping_add(last);
    }
}
