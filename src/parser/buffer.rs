//! Memory of buffers, and the bytes taken off an input.

/// Returns the capacity that the text probably does not need: while it grows, its capacity is up to twice its
/// length.
#[inline]
pub(super) fn spare_memory(text: &String) -> usize {
    text.capacity().saturating_sub(4 * text.len())
}

/// Frees that capacity, but leaves some room for growth.
pub(super) fn fit(text: &mut String, kept: usize) {
    if text.is_empty() {
        *text = String::new();
    } else if spare_memory(text) > 0 {
        text.shrink_to(kept.max(2 * text.len()));
    }
}

/// Takes up to `len` bytes from the input.
pub(super) fn take<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}
