//! Memory of buffers, and the bytes taken off an input.

/// How much memory the text has that it will hardly need: while it grows, it has up to twice its
/// length.
#[inline]
pub(super) fn spare_memory(text: &String) -> usize {
    text.capacity().saturating_sub(4 * text.len())
}

/// Gives that memory back, but for so much that the text may go on.
pub(super) fn fit(text: &mut String, kept: usize) {
    if text.is_empty() {
        *text = String::new();
    } else if spare_memory(text) > 0 {
        text.shrink_to(kept.max(2 * text.len()));
    }
}

/// Takes up to `len` bytes off the input.
pub(super) fn take<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}
