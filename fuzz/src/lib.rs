//! What the parser's targets share: the model, and a body made of the fuzzer's bytes.

pub mod body;
pub mod model;

use fetch_event_source::{Frame, Parser};

/// A frame or an error, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    Event {
        event_type: String,
        data: String,
        id: String,
    },
    Comment(String),
    Retry(u64),
    LastEventId(String),
    TooLarge,
}

impl From<Frame<'_>> for Given {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Event(event) => Self::Event {
                event_type: event.event_type.to_owned(),
                data: event.data.to_owned(),
                id: event.last_event_id.to_owned(),
            },
            Frame::Comment(text) => Self::Comment(text.to_owned()),
            Frame::Retry(time) => {
                Self::Retry(time.as_millis().try_into().expect("what fits into a u64"))
            }
            Frame::LastEventId(id) => Self::LastEventId(id.to_owned()),
            other => panic!("a new kind of frame: {other:?}"),
        }
    }
}

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
