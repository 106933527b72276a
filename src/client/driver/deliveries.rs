//! Events handed over: the short way for those at hand, and the ID that counts with them.

use ecow::EcoString;

use super::{Audience, Driver, STEPS, Step};
use crate::event::Event;
use crate::published_id::PublishedId;
use crate::signal::Signal;

impl Driver {
    /// A clock stands still while nobody polls, and while events at hand are handed over.
    pub(super) fn note_departure(&mut self, step: &Step) {
        self.events_follow =
            matches!(step, Step::Signal(Signal::Event(_))) && self.do_events_follow();
        self.note_time();
    }

    /// After an event: whether nothing but the next one can be due, if it is at hand.
    fn do_events_follow(&self) -> bool {
        self.session.is_open()
            && self.calls.abort.is_none()
            && self.calls.until.is_none()
            && self.answer.is_none()
            && self.outbox.is_empty()
            && self.audience != Audience::Everything
    }

    /// Whether there is an event in the chunk at hand, and a turn would do nothing but hand it over:
    /// what most turns are. [`hand_over`](Self::hand_over) has it then. Everything else is left to
    /// [`poll_step`](Self::poll_step).
    #[inline(always)]
    pub(crate) fn has_event_at_hand(&mut self) -> bool {
        self.events_follow
            && self.steps_at_a_stretch != STEPS
            && self.feed.has_event_at_hand()
            && !self.are_orders_first()
    }

    /// Asked last: to read on may drop a chunk, and that may be code of the caller's own.
    #[inline(always)]
    fn are_orders_first(&mut self) -> bool {
        let ordered = self.shared.has_orders();
        if ordered {
            self.feed.leave_event();
        }
        ordered
    }

    /// Hands over the event that [`has_event_at_hand`](Self::has_event_at_hand) has found.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self) -> Event {
        self.steps_at_a_stretch += 1;
        self.feed.event()
    }

    /// [`has_event_at_hand`](Self::has_event_at_hand), for a consumer who takes the event at once: it
    /// counts as delivered.
    #[inline(never)]
    pub(crate) fn delivers_event_at_hand(&mut self) -> bool {
        let is_at_hand = self.or_close(Self::has_event_at_hand);
        if is_at_hand {
            // Of the session's progress nothing is left to say, nor of the time: an event of the same chunk
            // was delivered before.
            self.shared.counters().delivered_another();
            if self.feed.has_new_id() {
                self.commit_new_id();
            }
        }
        is_at_hand
    }

    /// The consumer was handed the event with this ID.
    #[inline]
    pub(crate) fn delivered(&mut self, id: &EcoString) {
        self.session.delivered();
        self.shared.counters().delivered();
        if !is_same(id, self.session.last_event_id()) {
            self.commit(id.clone());
        }
    }

    #[inline(always)]
    fn commit_new_id(&mut self) {
        let id = self.feed.new_id();
        if id.is_empty() && self.session.last_event_id().is_none() {
            return; // as `is_same` has it
        }
        if id.len() <= PublishedId::SHORT {
            self.shared.last_event_id().set_short(id);
            self.session.committed(id.into());
        } else {
            self.commit_new_long_id();
        }
    }

    #[inline(never)]
    fn commit_new_long_id(&mut self) {
        if !is_same(self.feed.last_event_id(), self.session.last_event_id()) {
            let id = self.feed.last_event_id().clone();
            self.commit(id);
        }
    }

    pub(super) fn commit(&mut self, id: EcoString) {
        self.shared.last_event_id().set(&id);
        self.session.committed(id);
    }
}

/// Whether it is the ID known, told by its address where it is shared: a long ID that stays is not
/// compared with every event.
#[inline]
fn is_same(id: &EcoString, known: Option<&EcoString>) -> bool {
    let known = known.map_or("", EcoString::as_str);
    if id.len() <= EcoString::INLINE_LIMIT {
        id.len() == known.len() && (known.is_empty() || id == known)
    } else {
        std::ptr::eq(id.as_str(), known)
    }
}
