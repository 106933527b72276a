//! Whether a request that is not idempotent may be sent: the books on what a server may have acted
//! on, and on what the caller consented to.

/// The requests sent so far, as far as they forbid another.
#[derive(Debug, Default)]
pub(super) struct Replays {
    /// The policy consents to all.
    always: bool,
    books: Books,
    /// The request of the present attempt, once it was sent.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Books {
    /// The server may have acted on a request that was not idempotent.
    unsettled: bool,
    /// A hook agreed to send again what is unsettled.
    consented: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    idempotent: bool,
    /// The books as they were before.
    before: Books,
}

impl Replays {
    pub(super) fn new(always: bool) -> Self {
        Self {
            always,
            ..Self::default()
        }
    }

    /// Whether such a request may be sent. One that is not idempotent is withheld while an earlier
    /// one is neither settled nor consented to.
    pub(super) fn allows(&self, idempotent: bool) -> bool {
        idempotent || self.always || !self.books.unsettled || self.books.consented
    }

    /// An attempt begins, and has sent nothing yet.
    pub(super) fn begin(&mut self) {
        self.sent = None;
    }

    /// A request leaves. Until its end says otherwise, the server may have acted on it: that uses
    /// up a consent, also if it is idempotent.
    pub(super) fn send(&mut self, idempotent: bool) {
        self.sent = Some(Sent {
            idempotent,
            before: self.books,
        });
        self.books.unsettled |= !idempotent;
        self.books.consented = false;
    }

    /// The server cannot have acted on the request, if one was sent: it is as if it had not left.
    pub(super) fn settle(&mut self) {
        if let Some(sent) = self.sent {
            self.books = sent.before;
        }
    }

    /// A hook asks for a retry after it was shown the present attempt. It agrees to what it knows
    /// of: if that attempt sent nothing, or a GET, this is no word on an earlier POST.
    pub(super) fn consent(&mut self) {
        if self.sent.is_some_and(|sent| !sent.idempotent) {
            self.books.consented = true;
        }
    }
}
