//! What was due, and what came.

use std::collections::HashMap;

use fetch_event_source_interop::Seen;

/// An event that is due, or that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// What it is known by, where the harness knows it.
    pub(crate) id: Option<String>,
    pub(crate) event_type: String,
    pub(crate) data: String,
    /// Those of one lane come in order.
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

    /// Event n, as the servers with a log of numbers make it: servers/text.js.
    pub(crate) fn numbered(n: usize, id: Option<String>, event_type: &str) -> Self {
        let contents = ["hello", "γειά σου", "こんにちは", "🚀 two\nlines"];
        let data = format!("{n} {}", contents[n % contents.len()]);
        Self {
            id,
            ..Self::new(event_type, data)
        }
    }

    /// Whether it is what was seen.
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

/// How they compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) due: usize,
    /// Due, and did not come, and nothing was said.
    pub(crate) lost: usize,
    /// Due, and did not come, but the client ended with an error.
    pub(crate) missing: usize,
    /// Came once more than was due.
    pub(crate) twice: usize,
    /// Came and was not due, without data.
    pub(crate) empty: usize,
    /// Came and was not due: another ID, type or content; or came out of order.
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
