//! Bytes to frames: the standard's "parsing an event stream" and "interpreting an event stream"
//! ([HTML, sections 9.2.5 and 9.2.6][standard]), without I/O, time or tasks.
//!
//! ```text
//! bytes ─► text ─► line ends ─► lines ─► block ─► frames
//! intake   utf8    line_ends    line     last_event_id
//! ```
//!
//! The chunk is decoded into a small window of text (`text`), so that one look finds the ends of
//! many lines; a line's value stays there and is lent from there. A data line that is long, or
//! comes in small chunks, goes another way: from the chunk into the block's data at once
//! ([`Mode::Data`]).
//!
//! | file | what it does |
//! |---|---|
//! | `intake` | the ways of the bytes into the parser |
//! | `machine` | from lines to what they lead to; the size limit; memory given back |
//! | `line`, `block`, `last_event_id` | the standard's fields, buffers and dispatch |
//! | `text`, `line_ends`, `utf8` | decoded text, and the lines in it |
//! | `value`, `buffer` | values that stay in the text while they can; memory |
//! | `frame`, `tuning` | what comes out; what was tuned |
//!
//! [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod block;
mod buffer;
mod frame;
mod intake;
mod last_event_id;
mod line;
mod line_ends;
mod machine;
mod text;
mod tuning;
mod utf8;
mod value;

pub use frame::{DEFAULT_MAX_EVENT_SIZE, EventRef, EventTooLarge, Frame, OwnedFrame};

pub(crate) use block::Step;
pub(crate) use text::Span;
pub(crate) use tuning::MIN_RETAINED;

use block::Block;
use last_event_id::LastEventId;
use text::Text;

/// Turns the bytes of an event stream into [`Frame`]s.
///
/// There is no I/O in it: feed it the chunks as they come, of any size, cut anywhere. It follows
/// [the HTML standard][standard] to the byte, never fails but for the size limit, and takes time in
/// proportion to the bytes.
///
/// ```
/// use fetch_event_source::{Frame, Parser};
///
/// # fn main() -> Result<(), fetch_event_source::EventTooLarge> {
/// let mut parser = Parser::new();
/// let mut prices = Vec::new();
/// for chunk in ["event: pri", "ce\ndata: 41\n\ndata", ": 42\n\n"] {
///     let mut input = chunk.as_bytes();
///     while let Some(frame) = parser.next(&mut input)? {
///         if let Frame::Event(event) = frame {
///             prices.push(format!("{}={}", event.event_type, event.data));
///         }
///     }
/// }
/// assert_eq!(prices, ["price=41", "message=42"]);
/// # Ok(())
/// # }
/// ```
///
/// An event whose blank line has not come when the stream ends is no event: there is nothing to
/// call at the end. Where a server leaves the last blank line out, [`finish`](Self::finish) gives
/// it.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Clone)]
pub struct Parser {
    mode: Mode,
    text: Text,
    block: Block,
    max_event_size: usize,
    /// All lines of the text together might exceed the limit, so that each must be checked.
    check_each_line: bool,
    /// So many ASCII bytes can be appended to the text with no thought of the mode, of the limit,
    /// or of what comes before them.
    spare: usize,
}

#[derive(Debug, Clone)]
enum Mode {
    /// What comes goes through the text.
    Lines,
    /// What comes is the value of a data line, which goes to the block. So many bytes of the line,
    /// its name, are held nowhere any more, but count.
    Data { name: usize },
    /// The limit was exceeded: the error that is given from now on.
    Poisoned(EventTooLarge),
}

impl Parser {
    /// A parser at the beginning of a response body, with an empty last event ID.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mode: Mode::Lines,
            text: Text::default(),
            block: Block::default(),
            max_event_size: DEFAULT_MAX_EVENT_SIZE,
            check_each_line: true,
            spare: 0,
        }
    }

    /// Starts with this last event ID, as on a reconnection. Default: empty.
    ///
    /// Events without an ID of their own carry it, until the server sends another. To be set before
    /// the first bytes: an event that is unfinished loses what it has so far.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.set_last_event_id(id.into());
        self
    }

    pub(crate) fn set_last_event_id(&mut self, id: String) {
        self.block.replace(LastEventId::new(id));
        self.invalidate_limit();
    }

    /// The largest event accepted, in bytes. Default: [`DEFAULT_MAX_EVENT_SIZE`], 16 MiB.
    ///
    /// At each byte of the stream this much text may be held: the data, type and ID of the event so
    /// far, and the line whose end has not come, field name included; text as decoded, where
    /// a malformed sequence counts as the three bytes of U+FFFD. Each data line ends with an LF,
    /// which counts too; line ends in the stream and a byte order mark do not. A line without end
    /// counts even where it would be ignored, as a comment would.
    ///
    /// The first byte beyond leads to [`EventTooLarge`], after all frames before it. How the bytes
    /// were cut into chunks makes no difference.
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.max_event_size = bytes;
        self.invalidate_limit();
        self
    }

    /// The last event ID: that of the last complete block that had one. It is what a reconnection
    /// sends as `Last-Event-ID`.
    ///
    /// An `id` line alone does not change it, only the blank line after it.
    #[must_use]
    #[inline]
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id(self.text.as_str())
    }

    /// Starts a new connection.
    ///
    /// The last event ID is kept. The unfinished line and event are dropped (with an ID of theirs),
    /// input taken in and not given as frames is dropped too, and an error is forgotten.
    pub fn reset(&mut self) {
        self.drop_all();
        self.mode = Mode::Lines;
    }

    /// Ends the body, and gives its unfinished event: what that has so far, the unfinished last
    /// line included, as if a blank line followed. Then the parser is as after a
    /// [`reset`](Self::reset).
    ///
    /// The standard drops such an event, for it may have been cut anywhere: call this only where
    /// the server is known to leave the last blank line out. All frames must have been taken
    /// before. `None` if there is no data, or if the event exceeds the limit: then all of it is
    /// dropped, an ID too.
    ///
    /// ```
    /// # use fetch_event_source::Parser;
    /// # fn main() -> Result<(), fetch_event_source::EventTooLarge> {
    /// let mut parser = Parser::new();
    /// let mut input: &[u8] = b"data: 1\n\ndata: 2";
    /// while let Some(_) = parser.next(&mut input)? {}
    /// assert_eq!(parser.finish().map(|event| event.data), Some("2"));
    /// assert_eq!(parser.finish(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(&mut self) -> Option<EventRef<'_>> {
        matches!(self.finish_step(), Some(Step::Event)).then(|| self.event())
    }

    /// Finds the next frame. `None`: the input is used up, go on with the next chunk.
    ///
    /// The input is moved forward, and may be ahead of the frame given: the rest of it is needed
    /// until `None` comes, and a new chunk should not be passed before.
    ///
    /// A frame comes with the byte that completes it: an event with the first byte of its blank
    /// line's end, a comment or reconnection time with that of its own.
    ///
    /// # Errors
    ///
    /// [`EventTooLarge`] if an event exceeds [`max_event_size`](Self::max_event_size), and from then
    /// on each time until [`reset`](Self::reset).
    #[inline]
    pub fn next<'p, 'i: 'p>(
        &'p mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'p>>, EventTooLarge> {
        if self.ends_at_once(input) {
            return Ok(None);
        }
        self.block.skip_asides(false);
        Ok(self.step(input)?.map(|step| self.frame(step)))
    }

    /// Finds the next event: [`next`](Self::next), for those who want nothing else. `None`: the
    /// input is used up, go on with the next chunk.
    ///
    /// Comments, reconnection times, unknown lines and blocks without data are passed over.
    ///
    /// ```
    /// # use fetch_event_source::Parser;
    /// # fn main() -> Result<(), fetch_event_source::EventTooLarge> {
    /// let mut parser = Parser::new();
    /// let mut input: &[u8] = b": ping\nretry: 500\ndata: 1\n\ndata: 2\n\n";
    /// let mut sum = 0;
    /// while let Some(event) = parser.next_event(&mut input)? {
    ///     sum += event.data.parse::<i32>().expect("numbers");
    /// }
    /// assert_eq!(sum, 3);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    #[inline]
    pub fn next_event<'p, 'i: 'p>(
        &'p mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<EventRef<'p>>, EventTooLarge> {
        if self.ends_at_once(input) {
            return Ok(None);
        }
        self.block.skip_asides(true);
        while let Some(step) = self.step(input)? {
            if matches!(step, Step::Event) {
                return Ok(Some(self.event()));
            }
        }
        Ok(None)
    }

    #[inline]
    fn frame(&self, step: Step) -> Frame<'_> {
        match step {
            Step::Event => Frame::Event(self.event()),
            Step::Comment(text) => Frame::Comment(self.span(text)),
            Step::Retry(time) => Frame::Retry(time),
            Step::LastEventId => Frame::LastEventId(self.last_event_id()),
            Step::Ignored(line) => Frame::Ignored(self.span(line)),
            Step::EmptyEvent => Frame::Event(self.event()),
        }
    }

    /// Grows whenever a block sets the last event ID, so that a long one need not be compared with
    /// every event.
    #[inline]
    pub(crate) fn id_commits(&self) -> u64 {
        self.block.id_commits()
    }

    /// The event that [`step`](Self::step) has found.
    #[inline]
    pub(crate) fn event(&self) -> EventRef<'_> {
        let text = self.text.as_str();
        EventRef {
            event_type: self.block.event_type(text),
            data: self.block.data(text),
            last_event_id: self.last_event_id(),
            has_own_id: self.block.has_own_id(),
        }
    }

    /// Whether that event has a type and no data line.
    pub(crate) fn is_empty_event(&self) -> bool {
        self.block.is_empty_event()
    }

    /// Whether that event's own block had an `id` line.
    #[inline]
    pub(crate) fn has_own_id(&self) -> bool {
        self.block.has_own_id()
    }

    /// Its type, if it is not `message`.
    #[inline]
    pub(crate) fn other_type(&self) -> Option<&str> {
        self.block.other_type(self.text.as_str())
    }

    /// Its data, as a string of its own. What [`event`](Self::event) has is gone.
    #[inline]
    pub(crate) fn take_data(&mut self) -> Box<str> {
        self.block.take_data(self.text.as_str())
    }

    /// The text of the comment or line that [`step`](Self::step) has found.
    #[inline]
    pub(crate) fn span(&self, text: Span) -> &str {
        text.of(self.text.as_str())
    }

    /// Whether [`step`](Self::step) passes over comments and lines of unknown fields.
    pub(crate) fn skip_asides(&mut self, skips: bool) {
        self.block.skip_asides(skips);
    }

    /// Whether a block with a type and no data is told, as [`Step::EmptyEvent`].
    pub(crate) fn tell_empty_events(&mut self, tells: bool) {
        self.block.tell_empty_events(tells);
    }

    /// Whether the connection had a line that we know, blank ones apart. The values of some do not
    /// count: they do here.
    pub(crate) fn saw_known_line(&self) -> bool {
        self.block.saw_known_line()
    }

    /// How many lines of unknown fields the connection had.
    pub(crate) fn ignored_lines(&self) -> u64 {
        self.block.ignored_lines()
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser")
            .field("mode", &self.mode)
            .field("last_event_id", &self.last_event_id())
            .field("max_event_size", &self.max_event_size)
            .finish_non_exhaustive()
    }
}
