//! Chunks to owned items: what every stream of this crate reads from.

use ecow::EcoString;

use crate::event::Event;
use crate::parser::{EventTooLarge, KEPT, Parser, Step};

/// A type longer than this is not kept where no more events are at hand.
const LONG_TYPE: usize = KEPT;

/// A parser, and the chunk it is at.
pub(crate) struct Feed<B> {
    parser: Parser,
    /// The chunk, until the parser has taken in all of it: what it came in may be a large buffer.
    chunk: Option<B>,
    /// How many bytes of the chunk were used.
    used: usize,
    /// Nothing is left, neither in the chunk nor in the parser.
    used_up: bool,
    /// The type and the ID seen last. They mostly repeat, and are then shared, not copied.
    event_type: EcoString,
    last_event_id: EcoString,
    /// At which count of its commits the ID was copied, and at which it was asked for by an event.
    id_commits: u64,
    event_commits: u64,
    /// What the parser has found and [`next`](Self::next) has not given yet.
    found: Option<Step>,
}

/// A [`Frame`](crate::Frame), owned.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) enum Item {
    Event(Event),
    Comment(String),
    Retry(std::time::Duration),
    LastEventId(EcoString),
}

impl<B: AsRef<[u8]>> Feed<B> {
    pub(crate) fn new(parser: Parser) -> Self {
        Self {
            parser,
            chunk: None,
            used: 0,
            used_up: true,
            event_type: EcoString::new(),
            last_event_id: EcoString::new(),
            id_commits: 0,
            event_commits: 0,
            found: None,
        }
    }

    /// Lends the parser to a function that sets it up.
    pub(crate) fn configure(&mut self, set_up: impl FnOnce(Parser) -> Parser) {
        self.parser = set_up(std::mem::take(&mut self.parser));
        self.used_up = false; // what is unfinished may be too large from now on
        self.copy_id();
    }

    /// Takes the next chunk. The one before must be used up: [`next`](Self::next) gave `None`.
    pub(crate) fn push(&mut self, chunk: B) {
        debug_assert!(self.used_up, "the last chunk was not used up");
        if self.parser.take_crumb(&mut chunk.as_ref()) {
            return;
        }
        self.chunk = Some(chunk);
        self.used = 0;
        self.used_up = false;
    }

    /// Goes to the next event, to be had by [`event`](Self::event), whatever else there is before
    /// it.
    #[inline]
    pub(crate) fn find_event(&mut self) -> Result<bool, EventTooLarge> {
        if self.used_up {
            return Ok(false);
        }
        loop {
            match self.parse(false)? {
                Some(Step::Event) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
    }

    /// The event that was found. To be called once, and where it is to lie: to move an event that
    /// was only just written costs as much as to parse one.
    #[inline(always)]
    pub(crate) fn event(&mut self) -> Event {
        let event_type = match self.parser.other_type() {
            None => EcoString::new(),
            Some(other) => {
                if self.event_type != other {
                    self.event_type = other.into();
                }
                self.event_type.clone()
            }
        };
        let last_event_id = self.event_id();
        Event::from_parts(self.parser.take_data(), event_type, last_event_id)
    }

    /// The ID of the event that was found. A short one that is new is not kept for others, where no long
    /// one is: mostly the next event has its own.
    #[inline(always)]
    fn event_id(&mut self) -> EcoString {
        if self.has_new_id() {
            self.event_commits = self.parser.id_commits();
            let id = self.parser.last_event_id();
            if id.len().max(self.last_event_id.len()) <= EcoString::INLINE_LIMIT {
                return id.into();
            }
        }
        self.last_event_id().clone()
    }

    /// Whether a block has set the ID since the last event.
    #[inline(always)]
    pub(crate) fn has_new_id(&self) -> bool {
        self.event_commits != self.parser.id_commits()
    }

    /// The ID, shared where it is long. Looked at only when a block has set it: a server may give a
    /// long one, and then no other.
    #[inline(always)]
    pub(crate) fn last_event_id(&mut self) -> &EcoString {
        let commits = self.parser.id_commits();
        if self.id_commits != commits {
            self.id_commits = commits;
            if self.last_event_id != self.parser.last_event_id() {
                self.last_event_id = self.parser.last_event_id().into();
            }
        }
        &self.last_event_id
    }

    fn copy_id(&mut self) {
        self.id_commits = self.parser.id_commits();
        self.event_commits = self.id_commits;
        self.last_event_id = self.parser.last_event_id().into();
    }

    #[inline(always)]
    fn parse(&mut self, with_comments: bool) -> Result<Option<Step>, EventTooLarge> {
        let chunk = self.chunk.as_ref().map_or(&[][..], AsRef::as_ref);
        let mut rest = chunk.get(self.used..).unwrap_or_default();
        let step = self.parser.step(&mut rest, with_comments);
        self.used = chunk.len() - rest.len();
        let is_read = rest.is_empty();
        if is_read {
            self.chunk = None;
            self.used = 0;
        }
        self.used_up = match &step {
            Ok(None) => true,
            // Mostly a small chunk holds one event: it is not asked for another.
            Ok(Some(_)) => is_read && self.parser.is_drained(),
            Err(_) => false,
        };
        step
    }

    /// Whether there may be something to find without another chunk.
    pub(crate) fn is_at_work(&self) -> bool {
        !self.used_up || self.found.is_some()
    }

    /// There is no chunk to come for now: gives back what only many events together are worth.
    pub(crate) fn idle(&mut self) {
        if self.is_at_work() {
            return;
        }
        self.parser.idle();
        self.drop_long_type();
    }

    /// Nothing more comes.
    pub(crate) fn end(&mut self) {
        self.chunk = None;
        self.used = 0;
        self.used_up = true;
        self.found = None;
        self.parser.reset();
        self.drop_long_type();
    }

    fn drop_long_type(&mut self) {
        if self.event_type.len() > LONG_TYPE {
            self.event_type = EcoString::new();
        }
    }
}

/// What the shell looks at besides: it takes what there is in its order, and may leave an event.
#[cfg(feature = "client")]
impl<B: AsRef<[u8]>> Feed<B> {
    /// The next item, `None` if another chunk is needed. Comments cost next to nothing if they are
    /// not wanted.
    #[inline(never)]
    pub(crate) fn next(&mut self, with_comments: bool) -> Result<Option<Item>, EventTooLarge> {
        let step = self.step(with_comments)?;
        Ok(step.map(|step| self.item(step)))
    }

    #[inline]
    fn step(&mut self, with_comments: bool) -> Result<Option<Step>, EventTooLarge> {
        match self.found.take() {
            None if self.used_up => Ok(None),
            None => self.parse(with_comments),
            found => Ok(found),
        }
    }

    fn item(&mut self, step: Step) -> Item {
        match step {
            Step::Event => Item::Event(self.event()),
            Step::Comment(text) => Item::Comment(self.parser.comment(text).to_owned()),
            Step::Retry(time) => Item::Retry(time),
            Step::LastEventId => Item::LastEventId(self.last_event_id().clone()),
        }
    }

    /// Whether the next item is an event, to be had by [`event`](Self::event). Another one waits
    /// for [`next`](Self::next), but for comments, which are passed over.
    #[inline(always)]
    pub(crate) fn has_event_at_hand(&mut self) -> bool {
        if self.used_up || self.found.is_some() {
            return false;
        }
        match self.parse(false) {
            Ok(Some(Step::Event)) => return true,
            Ok(found) => self.found = found,
            Err(_) => {} // it comes again
        }
        false
    }

    /// The event that was found is left to [`next`](Self::next).
    #[cold]
    pub(crate) fn leave_event(&mut self) {
        self.found = Some(Step::Event);
    }

    /// The ID, as text that nobody has copied yet.
    #[inline(always)]
    pub(crate) fn new_id(&self) -> &str {
        self.parser.last_event_id()
    }

    /// Starts a new connection from this ID: the chunk and what is unfinished are dropped.
    pub(crate) fn reset(&mut self, last_event_id: &str) {
        self.end();
        self.parser.set_last_event_id(last_event_id.to_owned());
        self.copy_id();
    }
}
