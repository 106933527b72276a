//! Bytes to text: "UTF-8 decode", which replaces what is malformed and never fails.
//!
//! Malformed input becomes one U+FFFD for each maximal subpart, as the [Encoding Standard]'s
//! decoder has it, and the standard library's lossy conversion.
//!
//! [Encoding Standard]: https://encoding.spec.whatwg.org/#utf-8-decoder

use std::str;

use simdutf8::compat::Utf8Error;

use super::tuning::{NEIGHBOURHOOD, SOUND_PIECE};

/// Decodes bytes that come in pieces: a character may be cut anywhere.
#[derive(Debug, Clone, Default)]
pub(super) struct Decoder {
    /// The beginning of a character whose other bytes are still to come, at most three. The fourth
    /// place is for the byte under examination.
    cut: [u8; 4],
    cut_len: usize,
}

impl Decoder {
    /// Whether the next byte begins a character.
    #[inline]
    pub(super) fn is_between_characters(&self) -> bool {
        self.cut_len == 0
    }

    /// Whether a character that begins like this one is cut.
    pub(super) fn is_within(&self, character: char) -> bool {
        let mut whole = [0; 4];
        let whole = character.encode_utf8(&mut whole).as_bytes();
        self.cut_len > 0 && whole.starts_with(&self.cut[..self.cut_len])
    }

    /// Appends one more piece to the text. A character whose end is missing waits for the next.
    #[inline]
    pub(super) fn push(&mut self, text: &mut String, bytes: &[u8]) {
        if self.is_between_characters() && bytes.last().is_none_or(u8::is_ascii) {
            push_whole(text, bytes);
        } else {
            self.push_piece(text, bytes);
        }
    }

    /// The input is over: a character whose end is missing is malformed.
    pub(super) fn finish(&mut self, text: &mut String) {
        if !self.is_between_characters() {
            text.push(char::REPLACEMENT_CHARACTER);
            self.cut_len = 0;
        }
    }

    fn push_piece(&mut self, text: &mut String, bytes: &[u8]) {
        let bytes = self.complete(text, bytes);
        let (whole, cut) = bytes.split_at(bytes.len() - incomplete_end(bytes));
        push_whole(text, whole);
        for &byte in cut {
            self.cut[self.cut_len] = byte;
            self.cut_len += 1;
        }
    }

    /// Completes the character that was cut, and gives back the bytes that are not part of it.
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
                // "Restore byte to ioQueue": it is looked at again, on its own.
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

/// Appends bytes whose last character is not continued.
#[inline]
fn push_whole(text: &mut String, bytes: &[u8]) {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(valid) => text.push_str(valid),
        Err(error) => push_malformed(text, bytes, error),
    }
}

/// Something is malformed, and more will be: what lies before each such place is looked at twice,
/// so it should not be much.
#[inline(never)]
fn push_malformed(text: &mut String, mut bytes: &[u8], error: Utf8Error) {
    bytes = push_to_error(text, bytes, error);
    while !bytes.is_empty() {
        let (piece, rest) = bytes.split_at(whole(bytes, SOUND_PIECE));
        match simdutf8::compat::from_utf8(piece) {
            Ok(valid) => {
                text.push_str(valid);
                bytes = rest;
            }
            Err(error) => {
                let left = push_to_error(text, piece, error).len();
                bytes = &bytes[piece.len() - left..];
            }
        }
    }
}

/// Appends what is sound, and a replacement for what follows it. Gives the rest.
fn push_to_error<'a>(text: &mut String, bytes: &'a [u8], error: Utf8Error) -> &'a [u8] {
    let (sound, rest) = bytes.split_at(error.valid_up_to());
    text.push_str(valid(sound).unwrap_or_default());
    if sound.len() < NEIGHBOURHOOD {
        return push_neighbourhood(text, rest);
    }
    text.push(char::REPLACEMENT_CHARACTER);
    &rest[error.error_len().unwrap_or(rest.len())..]
}

/// Where malformed places are close together, a search for each costs more than a slower look at
/// all.
fn push_neighbourhood<'a>(text: &mut String, bytes: &'a [u8]) -> &'a [u8] {
    let (bad, rest) = bytes.split_at(whole(bytes, NEIGHBOURHOOD));
    push_replaced(text, bad);
    rest
}

/// The first so many bytes, or one to three less: the last of them is not continued after it.
fn whole(bytes: &[u8], most: usize) -> usize {
    match bytes.get(..most) {
        Some(near) => most - incomplete_end(near),
        None => bytes.len(),
    }
}

#[inline]
fn valid(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

fn push_replaced(text: &mut String, bytes: &[u8]) {
    for part in bytes.utf8_chunks() {
        text.push_str(part.valid());
        if !part.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// How many bytes at the end begin a character and do not complete it.
fn incomplete_end(bytes: &[u8]) -> usize {
    (1..=bytes.len().min(3))
        .find(|back| !is_continuation(bytes[bytes.len() - back]))
        .filter(|back| is_incomplete(&bytes[bytes.len() - back..]))
        .unwrap_or(0)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

fn is_incomplete(sequence: &[u8]) -> bool {
    str::from_utf8(sequence).is_err_and(|error| error.error_len().is_none())
}
