//! What is seen, and what is clicked.

use wasm_bindgen::prelude::*;
use web_sys::{Document, Element};

#[derive(Clone)]
pub(crate) struct View {
    document: Document,
    lines: Element,
    count: Element,
}

impl View {
    pub(crate) fn find() -> Self {
        let document = document();
        Self {
            lines: element(&document, "lines"),
            count: element(&document, "count"),
            document,
        }
    }

    /// One more event was seen.
    pub(crate) fn count(&self) {
        let seen = self.count.text_content().unwrap_or_default();
        let seen = seen.parse().unwrap_or(0) + 1;
        self.count.set_text_content(Some(&seen.to_string()));
    }

    /// Says when the page is hidden and shown.
    pub(crate) fn watch(&self) {
        let view = self.clone();
        let change = Closure::<dyn FnMut()>::new(move || match view.document.hidden() {
            true => view.line("page", "the page is hidden"),
            false => view.line("page", "the page is shown"),
        });
        let change = change.into_js_value();
        self.document
            .set_onvisibilitychange(Some(change.unchecked_ref()));
    }

    /// Adds a line on top.
    pub(crate) fn line(&self, class: &str, text: &str) {
        let Ok(line) = self.document.create_element("li") else {
            return;
        };
        line.set_class_name(class);
        line.set_text_content(Some(text));
        let _ = self
            .lines
            .insert_before(&line, self.lines.first_child().as_ref());
    }
}

pub(crate) fn origin() -> String {
    let window = web_sys::window().expect("a page has a window");
    window.location().origin().expect("a page has an origin")
}

pub(crate) fn on_click(id: &str, call: impl FnMut() + 'static) {
    let button = element(&document(), id);
    let button: web_sys::HtmlElement = button.unchecked_into();
    let call = Closure::<dyn FnMut()>::new(call).into_js_value(); // as long as the page lives
    button.set_onclick(Some(call.unchecked_ref()));
}

fn document() -> Document {
    let window = web_sys::window().expect("a page has a window");
    window.document().expect("a window has a document")
}

fn element(document: &Document, id: &str) -> Element {
    let element = document.get_element_by_id(id);
    element.expect("the page has this element")
}
