//! The value of a field, wherever it is.

use super::text::Span;
use super::tuning::MIN_RETAINED;

/// A value that stays in the text where it arrived, until the text goes.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// Where it is in the text.
    span: Option<Span>,
    /// The value, if there is no span.
    kept: String,
}

impl Value {
    #[inline]
    pub(super) fn set(&mut self, span: Span) {
        self.span = Some(span);
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

    /// Becomes what the other one is, whose own value is then of no use.
    #[inline]
    pub(super) fn take(&mut self, other: &mut Self) {
        self.span = other.span.take();
        if self.span.is_none() {
            std::mem::swap(&mut self.kept, &mut other.kept);
        }
        other.kept.clear();
    }

    /// Copies what is still in the text, which is about to go.
    #[inline]
    pub(super) fn keep(&mut self, text: &str) {
        if let Some(span) = self.span.take() {
            self.kept.clear();
            self.shrink();
            self.kept.push_str(span.of(text));
        }
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.kept.capacity()
    }

    /// How much memory it has that nothing is in.
    #[inline]
    pub(super) fn unused(&self) -> usize {
        if self.span.is_some() || self.kept.is_empty() {
            self.kept.capacity()
        } else {
            0
        }
    }

    /// Gives that memory back, if it is more than is kept.
    #[inline]
    pub(super) fn shrink(&mut self) {
        if self.unused() > MIN_RETAINED {
            self.kept = String::new();
        }
    }
}

impl From<String> for Value {
    fn from(kept: String) -> Self {
        Self { span: None, kept }
    }
}
