//! 10 MiB of seeded random bytes: the result is that of the reference parser.
//! `tests/scenarios.md`, 115. `vectors/random.py` made the expectation, and says how.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use fetch_event_source::{Frame, Parser};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PIECES: [&[u8]; 32] = [
    b"\n",
    b"\n\n",
    b"\r",
    b"\r\n",
    b"\r\r",
    b"\r\n\r\n",
    b"data",
    b"data:",
    b"data: ",
    b"\ndata: ",
    b"\ndata: ",
    b"event: ",
    b"\nevent: ",
    b"id: ",
    b"\nid: ",
    b"id",
    b"\nretry: ",
    b"retry: 15\n",
    b"\n:",
    b" ",
    b"0",
    b"15",
    b"\t",
    b"\xef\xbb\xbf",
    b"\xe2\x82\xac",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\xc3",
    b"\xff",
    b"\x00",
];

/// As in `vectors/random.py`.
fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed;
    // https://prng.di.unimi.it/splitmix64.c
    let mut draw = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        let draw = draw();
        match draw & 1 {
            1 => bytes.extend_from_slice(PIECES[usize::try_from((draw >> 1) % 32).unwrap()]),
            _ => bytes.push((draw >> 1).to_le_bytes()[0]),
        }
    }
    bytes.truncate(len);
    bytes
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// What came out, in the form of the expectation.
#[derive(Default)]
struct Result {
    events: u64,
    sha: Sha256,
    retries: u64,
    retry_sum: Duration,
}

impl Result {
    fn event(&mut self, event_type: &str, id: &str, data: &str) {
        self.events += 1;
        for value in [event_type, id, data] {
            self.sha.update((value.len() as u64).to_be_bytes());
            self.sha.update(value);
        }
    }

    fn retry(&mut self, time: Duration) {
        self.retries += 1;
        self.retry_sum += time;
    }

    #[track_caller]
    fn assert_is(self, expected: &Value, last_event_id: &str, how: &str) {
        let sum = u64::try_from(self.retry_sum.as_millis()).unwrap();
        assert_eq!(Value::from(self.events), expected["events"], "{how}");
        assert_eq!(hex(self.sha.finalize()), expected["events_sha256"], "{how}");
        assert_eq!(Value::from(self.retries), expected["retries"], "{how}");
        assert_eq!(Value::from(sum), expected["retry_ms_sum"], "{how}");
        let id = hex(Sha256::digest(last_event_id));
        assert_eq!(id, expected["final_last_event_id_sha256"], "{how}");
    }
}

fn input_and_expectation() -> (Vec<u8>, Value) {
    let expected: Value = serde_json::from_str(include_str!("../vectors/random.json")).unwrap();
    let len = usize::try_from(expected["bytes"].as_u64().unwrap()).unwrap();
    let bytes = random_bytes(expected["seed"].as_u64().unwrap(), len);
    assert_eq!(
        hex(Sha256::digest(&bytes)),
        expected["input_sha256"],
        "not the same bytes"
    );
    (bytes, expected)
}

#[test]
fn random_bytes_are_read_as_the_reference_reads_them_however_they_are_cut() {
    let (bytes, expected) = input_and_expectation();
    let mut random = fastrand::Rng::with_seed(115);
    for (how, longest) in [("in large chunks", 32 << 10), ("in crumbs", 9)] {
        let (mut parser, mut result) = (Parser::new(), Result::default());
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let cut = random.usize(1..=longest).min(rest.len());
            let (mut chunk, after) = rest.split_at(cut);
            rest = after;
            while let Some(frame) = parser.next(&mut chunk).unwrap() {
                match frame {
                    Frame::Event(event) => {
                        result.event(event.event_type, event.last_event_id, event.data)
                    }
                    Frame::Retry(time) => result.retry(time),
                    _ => {}
                }
            }
        }
        result.assert_is(&expected, parser.last_event_id(), how);
    }
}

/// The whole way: a response's body, read by a source.
#[cfg(feature = "client")]
#[tokio::test]
async fn random_bytes_as_a_body_give_the_same_events() {
    use fetch_event_source::{BoxError, EventSource, RetryPolicy, Signal, reqwest};
    use futures_util::stream;

    let (bytes, expected) = input_and_expectation();
    let source = EventSource::get("http://127.0.0.1:9/").fetch(move |_| {
        let chunks: Vec<_> = bytes
            .chunks(4099)
            .map(|chunk| Ok::<_, BoxError>(chunk.to_vec()))
            .collect();
        async move {
            let response = http::Response::builder()
                .header("content-type", "text/event-stream")
                .body(reqwest::Body::wrap_stream(stream::iter(chunks)))?;
            Ok(response.into())
        }
    });
    let policy = RetryPolicy::never().server_delay_bounds(Duration::ZERO..);
    let mut signals = source.retry(policy).signals();
    let mut result = Result::default();
    while let Some(signal) = signals.next().await {
        match signal.unwrap() {
            Signal::Event(event) => {
                result.event(event.event_type(), event.last_event_id(), event.data())
            }
            Signal::ReconnectionTime(time) => result.retry(time),
            _ => {}
        }
    }
    result.assert_is(&expected, &signals.handle().last_event_id(), "as a body");
}
