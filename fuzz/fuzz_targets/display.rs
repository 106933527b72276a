//! Events that are written and parsed again are equal, except for what the wire form cannot hold. The check is in
//! `tests/support/round_trip.rs`, which a property test also uses.
#![no_main]

#[path = "../../tests/support/round_trip.rs"]
mod round_trip;

use libfuzzer_sys::fuzz_target;
use round_trip::Fields;

fuzz_target!(|fields: Vec<(String, String, String)>| {
    let events: Vec<_> = fields
        .into_iter()
        .map(|(data, event_type, id)| Fields {
            data,
            event_type,
            id,
        })
        .collect();
    round_trip::check(&events);
});
