//! What the parser's targets share: the model, and a body made of the fuzzer's bytes.

pub mod body;
pub mod model;

#[path = "../../tests/support/given.rs"]
mod given;

use fetch_event_source::Parser;

pub use given::Given;

/// All that the parser gives for a chunk. An error is the last, and is not repeated.
pub fn feed(parser: &mut Parser, mut chunk: &[u8], given: &mut Vec<Given>) {
    loop {
        match parser.next(&mut chunk) {
            Ok(Some(frame)) => given.push(frame.into()),
            Ok(None) => break,
            Err(_) => {
                if given.last() != Some(&Given::TooLarge) {
                    given.push(Given::TooLarge);
                }
                assert!(
                    parser.next(&mut chunk).is_err(),
                    "poisoned until it is reset"
                );
                return;
            }
        }
    }
    assert!(chunk.is_empty(), "`None` leaves no input");
}
