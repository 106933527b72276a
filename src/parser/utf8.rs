//! Bytes to text: "UTF-8 decode", which replaces malformed input and never fails.
//!
//! Malformed input becomes one U+FFFD for each maximal subpart, as in the decoder of the [Encoding Standard] and
//! in the standard library's lossy conversion.
//!
//! [Encoding Standard]: https://encoding.spec.whatwg.org/#utf-8-decoder

use std::str;

use simdutf8::compat::Utf8Error;

use super::tuning::NEIGHBOURHOOD;

/// Decodes bytes in pieces, which may cut a character anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoder {
    /// The beginning of an unfinished character, at most three bytes. The fourth byte is the one being examined.
    cut: [u8; 4],
    cut_len: usize,
}

impl Decoder {
    /// Whether the next byte begins a character.
    pub(super) fn is_between_characters(&self) -> bool {
        self.cut_len == 0
    }

    /// Whether the unfinished bytes may be the beginning of this character.
    pub(super) fn is_within(&self, character: char) -> bool {
        let mut whole = [0; 4];
        let whole = character.encode_utf8(&mut whole).as_bytes();
        self.cut_len > 0 && whole.starts_with(&self.cut[..self.cut_len])
    }

    /// Appends a piece to the text. An unfinished character waits for the next piece.
    pub(super) fn push(&mut self, text: &mut String, bytes: &[u8]) {
        if self.is_between_characters() && bytes.last().is_none_or(u8::is_ascii) {
            return push_whole(text, bytes);
        }
        let bytes = self.complete(text, bytes);
        let (whole, cut) = bytes.split_at(bytes.len() - incomplete_end(bytes));
        push_whole(text, whole);
        for &byte in cut {
            self.cut[self.cut_len] = byte;
            self.cut_len += 1;
        }
    }

    /// Ends the input: an unfinished character is malformed.
    pub(super) fn finish(&mut self, text: &mut String) {
        if !self.is_between_characters() {
            text.push(char::REPLACEMENT_CHARACTER);
            self.cut_len = 0;
        }
    }

    /// Completes the unfinished character, and returns the bytes after it.
    fn complete<'a>(&mut self, text: &mut String, mut bytes: &'a [u8]) -> &'a [u8] {
        while !self.is_between_characters() {
            let [next, rest @ ..] = bytes else { break };
            self.cut[self.cut_len] = *next;
            match str::from_utf8(&self.cut[..=self.cut_len]) {
                Ok(character) => {
                    text.push_str(character);
                    self.cut_len = 0;
                }
                Err(error) if error.error_len().is_none() => self.cut_len += 1,
                // "Restore byte to ioQueue": it is decoded again, as a new character.
                Err(_) => {
                    self.finish(text);
                    break;
                }
            }
            bytes = rest;
        }
        bytes
    }
}

/// Appends bytes that end with a whole or malformed character.
fn push_whole(text: &mut String, mut bytes: &[u8]) {
    loop {
        match simdutf8::compat::from_utf8(bytes) {
            Ok(valid) => return text.push_str(valid),
            Err(error) => bytes = push_to_error(text, bytes, error),
        }
    }
}

/// Appends the valid part, and a replacement for the malformed part after it. Returns the rest.
fn push_to_error<'a>(text: &mut String, bytes: &'a [u8], error: Utf8Error) -> &'a [u8] {
    let (sound, rest) = bytes.split_at(error.valid_up_to());
    text.push_str(simdutf8::basic::from_utf8(sound).unwrap_or_default());
    if sound.len() >= NEIGHBOURHOOD {
        text.push(char::REPLACEMENT_CHARACTER);
        return &rest[error.error_len().unwrap_or(rest.len())..];
    }
    // Malformed places are close together: a search for each costs more than a slower decoder for all.
    let near = match rest.get(..NEIGHBOURHOOD) {
        Some(near) => NEIGHBOURHOOD - incomplete_end(near),
        None => rest.len(),
    };
    let (near, rest) = rest.split_at(near);
    for part in near.utf8_chunks() {
        text.push_str(part.valid());
        if !part.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    rest
}

/// Returns how many bytes at the end belong to an unfinished character.
fn incomplete_end(bytes: &[u8]) -> usize {
    let is_continuation = |byte: u8| byte & 0b1100_0000 == 0b1000_0000;
    let is_incomplete =
        |end: &[u8]| str::from_utf8(end).is_err_and(|error| error.error_len().is_none());
    (1..=bytes.len().min(3))
        .find(|back| !is_continuation(bytes[bytes.len() - back]))
        .filter(|back| is_incomplete(&bytes[bytes.len() - back..]))
        .unwrap_or(0)
}
