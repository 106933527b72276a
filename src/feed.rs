//! Chunks to owned items: what every stream of this crate reads from.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Event;
use crate::parser::{EventTooLarge, Parser, Step};

/// A parser, and the chunk it is at.
pub(crate) struct Feed<B> {
    parser: Parser,
    chunk: Option<B>,
    /// How many bytes of the chunk were used.
    used: usize,
    event_type: Interned,
    /// The ID, and at which count of its changes it was copied.
    last_event_id: Option<(u64, Arc<str>)>,
}

/// A [`Frame`](crate::Frame), owned.
// Without the shell, nobody looks at more than the events.
#[cfg_attr(not(feature = "client"), allow(dead_code))]
#[derive(Debug)]
pub(crate) enum Item {
    Event(Event),
    Comment(String),
    Retry(Duration),
    LastEventId(Arc<str>),
}

impl<B: AsRef<[u8]>> Feed<B> {
    pub(crate) fn new(parser: Parser) -> Self {
        Self {
            parser,
            chunk: None,
            used: 0,
            event_type: Interned::default(),
            last_event_id: None,
        }
    }

    /// Lends the parser to a function that sets it up.
    pub(crate) fn configure(&mut self, set_up: impl FnOnce(Parser) -> Parser) {
        self.parser = set_up(std::mem::take(&mut self.parser));
        self.last_event_id = None;
    }

    /// Takes the next chunk. The one before must be used up: [`next`](Self::next) gave `None`.
    pub(crate) fn push(&mut self, chunk: B) {
        debug_assert!(self.chunk.is_none(), "the last chunk was not used up");
        self.chunk = Some(chunk);
        self.used = 0;
    }

    /// The next item, `None` if another chunk is needed. Comments cost next to nothing if they are
    /// not wanted.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    #[inline]
    pub(crate) fn next(&mut self, with_comments: bool) -> Result<Option<Item>, EventTooLarge> {
        let step = self.step(with_comments)?;
        if step.is_none() {
            self.chunk = None;
        }
        Ok(step.map(|step| self.item(step)))
    }

    /// The next event, whatever else there is before it.
    #[inline]
    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, EventTooLarge> {
        loop {
            match self.step(false)? {
                Some(Step::Event) => return Ok(Some(self.event())),
                Some(_) => {}
                None => {
                    self.chunk = None;
                    return Ok(None);
                }
            }
        }
    }

    #[inline]
    fn step(&mut self, with_comments: bool) -> Result<Option<Step>, EventTooLarge> {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        let mut rest = chunk.get(self.used..).unwrap_or_default();
        let step = self.parser.step(&mut rest, with_comments);
        self.used = chunk.len() - rest.len();
        step
    }

    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    fn item(&mut self, step: Step) -> Item {
        match step {
            Step::Event => Item::Event(self.event()),
            Step::Comment(text) => Item::Comment(self.parser.comment(text).to_owned()),
            Step::Retry(time) => Item::Retry(time),
            Step::LastEventId => Item::LastEventId(self.shared_id()),
        }
    }

    #[inline]
    fn event(&mut self) -> Event {
        let event_type = self
            .parser
            .other_type()
            .map(|event_type| self.event_type.share(event_type));
        let last_event_id = match self.parser.last_event_id() {
            "" => None,
            _ => Some(self.shared_id()),
        };
        Event::from_parts(self.parser.take_data(), event_type, last_event_id)
    }

    /// The ID, copied only when it has changed: a server may give a long one, and then no other.
    #[inline]
    fn shared_id(&mut self) -> Arc<str> {
        let commits = self.parser.id_commits();
        match &mut self.last_event_id {
            Some((at, id)) if *at == commits => id.clone(),
            Some((at, id)) if **id == *self.parser.last_event_id() => {
                *at = commits;
                id.clone()
            }
            known => {
                let id = Arc::from(self.parser.last_event_id());
                known.insert((commits, id)).1.clone()
            }
        }
    }

    /// Starts a new connection from this ID: the chunk and what is unfinished are dropped.
    #[cfg_attr(not(feature = "client"), allow(dead_code))]
    pub(crate) fn reset(&mut self, last_event_id: &str) {
        self.chunk = None;
        self.used = 0;
        self.parser.reset();
        self.parser.set_last_event_id(last_event_id.to_owned());
        self.last_event_id = None;
    }
}

/// The text seen last. Types mostly repeat, and are then shared, not copied.
#[derive(Default)]
struct Interned(Option<Arc<str>>);

impl Interned {
    fn share(&mut self, text: &str) -> Arc<str> {
        match &self.0 {
            Some(last) if **last == *text => last.clone(),
            _ => self.0.insert(text.into()).clone(),
        }
    }
}
