//! Whether the page is visible.

use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;
use web_sys::Document;

use crate::client::handle::Handle;

const CHANGE: &str = "visibilitychange";

/// Hides and shows a source with its page, until it is dropped.
pub(crate) struct Visibility {
    document: Document,
    listener: Closure<dyn FnMut()>,
}

impl Visibility {
    /// Returns `None` in a worker, which has no page.
    pub(crate) fn watch(handle: Handle) -> Option<Self> {
        let document = web_sys::window()?.document()?;
        let page = document.clone();
        let source = handle.clone();
        let listener = Closure::new(move || source.set_hidden(page.hidden()));
        let function = listener.as_ref().unchecked_ref();
        document
            .add_event_listener_with_callback(CHANGE, function)
            .ok()?;
        handle.set_hidden(document.hidden());
        Some(Self { document, listener })
    }
}

impl Drop for Visibility {
    fn drop(&mut self) {
        let function = self.listener.as_ref().unchecked_ref();
        // This cannot fail, because the listener is a function.
        let _ = self
            .document
            .remove_event_listener_with_callback(CHANGE, function);
    }
}
