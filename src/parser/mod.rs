//! Bytes to frames: the standard's "parsing an event stream" and "interpreting an event stream"
//! ([HTML, sections 9.2.5 and 9.2.6][standard]), without I/O, time or tasks.
//!
//! ```text
//! bytes ─► text ─► line ends ─► lines ─► block ─► frames
//! intake   utf8    line_ends    line     last_event_id
//! ```
//!
//! The chunk is decoded into a small window of text (`text`), so that one search finds the ends of many
//! lines. A line's value stays there and is borrowed from there. A data line that is long, or arrives in
//! small chunks, goes directly from the chunk into the block's data ([`Mode::Data`]).
//!
//! | file | what it does |
//! |---|---|
//! | `intake` | the paths of the bytes into the parser |
//! | `machine` | from lines to frames; the size limit; freeing memory |
//! | `line`, `block`, `last_event_id` | the standard's fields, buffers and dispatch |
//! | `text`, `line_ends`, `utf8` | decoded text, and the lines in it |
//! | `value`, `buffer` | values that stay in the text while possible; memory |
//! | `frame`, `tuning` | the output; the tuned constants |
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
/// It does no I/O: feed it chunks of any size, cut anywhere. It follows [the HTML standard][standard] to the
/// byte, fails only at the size limit, and takes time in proportion to the bytes.
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
/// In the standard, an event without its blank line at the end of the stream is dropped, so there is nothing
/// to call at the end. If a server leaves out the last blank line, [`finish`](Self::finish) returns the event.
///
/// [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Clone)]
pub struct Parser {
    mode: Mode,
    text: Text,
    block: Block,
    max_event_size: usize,
    /// Whether the lines of the text together may exceed the limit, so that each must be checked.
    check_each_line: bool,
    /// How many ASCII bytes can be appended to the text without a check of the mode, the limit, or the
    /// preceding text.
    spare: usize,
}

#[derive(Debug, Clone)]
enum Mode {
    /// Bytes go through the text.
    Lines,
    /// Bytes are the value of a data line, which goes to the block. The number is the length of the line's name,
    /// which is not kept, but counts.
    Data { name: usize },
    /// The limit was exceeded: this error is returned from now on.
    Poisoned(EventTooLarge),
}

impl Parser {
    /// Makes a parser at the beginning of a response body, with an empty last event ID.
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

    /// Starts with this last event ID, as after a reconnection. Default: empty.
    ///
    /// Events without their own ID have it, until the server sends another. Set it before the first bytes: it
    /// drops an unfinished event.
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl Into<String>) -> Self {
        self.set_last_event_id(id.into());
        self
    }

    pub(crate) fn set_last_event_id(&mut self, id: String) {
        self.block.replace(LastEventId::new(id));
        self.invalidate_limit();
    }

    /// The maximum size of an event, in bytes. Default: [`DEFAULT_MAX_EVENT_SIZE`], 16 MiB.
    ///
    /// The size is the data, type and ID of the event so far, plus the unfinished line with its field name, as
    /// decoded text. A malformed sequence counts as the three bytes of U+FFFD. Each data line ends with an LF,
    /// which counts; other line ends and a byte order mark do not. An unfinished line counts even if it is
    /// ignored later, such as a comment.
    ///
    /// The first byte beyond the limit gives [`EventTooLarge`], after all frames before it. The cuts between
    /// chunks make no difference.
    #[must_use]
    pub fn max_event_size(mut self, bytes: usize) -> Self {
        self.max_event_size = bytes;
        self.invalidate_limit();
        self
    }

    /// Returns the last event ID: of the last complete block that had one. A reconnection sends it as
    /// `Last-Event-ID`.
    ///
    /// It changes at the blank line, not at the `id` line.
    #[must_use]
    #[inline]
    pub fn last_event_id(&self) -> &str {
        self.block.last_event_id.string.get(self.text.as_str())
    }

    /// Starts a new connection.
    ///
    /// The last event ID is kept. The unfinished line and event are dropped, with their ID, and so is input that
    /// was not returned as frames yet. An error is forgotten.
    pub fn reset(&mut self) {
        self.drop_all();
        self.mode = Mode::Lines;
    }

    /// Ends the body and returns its unfinished event, including the unfinished last line, as if a blank line
    /// followed. Afterwards the parser is [`reset`](Self::reset).
    ///
    /// The standard drops such an event, because it may have been cut anywhere. Call this only for a server
    /// that leaves out the last blank line, and after you have taken all frames. Returns `None` if there is no
    /// data, or if the event exceeds the limit; then everything is dropped, including an ID.
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

    /// Returns the next frame. `None` means that the input is used up: continue with the next chunk.
    ///
    /// This moves the input forward, possibly beyond the returned frame. Call it with the rest of the input
    /// until it returns `None`, and only then with a new chunk.
    ///
    /// A frame is returned with the byte that completes it: an event with the first byte of the end of its blank
    /// line, a comment or reconnection time with the first byte of its line end.
    ///
    /// # Errors
    ///
    /// [`EventTooLarge`] if an event exceeds [`max_event_size`](Self::max_event_size), and then each time until
    /// [`reset`](Self::reset).
    #[inline]
    pub fn next<'p, 'i: 'p>(
        &'p mut self,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'p>>, EventTooLarge> {
        if self.ends_at_once(input) {
            return Ok(None);
        }
        self.block.skips_asides = false;
        Ok(self.step(input)?.map(|step| self.frame(step)))
    }

    /// Returns the next event, as [`next`](Self::next) does, and skips all other frames: comments, reconnection
    /// times, unknown lines and blocks without data. `None` means that the input is used up: continue with the
    /// next chunk.
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
        self.block.skips_asides = true;
        while let Some(step) = self.step(input)? {
            if matches!(step, Step::Event) {
                return Ok(Some(self.event()));
            }
        }
        Ok(None)
    }

    fn frame(&self, step: Step) -> Frame<'_> {
        match step {
            Step::Event | Step::EmptyEvent => Frame::Event(self.event()),
            Step::Comment(text) => Frame::Comment(self.span(text)),
            Step::Retry(time) => Frame::Retry(time),
            Step::LastEventId => Frame::LastEventId(self.last_event_id()),
            Step::Ignored(line) => Frame::Ignored(self.span(line)),
        }
    }

    /// A counter that grows whenever a block sets the last event ID, so that a long ID is not compared for every
    /// event.
    pub(crate) fn id_commits(&self) -> u64 {
        self.block.last_event_id.commits
    }

    /// Returns the event that [`step`](Self::step) found.
    #[inline]
    pub(crate) fn event(&self) -> EventRef<'_> {
        let text = self.text.as_str();
        EventRef {
            event_type: self.block.event_type(text),
            data: self.block.data(text),
            last_event_id: self.last_event_id(),
            has_own_id: self.block.has_own_id,
        }
    }

    /// Whether that event has a type and no data line.
    pub(crate) fn is_empty_event(&self) -> bool {
        self.block.is_empty_event()
    }

    /// Whether that event's own block had an `id` line.
    #[inline]
    pub(crate) fn has_own_id(&self) -> bool {
        self.block.has_own_id
    }

    /// Takes the event's data. [`event`](Self::event) has none afterwards.
    #[inline]
    pub(crate) fn take_data(&mut self) -> Box<str> {
        self.block.take_data(self.text.as_str())
    }

    /// Whether that event has no type and no ID.
    #[inline]
    pub(crate) fn has_data_alone(&self) -> bool {
        self.block.has_no_type() && self.id_len() == 0 && !self.has_own_id()
    }

    /// Returns the length of the last event ID.
    #[inline]
    pub(crate) fn id_len(&self) -> usize {
        self.block.last_event_id.string.len()
    }

    /// Takes the event's data, with the type and perhaps the ID behind it. Returns the lengths of these two, too.
    pub(crate) fn take_text(&mut self, with_id: bool) -> (Box<str>, usize, usize) {
        self.block.take_text(self.text.as_str(), with_id)
    }

    /// Returns the text of the comment or line that [`step`](Self::step) found.
    pub(crate) fn span(&self, text: Span) -> &str {
        text.of(self.text.as_str())
    }

    /// Whether [`step`](Self::step) skips comments and lines with unknown fields.
    pub(crate) fn skip_asides(&mut self, skips: bool) {
        self.block.skips_asides = skips;
    }

    /// Whether a block with a type and no data is reported, as [`Step::EmptyEvent`].
    pub(crate) fn report_empty_events(&mut self, tells: bool) {
        self.block.tells_empty = tells;
    }

    /// Whether the connection had a known line that is not blank, even one whose value is ignored.
    pub(crate) fn saw_known_line(&self) -> bool {
        self.block.saw_known_line
    }

    /// Returns the number of lines with unknown fields on this connection.
    pub(crate) fn ignored_lines(&self) -> u64 {
        self.block.ignored_lines
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
