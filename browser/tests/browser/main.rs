//! In a page, against a server of another origin.

mod bounds;
mod clocks;
mod connection;
mod hidden;
mod steering;
#[path = "../support/mod.rs"]
mod support;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
