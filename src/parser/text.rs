//! Decoded text, and the lines in it.

use super::buffer::fit;
use super::line_ends::LineEnds;
use super::tuning::MAX_DECODED_WINDOW;
use super::utf8::Decoder;

/// A range of the text. It begins and ends next to an ASCII character, or at an end of the text.
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

    /// Returns the last `len` bytes of the range.
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

    /// Returns the range with the LF after it, if there is one.
    pub(super) fn with_lf(self, text: &str) -> Option<&str> {
        let line = text.get(self.start..self.end + 1)?;
        line.ends_with('\n').then_some(line)
    }

    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// Decoded text that was not consumed yet.
///
/// Chunks are copied here a small window at a time. Decoding and the search for line ends are cheapest over many
/// lines together; line by line they take longer than the copy.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    text: String,
    /// The lines that were not taken.
    pub(super) lines: Lines,
    decoder: Decoder,
    /// Whether the first character has arrived, so that no byte order mark can follow.
    begun: bool,
    /// Whether the dropped text ended with a CR.
    pub(super) after_cr: bool,
}

impl Text {
    #[inline]
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Takes a line that begins with this prefix, and the blank line after it, if a cheap check finds both.
    /// Returns the rest of the line.
    #[inline(always)]
    pub(super) fn take_plain_line<const N: usize>(&mut self, name: &[u8; N]) -> Option<Span> {
        let text = self.text.as_bytes();
        // The comparison may reach beyond the line end, which no field name contains.
        if text.get(self.lines.start..)?.first_chunk() != Some(name) {
            return None;
        }
        let start = self.lines.start + N;
        let (end, ends) = self.lines.ends.pair(text)?;
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

    /// Whether [`push_few`](Self::push_few) may follow when all lines were taken: no character is unfinished, and no
    /// byte order mark can follow.
    pub(super) fn is_between_characters(&self) -> bool {
        self.begun && self.decoder.is_between_characters()
    }

    /// Whether a character is unfinished.
    pub(super) fn is_within_character(&self) -> bool {
        !self.decoder.is_between_characters()
    }

    /// Whether the whole text may be the beginning of a byte order mark.
    pub(super) fn is_within_byte_order_mark(&self) -> bool {
        !self.begun && self.decoder.is_within('\u{FEFF}')
    }

    /// Appends ASCII without a line end, after all line ends in the text were returned.
    #[inline]
    pub(super) fn push_few(&mut self, few: &[u8]) {
        debug_assert!(few.is_ascii() && self.is_between_characters());
        for &byte in few {
            self.text.push(char::from(byte));
        }
        self.lines.ends.skip_to(self.text.len());
    }

    /// Whether the text is empty, and neither a byte order mark nor the LF of a CR can follow.
    pub(super) fn is_clear(&self) -> bool {
        self.text.is_empty() && self.is_between_characters() && !self.after_cr
    }

    /// Called when all lines were taken and another line, which ended with an LF, bypassed the text.
    pub(super) fn pass_line(&mut self) {
        self.drop_taken();
        self.begun = true;
        self.after_cr = false;
    }

    /// Decodes a piece of a line that bypasses the text.
    pub(super) fn decode_into(&mut self, value: &mut String, bytes: &[u8]) {
        self.decoder.push(value, bytes);
    }

    /// Ends that line, at this CR or LF.
    pub(super) fn end_line_into(&mut self, value: &mut String, end: u8) {
        self.decoder.finish(value);
        self.after_cr = end == b'\r';
    }

    /// Returns the unfinished line.
    pub(super) fn unfinished(&self) -> &str {
        &self.text[self.lines.start..]
    }

    pub(super) fn unfinished_len(&self) -> usize {
        self.text.len() - self.lines.start
    }

    /// Drops the unfinished line, and the memory that an earlier longer one needed.
    pub(super) fn drop_unfinished(&mut self) {
        self.text.truncate(self.lines.start);
        self.text.shrink_to(MAX_DECODED_WINDOW);
        self.lines.ends.skip_to(self.lines.start);
    }

    /// Drops the lines that were taken.
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

    /// Whether a cheap check finds no finished line.
    #[inline]
    pub(super) fn is_looked_through(&self) -> bool {
        self.lines.ends.is_looked_through(&self.text)
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Drops the taken lines, and frees memory above `most` bytes.
    pub(super) fn shrink_to(&mut self, most: usize) {
        self.drop_taken();
        fit(&mut self.text, most);
    }
}

/// Iterates over the lines of a text. It is a separate value, so that the loop keeps it in registers.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// The start of the next line.
    start: usize,
    ends: LineEnds,
}

impl Lines {
    /// Takes the next line, if it is finished.
    ///
    /// > Lines must be separated by either a U+000D CARRIAGE RETURN U+000A LINE FEED (CRLF)
    /// > character pair, a single U+000A LINE FEED (LF) character, or a single U+000D CARRIAGE
    /// > RETURN (CR) character.
    ///
    /// A CR ends its line at once: whether an LF follows is only known with the next byte, and no event should
    /// wait for that.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &[u8], after_cr: bool) -> Option<Span> {
        loop {
            let end = self.ends.next(text)?;
            let start = std::mem::replace(&mut self.start, end + 1);
            // Whether an LF here completes a CR before it, which may be the end of the dropped text.
            let is_after_cr = || text[..start].last().map_or(after_cr, |&last| last == b'\r');
            if start != end || text[end] == b'\r' || !is_after_cr() {
                return Some(Span { start, end });
            }
        }
    }

    /// Takes the next line if a cheap check shows that it is blank, as it often is.
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
