//! The conformance vectors, each cut in every way.

#![allow(clippy::unwrap_used)]

use crate::parsing::{Given, feed, parse, random_cuts, sizes, splits, typed};
use base64::Engine;
use fetch_event_source::{Parser, events};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

struct Vector {
    name: String,
    chunks: Vec<Vec<u8>>,
    initial_last_event_id: String,
    events: Vec<Given>,
    final_last_event_id: String,
    /// What may come: the list itself, or one of the alternatives.
    retry_ms: Vec<Value>,
    events_after_chunk: Option<Value>,
}

impl Vector {
    fn read(vector: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let event = |event: &Value| {
            typed(
                &text(&event["event"]),
                &text(&event["data"]),
                &text(&event["id"]),
            )
        };
        let decode = |chunk: &Value| {
            base64::prelude::BASE64_STANDARD
                .decode(text(chunk))
                .unwrap()
        };
        let mut retry_ms = vec![vector["retry_ms"].clone()];
        retry_ms.extend(list(&vector["retry_ms_alternatives"]));
        Self {
            name: text(&vector["name"]),
            chunks: list(&vector["chunks"]).iter().map(decode).collect(),
            initial_last_event_id: vector["initial_last_event_id"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            events: list(&vector["events"]).iter().map(event).collect(),
            final_last_event_id: text(&vector["final_last_event_id"]),
            retry_ms,
            events_after_chunk: vector.get("events_after_chunk").cloned(),
        }
    }

    fn parser(&self) -> Parser {
        Parser::new().with_last_event_id(&self.initial_last_event_id)
    }

    fn check(&self, (given, last_event_id): (Vec<Given>, String), how: &str) {
        let name = &self.name;
        let (mut events, mut retries) = (Vec::new(), Vec::new());
        for frame in given {
            match frame {
                Given::Event { .. } => events.push(frame),
                Given::Retry(ms) => retries.push(ms),
                _ => {}
            }
        }
        assert_eq!(events, self.events, "{name}, {how}");
        assert_eq!(last_event_id, self.final_last_event_id, "{name}, {how}");
        assert!(
            self.retry_ms.contains(&retries.clone().into()),
            "{name}, {how}: {retries:?}"
        );
    }

    fn check_all_cuts(&self) {
        let input = self.chunks.concat();
        self.check(
            parse(self.parser(), self.chunks.iter().map(Vec::as_slice)),
            "as given",
        );
        self.check(parse(self.parser(), [&input[..]]), "whole");
        for ways in [sizes(&input), splits(&input), random_cuts(&input, 20)] {
            for cut in ways {
                let chunks = cut.iter().map(|chunk| &input[chunk.clone()]);
                self.check(parse(self.parser(), chunks), &format!("{cut:?}"));
            }
        }
    }

    fn check_latency(&self) {
        let Some(expected) = &self.events_after_chunk else {
            return;
        };
        let (mut parser, mut given) = (self.parser(), Vec::new());
        let mut count_after = |chunk: &Vec<u8>| {
            feed(&mut parser, chunk, &mut given);
            given
                .iter()
                .filter(|frame| matches!(frame, Given::Event { .. }))
                .count()
        };
        let counts: Vec<_> = self.chunks.iter().map(&mut count_after).collect();
        assert_eq!(Value::from(counts), *expected, "{}", self.name);
    }

    async fn check_as_stream(&self) {
        let input = self.chunks.concat();
        let single: Vec<_> = input.chunks(1).map(<[u8]>::to_vec).collect();
        for chunks in [self.chunks.clone(), vec![input.clone()], single] {
            let body = stream::iter(chunks).map(Ok::<_, std::io::Error>);
            let events = events(body).last_event_id(&self.initial_last_event_id);
            let given: Vec<_> = events
                .map_ok(|event| typed(event.event_type(), event.data(), event.last_event_id()))
                .try_collect()
                .await
                .unwrap();
            assert_eq!(given, self.events, "{}, as a stream", self.name);
        }
    }
}

fn vectors(json: &str) -> Vec<Vector> {
    let vectors: Vec<Value> = serde_json::from_str(json).unwrap();
    vectors.iter().map(Vector::read).collect()
}

fn all() -> Vec<Vector> {
    [
        include_str!("../vectors/parser.json"),
        include_str!("../vectors/fuzz.json"),
        include_str!("../vectors/seeded.json"),
        include_str!("../vectors/latency.json"),
    ]
    .into_iter()
    .flat_map(vectors)
    .collect()
}

#[test]
fn every_vector_cut_in_every_way() {
    let vectors = all();
    assert!(vectors.len() >= 442);
    vectors.iter().for_each(Vector::check_all_cuts);
}

#[test]
fn events_come_with_the_byte_that_completes_them() {
    let vectors = vectors(include_str!("../vectors/latency.json"));
    assert!(
        vectors
            .iter()
            .any(|vector| vector.events_after_chunk.is_some())
    );
    vectors.iter().for_each(Vector::check_latency);
}

#[tokio::test]
async fn every_vector_as_a_stream() {
    for vector in all() {
        vector.check_as_stream().await;
    }
}
