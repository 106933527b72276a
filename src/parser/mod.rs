//! Bytes to frames: the standard's "parsing an event stream" and "interpreting an event stream"
//! ([HTML, sections 9.2.5 and 9.2.6][standard]), without I/O, time or tasks.
//!
//! ```text
//! bytes ─► text ─► line ends ─► lines ─► block ─► frames
//!          utf8    line_ends    field    last_event_id
//! ```
//!
//! The chunk is decoded into a small window of text (`text`), so that one look finds the ends of
//! many lines; a line's value stays there and is lent from there. A data line that is long, or comes
//! in small chunks, goes another way: from the chunk into the block's data at once ([`Mode::Data`]).
//!
//! To maintainers: what must not depend on how the server's bytes were cut is checked by feeding
//! all tests in many ways. A new mode, or another way from the chunk to the block, has to keep
//! the count of [`Parser::max_event_size`], which is defined on decoded text alone.
//!
//! [standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

mod block;
mod field;
mod frame;
mod last_event_id;
mod limit;
mod line_ends;
mod text;
mod utf8;
mod value;

use memchr::memchr2;

pub use frame::{EventRef, Frame, OwnedFrame};
pub use limit::{DEFAULT_MAX_EVENT_SIZE, EventTooLarge};

pub(crate) use block::Step;
pub(crate) use text::Span;

use block::Block;
use ecow::EcoString;
use field::{data_value, is_known, may_be_known};
use last_event_id::LastEventId;
use text::Text;

/// How many bytes of a chunk are decoded together. More would not be faster.
const WINDOW: usize = 4 << 10;

/// Between chunks the text keeps this much memory: what a window of well-formed text needs, and a line
/// begun before it.
const KEPT_WINDOW: usize = 2 * WINDOW;

/// A data line that has become this long without an end need not go through the text.
const LONG_LINE: usize = 512;

/// In a chunk as small as this, or what is left of one, a data line goes to its block at once: there
/// are not enough lines to look at together.
const SMALL_CHUNK: usize = 1 << 10;

/// So much of a data line shows where its value begins.
const DATA_PREFIX: usize = "data: ".len();

/// How many bytes of a long line are decoded together: they should stay in the first cache.
const PIECE: usize = 16 << 10;

/// So few bytes take a short cut if they are ASCII: servers that flush byte by byte would pay for
/// a look at a window with each.
const FEW_BYTES: usize = 8;

/// Between events a buffer keeps this much memory for the next; where nothing more comes for long, the
/// text does too.
pub(crate) const MIN_RETAINED: usize = 1 << 10;

/// Between chunks the data of an unfinished event may keep this much of what one before it has needed:
/// the next is mostly as large.
const MAX_RESERVED: usize = 128 << 10;

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
/// call at the end. Where a server leaves the last blank line out, [`finish`](Self::finish) gives it.
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

/// What the input has led to.
enum Refill {
    /// There may be lines in the text.
    Lines,
    /// A data line went past the text, and the blank line after it.
    Event,
    /// The input is used up.
    Nothing,
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
    /// Events without an ID of their own carry it, until the server sends another. To be set before the
    /// first bytes: an event that is unfinished loses what it has so far.
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

    /// Ends the body, and gives its unfinished event: what that has so far, the unfinished last line
    /// included, as if a blank line followed. Then the parser is as after a [`reset`](Self::reset).
    ///
    /// The standard drops such an event, for it may have been cut anywhere: call this only where the
    /// server is known to leave the last blank line out. All frames must have been taken before. `None`
    /// if there is no data, or if the event exceeds the limit: then all of it is dropped, an ID too.
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

    /// [`finish`](Self::finish), without the loan: an event, or an empty one.
    pub(crate) fn finish_step(&mut self) -> Option<Step> {
        self.block.end_dispatch();
        if self.end_last_line().is_err() {
            self.reset();
            return None;
        }
        self.block.keep(self.text.as_str());
        self.text = Text::default();
        self.invalidate_limit();
        let step = match self.block.is_event() {
            true => self.block.dispatch(""),
            false => None,
        };
        if step.is_none() {
            self.reset();
        }
        step
    }

    /// Ends the last line of a body that ends within it.
    fn end_last_line(&mut self) -> Result<(), EventTooLarge> {
        match &self.mode {
            Mode::Lines => {
                // What the caller has not asked for is lost.
                while self.take_lines()?.is_some() {}
                if self.text.unfinished_len() > 0 || self.text.is_within_character() {
                    self.text.push(b"\n");
                    self.update_limit();
                    while self.take_lines()?.is_some() {}
                }
            }
            Mode::Data { name } => {
                let name = *name;
                self.text.end_line_into(self.block.data_mut(), b'\n');
                self.mode = Mode::Lines;
                if name > self.room() {
                    return self.poison();
                }
                self.block.data_mut().push('\n');
            }
            Mode::Poisoned(error) => return Err(error.clone()),
        }
        Ok(())
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

    /// Finds the next event: [`next`](Self::next), for those who want nothing else. `None`: the input is
    /// used up, go on with the next chunk.
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

    /// Ends the input, if it can be told at once that the parser has nothing more: most calls that find
    /// nothing come after the last event of a chunk.
    #[inline(always)]
    fn ends_at_once(&mut self, input: &[u8]) -> bool {
        if !input.is_empty() || self.check_each_line || !self.text.is_looked_through() {
            return false;
        }
        self.block.end_dispatch();
        self.shrink();
        true
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
    pub(crate) fn take_data(&mut self) -> String {
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

    /// Whether a body that ends here held unknown lines only, at least one, and perhaps blank ones.
    /// The unfinished last line counts, unless it may be the beginning of one that we know. To be
    /// asked before [`finish`](Self::finish).
    pub(crate) fn ended_as_other(&self) -> bool {
        if self.block.saw_known_line() || !matches!(self.mode, Mode::Lines) {
            return false;
        }
        let line = self.text.unfinished();
        if self.text.is_within_character() {
            // It would be decoded as U+FFFD, which is in no name.
            return !may_be_known(format!("{line}\u{FFFD}").as_bytes());
        }
        let line_counts = !may_be_known(line.as_bytes());
        line_counts || (self.block.ignored_lines() > 0 && !is_known(line.as_bytes()))
    }

    /// With no more input, [`step`](Self::step) would find nothing, and give no memory back. An event
    /// may still be lent.
    #[inline]
    pub(crate) fn is_drained(&self) -> bool {
        !self.check_each_line
            && self.text.is_looked_through()
            && self.text.capacity() <= KEPT_WINDOW
            && self.block.capacity() <= MIN_RETAINED
    }

    /// [`next`](Self::next), without the loan.
    ///
    /// The hot loop, with all that belongs to every line. What a window costs is apart, in
    /// [`refill_window`](Self::refill_window).
    #[inline(always)]
    pub(crate) fn step(&mut self, input: &mut &[u8]) -> Result<Option<Step>, EventTooLarge> {
        if self.push_few(input) {
            return Ok(None);
        }
        if self.block.end_dispatch() && self.take_plain_event() {
            return Ok(Some(Step::Event));
        }
        loop {
            let step = self.take_lines()?;
            if step.is_some() {
                return Ok(step);
            }
            match self.refill(input)? {
                Refill::Lines => {}
                Refill::Event => return Ok(Some(Step::Event)),
                Refill::Nothing => return Ok(None),
            }
        }
    }

    /// Takes in a few ASCII bytes of a line, where they change nothing but the text.
    #[inline(always)]
    pub(crate) fn push_few(&mut self, input: &mut &[u8]) -> bool {
        let few = *input;
        if few.is_empty() || few.len() > FEW_BYTES || few.len() > self.spare {
            return false;
        }
        let is_plain = |byte: &u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
        if !self.text.is_looked_through() || !few.iter().all(is_plain) {
            return false;
        }
        self.spare -= few.len();
        self.text.push_few(few);
        *input = &[];
        true
    }

    /// Takes an event of one data line and nothing else: most are. The block must be empty.
    #[inline(always)]
    fn take_plain_event(&mut self) -> bool {
        if self.check_each_line {
            return false;
        }
        let data = self.text.take_plain_line(b"data: ");
        if let Some(data) = data {
            self.block.dispatch_only(data);
        }
        data.is_some()
    }

    /// Takes lines from the text until there is something to tell.
    #[inline(always)]
    fn take_lines(&mut self) -> Result<Option<Step>, EventTooLarge> {
        let text = self.text.as_str();
        let after_cr = self.text.is_after_cr();
        let mut lines = self.text.lines();
        let step = loop {
            let Some(line) = lines.next(text.as_bytes(), after_cr) else {
                break None;
            };
            if self.check_each_line && line.len() > self.room() {
                return self.poison();
            }
            let mut step = self.block.line(text, line);
            match step {
                None if lines.take_blank(text.as_bytes()) => step = self.block.dispatch(text),
                // With it or later: it makes no difference, and this saves a call.
                Some(Step::Comment(_)) if self.block.is_idle() => {
                    _ = lines.take_blank(text.as_bytes())
                }
                _ => {}
            }
            if step.is_some() {
                break step;
            }
        };
        self.text.set_lines(lines);
        Ok(step)
    }

    /// Takes in more of the input, when no whole line is left.
    #[inline(always)]
    fn refill(&mut self, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
        if input.is_empty() && !self.check_each_line {
            self.shrink();
            return Ok(Refill::Nothing);
        }
        self.refill_window(input)
    }

    #[inline(never)]
    fn refill_window(&mut self, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
        match &self.mode {
            Mode::Lines => self.refill_text(input),
            Mode::Data { name } => self.refill_data(*name, input),
            Mode::Poisoned(error) => Err(error.clone()),
        }
    }

    fn refill_text(&mut self, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
        let unfinished = self.text.unfinished_len();
        if self.check_each_line && unfinished > self.room() {
            return self.poison();
        }
        if input.is_empty() {
            self.update_limit();
            self.shrink();
            return Ok(Refill::Nothing);
        }
        if !self.text.as_str().is_empty() {
            self.block.keep(self.text.as_str());
            self.text.drop_taken();
        }
        let is_small = input.len() <= SMALL_CHUNK;
        if unfinished == 0 && is_small {
            if let Some(name) = self.start_data(input) {
                return self.refill_data(name, input);
            }
        }
        let worth_moving = if is_small { DATA_PREFIX } else { LONG_LINE };
        if unfinished < worth_moving || !self.move_data() {
            self.text.push(take(input, WINDOW));
            self.update_limit();
        }
        Ok(Refill::Lines)
    }

    /// Lines that leave the text take no more of the room than they did in it, so this holds until
    /// more is appended.
    fn update_limit(&mut self) {
        let (len, room) = (self.text.as_str().len(), self.room());
        self.check_each_line = len > room;
        self.spare = if self.text.is_between_characters() {
            room.min(LONG_LINE).saturating_sub(len)
        } else {
            0
        };
    }

    /// What the last look at the limit has found does not hold any more.
    fn invalidate_limit(&mut self) {
        self.check_each_line = true;
        self.spare = 0;
    }

    /// Moves the unfinished line to the block's data, if that is where it belongs.
    fn move_data(&mut self) -> bool {
        let line = self.text.unfinished();
        let Some(value) = data_value(line.as_bytes()) else {
            return false;
        };
        let name = line.len() - value.len();
        self.block.begin_data().push_str(&line[name..]);
        self.text.drop_unfinished();
        self.spare = 0;
        self.block.note_known_line();
        self.mode = Mode::Data { name };
        true
    }

    /// Begins with a data line of the input, if there is one and its name is whole. Gives the length
    /// of that.
    fn start_data(&mut self, input: &mut &[u8]) -> Option<usize> {
        let value = data_value(input)?;
        let name = input.len() - value.len();
        // After the colon alone, a space may still come.
        if input.len() == "data:".len() || !self.text.is_between_characters() {
            return None;
        }
        *input = value;
        self.spare = 0;
        self.block.note_known_line();
        self.mode = Mode::Data { name };
        Some(name)
    }

    fn refill_data(&mut self, name: usize, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
        let piece = &input[..input.len().min(PIECE)];
        let end = memchr2(b'\n', b'\r', piece);
        let value = take(input, end.unwrap_or(piece.len()));
        let data = match end {
            Some(_) => self.block.data_mut(),
            None => self.block.begin_data(),
        };
        self.text.decode_into(data, value);
        let end = take(input, usize::from(end.is_some())).first();
        if let Some(end) = end {
            self.text.end_line_into(data, *end);
            self.mode = Mode::Lines;
        }
        if name > self.room() {
            return self.poison();
        }
        let Some(end) = end else {
            if !input.is_empty() {
                return Ok(Refill::Lines);
            }
            self.shrink();
            return Ok(Refill::Nothing);
        };
        self.block.data_mut().push('\n');
        match input.split_first() {
            Some((b'\n', rest)) if *end == b'\n' => {
                *input = rest;
                self.block.dispatch_data();
                Ok(Refill::Event)
            }
            _ => Ok(Refill::Lines),
        }
    }

    /// How many bytes the line may have.
    #[inline]
    fn room(&self) -> usize {
        self.max_event_size.saturating_sub(self.block.len())
    }

    #[cold]
    fn poison<T>(&mut self) -> Result<T, EventTooLarge> {
        let own_id = self.block.own_id(self.text.as_str()).map(EcoString::from);
        let error = EventTooLarge::new(self.max_event_size, own_id);
        self.drop_all();
        self.mode = Mode::Poisoned(error.clone());
        Err(error)
    }

    fn drop_all(&mut self) {
        self.block.restart(self.text.as_str());
        self.text = Text::default();
        self.invalidate_limit();
    }

    /// Gives back what a large event has needed.
    #[inline]
    fn shrink(&mut self) {
        // Capacities first: to tell what is unused takes longer, and mostly all are small.
        if self.text.capacity() > KEPT_WINDOW
            || (self.block.capacity() > MIN_RETAINED && self.block.unused() > MIN_RETAINED)
        {
            self.shrink_to(KEPT_WINDOW, MAX_RESERVED);
        }
    }

    /// Gives back the window too, where no more input is at hand: most streams are idle most of the
    /// time. What [`event`](Self::event) has is gone.
    #[inline]
    pub(crate) fn idle(&mut self) {
        if self.text.capacity() > MIN_RETAINED || self.block.capacity() > MIN_RETAINED {
            // Whoever was lent an event has copied it: it is not kept.
            self.block.end_dispatch();
            self.shrink_to(MIN_RETAINED, MIN_RETAINED);
        }
    }

    /// The text keeps at most `window`, unfinished data at most `data`, or a small multiple of what is
    /// in them.
    #[cold]
    fn shrink_to(&mut self, window: usize, data: usize) {
        self.block.keep(self.text.as_str());
        self.text.shrink_to(window);
        self.block.shrink(data);
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

/// How much memory the text has that it will hardly need: while it grows, it has up to twice its length.
#[inline]
fn spare_memory(text: &String) -> usize {
    text.capacity().saturating_sub(4 * text.len())
}

/// Gives that memory back, but for so much that the text may go on.
fn fit(text: &mut String, kept: usize) {
    if text.is_empty() {
        *text = String::new();
    } else if spare_memory(text) > 0 {
        text.shrink_to(kept.max(2 * text.len()));
    }
}

/// Takes up to `len` bytes off the input.
fn take<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}
