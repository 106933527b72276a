//! The smallest pages that stream: one by the library, one by reqwest alone.

use js_sys::Function;
use wasm_bindgen::prelude::*;

/// Calls the function with each event's data.
#[cfg(feature = "ours")]
#[wasm_bindgen]
pub async fn stream(url: String, on_data: Function) -> Result<(), JsError> {
    let mut events = fetch_event_source::fetch_event_source(url).stream();
    while let Some(event) = events.next().await {
        let _ = on_data.call1(&JsValue::NULL, &event?.data().into());
    }
    Ok(())
}

/// Calls the function with the length of each chunk.
#[cfg(feature = "bare")]
#[wasm_bindgen]
pub async fn stream(url: String, on_data: Function) -> Result<(), JsError> {
    use futures_util::StreamExt as _;

    let mut chunks = reqwest::get(url).await?.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let _ = on_data.call1(&JsValue::NULL, &chunk?.len().into());
    }
    Ok(())
}
