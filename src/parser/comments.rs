//! Comments, and the blank lines between them, by the look of the bytes.

use super::line_ends::{GROUP, line_ends};

/// How many bytes at the beginning are whole lines that are comments or blank. The first may have
/// `begun` before.
///
/// A group at a time: what is left after the last one is not looked at.
pub(super) fn comments_len(bytes: &[u8], begun: bool) -> usize {
    let mut len = 0;
    let mut rest = bytes;
    let mut begins = u64::from(!begun);
    while let Some((group, after)) = rest.split_first_chunk::<GROUP>() {
        let start = bytes.len() - rest.len();
        let ends = line_ends(group);
        // An LF after a CR is no blank line, but nothing else either.
        let mut lines = (ends << 1 | begins) & !ends;
        while lines != 0 {
            let line = lines.trailing_zeros() as usize;
            if group[line] != b':' {
                return start + line;
            }
            lines &= lines - 1;
        }
        if ends != 0 {
            len = start + GROUP - ends.leading_zeros() as usize;
        }
        begins = ends >> (GROUP - 1);
        rest = after;
    }
    len
}
