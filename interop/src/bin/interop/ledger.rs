//! Expected events and received events.

use std::collections::HashMap;

use fetch_event_source_interop::Seen;

/// An expected or received event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its ID, if the harness knows it.
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) data: String,
    /// Events of one lane arrive in order.
    pub(crate) lane: u8,
}

impl Event {
    pub(crate) fn new(event_type: &str, data: String) -> Self {
        Self {
            id: None,
            event_type: event_type.to_owned(),
            data,
            lane: 0,
        }
    }

    pub(crate) fn in_lane(self, lane: u8) -> Self {
        Self { lane, ..self }
    }

    /// Event n of the servers with numbered events: servers/text.js.
    pub(crate) fn numbered(n: usize, id: Option<String>, event_type: &str) -> Self {
        let contents = ["hello", "γειά σου", "こんにちは", "🚀 two\nlines"];
        let data = format!("{n} {}", contents[n % contents.len()]);
        Self {
            id,
            ..Self::new(event_type, data)
        }
    }

    /// Whether it equals a received event.
    fn is(&self, seen: &Seen) -> bool {
        match seen {
            Seen::Event {
                id,
                event_type,
                data,
            } => {
                self.id.as_ref().is_none_or(|due| due == id)
                    && self.event_type == *event_type
                    && self.data == *data
            }
            _ => false,
        }
    }
}

/// The comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) due: usize,
    /// Expected and not received, without an error.
    pub(crate) lost: usize,
    /// Expected and not received, and the client ended with an error.
    pub(crate) missing: usize,
    /// Received more often than expected.
    pub(crate) twice: usize,
    /// Received and not expected, without data.
    pub(crate) empty: usize,
    /// Received and not expected: another ID, type or content, or out of order.
    pub(crate) wrong: usize,
}

impl Count {
    pub(crate) fn of(due: &[Event], seen: &[Seen]) -> Self {
        let mut count = Self::compare(due, seen);
        if matches!(seen.last(), Some(Seen::Error { .. })) {
            count.missing = std::mem::take(&mut count.lost);
        }
        count
    }

    fn compare(due: &[Event], seen: &[Seen]) -> Self {
        let mut times = vec![0; due.len()];
        let mut count = Self {
            due: due.len(),
            ..Self::default()
        };
        let mut newest = HashMap::new();
        for event in seen
            .iter()
            .filter(|seen| matches!(seen, Seen::Event { .. }))
        {
            let Some(at) = due.iter().position(|due| due.is(event)) else {
                let is_empty = matches!(event, Seen::Event { data, .. } if data.is_empty());
                count.empty += usize::from(is_empty);
                count.wrong += usize::from(!is_empty);
                continue;
            };
            times[at] += 1;
            if times[at] == 1 {
                let newest = newest.entry(due[at].lane).or_insert(at);
                count.wrong += usize::from(at < *newest);
                *newest = at.max(*newest);
            }
        }
        count.lost = times.iter().filter(|&&times| times == 0).count();
        count.twice = times
            .iter()
            .map(|times: &usize| times.saturating_sub(1))
            .sum();
        count
    }
}
