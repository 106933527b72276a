//! Bytes, read as choices.

use std::time::Duration;

use ecow::EcoString;

use crate::session::{Clocks, End, NextRequest, Order, Verdict};

/// Bytes, read as choices. When they are used up, every choice is the first.
pub(super) struct Script<'a>(pub(super) &'a [u8]);

impl Script<'_> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn below(&mut self, bound: u8) -> u8 {
        self.byte().unwrap_or_default() % bound
    }

    pub(super) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.byte().unwrap_or_default()) % from.len()]
    }

    /// In `0.0..1.0`.
    pub(super) fn jitter(&mut self) -> f64 {
        f64::from(self.byte().unwrap_or_default()) / 256.0
    }

    /// From nothing to the end of time; mostly what policies are about.
    pub(super) fn duration(&mut self) -> Duration {
        let scale = self.below(12);
        let count = u64::from(self.byte().unwrap_or_default());
        match scale {
            0 => Duration::ZERO,
            1 => Duration::from_nanos(count),
            2 | 3 => Duration::from_millis(count),
            4 => Duration::from_millis(count * 10),
            5..=7 => Duration::from_secs(count),
            8 => Duration::from_secs(count * 60),
            9 => Duration::from_secs(count * 3600),
            10 => Duration::from_millis(u64::MAX),
            _ => Duration::MAX.saturating_sub(Duration::from_secs(count)),
        }
    }

    pub(super) fn maybe_duration(&mut self) -> Option<Duration> {
        self.flag().then(|| self.duration())
    }

    pub(super) fn clocks(&mut self) -> Clocks {
        Clocks {
            response: self.maybe_duration(),
            first_event: self.maybe_duration(),
            idle: self.maybe_duration(),
            event: self.maybe_duration(),
        }
    }

    pub(super) fn id(&mut self) -> EcoString {
        self.pick(&["7", "8", "\u{20ac}", ""]).into()
    }

    pub(super) fn end(&mut self) -> End {
        match self.below(8) {
            0 | 1 => End::Clean,
            2 => End::Unreached {
                unsent: self.flag(),
                futile: self.below(4) == 3,
            },
            3 => End::Broken,
            4 | 5 => {
                let status =
                    self.pick(&[503, 429, 425, 408, 500, 501, 505, 511, 404, 304, 599, 600]);
                let retry_after = self.maybe_duration();
                End::Refused {
                    status,
                    retry_after,
                    settled_after: retry_after.is_some() && self.below(4) != 3,
                    redirected: self.below(4) == 3,
                }
            }
            6 => End::NotMade {
                transient: self.flag(),
            },
            _ => End::Fatal,
        }
    }

    pub(super) fn next_request(&mut self) -> NextRequest {
        let idempotent = self.pick(&[Some(true), None, Some(false), None]);
        let left = self.below(8);
        NextRequest {
            idempotent,
            available: left != 7,
            is_only_one: left == 6,
        }
    }

    pub(super) fn verdict(&mut self) -> Verdict {
        match self.below(10) {
            0..=4 => Verdict::FollowPolicy,
            5 => Verdict::Retry,
            6 => Verdict::RetryAfter(self.duration()),
            7 => Verdict::RetryWithoutId,
            8 => Verdict::Stop,
            _ => Verdict::GiveUp,
        }
    }

    pub(super) fn order(&mut self) -> Order {
        self.pick(&[Order::Reconnect, Order::Pause, Order::Resume, Order::Show])
    }
}
