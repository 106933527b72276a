//! The mutants: ways to break the library that chaos must notice.
//!
//! Each replaces pieces of text that must occur exactly once in `src/`; if the library has changed, the runner says so,
//! and the text here must be updated. Each breaks a rule of a client, not a detail of its implementation.

/// A way to break the library.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) edits: &'static [Edit],
}

/// A text and its replacement.
pub(crate) struct Edit {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

const fn edit(from: &'static str, to: &'static str) -> Edit {
    Edit { from, to }
}

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "id-at-its-line",
        what: "an ID counts from its line on, not from the blank line",
        edits: &[edit(
            "Line::Id(value) => self.last_event_id.set(line.last(value.len())),",
            "Line::Id(value) => {
                self.last_event_id.set(line.last(value.len()));
                let is_changing = self.last_event_id.is_changing(text);
                self.last_event_id.commit();
                if is_changing {
                    return Some(Step::LastEventId);
                }
            }",
        )],
    },
    Mutant {
        name: "id-alone-ignored",
        what: "a block that has an ID and no data does not count",
        edits: &[edit(
            "this is a step by itself.
                self.deliveries.commit_id(&mut self.session, &self.control);",
            "this is a step by itself.",
        )],
    },
    Mutant {
        name: "id-before-the-hook",
        what: "an event counts as handed over before its hook is done",
        edits: &[edit(
            "match self.calls.call_message(self.deliveries.found()) {",
            "self.deliveries.commit(&mut self.session, &self.control);
                    match self.calls.call_message(self.deliveries.found()) {",
        )],
    },
    Mutant {
        name: "id-forgotten-after-a-failure",
        what: "after a failure the request goes out without Last-Event-ID",
        edits: &[edit(
            "let id = self.deliveries.last_event_id();
                headers::set_last_event_id(request.headers(), id);",
            "let id = self.deliveries.last_event_id();
                let id = if self.attempt.failure.is_some() { \"\" } else { id };
                headers::set_last_event_id(request.headers(), id);",
        )],
    },
    Mutant {
        name: "header-twice",
        what: "Last-Event-ID is added to the one that is there, not set",
        edits: &[
            edit(
                "    headers.remove(LAST_EVENT_ID);
",
                "",
            ),
            edit(
                "headers.insert(LAST_EVENT_ID, value);",
                "headers.append(LAST_EVENT_ID, value);",
            ),
        ],
    },
    Mutant {
        name: "no-reset",
        what: "the parser goes on with the line that the old connection left",
        edits: &[edit(
            "        self.parser.reset();
",
            "",
        )],
    },
    Mutant {
        name: "cr-at-the-end-forgotten",
        what: "an LF at the beginning of a chunk is a line end, whatever came before it",
        edits: &[
            edit(
                "self.after_cr = self.text.as_bytes()[last] == b'\\r';",
                "self.after_cr = false;",
            ),
            edit(
                "self.after_cr = end == b'\\r';",
                "self.after_cr = end == 0;",
            ),
        ],
    },
    Mutant {
        name: "byte-lost",
        what: "the last byte of a large chunk is lost",
        edits: &[edit(
            "        self.reader.pushed();
        len",
            "        if let Some(chunk) = self.reader.slot() {
            chunk.truncate(len - usize::from(len > 4096));
        }
        self.reader.pushed();
        len",
        )],
    },
    Mutant {
        name: "broken-is-an-end",
        what: "a body that breaks off is taken for a whole one, and for the last",
        edits: &[edit(
            "ExchangeEvent::End(Err(error)) => self.ended(Err(disconnected(error))),",
            "ExchangeEvent::End(Err(error)) => {
                drop(disconnected(error));
                self.over(Ok(Finished::Ended))
            }",
        )],
    },
    Mutant {
        name: "disconnected-untold",
        what: "a stream that was open is closed, and no signal says so",
        edits: &[edit(
            "self.control.set_open(false);\n        if self.",
            "self.control.set_open(false);\n        if false && self.",
        )],
    },
    Mutant {
        name: "no-idle-clock",
        what: "the idle clock never runs out",
        edits: &[edit(
            "limit: |clocks| clocks.idle,",
            "limit: |clocks| clocks.idle.and(None),",
        )],
    },
    Mutant {
        name: "no-wait",
        what: "the next request leaves at once",
        edits: &[edit(
            "until: now.saturating_add(delay),",
            "until: delay.min(now),",
        )],
    },
    Mutant {
        name: "retry-ignored",
        what: "the server's `retry` is not kept",
        edits: &[edit(
            "self.reconnection_time = self.policy.clamp_server_delay(reconnection_time);",
            "let _ = reconnection_time;",
        )],
    },
    Mutant {
        name: "retry-after-ignored",
        what: "`Retry-After` is not kept",
        edits: &[edit(
            ".delay(self.reconnection_time, nth, floor, chance);",
            ".delay(self.reconnection_time, nth, floor.and(None), chance);",
        )],
    },
    Mutant {
        name: "retry-after-date-ignored",
        what: "a date in `Retry-After` is not kept",
        edits: &[edit(
            "Some(date.duration_since(sent).unwrap_or(Duration::ZERO))",
            "date.duration_since(sent).err().map(|_| Duration::ZERO)",
        )],
    },
    Mutant {
        name: "jitter-takes-away",
        what: "chance makes a delay shorter, not longer",
        edits: &[edit(".saturating_add(jitter)", ".saturating_sub(jitter)")],
    },
    Mutant {
        name: "old-connection-kept-for-the-delay",
        what: "the old connection goes when the new one comes, not before the delay",
        edits: &[edit("drop(self.control.take_exchange());", "")],
    },
    Mutant {
        name: "old-connection-never-dropped",
        what: "the old connection stays open beside the new one",
        edits: &[edit(
            "drop(self.control.take_exchange());",
            "std::mem::forget(self.control.take_exchange());",
        )],
    },
];
