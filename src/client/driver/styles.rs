//! How `open()` and `run()` drive a source.

use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use super::calls::Called;
use super::{Driver, Found, SignalFilter, Step};
use crate::client::error::{Error, ErrorKind};
use crate::client::finished::Finished;
use crate::client::http::response::ResponseHead;
use crate::client::signal::Signal;

impl Driver<'_> {
    /// Returns the head of the first response that opens, or of a 204.
    pub(crate) fn poll_opened(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, Error>> {
        loop {
            let finished = match ready!(self.poll_step(cx)) {
                Some(Step::Signal(Signal::Open(head))) => {
                    self.filter = SignalFilter::Events;
                    if let Some(result) = self.ending.result.take() {
                        let _ = self.over(result);
                    }
                    return Poll::Ready(Ok(head));
                }
                Some(Step::Signal(_)) => continue,
                Some(Step::Finished(Err(error))) => return Poll::Ready(Err(error)),
                Some(Step::Finished(Ok(finished))) => finished,
                None => Finished::Aborted,
            };
            let no_content = self.attempt.head.take();
            let never = || ErrorKind::NeverOpened(finished).into();
            return Poll::Ready(no_content.ok_or_else(never));
        }
    }

    /// Calls the hooks, one at a time and in order, until the source ends.
    pub(crate) fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Error>> {
        self.close_on_panic(|driver| driver.poll_hooks(cx))
    }

    fn poll_hooks(&mut self, cx: &mut Context<'_>) -> Poll<Result<Finished, Error>> {
        loop {
            match self.find_event(cx) {
                Found::Event => {
                    self.pacing.spend_turn();
                    match self.calls.call_message(self.deliveries.found()) {
                        Poll::Ready(Ok(ControlFlow::Continue(()))) => {
                            self.deliveries.commit(&mut self.session, &self.control);
                        }
                        Poll::Ready(other) => {
                            if let Poll::Ready(Some(Step::Finished(result))) =
                                self.message_answered(other)
                            {
                                return Poll::Ready(result);
                            }
                        }
                        Poll::Pending => self.calls.running(Called::Message),
                    }
                    if !self.pacing.has_budget() {
                        let _ = self.rest(cx);
                        return Poll::Pending;
                    }
                }
                Found::Pending => return Poll::Pending,
                Found::Other => match ready!(self.poll_turns(cx)) {
                    Some(Step::Finished(result)) => return Poll::Ready(result),
                    Some(Step::Signal(_)) => {}
                    // Polled after completion.
                    None => return Poll::Ready(Ok(Finished::Aborted)),
                },
            }
        }
    }
}
