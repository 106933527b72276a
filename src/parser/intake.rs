//! The paths of the bytes into the parser.
//!
//! | bytes | go to | by |
//! |---|---|---|
//! | up to eight ASCII bytes without a line end | the text, unchanged | [`push_few`](Parser::push_few) |
//! | any | the text, a window at a time | [`refill_text`](Parser::refill_text) |
//! | a data line in a small chunk | the block's data | [`start_data`](Parser::start_data) |
//! | the rest of a data line that is long, or in a small chunk | the block's data | [`move_data`](Parser::move_data) |
//!
//! For maintainers: results must not depend on the cuts between chunks, so all tests feed their input in many
//! ways. A new path must keep the count of [`Parser::max_event_size`], which is defined on decoded text.

use memchr::memchr2;

use super::buffer::take;
use super::line::data_value;
use super::tuning::{DATA_PREFIX, FEW_BYTES, LONG_LINE, LONG_LINE_PIECE, SMALL_CHUNK, WINDOW};
use super::{EventTooLarge, Mode, Parser};

/// The result of taking in input.
pub(super) enum Refill {
    /// There may be lines in the text.
    Lines,
    /// A data line and the blank line after it bypassed the text.
    Event,
    /// The input is used up.
    Nothing,
}

impl Parser {
    /// Returns how short the value of a plain event must be to bypass the parser: one line `data: ` and the value,
    /// then a blank line, both ended by an LF. It holds until the next bytes. 0 if the parser is not between
    /// events, and must see the line.
    ///
    /// A decoded value has at most three times its bytes, so the limit stays exact.
    #[inline(never)]
    pub(crate) fn plain_room(&mut self) -> usize {
        let most = self.room().checked_sub(DATA_PREFIX);
        let Some(most) = most.filter(|_| self.is_between_events()) else {
            return 0;
        };
        self.block.saw_known_line = true;
        most / 3 + 1
    }

    /// Whether there is no part of a line or an event, and nothing is borrowed.
    pub(crate) fn is_clear(&self) -> bool {
        self.text.is_clear() && self.block.is_clear() && matches!(self.mode, Mode::Lines)
    }

    /// Whether there is no part of a line or an event. Ends the borrow of the last event.
    fn is_between_events(&mut self) -> bool {
        if !matches!(self.mode, Mode::Lines)
            || !self.text.is_looked_through()
            || self.text.unfinished_len() > 0
            || self.text.is_within_character()
        {
            return false;
        }
        self.block.end_dispatch();
        if !self.block.is_idle() {
            return false;
        }
        self.block.keep(self.text.as_str());
        self.text.pass_line();
        true
    }

    /// Takes in a few ASCII bytes of a line, if they only extend the text.
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

    /// Takes in more input, when no whole line is left.
    #[inline(always)]
    pub(super) fn refill(&mut self, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
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
        self.block.saw_known_line = true;
        self.mode = Mode::Data { name };
        true
    }

    /// Begins a data line of the input, if there is one with a whole name. Returns the length of the name.
    fn start_data(&mut self, input: &mut &[u8]) -> Option<usize> {
        let value = data_value(input)?;
        let name = input.len() - value.len();
        // After the colon, a space may still follow.
        if input.len() == "data:".len() || !self.text.is_between_characters() {
            return None;
        }
        *input = value;
        self.spare = 0;
        self.block.saw_known_line = true;
        self.mode = Mode::Data { name };
        Some(name)
    }

    fn refill_data(&mut self, name: usize, input: &mut &[u8]) -> Result<Refill, EventTooLarge> {
        let piece = &input[..input.len().min(LONG_LINE_PIECE)];
        let end = memchr2(b'\n', b'\r', piece);
        let value = take(input, end.unwrap_or(piece.len()));
        let data = match end {
            Some(_) => &mut self.block.data,
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
        self.block.data.push('\n');
        match input.split_first() {
            Some((b'\n', rest)) if *end == b'\n' => {
                *input = rest;
                self.block.dispatch_data();
                Ok(Refill::Event)
            }
            _ => Ok(Refill::Lines),
        }
    }
}
