//! The short way: from the body to an event, and nothing else.

use std::task::{Context, Poll};

use sync_wrapper::SyncWrapper;

use super::{Driver, Found};
use crate::client::http::exchange::ExchangeEvent;
use crate::event::Event;

impl Driver<'_> {
    /// Looks for an event in the chunk, then in the body, and counts it as delivered: the consumer takes it at
    /// once.
    #[inline(never)]
    pub(crate) fn find_event_to_deliver(&mut self, cx: &mut Context<'_>) -> Found {
        let found = self.close_on_panic(|driver| driver.find_event(cx));
        if let Found::Event = found {
            self.deliveries.commit(&mut self.session, &self.control);
        }
        found
    }

    /// Returns the event that was found. Call it once, in return position: moving a fresh event costs as much
    /// as parsing it.
    #[inline(always)]
    pub(crate) fn take_event(&mut self) -> Event {
        self.deliveries.take_event()
    }

    #[inline]
    pub(super) fn find_event(&mut self, cx: &mut Context<'_>) -> Found {
        if !self.deliveries.is_plain || self.calls.are_running() {
            return Found::Other;
        }
        if self.has_event() {
            return Found::Event;
        }
        let is_reading = self.session.is_open() && self.ending.result.is_none();
        if !is_reading || self.deliveries.is_at_work() {
            return Found::Other;
        }
        self.pacing.begin_poll(&mut self.session);
        while self.pacing.has_budget() && !self.control.has_orders() {
            let polled = {
                let _entered = self.attempt.trace.enter();
                self.control.poll_exchange(cx, self.deliveries.slot())
            };
            match polled {
                Poll::Ready(ExchangeEvent::Chunk) => {
                    self.receive();
                    if self.has_event() {
                        self.pacing.pause_clocks(&self.session);
                        return Found::Event;
                    }
                    if self.deliveries.is_at_work() {
                        return Found::Other;
                    }
                }
                Poll::Ready(other) => {
                    self.attempt.arrived = Some(SyncWrapper::new(other));
                    return Found::Other;
                }
                Poll::Pending => {
                    return match self.wait_for_more(cx) {
                        Poll::Pending => Found::Pending,
                        Poll::Ready(_) => Found::Other,
                    };
                }
            }
        }
        Found::Other
    }

    /// Whether the chunk has an event and there is no order.
    #[inline(always)]
    fn has_event(&mut self) -> bool {
        if !self.deliveries.has_event() {
            return false;
        }
        // Checked last: parsing may drop a chunk, which can run code of the caller.
        let is_ordered = self.control.has_orders();
        if is_ordered {
            self.deliveries.leave_event();
        }
        !is_ordered
    }
}
