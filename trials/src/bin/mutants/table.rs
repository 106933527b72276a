//! The mutants: ways to break the library that chaos must notice.
//!
//! Each replaces pieces of text that must occur exactly once in their file; where the library has
//! moved on, the runner says so, and the text here is to be brought up to date.

/// A way to break the library.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) edits: &'static [Edit],
}

/// What is replaced, and by what.
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

const fn edit(file: &'static str, from: &'static str, to: &'static str) -> Edit {
    Edit { file, from, to }
}

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "id-at-its-line",
        what: "an ID counts from its line on, not from the blank line",
        edits: &[edit(
            "src/parser/block.rs",
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
        name: "unfinished-id-kept",
        what: "the ID of an event that broke off is kept for the next connection",
        edits: &[
            edit(
                "src/parser/last_event_id.rs",
                "        self.buffer = Value::default();\n        self.buffered = false;\n",
                "",
            ),
            edit(
                "src/feed.rs",
                "self.parser.set_last_event_id(last_event_id.to_owned());",
                "if self.parser.last_event_id() != last_event_id {
            self.parser.set_last_event_id(last_event_id.to_owned());
        }",
            ),
        ],
    },
    Mutant {
        name: "id-alone-ignored",
        what: "a block that has an ID and no data does not count",
        edits: &[edit(
            "src/driver/attempt.rs",
            "this is a step of its own.
                self.commit(id);",
            "this is a step of its own.
                drop(id);",
        )],
    },
    Mutant {
        name: "id-one-late",
        what: "an ID is known only when the next one comes",
        edits: &[
            edit(
                "src/session.rs",
                "pub(crate) struct Session {",
                "pub(crate) struct Session {\n    late: Option<EcoString>,",
            ),
            edit(
                "src/session.rs",
                "reconnection_time: policy.base_delay,",
                "reconnection_time: policy.base_delay,\n            late: None,",
            ),
            edit(
                "src/session.rs",
                "self.last_event_id = Some(last_event_id);",
                "if let Some(late) = self.late.replace(last_event_id) {
            self.last_event_id = Some(late);
        }",
            ),
        ],
    },
    Mutant {
        name: "id-when-parsed",
        what: "an ID counts when its event was parsed, not when it was handed over",
        edits: &[
            edit(
                "src/driver/attempt.rs",
                "                Signal::Event(event)\n",
                "                self.commit(event.shared_last_event_id().clone());
                Signal::Event(event)\n",
            ),
            edit(
                "src/driver/delivery.rs",
                "            && self.feed.has_event_at_hand()\n",
                "            && self.feed.has_event_at_hand()
            && {
                let id = self.feed.last_event_id().clone();
                self.commit(id);
                true
            }\n",
            ),
        ],
    },
    Mutant {
        name: "id-before-the-hook",
        what: "an event counts as handed over before its hook is done",
        edits: &[edit(
            "src/hooks.rs",
            "let flow = attended(&mut driver, pin!(hooks.message.call(event))).await;",
            "driver.delivered(&id);
                let flow = attended(&mut driver, pin!(hooks.message.call(event))).await;",
        )],
    },
    Mutant {
        name: "id-forgotten-on-failures",
        what: "after two failures in a row the request goes out without Last-Event-ID",
        edits: &[edit(
            "src/driver/attempt.rs",
            "let Some(id) = self.session.last_event_id() else {",
            "let retries = self.session.retries();
        let Some(id) = self.session.last_event_id().filter(|_| retries < 2) else {",
        )],
    },
    Mutant {
        name: "header-twice",
        what: "Last-Event-ID is added to the one that is there, not set",
        edits: &[
            edit("src/request.rs", "headers.remove(LAST_EVENT_ID);", ""),
            edit(
                "src/request.rs",
                "headers.insert(LAST_EVENT_ID, value);",
                "headers.append(LAST_EVENT_ID, value);",
            ),
        ],
    },
    Mutant {
        name: "no-reset",
        what: "the parser goes on with the line that the old connection left",
        edits: &[edit("src/feed.rs", "self.parser.reset();", "")],
    },
    Mutant {
        name: "half-character-kept",
        what: "the half of a character waits for its other half on the next connection",
        edits: &[
            edit(
                "src/parser/mod.rs",
                "self.text = Text::default();",
                "self.text.restart();",
            ),
            edit(
                "src/parser/text.rs",
                "pub(super) fn as_str(&self)",
                "pub(super) fn restart(&mut self) {
        let decoder = std::mem::take(&mut self.decoder);
        *self = Self { decoder, ..Self::default() };
    }

    pub(super) fn as_str(&self)",
            ),
        ],
    },
    Mutant {
        name: "byte-order-mark-kept",
        what: "only the first connection's byte order mark is skipped",
        edits: &[
            edit(
                "src/parser/mod.rs",
                "self.text = Text::default();",
                "self.text.restart();",
            ),
            edit(
                "src/parser/text.rs",
                "pub(super) fn as_str(&self)",
                "pub(super) fn restart(&mut self) {
        *self = Self { begun: self.begun, ..Self::default() };
    }

    pub(super) fn as_str(&self)",
            ),
        ],
    },
    Mutant {
        name: "cr-at-the-end-forgotten",
        what: "an LF at the beginning of a chunk is a line end, whatever came before it",
        edits: &[
            edit(
                "src/parser/text.rs",
                "self.after_cr = self.text.as_bytes()[last] == b'\\r';",
                "self.after_cr = false;",
            ),
            edit(
                "src/parser/text.rs",
                "self.after_cr = end == b'\\r';",
                "self.after_cr = end == 0;",
            ),
        ],
    },
    Mutant {
        name: "lf-at-the-start-swallowed",
        what: "an LF at the beginning of a chunk is none, whatever came before it",
        edits: &[edit(
            "src/feed.rs",
            "        self.chunk = Some(chunk);
        self.used = 0;",
            "        self.used = usize::from(chunk.as_ref().first() == Some(&b'\\n'));
        self.chunk = Some(chunk);",
        )],
    },
    Mutant {
        name: "lf-after-cr-is-blank",
        what: "a line end that follows another is a blank line, although it is the LF of a CRLF",
        edits: &[edit(
            "src/parser/text.rs",
            "let is_blank = text.get(self.start.wrapping_sub(1)) == Some(&b'\\n');",
            "let is_blank = text.get(self.start).is_some();",
        )],
    },
    Mutant {
        name: "lf-after-cr-ends-an-event",
        what: "the LF of a CRLF is a blank line, after a data line that went past the text",
        edits: &[edit(
            "src/parser/mod.rs",
            "Some((b'\\n', rest)) if *end == b'\\n' => {",
            "Some((b'\\n', rest)) => {",
        )],
    },
    Mutant {
        name: "blank-line-lost",
        what: "the blank line after a data line that went past the text ends no event",
        edits: &[edit(
            "src/parser/mod.rs",
            "                self.block.dispatch_data();\n                Ok(Refill::Event)",
            "                Ok(Refill::Lines)",
        )],
    },
    Mutant {
        name: "found-lost",
        what: "what was found on the way to an event at hand, and is none, is lost",
        edits: &[edit(
            "src/feed.rs",
            "Ok(found) => self.found = found,",
            "Ok(_) => {}",
        )],
    },
    Mutant {
        name: "chunk-let-go-early",
        what: "a chunk is let go when one byte of it is left",
        edits: &[edit(
            "src/feed.rs",
            "let is_read = rest.is_empty();",
            "let is_read = rest.len() <= 1;",
        )],
    },
    Mutant {
        name: "byte-lost",
        what: "the last byte of a large chunk is lost",
        edits: &[edit(
            "src/driver/attempt.rs",
            "self.feed.push(bytes);",
            "self.feed.push(bytes.slice(..bytes.len() - usize::from(bytes.len() > 4096)));",
        )],
    },
    Mutant {
        name: "event-lost",
        what: "what comes when it is the turn of others is lost",
        edits: &[edit(
            "src/driver/mod.rs",
            "if self.steps_at_a_stretch == STEPS {",
            "if self.steps_at_a_stretch == STEPS {
                let _ = self.turn(cx);",
        )],
    },
    Mutant {
        name: "event-held-back",
        what: "an event comes only when the next one is there",
        edits: &[
            edit(
                "src/feed.rs",
                "pub(crate) struct Feed<B> {",
                "pub(crate) struct Feed<B> {\n    held: Option<Event>,",
            ),
            edit(
                "src/feed.rs",
                "        Self {
            parser,",
                "        Self {
            held: None,
            parser,",
            ),
            edit(
                "src/feed.rs",
                "Step::Event => Item::Event(self.event()),",
                "Step::Event => {
                let event = self.event();
                match self.held.replace(event) {
                    Some(event) => Item::Event(event),
                    None => Item::Comment(String::new()),
                }
            }",
            ),
            edit(
                "src/feed.rs",
                "Ok(Some(Step::Event)) => return true,",
                "Ok(Some(Step::Event)) => {
                self.found = Some(Step::Event);
                return false;
            }",
            ),
            edit(
                "src/feed.rs",
                "self.parser.reset();",
                "self.held = None;
        self.parser.reset();",
            ),
        ],
    },
    Mutant {
        name: "broken-is-an-end",
        what: "a body that breaks off is taken for a whole one, and for the last",
        edits: &[edit(
            "src/driver/attempt.rs",
            "Progress::End(Err(error)) => self.ended(Err(Error::disconnected(error))),",
            "Progress::End(Err(_)) => self.over(Ok(Finished::Ended)),",
        )],
    },
    Mutant {
        name: "no-idle-clock",
        what: "the idle clock never runs out",
        edits: &[edit(
            "src/driver/ends.rs",
            "Some(Expired::Idle(clock)) => self.ended(Err(Error::IdleTimeout(clock))),",
            "Some(Expired::Idle(_)) => Poll::Pending,",
        )],
    },
    Mutant {
        name: "retry-ignored",
        what: "the server's `retry` is not kept",
        edits: &[edit(
            "src/session.rs",
            "self.reconnection_time = self.policy.clamp_server_delay(reconnection_time);",
            "let _ = reconnection_time;",
        )],
    },
    Mutant {
        name: "retry-after-ignored",
        what: "`Retry-After` is not kept",
        edits: &[edit(
            "src/session.rs",
            ".delay(self.reconnection_time, nth, floor, chance);",
            ".delay(self.reconnection_time, nth, floor.and(None), chance);",
        )],
    },
    Mutant {
        name: "retry-after-date-ignored",
        what: "a date in `Retry-After` is not kept",
        edits: &[edit(
            "src/response.rs",
            "Some(date.duration_since(sent).unwrap_or(Duration::ZERO))",
            "date.duration_since(sent).err().map(|_| Duration::ZERO)",
        )],
    },
    Mutant {
        name: "jitter-takes-away",
        what: "chance makes a delay shorter, not longer",
        edits: &[edit(
            "src/retry.rs",
            ".saturating_add(jitter)",
            ".saturating_sub(jitter)",
        )],
    },
    Mutant {
        name: "old-connection-kept-for-the-delay",
        what: "the old connection goes when the new one comes, not before the delay",
        edits: &[edit(
            "src/driver/ends.rs",
            "drop(self.shared.take_link());",
            "",
        )],
    },
    Mutant {
        name: "old-connection-never-dropped",
        what: "the old connection stays open beside the new one",
        edits: &[edit(
            "src/driver/ends.rs",
            "drop(self.shared.take_link());",
            "std::mem::forget(self.shared.take_link());",
        )],
    },
];
