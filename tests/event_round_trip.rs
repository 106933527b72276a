//! An event that is written ([`Display`](std::fmt::Display)) and parsed again is the same event,
//! whatever is in it.

#[path = "support/round_trip.rs"]
mod round_trip;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use round_trip::Fields;

/// Any text, and mostly what has a meaning on the wire.
fn text() -> impl Strategy<Value = String> {
    let telling = [
        "\n", "\r", "\r\n", "\0", " ", ":", "\u{feff}", "data: ", "id:", "event", "retry: 1",
        "message", "\n\n", "\u{2028}", "\u{85}", "\u{b}", "\u{20ac}", "x",
    ];
    let telling = telling.map(|text| Just(text.to_owned()));
    let part = prop_oneof![
        4 => proptest::strategy::Union::new(telling),
        1 => any::<char>().prop_map(String::from),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

fn fields() -> impl Strategy<Value = Fields> {
    (text(), text(), text()).prop_map(|(data, event_type, id)| Fields {
        data,
        event_type,
        id,
    })
}

#[test]
fn what_is_written_is_what_is_read() {
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    // The same events in every run.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, random).run(&vec(fields(), 1..4), |events| {
        round_trip::check(&events);
        Ok(())
    });
    assert_eq!(outcome, Ok(()));
}
