//! From the lines of the text to frames, and the size limit.

use ecow::EcoString;

use super::block::Step;
use super::intake::Refill;
use super::line::{is_known, may_be_known};
use super::text::Text;
use super::tuning::{KEPT_WINDOW, LONG_LINE, MAX_RESERVED, MIN_RETAINED};
use super::{EventTooLarge, Mode, Parser};

impl Parser {
    /// [`next`](Self::next), without the borrow.
    ///
    /// The hot loop, with the work for every line. The work for every window is in
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

    /// Takes an event of a single data line, as most events are. The block must be empty.
    #[inline(always)]
    pub(super) fn take_plain_event(&mut self) -> bool {
        if self.check_each_line {
            return false;
        }
        let data = self.text.take_plain_line(b"data: ");
        if let Some(data) = data {
            self.block.dispatch_only(data);
        }
        data.is_some()
    }

    /// Takes lines from the text until there is something to return.
    #[inline(always)]
    pub(super) fn take_lines(&mut self) -> Result<Option<Step>, EventTooLarge> {
        let text = self.text.as_str();
        let after_cr = self.text.after_cr;
        let mut lines = self.text.lines;
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
                // It makes no difference whether this happens now or later, and this saves a call.
                Some(Step::Comment(_)) if self.block.is_idle() => {
                    _ = lines.take_blank(text.as_bytes())
                }
                _ => {}
            }
            if step.is_some() {
                break step;
            }
        };
        self.text.lines = lines;
        Ok(step)
    }

    /// [`finish`](Self::finish), without the borrow: an event, or an empty one.
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

    /// Ends the last line of a body that ends inside it.
    pub(super) fn end_last_line(&mut self) -> Result<(), EventTooLarge> {
        match &self.mode {
            Mode::Lines => {
                // Frames that the caller has not taken are lost.
                while self.take_lines()?.is_some() {}
                if self.text.unfinished_len() > 0 || self.text.is_within_character() {
                    self.text.push(b"\n");
                    self.update_limit();
                    while self.take_lines()?.is_some() {}
                }
            }
            Mode::Data { name } => {
                let name = *name;
                self.text.end_line_into(&mut self.block.data, b'\n');
                self.mode = Mode::Lines;
                if name > self.room() {
                    return self.poison();
                }
                self.block.data.push('\n');
            }
            Mode::Poisoned(error) => return Err(error.clone()),
        }
        Ok(())
    }

    /// Whether a body that ends here had at least one unknown line, and otherwise only blank ones. The unfinished
    /// last line counts, unless it may be the beginning of a known line. Call this before
    /// [`finish`](Self::finish).
    pub(crate) fn ended_as_other(&self) -> bool {
        if self.block.saw_known_line || !matches!(self.mode, Mode::Lines) {
            return false;
        }
        if self.text.is_within_byte_order_mark() {
            return false; // there was no line yet
        }
        let line = self.text.unfinished();
        if self.text.is_within_character() {
            // It would be decoded as U+FFFD, which no field name has.
            return !may_be_known(format!("{line}\u{FFFD}").as_bytes());
        }
        let line_counts = !may_be_known(line.as_bytes());
        line_counts || (self.block.ignored_lines > 0 && !is_known(line.as_bytes()))
    }

    /// Lines that leave the text take no more room than before, so this holds until more is appended.
    pub(super) fn update_limit(&mut self) {
        let (len, room) = (self.text.as_str().len(), self.room());
        self.check_each_line = len > room;
        self.spare = if self.text.is_between_characters() {
            room.min(LONG_LINE).saturating_sub(len)
        } else {
            0
        };
    }

    /// Invalidates the cached check of the limit.
    pub(super) fn invalidate_limit(&mut self) {
        self.check_each_line = true;
        self.spare = 0;
    }

    /// Returns how many bytes the line may have.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.max_event_size.saturating_sub(self.block.len())
    }

    pub(super) fn poison<T>(&mut self) -> Result<T, EventTooLarge> {
        let own_id = self.block.last_event_id.buffered(self.text.as_str());
        let error = EventTooLarge {
            limit: self.max_event_size,
            last_event_id: own_id.map(EcoString::from),
        };
        self.drop_all();
        self.mode = Mode::Poisoned(error.clone());
        Err(error)
    }

    pub(super) fn drop_all(&mut self) {
        self.block.restart(self.text.as_str());
        self.text = Text::default();
        self.invalidate_limit();
    }

    /// Ends the input, if a cheap check shows that the parser has nothing more: most calls without a result follow
    /// the last event of a chunk.
    #[inline(always)]
    pub(super) fn ends_at_once(&mut self, input: &[u8]) -> bool {
        if !input.is_empty() || self.check_each_line || !self.text.is_looked_through() {
            return false;
        }
        self.block.end_dispatch();
        self.shrink();
        true
    }

    /// Frees the memory that a large event needed.
    pub(super) fn shrink(&mut self) {
        if self.text.capacity() > KEPT_WINDOW || self.block.capacity() > MIN_RETAINED {
            self.shrink_to(KEPT_WINDOW, MAX_RESERVED);
        }
    }

    /// Also frees the window, when no more input is available: most streams are idle most of the time. The event of
    /// [`event`](Self::event) is dropped.
    pub(crate) fn idle(&mut self) {
        if self.text.capacity() > MIN_RETAINED || self.block.capacity() > MIN_RETAINED {
            // The last borrowed event has been copied by now, so its buffers can be freed.
            self.block.end_dispatch();
            self.shrink_to(MIN_RETAINED, MIN_RETAINED);
        }
    }

    /// The text keeps a capacity of at most `window`, unfinished data of at most `data`, or a small multiple of
    /// their length.
    #[cold]
    pub(super) fn shrink_to(&mut self, window: usize, data: usize) {
        self.block.keep(self.text.as_str());
        self.text.shrink_to(window);
        self.block.shrink(data);
    }

    /// Whether, without more input, [`step`](Self::step) would find nothing and free no memory. An event may still
    /// be borrowed.
    pub(crate) fn is_drained(&self) -> bool {
        !self.check_each_line
            && self.text.is_looked_through()
            && self.text.capacity() <= KEPT_WINDOW
            && self.block.capacity() <= MIN_RETAINED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a body of these bytes, which ends here, had only unknown lines.
    fn is_other(body: &[u8]) -> bool {
        let mut parser = Parser::new();
        let mut input = body;
        while parser.step(&mut input).unwrap().is_some() {}
        parser.ended_as_other()
    }

    #[test]
    fn a_cut_field_name_is_not_an_unknown_line() {
        for cut in [
            "", "\u{FEFF}", "\n", "d", "dat", "even", "i", "retr", "data", ":",
        ] {
            assert!(!is_other(cut.as_bytes()), "{cut:?}");
        }
        for mark in [&b"\xEF"[..], b"\xEF\xBB"] {
            assert!(!is_other(mark), "half a byte order mark: {mark:?}");
        }
        for other in [
            &b"{}"[..],
            b"{}\n",
            b"\n{}\n\n",
            b"dato",
            b"\xC3",
            b"{}\xEF\xBB",
            b"\n\xEF",
        ] {
            assert!(is_other(other), "{}", other.escape_ascii());
        }
    }
}
