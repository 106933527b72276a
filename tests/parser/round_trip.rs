//! An event that is written ([`Display`](std::fmt::Display)) and parsed again is the same event,
//! whatever is in it.

use crate::fields;
use crate::fields::Fields;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What has a meaning on the wire, and what could be taken for it.
const PARTS: [&str; 20] = [
    "\n",
    "\r",
    "\r\n",
    "\0",
    " ",
    ":",
    "\u{feff}",
    "data: ",
    "id:",
    "event",
    "retry: 1",
    "message",
    "\n\n",
    "\u{2028}",
    "\u{85}",
    "\u{b}",
    "\u{20ac}",
    "\u{1f600}",
    "x",
    "\t",
];

fn text(choices: &[u8]) -> String {
    let part = |choice: &u8| PARTS[usize::from(*choice) % PARTS.len()];
    choices.iter().map(part).collect()
}

fn fields(choices: &[u8]) -> Fields {
    let mut texts = choices.splitn(3, |choice| *choice > 200).map(text);
    let mut next = || texts.next().unwrap_or_default();
    Fields {
        data: next(),
        event_type: next(),
        id: next(),
    }
}

#[test]
fn written_events_are_read_back() {
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    // The same events in every run.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome =
        TestRunner::new_with_rng(config, random).run(&vec(any::<u8>(), 0..60), |choices| {
            let events: Vec<_> = choices.chunks(20).map(fields).collect();
            fields::check(&events);
            Ok(())
        });
    assert_eq!(outcome, Ok(()));
}
