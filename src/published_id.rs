//! The last event ID, where handles find it while the source is polled elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{array, hint, thread};

use ecow::EcoString;

/// How many bytes the words have.
const ROOM: usize = size_of::<u128>();

const WORDS: usize = ROOM / size_of::<usize>();

/// In place of the length: the ID is long, and behind the lock.
const LONG: u8 = u8::MAX;

/// How often a reader looks again at once, before it lets the writer run.
const SPINS: u32 = 64;

/// A string with one writer and many readers. Many servers set another ID with every event, and most
/// IDs are short: those are written without a lock, by stores alone.
///
/// This is a sequence lock: readers look again where the version has changed meanwhile.
#[derive(Default)]
pub(crate) struct PublishedId {
    /// Odd: the words are being written.
    version: AtomicUsize,
    /// A short ID's bytes, and in the last byte its length.
    words: [AtomicUsize; WORDS],
    long: Mutex<EcoString>,
}

impl PublishedId {
    /// The longest ID that is written without the lock.
    pub(crate) const SHORT: usize = ROOM - 1;

    /// Writes it. One thread at a time may.
    pub(crate) fn set(&self, id: &EcoString) {
        if id.len() <= Self::SHORT {
            return self.set_short(id);
        }
        *self.long() = id.clone();
        self.write(pack(&[], LONG));
    }

    /// Writes one that has no more bytes than [`SHORT`](Self::SHORT). One thread at a time may.
    #[inline]
    pub(crate) fn set_short(&self, id: &str) {
        let was_long = length(self.read_words()) == LONG;
        self.write(pack(id.as_bytes(), id.len() as u8));
        if was_long {
            *self.long() = EcoString::new();
        }
    }

    pub(crate) fn get(&self) -> String {
        loop {
            let words = self.read();
            let length = length(words);
            if length != LONG {
                let bytes = &words.to_le_bytes()[..usize::from(length)];
                return String::from_utf8_lossy(bytes).into_owned();
            }
            // A short one may have come meanwhile, and another long one be about to.
            let long = self.long();
            if self::length(self.read()) == LONG {
                return long.as_str().to_owned();
            }
        }
    }

    #[inline]
    fn write(&self, words: u128) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        // Whoever sees one of the words sees that they are being written.
        fence(Ordering::Release);
        for (at, word) in self.words.iter().enumerate() {
            word.store(
                (words >> (at * usize::BITS as usize)) as usize,
                Ordering::Relaxed,
            );
        }
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> u128 {
        let mut looks = 0_u32;
        loop {
            let before = self.version.load(Ordering::Acquire);
            let words = self.read_words();
            fence(Ordering::Acquire);
            if before % 2 == 0 && before == self.version.load(Ordering::Relaxed) {
                return words;
            }
            looks = looks.saturating_add(1);
            if looks < SPINS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }

    #[inline]
    fn read_words(&self) -> u128 {
        let words: [_; WORDS] = array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
        words
            .iter()
            .rev()
            .fold(0, |all, &word| all << usize::BITS | word as u128)
    }

    fn long(&self) -> MutexGuard<'_, EcoString> {
        self.long.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(words: u128) -> u8 {
    (words >> (8 * (ROOM - 1))) as u8
}

/// The bytes, and the length behind them. Without a loop, for this may be done with every event: what
/// the parts have both is the same in both.
#[inline]
fn pack(id: &[u8], length: u8) -> u128 {
    debug_assert!(id.len() < ROOM);
    let bytes = match (id.first_chunk(), id.last_chunk()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
            u128::from(first) | u128::from(last) << (8 * (id.len() - size_of::<u64>()))
        }
        _ => u128::from(pack_few(id)),
    };
    bytes | u128::from(length) << (8 * (ROOM - 1))
}

#[inline]
fn pack_few(id: &[u8]) -> u64 {
    match (id.first_chunk(), id.last_chunk()) {
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
            u64::from(first) | u64::from(last) << (8 * (id.len() - size_of::<u32>()))
        }
        _ => id
            .iter()
            .rev()
            .fold(0, |all, &byte| all << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    fn of_length(length: usize) -> EcoString {
        ('a'..='z').cycle().take(length).collect()
    }

    #[test]
    fn what_was_set_last_is_what_is_read() {
        let id = PublishedId::default();
        assert_eq!(id.get(), "");
        let lengths = (0..40).flat_map(|length| [length, 0, 39 - length, length]);
        for length in lengths {
            let due = of_length(length);
            id.set(&due);
            assert_eq!(id.get(), due);
        }
        id.set(&"äöüß".into());
        assert_eq!(id.get(), "äöüß");
    }

    #[test]
    fn the_memory_of_a_long_one_is_given_back() {
        let id = PublishedId::default();
        id.set(&of_length(1_000));
        id.set(&of_length(1));
        assert!(id.long().is_empty());
    }

    /// Calls this in two threads while IDs are set, and ends when they were.
    fn while_set(
        ids: impl Iterator<Item = EcoString>,
        mut read: impl FnMut(String) + Clone + Send,
    ) {
        let (published, is_done) = (PublishedId::default(), AtomicBool::new(false));
        thread::scope(|scope| {
            for mut read in [read.clone(), read.clone()] {
                let (published, is_done) = (&published, &is_done);
                scope.spawn(move || {
                    while !is_done.load(Ordering::Relaxed) {
                        read(published.get());
                    }
                });
            }
            ids.for_each(|id| published.set(&id));
            is_done.store(true, Ordering::Relaxed);
        });
        read(published.get());
    }

    /// Each ID is one letter so many times, which depends on the letter: a mixture would be seen.
    #[test]
    fn nobody_reads_half_of_one_and_half_of_another() {
        let ids: Vec<EcoString> = (0..26_u8)
            .map(|n| EcoString::from(char::from(b'a' + n)).repeat(usize::from(n) + 1))
            .collect();
        let set = (0..100_000).map(|round| ids[round * 7 % ids.len()].clone());
        while_set(set, |id| {
            let id = EcoString::from(id);
            assert!(id.is_empty() || ids.contains(&id), "{id:?}");
        });
    }

    /// Long and short ones take turns; the number in them only grows.
    #[test]
    fn it_never_goes_back() {
        let set = (0..100_000).map(|n| match n % 3 {
            0 => EcoString::from(format!("{n:030}")),
            _ => EcoString::from(n.to_string()),
        });
        let mut last = 0;
        while_set(set, move |id| {
            let n: u32 = id.parse().unwrap_or_default();
            assert!(n >= last, "{n} after {last}");
            last = n;
        });
    }
}
