//! Chunks to owned events: the reader under every stream of this crate.

mod plain;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use crate::event::{Event, LONG_ID};
use crate::parser::{EventTooLarge, MIN_RETAINED, Parser, Step};

/// A parser, and the chunk that it reads.
///
/// Look for an event with [`has_event`](Self::has_event), then call [`take_event`](Self::take_event). Anything
/// else waits for [`step`](Self::step). `push` the next chunk when `step` returns `None`.
pub(crate) struct EventReader<B> {
    parser: Parser,
    /// The chunk, until it is used up and more is needed: it may refer to a large buffer.
    chunk: Option<B>,
    /// How many bytes of the chunk are used.
    used: usize,
    /// The parser gets the chunk only up to here.
    stop: usize,
    /// Whether nothing is left, neither in the chunk nor in the parser.
    used_up: bool,
    /// A long ID, shared with the events that inherit it, and the parser's count of commits when it was copied.
    long_id: Option<(u64, Arc<String>)>,
    /// What the parser found and [`step`](Self::step) has not returned yet.
    found: Option<Step>,
    /// A plain event was found that the parser has not seen: the range of its value in the chunk, or of the part
    /// that is not carried.
    plain: Option<Range<usize>>,
    /// A shorter value may bypass the parser, which is between events and far from its limit. 0 if the parser
    /// got input and must be asked again.
    plain_room: usize,
    /// The beginning of the value of a plain data line, from earlier chunks. The parser has not seen it; it is
    /// within the limit.
    carried: Vec<u8>,
}

impl<B: AsRef<[u8]>> EventReader<B> {
    pub(crate) fn new(parser: Parser) -> Self {
        Self {
            parser,
            chunk: None,
            used: 0,
            stop: 0,
            used_up: true,
            long_id: None,
            found: None,
            plain: None,
            plain_room: 0,
            carried: Vec::new(),
        }
    }

    /// Configures the parser.
    pub(crate) fn configure(&mut self, set_up: impl FnOnce(Parser) -> Parser) {
        self.give_back_carried();
        self.parser = set_up(std::mem::take(&mut self.parser));
        self.long_id = None;
        self.used_up = false; // the unfinished event may exceed a new limit
    }

    /// Whether a block with a type and no data is reported, as [`Step::EmptyEvent`]. Default: no.
    pub(crate) fn report_empty_events(&mut self, tells: bool) {
        self.parser.report_empty_events(tells);
    }

    /// Whether [`step`](Self::step) returns comments and lines with unknown fields. Default: yes. Those lines are
    /// counted anyway.
    pub(crate) fn tell_asides(&mut self, tells: bool) {
        self.parser.skip_asides(!tells);
    }

    /// Takes the next chunk. The one before must be used up: [`step`](Self::step) returned `None`.
    #[inline]
    pub(crate) fn push(&mut self, chunk: B) {
        self.chunk = Some(chunk);
        self.pushed();
    }

    /// The slot for the next chunk, before [`pushed`](Self::pushed). It is empty.
    ///
    /// The chunk is written in place, because a move stalls on memory each time. Row "stream(), one event a
    /// chunk".
    #[inline]
    pub(crate) fn slot(&mut self) -> &mut Option<B> {
        debug_assert!(self.used_up, "the last chunk was not used up");
        &mut self.chunk
    }

    /// Called when a chunk was put into the [`slot`](Self::slot).
    pub(crate) fn pushed(&mut self) {
        debug_assert!(self.used_up, "the last chunk was not used up");
        let Some(chunk) = &self.chunk else { return };
        let bytes = chunk.as_ref();
        if self.carried.is_empty() {
            if self.parser.push_few(&mut { bytes }) {
                self.plain_room = 0;
                self.chunk = None;
                return;
            }
            self.stop = self.first_stop(bytes);
        } else {
            self.stop = bytes.len();
        }
        self.used = 0;
        self.used_up = false;
    }

    /// Whether an event comes next: then [`take_event`](Self::take_event) returns it. Anything else, even an
    /// error, waits for [`step`](Self::step).
    #[inline(always)]
    pub(crate) fn has_event(&mut self) -> bool {
        if self.used_up || self.found.is_some() {
            self.drop_used_chunk();
            return false;
        }
        if self.plain.is_some() {
            self.forget_plain();
        }
        if self.find_plain() {
            return true;
        }
        !self.used_up && self.has_parsed_event()
    }

    /// Drops a chunk whose last event was taken. This may run code of the caller, so it does not happen in
    /// `take_event`, after which orders are not checked.
    #[inline(always)]
    fn drop_used_chunk(&mut self) {
        // An event that was left to `step` may still lie in it.
        if self.used_up && self.found.is_none() && self.chunk.is_some() {
            self.chunk = None;
        }
    }

    #[inline(never)]
    fn has_parsed_event(&mut self) -> bool {
        loop {
            match self.parse() {
                Ok(Some(Step::Event)) => return true,
                Ok(None) if !self.used_up => {
                    if self.find_plain() {
                        return true;
                    }
                    if self.used_up {
                        return false;
                    }
                }
                Ok(found) => {
                    self.found = found;
                    return false;
                }
                Err(_) => return false, // `step` returns it again
            }
        }
    }

    /// Returns the event that [`has_event`](Self::has_event), [`step`](Self::step) or
    /// [`finish_event`](Self::finish_event) found.
    ///
    /// Call it once, in return position: moving a fresh event costs as much as parsing it.
    #[inline(always)]
    pub(crate) fn take_event(&mut self) -> Event {
        if let Some(value) = self.plain.take() {
            return self.take_plain_event(value);
        }
        if self.parser.has_data_alone() {
            return Event::plain(self.parser.take_data());
        }
        let has_own_id = self.parser.has_own_id();
        let shared_id = self.shared_id(has_own_id);
        let (text, type_len, id_len) = self.parser.take_text(shared_id.is_none());
        Event::from_text(text, type_len, id_len, has_own_id, shared_id)
    }

    /// Returns the ID of the event found, if it is long and of an event before it. An own ID is copied once: its
    /// bytes came with the event.
    #[inline(always)]
    fn shared_id(&mut self, has_own_id: bool) -> Option<Arc<String>> {
        match self.parser.id_len() {
            LONG_ID.. if !has_own_id => Some(self.long_id()),
            _ => None,
        }
    }

    #[cold]
    fn long_id(&mut self) -> Arc<String> {
        let commits = self.parser.id_commits();
        match &self.long_id {
            Some((copied, id)) if *copied == commits => Arc::clone(id),
            _ => {
                let id = Arc::new(self.parser.last_event_id().to_owned());
                self.long_id = Some((commits, Arc::clone(&id)));
                id
            }
        }
    }

    /// Leaves the event that [`has_event`](Self::has_event) found to [`step`](Self::step).
    #[cold]
    pub(crate) fn leave_event(&mut self) {
        self.found = Some(Step::Event);
    }

    /// Returns what comes next in the chunk, `None` if another chunk is needed. Take an event, even an empty one,
    /// with [`take_event`](Self::take_event) before any other call.
    ///
    /// # Errors
    ///
    /// The size limit: the same error each time, until [`reset`](Self::reset) or [`end`](Self::end).
    #[inline]
    pub(crate) fn step(&mut self) -> Result<Option<Step>, EventTooLarge> {
        if self.found.is_none() && self.has_event() {
            return Ok(Some(Step::Event));
        }
        match self.found.take() {
            None if self.used_up => Ok(None),
            None => self.parse(), // returns the error again
            found => Ok(found),
        }
    }

    /// Returns the text of a comment or an unknown line that [`step`](Self::step) just returned.
    pub(crate) fn text(&self, text: crate::parser::Span) -> &str {
        self.parser.span(text)
    }

    /// A counter that grows whenever a block sets the ID.
    #[inline(always)]
    pub(crate) fn id_commits(&self) -> u64 {
        self.parser.id_commits()
    }

    /// Returns the ID of the last complete block that had one.
    #[inline(always)]
    pub(crate) fn last_event_id(&self) -> &str {
        self.parser.last_event_id()
    }

    #[inline(always)]
    fn parse(&mut self) -> Result<Option<Step>, EventTooLarge> {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        if self.stop < self.used {
            self.stop = chunk.len(); // a plain event bypassed the parser
        }
        let mut rest = chunk.get(self.used..self.stop).unwrap_or_default();
        self.plain_room = 0;
        let step = self.parser.step(&mut rest);
        self.used = self.stop - rest.len();
        let is_read = self.used == chunk.len();
        if is_read {
            self.chunk = None;
            self.used = 0;
            self.stop = 0;
        } else if rest.is_empty() {
            self.stop = chunk.len();
        }
        self.used_up = match &step {
            Ok(None) => is_read,
            // A small chunk usually holds one event, so do not look for another.
            Ok(Some(_)) => is_read && self.parser.is_drained(),
            Err(_) => false,
        };
        step
    }

    /// Whether there may be something left without another chunk.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.used_up || self.found.is_some()
    }

    /// Whether the connection had a comment or a line with a known field.
    pub(crate) fn saw_known_line(&self) -> bool {
        self.parser.saw_known_line()
    }

    /// Returns the number of lines with unknown fields on this connection.
    pub(crate) fn ignored_lines(&self) -> u64 {
        self.parser.ignored_lines()
    }

    /// Whether a body that ends here is not an event stream: it had at least one unknown line, and otherwise only
    /// blank ones. The unfinished last line counts, unless it may be the beginning of a known field's name. Call
    /// this before [`finish_event`](Self::finish_event).
    pub(crate) fn ended_as_other(&self) -> bool {
        self.parser.ended_as_other()
    }

    /// At a clean end, when everything else was taken: whether there is an unfinished event, or an unfinished
    /// empty one if those are reported. [`take_event`](Self::take_event) returns it once;
    /// [`is_empty_event`](Self::is_empty_event) says whether it is empty.
    pub(crate) fn finish_event(&mut self) -> bool {
        self.give_back_carried();
        let step = self.parser.finish_step();
        self.chunk = None;
        self.used_up = true;
        self.found = None;
        self.plain = None;
        step.is_some()
    }

    /// Whether the event found has a type and no data.
    pub(crate) fn is_empty_event(&self) -> bool {
        self.parser.is_empty_event()
    }

    /// Called when no chunk is available: frees memory that only pays off for many events.
    pub(crate) fn idle(&mut self) {
        if self.is_at_work() {
            return;
        }
        self.parser.idle();
        self.carried.shrink_to(MIN_RETAINED);
        let commits = self.parser.id_commits();
        self.long_id.take_if(|(copied, _)| *copied != commits);
    }

    /// Called at the end of the body.
    pub(crate) fn end(&mut self) {
        self.chunk = None;
        self.used = 0;
        self.stop = 0;
        self.used_up = true;
        self.found = None;
        self.plain = None;
        self.plain_room = 0;
        self.carried = Vec::new();
        self.long_id = None; // the parser counts anew
        self.parser.reset();
    }

    /// Starts a new connection from this ID, and drops the chunk and everything unfinished.
    pub(crate) fn reset(&mut self, last_event_id: &str) {
        self.end();
        self.parser.set_last_event_id(last_event_id.to_owned());
    }
}
