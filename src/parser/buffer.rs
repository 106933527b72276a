//! Memory of buffers, and the bytes taken off an input.

/// Frees capacity above `kept` that the text probably does not need: while it grows, its capacity is up to twice
/// its length. Leaves a text some room for growth.
pub(super) fn fit(text: &mut String, kept: usize) {
    if text.capacity() > kept.max(4 * text.len()) {
        let room = if text.is_empty() { 0 } else { kept };
        text.shrink_to(room.max(2 * text.len()));
    }
}

/// Takes up to `len` bytes from the input.
pub(super) fn take<'i>(input: &mut &'i [u8], len: usize) -> &'i [u8] {
    let (taken, rest) = input.split_at(len.min(input.len()));
    *input = rest;
    taken
}
