//! Random streams, the same in every run: made of parts that are hard for parsers, and cut anywhere.

use fastrand::Rng;

/// A stream of bytes, and where it is cut.
pub(crate) struct Stream {
    pub(crate) seed: u64,
    pub(crate) bytes: Vec<u8>,
    /// In order; twice the same is an empty chunk.
    pub(crate) cuts: Vec<usize>,
}

impl Stream {
    pub(crate) fn random(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let bytes = bytes(&mut random);
        let many = match random.u8(..8) {
            0 => 0,
            1 => bytes.len(), // mostly single bytes
            _ => random.usize(1..9),
        };
        let mut cuts: Vec<_> = (0..many).map(|_| random.usize(..=bytes.len())).collect();
        cuts.sort_unstable();
        Self { seed, bytes, cuts }
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        let starts = [0].into_iter().chain(self.cuts.iter().copied());
        starts.zip(ends).map(|(start, end)| &self.bytes[start..end])
    }
}

const LINE_ENDS: [&[u8]; 3] = [b"\n", b"\r\n", b"\r"];

const NAMES: [&[u8]; 16] = [
    b"data",
    b"data",
    b"data",
    b"event",
    b"id",
    b"retry",
    b"",
    b"Data",
    b"datum",
    b"dat",
    b"ids",
    b" data",
    b"\xEF\xBB\xBFdata",
    b"eve\0nt",
    b"retr\xC3\xBC",
    b"\xFFid",
];

const COLONS: [&[u8]; 6] = [b": ", b":", b":  ", b": \t", b"", b"::"];

const TEXTS: [&[u8]; 24] = [
    b"",
    b"x",
    b"7",
    b"0",
    b"15",
    b"0060",
    b"+5",
    b"4294967296",
    b"18446744073709551616",
    b" ",
    b"a:b",
    b"\0",
    b"\t",
    b"\x0B",
    b"\x0C",
    b"\x7F",
    "\u{85}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{20ac}".as_bytes(),
    "\u{1F600}".as_bytes(),
    b"\xEF\xBB\xBF",
    b"[DONE]",
    b"{\"a\":1}",
    b"message",
];

/// Not UTF-8: lone, cut, overlong, surrogates, past the end.
const BAD_TEXTS: [&[u8]; 12] = [
    b"\x80",
    b"\xBF\xBF",
    b"\xC3",
    b"\xE2\x82",
    b"\xF0\x9F\x98",
    b"\xC0\x80",
    b"\xE0\x80\x80",
    b"\xED\xA0\x80",
    b"\xF4\x90\x80\x80",
    b"\xF5",
    b"\xFF\xFE",
    b"\xEF\xBB",
];

fn bytes(random: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    let starts: [&[u8]; 6] = [
        b"",
        b"",
        b"",
        b"\xEF\xBB\xBF",
        b"\xEF\xBB",
        b"\xEF\xBB\xBF\xEF\xBB\xBF",
    ];
    bytes.extend(pick(random, &starts));
    // Most servers use one kind of line end; some streams have all of them.
    let usual = pick(random, &LINE_ENDS);
    let mixed = random.bool();
    for _ in 0..random.usize(..40) {
        line(random, &mut bytes);
        let ends = [1, 1, 2, 2, 2, 3][random.usize(..6)];
        for _ in 0..ends {
            bytes.extend(if mixed {
                pick(random, &LINE_ENDS)
            } else {
                usual
            });
        }
    }
    if random.bool() {
        line(random, &mut bytes); // without its end
    }
    bytes
}

fn line(random: &mut Rng, bytes: &mut Vec<u8>) {
    if random.u8(..12) == 0 {
        // Arbitrary bytes.
        bytes.extend((0..random.usize(..12)).map(|_| random.u8(..)));
        return;
    }
    if random.u8(..12) == 0 {
        let most = if random.u8(..32) == 0 { 24 } else { 9 };
        let digits = random.usize(..most);
        bytes.extend(b"retry: ");
        bytes.extend((0..digits).map(|_| random.u8(b'0'..=b'9')));
        return;
    }
    bytes.extend(pick(random, &NAMES));
    bytes.extend(pick(random, &COLONS));
    for _ in 0..random.usize(..4) {
        match random.u8(..40) {
            0 if random.bool() => bytes.extend(b"y".repeat(random.usize(..3000))),
            1 if random.bool() => bytes.extend("\u{20ac}".repeat(random.usize(..500)).bytes()),
            2 => bytes.extend(b"z\xFF".repeat(random.usize(..100))),
            3..=8 => bytes.extend(pick(random, &BAD_TEXTS)),
            _ => bytes.extend(pick(random, &TEXTS)),
        }
    }
}

fn pick<'a>(random: &mut Rng, from: &[&'a [u8]]) -> &'a [u8] {
    from[random.usize(..from.len())]
}
