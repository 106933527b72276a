use fetch_event_source::Handle;
use wasm_bindgen::prelude::*;

/// Connects at once when the machine is back in the network.
pub fn reconnect_when_online(handle: Handle) {
    let online = Closure::<dyn FnMut()>::new(move || handle.reconnect());
    let window = web_sys::window().expect("a page has a window");
    window.set_ononline(Some(online.into_js_value().unchecked_ref()));
}
