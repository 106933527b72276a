//! What a response is taken for, whatever its headers hold. The laws stand in `src/client/http/response/laws.rs`:
//! a property test checks the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &[u8]| fetch_event_source::fuzzing::response(lines));
