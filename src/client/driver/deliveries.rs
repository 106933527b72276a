//! What was read and what was delivered: the reader, the last event ID, and the counters.

use bytes::Bytes;
use ecow::EcoString;

use crate::client::control::ControlOwner;
use crate::client::hooks::Message;
use crate::client::options::Reading;
use crate::client::stats::Counters;
use crate::event::Event;
use crate::parser::{EventTooLarge, Parser, Span, Step};
use crate::reader::EventReader;
use crate::session::Session;

/// How much is kept of a body that may not be an event stream.
const BEGINNING: usize = 64 * 1024;

pub(super) struct Deliveries {
    reader: EventReader<Bytes>,
    /// The position: the ID of the last delivered event, which a reconnection sends.
    last_event_id: EcoString,
    /// The reader's number of that ID.
    committed: u64,
    /// Whether events are delivered without a look by hooks or predicates.
    pub(super) is_plain: bool,
    /// Whether the last event taken is a keep-alive.
    pub(super) is_keep_alive: bool,
    pub(super) reading: Reading,
    beginning: Beginning,
    /// How many ignored lines of this connection are counted already.
    ignored: u64,
}

/// The beginning of a body, until its first known line.
enum Beginning {
    Known,
    Unknown(Vec<u8>),
}

impl Deliveries {
    pub(super) fn new(reading: Reading, last_event_id: String) -> Self {
        let mut deliveries = Self {
            reader: EventReader::new(Parser::new().max_event_size(reading.max_event_size)),
            last_event_id: last_event_id.into(),
            committed: 0,
            is_plain: false,
            is_keep_alive: false,
            reading,
            beginning: Beginning::Known,
            ignored: 0,
        };
        deliveries.reset();
        deliveries
    }

    /// Sets what [`step`](Self::step) returns besides events.
    pub(super) fn tell(&mut self, everything: bool, has_until: bool) {
        self.reader.tell_asides(everything);
        self.reader
            .report_empty_events(has_until || self.reading.empty_events);
    }

    /// Returns the position.
    pub(super) fn last_event_id(&self) -> &EcoString {
        &self.last_event_id
    }

    /// Continues from this ID, which is not of a delivered event.
    pub(super) fn set_position(&mut self, id: EcoString, control: &ControlOwner) {
        self.last_event_id = id;
        control.publish_id(&self.last_event_id);
        self.reset();
    }

    /// The slot for the next chunk.
    #[inline]
    pub(super) fn slot(&mut self) -> &mut Option<Bytes> {
        self.reader.slot()
    }

    /// Reads the chunk in the slot. Returns its length.
    #[inline]
    pub(super) fn pushed(&mut self) -> usize {
        let len = self.reader.slot().as_ref().map_or(0, Bytes::len);
        if let Beginning::Unknown(_) = self.beginning {
            self.keep_beginning();
        }
        self.reader.pushed();
        len
    }

    fn keep_beginning(&mut self) {
        let is_known = self.reader.saw_known_line();
        match (&mut self.beginning, self.reader.slot()) {
            (Beginning::Unknown(beginning), Some(chunk)) if !is_known => {
                let room = BEGINNING - beginning.len();
                let chunk = &chunk[..chunk.len().min(room)];
                // The buffer doubles, up to the size that is kept.
                if beginning.capacity() - beginning.len() < chunk.len() {
                    let doubled = BEGINNING.min(2 * beginning.capacity());
                    let more = doubled.saturating_sub(beginning.len());
                    beginning.reserve_exact(more.max(chunk.len()));
                }
                beginning.extend_from_slice(chunk);
            }
            (beginning, _) => *beginning = Beginning::Known,
        }
    }

    /// Whether an event comes next in the chunk.
    #[inline(always)]
    pub(super) fn has_event(&mut self) -> bool {
        self.reader.has_event()
    }

    #[inline(always)]
    pub(super) fn take_event(&mut self) -> Event {
        self.reader.take_event()
    }

    /// Returns the event that was found, for `on_message` to take.
    #[inline]
    pub(super) fn found(&mut self) -> Message<'_> {
        Message::Found(&mut self.reader)
    }

    pub(super) fn leave_event(&mut self) {
        self.reader.leave_event();
    }

    pub(super) fn step(&mut self) -> Result<Option<Step>, EventTooLarge> {
        self.reader.step()
    }

    pub(super) fn text(&self, text: Span) -> &str {
        self.reader.text(text)
    }

    #[inline]
    pub(super) fn is_at_work(&self) -> bool {
        self.reader.is_at_work()
    }

    /// Called when the last event taken was delivered: it counts, and its ID becomes the position.
    #[inline]
    pub(super) fn commit(&mut self, session: &mut Session, control: &ControlOwner) {
        control.counters().delivered();
        if !session.has_progressed() {
            session.delivered(self.is_keep_alive);
        }
        self.commit_id(session, control);
    }

    /// Called when everything up to the last block was delivered: its ID becomes the position.
    ///
    /// HTML standard, 9.2.6: the last event ID string is set when an event is dispatched.
    #[inline]
    pub(super) fn commit_id(&mut self, session: &mut Session, control: &ControlOwner) {
        let commits = self.reader.id_commits();
        if self.committed != commits {
            self.committed = commits;
            self.commit_new_id(session, control);
        }
    }

    fn commit_new_id(&mut self, session: &mut Session, control: &ControlOwner) {
        let id = self.reader.last_event_id();
        if self.last_event_id != id {
            self.last_event_id = id.into();
            if control.is_watched() {
                control.publish_id(&self.last_event_id);
            }
        }
        if !session.has_progressed() {
            session.committed(&self.last_event_id);
        }
    }

    /// Called when no chunk is available: frees memory that only pays off for many events at once.
    #[inline]
    pub(super) fn idle(&mut self, counters: &Counters) {
        self.reader.idle();
        self.look_at_lines(counters);
    }

    #[inline]
    fn look_at_lines(&mut self, counters: &Counters) {
        if matches!(self.beginning, Beginning::Unknown(_)) && self.reader.saw_known_line() {
            self.beginning = Beginning::Known;
        }
        let ignored = self.reader.ignored_lines();
        // The parser starts to count from zero after a clean end.
        if ignored > self.ignored {
            counters.ignored_lines.add(ignored - self.ignored);
            self.ignored = ignored;
        }
    }

    /// Called when a stream opened. `keeps_beginning`: its body may not be an event stream.
    pub(super) fn open(&mut self, keeps_beginning: bool) {
        self.reset();
        if keeps_beginning {
            self.beginning = Beginning::Unknown(Vec::new());
        }
    }

    /// At a clean end: returns the beginning of a body that is not an event stream.
    pub(super) fn take_other_body(&mut self) -> Option<Bytes> {
        if !self.reader.ended_as_other() {
            return None;
        }
        match std::mem::replace(&mut self.beginning, Beginning::Known) {
            Beginning::Unknown(beginning) => Some(beginning.into()),
            Beginning::Known => None,
        }
    }

    /// At a clean end: returns the unfinished event, and whether it has data.
    pub(super) fn take_unfinished_event(&mut self, counters: &Counters) -> Option<(Event, bool)> {
        self.look_at_lines(counters);
        if !self.reader.finish_event() {
            return None;
        }
        let has_data = !self.reader.is_empty_event();
        Some((self.reader.take_event(), has_data))
    }

    /// Drops what was read and not delivered. Returns the number of ignored lines of the connection.
    pub(super) fn drop_input(&mut self, counters: &Counters) -> u64 {
        self.look_at_lines(counters);
        self.reset();
        std::mem::take(&mut self.ignored)
    }

    fn reset(&mut self) {
        self.reader.reset(&self.last_event_id);
        self.committed = self.reader.id_commits();
        self.beginning = Beginning::Known;
        self.is_keep_alive = false;
    }
}
