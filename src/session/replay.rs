//! Whether a request that is not idempotent may be sent: it records the requests on which a server may have acted, and
//! the caller's consent.

/// The requests sent so far, if they forbid another.
#[derive(Debug, Default)]
pub(super) struct Replays {
    /// Whether the policy consents to all.
    always: bool,
    books: Books,
    /// The request of the current attempt, after it was sent.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Books {
    /// Whether the server may have acted on a request that was not idempotent.
    may_have_acted: bool,
    /// Whether a hook consented to send those requests again.
    consented: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    idempotent: bool,
    /// The state before the request.
    before: Books,
}

impl Replays {
    pub(super) fn new(always: bool) -> Self {
        Self {
            always,
            ..Self::default()
        }
    }

    /// Whether such a request may be sent. A request that is not idempotent may not, while an earlier one is neither
    /// settled nor consented to.
    pub(super) fn allows(&self, idempotent: bool) -> bool {
        idempotent || self.always || !self.books.may_have_acted || self.books.consented
    }

    /// Called when an attempt begins. It has sent nothing yet.
    pub(super) fn begin(&mut self) {
        self.sent = None;
    }

    /// Called when a request is sent. Until its end shows otherwise, the server may have acted on it, which uses up the
    /// consent, even if the request is idempotent.
    pub(super) fn send(&mut self, idempotent: bool) {
        self.sent = Some(Sent {
            idempotent,
            before: self.books,
        });
        self.books.may_have_acted |= !idempotent;
        self.books.consented = false;
    }

    /// Called if the server cannot have acted on the request: restores the state before it.
    pub(super) fn clear_if_unsent(&mut self) {
        if let Some(sent) = self.sent {
            self.books = sent.before;
        }
    }

    /// Called when a hook asks for a retry of the current attempt. It consents to what it saw: if that attempt sent nothing,
    /// or a GET, this is not consent for an earlier POST.
    pub(super) fn consent(&mut self) {
        if self.sent.is_some_and(|sent| !sent.idempotent) {
            self.books.consented = true;
        }
    }
}
