//! What is measured: the parser by itself, and a stream from end to end. Each returns how many events there
//! were and how many bytes their data had, so that nothing is left out.

use fetch_event_source::{Parser, fetch_event_source};
use futures_util::StreamExt as _;
use wasm_bindgen::prelude::*;

/// The events of a body that is in memory, in chunks as large as a fetch gives them.
#[wasm_bindgen]
pub struct Body(Vec<u8>);

const CHUNK: usize = 16 * 1024;

#[wasm_bindgen]
impl Body {
    #[wasm_bindgen(constructor)]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn parse(&self) -> Vec<u32> {
        let mut parser = Parser::new();
        let mut count = Count::default();
        for chunk in self.0.chunks(CHUNK) {
            let mut rest = chunk;
            while let Some(event) = parser.next_event(&mut rest).expect("no event is too large") {
                count.add(event.data);
            }
        }
        count.into_parts()
    }
}

/// The events of a stream.
#[wasm_bindgen]
pub async fn stream(url: String) -> Result<Vec<u32>, JsError> {
    let mut count = Count::default();
    let mut events = fetch_event_source(url).stream();
    while let Some(event) = events.next().await {
        count.add(event?.data());
    }
    Ok(count.into_parts())
}

/// The bytes of a stream, by reqwest alone.
#[wasm_bindgen]
pub async fn drain(url: String) -> Result<Vec<u32>, JsError> {
    let mut count = Count::default();
    let mut chunks = reqwest::get(url).await?.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        count.events += 1;
        count.bytes += chunk?.len() as u32;
    }
    Ok(count.into_parts())
}

#[derive(Default)]
struct Count {
    events: u32,
    bytes: u32,
}

impl Count {
    fn add(&mut self, data: &str) {
        self.events += 1;
        self.bytes += data.len() as u32;
    }

    fn into_parts(self) -> Vec<u32> {
        vec![self.events, self.bytes]
    }
}
