//! The differences between a native program and a browser.

mod native;

pub(crate) use native::*;
