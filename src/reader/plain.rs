//! Events of one data line, made directly from the chunk, without the parser.
//!
//! Such a *plain* event is `data: `, a value, and two LFs. The parser limits the length of the value, so that
//! the size limit stays exact. Everything else goes to the parser.

use std::ops::Range;

use memchr::{memchr_iter, memchr2};

use super::EventReader;
use crate::event::Event;
use crate::parser::Parser;

/// The line of a plain event up to its value.
const PLAIN_NAME: &[u8] = b"data: ";

/// How much of a plain line may be carried over to the next chunk. A longer part goes to the parser.
///
/// Row "events(), tokens, 200 B chunks".
const MAX_CARRIED: usize = 4 << 10;

/// How far into a chunk the end of an event is searched that began in an earlier chunk.
///
/// Row "events(), tiny".
const FIRST_STOP: usize = 1 << 10;

impl<B: AsRef<[u8]>> EventReader<B> {
    /// Where the parser stops in a new chunk: after the event that it is inside. Otherwise it would take in the
    /// events after it, which may be plain.
    pub(super) fn first_stop(&self, chunk: &[u8]) -> usize {
        if chunk.len() <= FIRST_STOP || self.parser.is_clear() {
            return chunk.len();
        }
        let head = &chunk[..FIRST_STOP];
        let is_blank = |&end: &usize| head.get(end + 1) == Some(&b'\n');
        match memchr_iter(b'\n', head).find(is_blank) {
            Some(end) => end + 2,
            None => chunk.len(),
        }
    }

    /// Finds a plain event in the chunk, if the parser is between events. Most events are plain.
    #[inline(always)]
    pub(super) fn find_plain(&mut self) -> bool {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        let rest = chunk.get(self.used..).unwrap_or_default();
        if !self.carried.is_empty() {
            return self.find_plain_end();
        }
        let Some(value) = rest.strip_prefix(PLAIN_NAME) else {
            return false;
        };
        let Some(end) = memchr2(b'\n', b'\r', value) else {
            return self.carry(value.len());
        };
        if !value[end..].starts_with(b"\n\n")
            || !passes(&mut self.parser, &mut self.plain_room, end)
        {
            return false;
        }
        let start = self.used + PLAIN_NAME.len();
        self.plain = Some(start..start + end);
        self.used = start + end + 2;
        self.used_up = self.used == chunk.len();
        true
    }

    /// Finds the end of the carried line.
    #[inline(never)]
    pub(super) fn find_plain_end(&mut self) -> bool {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        let Some(end) = memchr2(b'\n', b'\r', chunk) else {
            return self.carry(chunk.len());
        };
        let len = self.carried.len() + end;
        let is_plain = len <= MAX_CARRIED && chunk[end..].starts_with(b"\n\n");
        if !is_plain || !passes(&mut self.parser, &mut self.plain_room, len) {
            self.give_back_carried();
            return false;
        }
        self.plain = Some(0..end);
        self.used = end + 2;
        self.used_up = self.used == chunk.len();
        true
    }

    /// Carries the last `len` bytes of the chunk over to the next, as the value of an unfinished plain line.
    /// Returns `false`: there is no event yet.
    #[inline(never)]
    pub(super) fn carry(&mut self, len: usize) -> bool {
        let all = self.carried.len() + len;
        if all == 0 || all > MAX_CARRIED || !passes(&mut self.parser, &mut self.plain_room, all) {
            self.give_back_carried();
            return false;
        }
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        self.carried.extend_from_slice(&chunk[chunk.len() - len..]);
        self.chunk = None;
        self.used = 0;
        self.stop = 0;
        self.used_up = true;
        false
    }

    /// Passes the carried bytes to the parser.
    #[cold]
    pub(super) fn give_back_carried(&mut self) {
        self.plain_room = 0;
        if !self.carried.is_empty() {
            // An unfinished line within the limit gives no frame.
            for part in [PLAIN_NAME, &self.carried] {
                let _ = self.parser.step(&mut { part });
            }
            self.carried.clear();
        }
    }

    #[inline(always)]
    pub(super) fn take_plain_event(&mut self, value: Range<usize>) -> Event {
        if self.carried.is_empty() && self.parser.id_len() == 0 {
            let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
            return Event::plain(decoded(chunk.get(value).unwrap_or_default()));
        }
        let shared_id = self.shared_id(false);
        let text = self.carried_with_id(value, shared_id.is_none());
        let id_len = match shared_id {
            None => self.parser.id_len(),
            Some(_) => 0,
        };
        Event::from_text(text, 0, id_len, false, shared_id)
    }

    /// Returns the value, with what was carried before it and perhaps the ID behind it.
    // Row "events(), tokens": inlined, it makes every event be written to memory and read again.
    #[inline(never)]
    fn carried_with_id(&mut self, value: Range<usize>, with_id: bool) -> Box<str> {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        let mut value = chunk.get(value).unwrap_or_default();
        if !self.carried.is_empty() {
            self.carried.extend_from_slice(value);
            value = &self.carried;
        }
        let id = match with_id {
            true => self.parser.last_event_id(),
            false => "",
        };
        let text: Box<str> = match simdutf8::basic::from_utf8(value) {
            Ok(data) if id.is_empty() => data.into(),
            Ok(data) => [data, id].concat().into(),
            Err(_) => [&String::from_utf8_lossy(value), id].concat().into(),
        };
        self.carried.clear();
        text
    }

    /// Forgets an event that was found and not taken.
    #[cold]
    pub(super) fn forget_plain(&mut self) {
        self.plain = None;
        self.carried.clear();
    }
}

/// Whether a plain line with a value of this length may bypass the parser.
#[inline(always)]
fn passes(parser: &mut Parser, plain_room: &mut usize, len: usize) -> bool {
    if len >= *plain_room {
        *plain_room = parser.plain_room();
    }
    len < *plain_room
}

/// Decodes the bytes of a whole value.
#[inline(always)]
fn decoded(value: &[u8]) -> Box<str> {
    match simdutf8::basic::from_utf8(value) {
        Ok(text) => text.into(),
        Err(_) => String::from_utf8_lossy(value).into(),
    }
}
