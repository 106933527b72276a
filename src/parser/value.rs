//! The value of a field, in the text or owned.

use super::buffer::fit;
use super::text::Span;
use super::tuning::MIN_RETAINED;

/// A value that stays in the text where it arrived, until the text is dropped.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// The range in the text.
    span: Option<Span>,
    /// The value, if there is no span; otherwise empty.
    kept: String,
}

impl Value {
    pub(super) fn new(kept: String) -> Self {
        Self { span: None, kept }
    }

    #[inline]
    pub(super) fn set(&mut self, span: Span) {
        self.span = Some(span);
        self.kept.clear();
    }

    #[inline]
    pub(super) fn get<'a>(&'a self, text: &'a str) -> &'a str {
        match self.span {
            Some(span) => span.of(text),
            None => &self.kept,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.span.map_or(self.kept.len(), Span::len)
    }

    /// Becomes empty.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.span = None;
        self.kept.clear();
    }

    /// Takes over `other`'s value, and clears it.
    #[inline]
    pub(super) fn take(&mut self, other: &mut Self) {
        std::mem::swap(self, other);
        other.clear();
    }

    /// Copies the value out of the text, which is about to be dropped.
    pub(super) fn keep(&mut self, text: &str) {
        if let Some(span) = self.span.take() {
            self.kept.push_str(span.of(text));
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.kept.capacity()
    }

    pub(super) fn shrink(&mut self) {
        fit(&mut self.kept, MIN_RETAINED);
    }
}
