//! Tuned constants, each with the row of `benches/instructions` that it serves.

/// How many bytes of a chunk are decoded together. More is not faster.
///
/// Row "Parser, tokens": 8 KiB would gain 3 %, but double the memory that hostile input can take.
pub(super) const WINDOW: usize = 4 << 10;

/// The decoded size of a window: three bytes for each malformed byte.
pub(super) const MAX_DECODED_WINDOW: usize = 3 * WINDOW;

/// The text keeps this much memory between chunks: enough for a window of well-formed text, and the beginning of
/// a line before it.
///
/// Row "Parser, tokens": with less, each chunk would allocate.
pub(super) const KEPT_WINDOW: usize = 2 * WINDOW;

/// A data line that is this long without an end bypasses the text.
///
/// Rows "large": without that, events of 1 MiB take 1.7 to 2.3 times as long.
pub(super) const LONG_LINE: usize = 512;

/// In a chunk, or the rest of a chunk, as small as this, a data line goes directly to its block: there are too few
/// lines for a search over many.
///
/// Rows "tokens, 200 B chunks" (a quarter faster) and "tokens, one event a chunk" (a fifth).
pub(super) const SMALL_CHUNK: usize = 1 << 10;

/// Length of the prefix that locates a `data` line's value.
pub(super) const DATA_PREFIX: usize = "data: ".len();

/// How many bytes of a long line are decoded together: they should stay in the L1 cache.
///
/// Rows "large".
pub(super) const LONG_LINE_PIECE: usize = 16 << 10;

/// Up to this many ASCII bytes bypass the window, for servers that flush single bytes.
///
/// Row "trickle": the path through the window takes ten times the instructions of an append.
pub(super) const FEW_BYTES: usize = 8;

/// Data of at least this length is moved to its event instead of copied.
///
/// Rows "large": a copy of 64 KiB does not fit the L1 cache.
pub(super) const WORTH_MOVING: usize = 64 << 10;

/// A buffer keeps this much memory between events, and so does the text while a stream is idle.
///
/// `benches/src/bin/memory.rs`: the memory of an idle stream.
pub(crate) const MIN_RETAINED: usize = 1 << 10;

/// Between chunks the data of an unfinished event may keep this much of the capacity of the event before it, which
/// is usually as large.
///
/// Row "events(), large, 64 × 64 KiB".
pub(super) const MAX_RESERVED: usize = 128 << 10;

/// How much is decoded together around malformed text, so that one bad byte only slows down its neighbourhood.
///
/// Row "mixed text".
pub(super) const NEIGHBOURHOOD: usize = 64;
