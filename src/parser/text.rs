//! Decoded text, and the lines in it.

use super::buffer::fit;
use super::line_ends::LineEnds;
use super::tuning::{FAR_END, MAX_DECODED_WINDOW};
use super::utf8::Decoder;

/// A part of the text. It begins and ends next to an ASCII character, or where the text does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    #[inline]
    pub(super) fn len(self) -> usize {
        self.end - self.start
    }

    /// The last `len` bytes of it.
    #[inline]
    pub(super) fn last(self, len: usize) -> Self {
        Self {
            start: self.end - len,
            end: self.end,
        }
    }

    #[inline]
    pub(super) fn of_bytes(self, text: &str) -> &[u8] {
        &text.as_bytes()[self.start..self.end]
    }

    /// With the LF after it, if there is one.
    #[inline]
    pub(super) fn with_lf(self, text: &str) -> Option<&str> {
        let line = text.get(self.start..self.end + 1)?;
        line.ends_with('\n').then_some(line)
    }

    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// The text between what was taken and what has not arrived.
///
/// The chunks are copied here a small window at a time. Decoding and looking for line ends cost
/// least over many lines together; done line by line they take longer than the copy does.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    text: String,
    lines: Lines,
    decoder: Decoder,
    /// The first character is there, so that no byte order mark can come any more.
    begun: bool,
    /// The text now gone ended with a CR.
    after_cr: bool,
    /// The last plain line was long, so the next will be. (Not of `Lines`: to copy the padding
    /// after it costs more than all the rest of a short event.)
    long_lines: bool,
}

impl Text {
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The lines whose ends are there.
    #[inline(always)]
    pub(super) fn lines(&self) -> Lines {
        self.lines
    }

    /// The lines were taken up to here.
    #[inline(always)]
    pub(super) fn set_lines(&mut self, lines: Lines) {
        self.lines = lines;
    }

    /// Whether the text now gone ended with a CR.
    #[inline(always)]
    pub(super) fn is_after_cr(&self) -> bool {
        self.after_cr
    }

    /// Takes a line that begins like this, and the blank one after it, where both can be told at a
    /// glance. Gives the rest of the line.
    #[inline(always)]
    pub(super) fn take_plain_line<const N: usize>(&mut self, name: &[u8; N]) -> Option<Span> {
        let text = self.text.as_bytes();
        // What is compared may go on beyond the line's end: that is in no name.
        if text.get(self.lines.start..)?.first_chunk() != Some(name) {
            return None;
        }
        let start = self.lines.start + N;
        let Some((end, ends)) = self.lines.ends.pair(text, self.long_lines) else {
            self.long_lines = false;
            return None;
        };
        self.long_lines = end - start >= FAR_END;
        self.lines.ends = ends;
        self.lines.start = end + 2;
        Some(Span { start, end })
    }

    /// Appends the bytes, decoded.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(&mut self.text, bytes);
        if !self.begun {
            self.skip_byte_order_mark();
        }
    }

    /// "The UTF-8 decode algorithm strips one leading UTF-8 Byte Order Mark (BOM), if any."
    fn skip_byte_order_mark(&mut self) {
        self.begun = !self.text.is_empty();
        if self.text.starts_with('\u{FEFF}') {
            self.lines.start = '\u{FEFF}'.len_utf8();
            self.lines.ends.skip_to(self.lines.start);
        }
    }

    /// Whether [`push_few`](Self::push_few) may follow, as soon as all lines were taken: no
    /// character is unfinished, and no byte order mark can come.
    #[inline]
    pub(super) fn is_between_characters(&self) -> bool {
        self.begun && self.decoder.is_between_characters()
    }

    /// Whether a character is unfinished.
    pub(super) fn is_within_character(&self) -> bool {
        !self.decoder.is_between_characters()
    }

    /// Whether all there is may be the beginning of a byte order mark.
    pub(super) fn is_within_byte_order_mark(&self) -> bool {
        !self.begun && self.decoder.is_within('\u{FEFF}')
    }

    /// Appends ASCII without a line end, after all line ends in the text were given.
    #[inline]
    pub(super) fn push_few(&mut self, few: &[u8]) {
        debug_assert!(few.is_ascii() && self.is_between_characters());
        for &byte in few {
            self.text.push(char::from(byte));
        }
        self.lines.ends.skip_to(self.text.len());
    }

    /// Nothing is there, and what comes is no byte order mark, nor the LF of a CR.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.text.is_empty() && self.is_between_characters() && !self.after_cr
    }

    /// All lines were taken, and another one that ends with an LF has come and was not here.
    pub(super) fn pass_line(&mut self) {
        self.drop_taken();
        self.begun = true;
        self.after_cr = false;
    }

    /// Decodes a piece of a line that does not go through the text.
    pub(super) fn decode_into(&mut self, value: &mut String, bytes: &[u8]) {
        self.decoder.push(value, bytes);
    }

    /// Ends that line, at this CR or LF.
    pub(super) fn end_line_into(&mut self, value: &mut String, end: u8) {
        self.decoder.finish(value);
        self.go_on_after(end);
    }

    /// The line whose end is not there yet.
    #[inline]
    pub(super) fn unfinished(&self) -> &str {
        &self.text[self.lines.start..]
    }

    #[inline]
    pub(super) fn unfinished_len(&self) -> usize {
        self.text.len() - self.lines.start
    }

    /// Drops the line whose end is not there yet, and what a longer one before it has needed.
    pub(super) fn drop_unfinished(&mut self) {
        self.text.truncate(self.lines.start);
        self.text.shrink_to(MAX_DECODED_WINDOW);
        self.lines.ends.skip_to(self.lines.start);
    }

    /// What comes follows a line with this end that was not here.
    pub(super) fn go_on_after(&mut self, end: u8) {
        self.after_cr = end == b'\r';
    }

    /// Drops the lines that were taken.
    #[inline]
    pub(super) fn drop_taken(&mut self) {
        let Some(last) = self.lines.start.checked_sub(1) else {
            return;
        };
        self.after_cr = self.text.as_bytes()[last] == b'\r';
        if self.unfinished_len() == 0 {
            self.text.clear();
        } else {
            self.text.drain(..=last);
        }
        self.lines.ends.forget(self.lines.start);
        self.lines.start = 0;
    }

    /// There is no line whose end is there, as far as can be told at once.
    #[inline]
    pub(super) fn is_looked_through(&self) -> bool {
        self.lines.ends.is_looked_through(&self.text)
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Gives back the memory, when all lines were taken, but for so much where one is unfinished.
    pub(super) fn shrink_to(&mut self, most: usize) {
        self.drop_taken();
        fit(&mut self.text, most);
    }
}

/// Goes through the lines of a text. A value of its own, so that the loop over the lines has it in
/// registers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// Where the next line begins.
    start: usize,
    ends: LineEnds,
}

impl Lines {
    /// Takes the next line, if its end is there.
    ///
    /// > Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF)
    /// > character pair, a single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE
    /// > RETURN (CR) character.
    ///
    /// A CR ends its line at once: whether an LF follows cannot be known before the server says
    /// more, and no event should wait for that.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &[u8], after_cr: bool) -> Option<Span> {
        loop {
            let end = self.ends.next(text)?;
            let start = std::mem::replace(&mut self.start, end + 1);
            if start != end || text[end] == b'\r' || !is_after_cr(&text[..start], after_cr) {
                return Some(Span { start, end });
            }
        }
    }

    /// Takes the next line if it is blank, where that can be told at a glance: most lines have a
    /// neighbour that is.
    #[inline(always)]
    pub(super) fn take_blank(&mut self, text: &[u8]) -> bool {
        // After a CR the LF belongs to it.
        if self.ends.peek() != Some(self.start) {
            return false;
        }
        let is_blank = text.get(self.start.wrapping_sub(1)) == Some(&b'\n');
        if is_blank {
            self.ends.pop();
            self.start += 1;
        }
        is_blank
    }
}

/// Whether an LF after this text completes a CR: the text's last, or if there is none, that of the
/// text now gone.
#[inline(always)]
fn is_after_cr(text: &[u8], after_cr: bool) -> bool {
    text.last().map_or(after_cr, |&last| last == b'\r')
}
