//! The reconnect state machine under any sequence of calls. The laws stand beside it, in
//! `src/session/laws/mod.rs`: a property test checks the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| fetch_event_source::fuzzing::session(script));
