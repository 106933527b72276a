//! Where lines end, 64 bytes at a look.

/// How many bytes are looked at together: one for each bit of a word.
const GROUP: usize = u64::BITS as usize;

/// Finds the line ends in a text that grows, looking at each byte once.
#[derive(Debug, Clone, Default)]
pub(super) struct LineEnds {
    /// A bit for each line end not given yet of the 64 bytes before `looked_at`.
    found: u64,
    looked_at: usize,
}

impl LineEnds {
    /// The index of the next CR or LF of the text.
    #[inline(always)]
    pub(super) fn next(&mut self, text: &[u8]) -> Option<usize> {
        while self.found == 0 {
            if self.looked_at >= text.len() {
                return None;
            }
            self.look(text);
        }
        let index = self.found.trailing_zeros() as usize;
        self.found &= self.found - 1;
        Some((self.looked_at + index).wrapping_sub(GROUP))
    }

    /// The text before `index` is gone. All its line ends were given.
    pub(super) fn forget(&mut self, index: usize) {
        self.looked_at -= index;
    }

    /// There is no line end before `index` but those given.
    #[inline]
    pub(super) fn skip_to(&mut self, index: usize) {
        self.looked_at = index;
    }

    /// The next byte is a line end or not. Fewer than a group of them may come so after all were
    /// given.
    #[inline]
    pub(super) fn look_at_one(&mut self, is_end: bool) {
        self.found = (self.found >> 1) | (u64::from(is_end) << (GROUP - 1));
        self.looked_at += 1;
    }

    #[inline]
    fn look(&mut self, text: &[u8]) {
        let ahead = &text[self.looked_at..];
        if let Some(group) = ahead.first_chunk() {
            self.found = line_ends(group);
            self.looked_at += GROUP;
        } else {
            self.found = last_ends(text, ahead.len());
            self.looked_at = text.len();
        }
    }
}

/// The line ends among the last `len` bytes of the text, fewer than a group.
#[inline]
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

/// A bit for each byte that is a CR or an LF.
///
/// Written so that the compiler compares the whole group in vector registers: where lines are short
/// a search from one end to the next, however fast, costs more than all the rest.
#[inline]
fn line_ends(group: &[u8; GROUP]) -> u64 {
    let ends = group.map(|byte| u8::from(byte == b'\n' || byte == b'\r'));
    let words: [u64; 8] = std::array::from_fn(|i| word(&ends, i));
    // Within a long line this is most of the groups.
    if words.iter().fold(0, |any, word| any | word) == 0 {
        return 0;
    }
    let mut bits = 0;
    for (i, word) in words.iter().enumerate() {
        bits |= gather(*word) << (8 * i);
    }
    bits
}

#[inline]
fn word(bytes: &[u8; GROUP], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[8 * index..8 * index + 8]);
    u64::from_le_bytes(word)
}

/// Eight bytes of 0 or 1 to eight bits: the product's top byte sums them up, each shifted to its
/// own place.
#[inline]
fn gather(word: u64) -> u64 {
    word.wrapping_mul(0x0102_0408_1020_4080) >> 56
}
