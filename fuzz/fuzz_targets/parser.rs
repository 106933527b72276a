//! The parser against a naive model of the standard, with a limit and without, on a first connection
//! and on the next. Each is fed at once; that cuts make no difference is for `chunking` to show.
#![no_main]

use fetch_event_source_fuzz::body::Body;
use fetch_event_source_fuzz::{Given, feed};
use libfuzzer_sys::fuzz_target;

/// More than the parser decodes together.
const LONG: usize = 17_000;

fuzz_target!(|input: &[u8]| {
    let Some(body) = Body::read(input, LONG) else {
        return;
    };
    let (mut parser, mut model) = (body.parser(), body.model());
    for (n, bytes) in body.connections().into_iter().enumerate() {
        if n > 0 {
            parser.reset();
            model.reset();
        }
        let mut given = Vec::new();
        feed(&mut parser, bytes, &mut given);
        bytes.iter().for_each(|byte| model.byte(*byte));
        assert_eq!(given, model.given());
        assert_eq!(parser.last_event_id(), model.last_event_id());
        assert_eq!(parser.finish().map(Given::from), model.finish());
        assert_eq!(parser.last_event_id(), model.last_event_id());
        assert_eq!(parser.finish(), None, "once");
    }
});
