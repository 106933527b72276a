//! What was tuned, each constant with the row of `benches/instructions` that it serves.

/// How many bytes of a chunk are decoded together. More would not be faster.
///
/// Row "Parser, tokens": 8 KiB gain 3 %, and twice the memory that hostile input can take.
pub(super) const WINDOW: usize = 4 << 10;

/// What a window takes, decoded: three bytes for each that is malformed.
pub(super) const MAX_DECODED_WINDOW: usize = 3 * WINDOW;

/// The text keeps this much memory between chunks: what a window of well-formed text needs, and a
/// line begun before it.
///
/// Row "Parser, tokens": less would be allocated anew with each chunk.
pub(super) const KEPT_WINDOW: usize = 2 * WINDOW;

/// A data line that has become this long without an end goes past the text.
///
/// Rows "large": without that way 1 MiB events take 1.7 to 2.3 times as long.
pub(super) const LONG_LINE: usize = 512;

/// In a chunk as small as this, or in what is left of one, a data line goes to its block at once:
/// there are not enough lines to look at together.
///
/// Rows "tokens, 200 B chunks" (a quarter faster) and "tokens, one event a chunk" (a fifth).
pub(super) const SMALL_CHUNK: usize = 1 << 10;

/// Length of the prefix that locates a `data` line's value.
pub(super) const DATA_PREFIX: usize = "data: ".len();

/// How many bytes of a long line are decoded together: they should stay in the first cache.
///
/// Rows "large".
pub(super) const LONG_LINE_PIECE: usize = 16 << 10;

/// Up to this many ASCII bytes bypass the window, for servers that flush single bytes.
///
/// Row "trickle": the window's way takes ten times the instructions of an append.
pub(super) const FEW_BYTES: usize = 8;

/// The end of a plain line that is longer than this is looked for alone.
///
/// Row "Parser, tokens".
pub(super) const FAR_END: usize = 64;

/// Data from this length on is moved out to its event, not copied.
///
/// Rows "large": a copy of 64 KiB leaves the first cache.
pub(super) const WORTH_MOVING: usize = 64 << 10;

/// A buffer keeps this much memory between events for the next; the text does too where nothing
/// comes for long.
///
/// `benches/src/bin/memory.rs`: what an idle stream holds.
pub(crate) const MIN_RETAINED: usize = 1 << 10;

/// Between chunks the data of an unfinished event may keep this much of what the one before it has
/// needed: the next is mostly as large.
///
/// Row "events(), large, 64 × 64 KiB".
pub(super) const MAX_RESERVED: usize = 128 << 10;

/// How much is looked at together where something is malformed, so that one bad byte slows down
/// its neighbourhood alone.
///
/// Row "mixed text".
pub(super) const NEIGHBOURHOOD: usize = 64;

/// How much is looked at together between two malformed places.
///
/// Row "mixed text".
pub(super) const SOUND_PIECE: usize = 512;
