//! The block: the fields since the last blank line.

use std::time::Duration;

use super::buffer::fit;
use super::last_event_id::LastEventId;
use super::line::Line;
use super::text::Span;
use super::tuning::{MAX_RESERVED, MIN_RETAINED, WORTH_MOVING};
use super::value::Value;
use crate::event::MESSAGE;

/// The standard's "data buffer", "event type buffer" and "last event ID buffer".
///
/// A value stays in the text where it arrived, unless there are several data lines, or the text is dropped
/// before the event is complete.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    /// The only data line, still in the text.
    data_span: Option<Span>,
    /// The data lines, an LF after each.
    pub(super) data: String,
    /// The length of the last data that was moved out, until similar data begins.
    moved_len: usize,
    event_type: Value,
    pub(super) last_event_id: LastEventId,
    /// Whether the event is complete, so that the consumer borrows its values until the next line.
    dispatched: bool,
    /// Whether the complete event had an `id` line.
    pub(super) has_own_id: bool,
    /// Whether a block with a type and no data is reported.
    pub(super) tells_empty: bool,
    /// Whether comments and lines with unknown fields are skipped.
    pub(super) skips_asides: bool,
    /// Whether the connection had a known line that is not blank.
    pub(super) saw_known_line: bool,
    /// The number of lines with unknown fields on this connection.
    pub(super) ignored_lines: u64,
}

/// The result of a line.
#[derive(Debug)]
pub(crate) enum Step {
    /// The block is an event.
    Event,
    Comment(Span),
    Retry(Duration),
    /// The block is not an event, but had a new ID.
    LastEventId,
    /// A line with an unknown field.
    Ignored(Span),
    /// The block has a type and no data. Only with [`Parser::report_empty_events`]; it replaces
    /// [`LastEventId`](Self::LastEventId).
    ///
    /// [`Parser::report_empty_events`]: super::Parser::report_empty_events
    EmptyEvent,
}

impl Block {
    /// Starts an empty block on a new connection. The text is about to be dropped.
    pub(super) fn restart(&mut self, text: &str) {
        let mut last_event_id = std::mem::take(&mut self.last_event_id);
        last_event_id.seed();
        last_event_id.keep(text);
        self.replace(last_event_id);
    }

    /// Starts an empty block with this ID.
    pub(super) fn replace(&mut self, last_event_id: LastEventId) {
        *self = Self {
            last_event_id,
            tells_empty: self.tells_empty,
            skips_asides: self.skips_asides,
            ..Self::default()
        };
    }

    /// The bytes that the buffers hold.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let data = self.data_span.map_or(0, |data| data.len() + 1);
        self.data.len() + data + self.event_type.len() + self.last_event_id.buffered_len()
    }

    /// Returns the data for a line that is unfinished. The events of a stream are usually alike: if the last data
    /// was large and was moved out, this reserves as much at once.
    pub(super) fn begin_data(&mut self) -> &mut String {
        let expected = std::mem::take(&mut self.moved_len);
        if self.data.is_empty() {
            self.data.reserve(expected.min(MAX_RESERVED));
        }
        &mut self.data
    }

    /// "Process the field", or dispatch.
    #[inline(always)]
    pub(super) fn line(&mut self, text: &str, line: Span) -> Option<Step> {
        let line_says = Line::parse(line.of_bytes(text));
        self.saw_known_line |= !matches!(line_says, Line::Blank | Line::Unknown);
        match line_says {
            Line::Data(value) => self.push_data(text, line.last(value.len())),
            Line::Blank => return self.dispatch(text),
            Line::EventType(value) => self.event_type.set(line.last(value.len())),
            Line::Id(value) => self.last_event_id.set(line.last(value.len())),
            Line::Retry(time) => return Some(Step::Retry(time)),
            Line::Comment(text) => {
                return (!self.skips_asides).then(|| Step::Comment(line.last(text.len())));
            }
            Line::Unknown => {
                self.ignored_lines += 1;
                return (!self.skips_asides).then_some(Step::Ignored(line));
            }
            Line::BadValue => {}
        }
        None
    }

    /// "Append the field value to the data buffer, then append a single U+000A LINE FEED (LF)
    /// character to the data buffer."
    #[inline(always)]
    fn push_data(&mut self, text: &str, value: Span) {
        if !self.has_data() {
            self.data_span = Some(value);
            return;
        }
        self.keep_data(text);
        self.append_data(text, value);
    }

    fn append_data(&mut self, text: &str, value: Span) {
        // The line's own LF is the one to append, if that is its end: one copy for both.
        match value.with_lf(text) {
            Some(line) => self.data.push_str(line),
            None => {
                self.data.push_str(value.of(text));
                self.data.push('\n');
            }
        }
    }

    /// "Dispatch the event", whose first step commits the ID, with or without data.
    #[inline(always)]
    pub(super) fn dispatch(&mut self, text: &str) -> Option<Step> {
        // "If the data buffer is an empty string, set the data buffer and the event type buffer to
        // the empty string and return." An empty data line is another case: it left an LF.
        if !self.has_data() {
            return self.dispatch_nothing(text);
        }
        self.dispatch_data();
        Some(Step::Event)
    }

    /// Dispatches a block with data, which is an event.
    #[inline]
    pub(super) fn dispatch_data(&mut self) {
        self.has_own_id = self.last_event_id.is_buffered;
        self.last_event_id.commit();
        self.dispatched = true;
    }

    #[inline]
    fn dispatch_nothing(&mut self, text: &str) -> Option<Step> {
        // Row "comments": the blank line after each.
        if self.event_type.len() == 0 && !self.last_event_id.is_buffered {
            return None;
        }
        if self.tells_empty && self.event_type.len() > 0 {
            self.dispatch_data();
            return Some(Step::EmptyEvent);
        }
        let new_id = self.last_event_id.is_changing(text);
        self.last_event_id.commit();
        self.event_type.clear();
        new_id.then_some(Step::LastEventId)
    }

    /// Whether the block is idle and nothing is borrowed.
    pub(super) fn is_clear(&self) -> bool {
        !self.dispatched && self.is_idle()
    }

    /// Whether a blank line would change nothing.
    pub(super) fn is_idle(&self) -> bool {
        !self.has_data() && self.event_type.len() == 0 && !self.last_event_id.is_buffered
    }

    /// Whether a blank line would complete an event, or an empty event if those are reported.
    pub(super) fn is_event(&self) -> bool {
        self.has_data() || (self.tells_empty && self.event_type.len() > 0)
    }

    #[inline]
    fn has_data(&self) -> bool {
        self.data_span.is_some() || !self.data.is_empty()
    }

    /// Ends the borrow of the event dispatched last. Returns whether there was one, so that the block is empty.
    #[inline(always)]
    pub(super) fn end_dispatch(&mut self) -> bool {
        let dispatched = std::mem::take(&mut self.dispatched);
        if dispatched {
            self.clear();
        }
        dispatched
    }

    /// Adds this data line to an empty block, then the blank line.
    #[inline(always)]
    pub(super) fn dispatch_only(&mut self, data: Span) {
        self.data_span = Some(data);
        self.dispatched = true;
        self.saw_known_line = true;
    }

    /// Whether the dispatched event has no data line.
    pub(super) fn is_empty_event(&self) -> bool {
        self.dispatched && !self.has_data()
    }

    /// "Set the data buffer and the event type buffer to the empty string." The ID buffer stays.
    #[inline]
    fn clear(&mut self) {
        self.data_span = None;
        self.data.clear();
        self.event_type.clear();
        self.has_own_id = false;
    }

    /// Copies the values out of the text, which is about to be dropped.
    #[inline]
    pub(super) fn keep(&mut self, text: &str) {
        self.keep_data(text);
        self.event_type.keep(text);
        self.last_event_id.keep(text);
    }

    fn keep_data(&mut self, text: &str) {
        if let Some(data) = self.data_span.take() {
            self.append_data(text, data);
        }
    }

    /// "If the data buffer's last character is a U+000A LINE FEED (LF) character, then remove the
    /// last character from the data buffer."
    #[inline]
    pub(super) fn data<'a>(&'a self, text: &'a str) -> &'a str {
        match self.data_span {
            Some(data) => data.of(text),
            None => self.data.strip_suffix('\n').unwrap_or_default(),
        }
    }

    /// "Initialize event's type attribute to \"message\" [...]. If the event type buffer has a
    /// value other than the empty string, change the type of the newly created event to equal the
    /// value of the event type buffer."
    #[inline]
    pub(super) fn event_type<'a>(&'a self, text: &'a str) -> &'a str {
        match self.event_type.get(text) {
            "" => MESSAGE,
            event_type => event_type,
        }
    }

    /// Returns the type, if it is not the default.
    #[inline]
    pub(super) fn other_type<'a>(&'a self, text: &'a str) -> Option<&'a str> {
        let event_type = self.event_type.get(text);
        (!event_type.is_empty() && event_type != MESSAGE).then_some(event_type)
    }

    /// Takes the data. Large data is moved out instead of copied.
    #[inline]
    pub(super) fn take_data(&mut self, text: &str) -> Box<str> {
        match self.data_span {
            Some(data) => data.of(text).into(),
            None if self.data.len() < WORTH_MOVING => self.data(text).into(),
            None => self.move_data().into(),
        }
    }

    /// Takes the data, with the type, unless it is the default, and perhaps the ID behind it. Returns the lengths
    /// of these two, too.
    pub(super) fn take_text(&mut self, text: &str, with_id: bool) -> (Box<str>, usize, usize) {
        let is_moved = self.data_span.is_none() && self.data.len() >= WORTH_MOVING;
        let moved = is_moved.then(|| self.move_data());
        let event_type = self.other_type(text).unwrap_or_default();
        let id = match with_id {
            true => self.last_event_id.string.get(text),
            false => "",
        };
        let room = event_type.len() + id.len();
        let mut all = moved.unwrap_or_else(|| {
            let data = self.data(text);
            let mut all = String::with_capacity(data.len() + room);
            all.push_str(data);
            all
        });
        all.reserve_exact(room);
        all.push_str(event_type);
        all.push_str(id);
        let lens = (event_type.len(), id.len());
        if is_moved {
            self.moved_len = all.len() + 1; // and the LF
        }
        (all.into(), lens.0, lens.1)
    }

    #[inline]
    pub(super) fn has_no_type(&self) -> bool {
        self.event_type.len() == 0
    }

    #[cold]
    fn move_data(&mut self) -> String {
        self.moved_len = self.data.len();
        self.data.pop();
        std::mem::take(&mut self.data)
    }

    /// Returns the capacity of the largest buffer.
    pub(super) fn capacity(&self) -> usize {
        self.data
            .capacity()
            .max(self.event_type.capacity())
            .max(self.last_event_id.capacity())
    }

    /// Frees unused capacity above the amount that is kept; for unfinished data, above `begun`.
    pub(super) fn shrink(&mut self, begun: usize) {
        if self.data.is_empty() || self.data.capacity() > begun {
            fit(&mut self.data, MIN_RETAINED);
        }
        self.event_type.shrink();
        self.last_event_id.shrink();
    }
}
