//! Finds line ends, 64 bytes at a time.

use wide::{CmpEq, i8x16};

/// How many bytes are searched together: one for each bit of a word.
pub(super) const GROUP: usize = u64::BITS as usize;

/// How many bytes fit into a vector register.
const LANES: usize = 16;

/// Finds the line ends in a growing text, and reads each byte once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LineEnds {
    /// A bit for each line end in the 64 bytes before `looked_at` that was not returned yet.
    found: u64,
    looked_at: usize,
}

impl LineEnds {
    /// Returns the index of the next CR or LF of the text.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &[u8]) -> Option<usize> {
        if self.found == 0 {
            if self.looked_at == text.len() {
                return None;
            }
            *self = Self::look(text, self.looked_at);
        }
        let next = self.peek()?;
        self.pop();
        Some(next)
    }

    /// Returns the index of the next line end, if it is an LF followed by another, and the state after both. It
    /// changes nothing, because the caller may discard the result.
    #[inline(always)]
    pub(super) fn pair(&self, text: &[u8]) -> Option<(usize, Self)> {
        let mut ends = *self;
        let end = ends.next(text)?;
        if ends.peek() != Some(end + 1) || text.get(end) != Some(&b'\n') {
            return None;
        }
        ends.pop();
        Some((end, ends))
    }

    /// Whether every line end of the text was returned.
    #[inline]
    pub(super) fn is_looked_through(&self, text: &str) -> bool {
        self.found == 0 && self.looked_at == text.len()
    }

    /// Returns the index of the next line end that is already found.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<usize> {
        let index = self.found.trailing_zeros() as usize;
        (self.found != 0).then(|| (self.looked_at + index).wrapping_sub(GROUP))
    }

    /// Removes the next line end that is already found.
    #[inline(always)]
    pub(super) fn pop(&mut self) {
        self.found &= self.found.wrapping_sub(1);
    }

    /// Called when the text before `index` was dropped. All its line ends were returned.
    pub(super) fn forget(&mut self, index: usize) {
        self.looked_at -= index;
    }

    /// Called if there is no further line end before `index`.
    #[inline]
    pub(super) fn skip_to(&mut self, index: usize) {
        self.looked_at = index;
    }

    /// Searches on, until a line end is found or the text ends.
    // By value: the caller holds its own in registers.
    #[inline(never)]
    fn look(text: &[u8], mut looked_at: usize) -> Self {
        let mut found = 0;
        while found == 0 && looked_at < text.len() {
            let ahead = &text[looked_at..];
            if let Some(group) = ahead.first_chunk() {
                found = line_ends(group);
                looked_at += GROUP;
            } else {
                found = last_ends(text, ahead.len());
                looked_at = text.len();
            }
        }
        Self { found, looked_at }
    }
}

/// Finds the line ends in the last `len` bytes of the text, fewer than a group.
fn last_ends(text: &[u8], len: usize) -> u64 {
    let ends = match text.last_chunk() {
        Some(group) => line_ends(group),
        None => {
            let mut group = [0; GROUP];
            group[GROUP - text.len()..].copy_from_slice(text);
            line_ends(&group)
        }
    };
    ends & (u64::MAX << (GROUP - len))
}

/// Returns a bit for each byte that is a CR or an LF.
///
/// The whole group is compared in vector registers: with short lines, a search from one end to the next costs
/// more than everything else. `wide` offers vectors in safe code for SSE2 and NEON. A plain loop was vectorized
/// only in builds with one codegen unit, and was nine times slower in cargo's release profile.
pub(super) fn line_ends(group: &[u8; GROUP]) -> u64 {
    let mut bits = 0;
    for (i, part) in group.chunks_exact(LANES).enumerate() {
        let mut lanes = [0; LANES];
        lanes.copy_from_slice(part);
        let part = i8x16::new(lanes.map(|byte| byte as i8));
        let ends = part.cmp_eq(i8x16::splat(b'\n' as i8)) | part.cmp_eq(i8x16::splat(b'\r' as i8));
        bits |= u64::from(ends.move_mask() as u16) << (LANES * i);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_of_a_group_has_its_own_bit() {
        for index in 0..GROUP {
            for end in [b'\n', b'\r'] {
                let mut group = [b'x'; GROUP];
                group[index] = end;
                assert_eq!(line_ends(&group), 1 << index, "{index}");
            }
        }
        assert_eq!(line_ends(&[b'\n'; GROUP]), u64::MAX);
        assert_eq!(line_ends(&[b'\x0b'; GROUP]), 0);
    }
}
