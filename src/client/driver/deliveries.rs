//! What was read, and what the consumer has: the reader, the last event ID, and the count of both.

use bytes::Bytes;
use ecow::EcoString;

use crate::client::control::ControlOwner;
use crate::client::options::Reading;
use crate::client::stats::Counters;
use crate::event::Event;
use crate::parser::{EventTooLarge, Parser, Span, Step};
use crate::reader::EventReader;
use crate::session::Session;

/// How much is kept of a body that may be no event stream.
const BEGINNING: usize = 64 * 1024;

pub(super) struct Deliveries {
    reader: EventReader<Bytes>,
    /// The position: the ID of what the consumer was handed. What a reconnection sends.
    last_event_id: EcoString,
    /// Which of the reader's IDs that is.
    committed: u64,
    /// Nobody looks at an event before it is handed over.
    pub(super) is_plain: bool,
    /// The event that was taken last is a keep-alive.
    pub(super) is_keep_alive: bool,
    pub(super) reading: Reading,
    beginning: Beginning,
    /// How many ignored lines of this connection were counted.
    ignored: u64,
}

/// The beginning of a body, until one line of it is known.
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

    /// Which things besides events [`step`](Self::step) gives.
    pub(super) fn tell(&mut self, everything: bool, has_until: bool) {
        self.reader.tell_asides(everything);
        self.reader
            .tell_empty_events(has_until || self.reading.empty_events);
    }

    /// The position.
    pub(super) fn last_event_id(&self) -> &EcoString {
        &self.last_event_id
    }

    /// Goes on from this ID, which nothing delivered had.
    pub(super) fn set_position(&mut self, id: EcoString, control: &ControlOwner) {
        self.last_event_id = id;
        control.publish_id(&self.last_event_id);
        self.reset();
    }

    /// Where the next chunk is put.
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
                // It doubles as any buffer does, but not beyond what is kept.
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

    /// Whether the chunk's next thing is an event.
    #[inline(always)]
    pub(super) fn has_event(&mut self) -> bool {
        self.reader.has_event()
    }

    #[inline(always)]
    pub(super) fn take_event(&mut self) -> Event {
        self.reader.take_event()
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

    /// The consumer has the event that was taken last: it counts, and its ID is the position.
    #[inline]
    pub(super) fn commit(&mut self, session: &mut Session, control: &ControlOwner) {
        control.counters().delivered();
        if !session.has_progressed() {
            session.delivered(self.is_keep_alive);
        }
        self.commit_id(session, control);
    }

    /// The consumer has everything up to the last block: its ID is the position.
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
        if *id != self.last_event_id {
            self.last_event_id.clone_from(id);
            if control.is_watched() {
                control.publish_id(id);
            }
        }
        if !session.has_progressed() {
            session.committed(id);
        }
    }

    /// No chunk comes for now: gives back what only many events together are worth.
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
        // The parser counts anew after a clean end.
        if ignored > self.ignored {
            counters.ignored(ignored - self.ignored);
            self.ignored = ignored;
        }
    }

    /// A stream opened. `keeps_beginning`: its body may turn out to be no event stream.
    pub(super) fn open(&mut self, keeps_beginning: bool) {
        self.reset();
        if keeps_beginning {
            self.beginning = Beginning::Unknown(Vec::new());
        }
    }

    /// At a clean end: the beginning of a body that is no event stream.
    pub(super) fn take_other_body(&mut self) -> Option<Bytes> {
        if !self.reader.ended_as_other() {
            return None;
        }
        match std::mem::replace(&mut self.beginning, Beginning::Known) {
            Beginning::Unknown(beginning) => Some(beginning.into()),
            Beginning::Known => None,
        }
    }

    /// At a clean end: the unfinished event, and whether it has data.
    pub(super) fn take_unfinished_event(&mut self, counters: &Counters) -> Option<(Event, bool)> {
        self.look_at_lines(counters);
        if !self.reader.finish_event() {
            return None;
        }
        let has_data = !self.reader.is_empty_event();
        Some((self.reader.take_event(), has_data))
    }

    /// Drops what was read and not handed over. Returns how many lines of the connection were ignored.
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
