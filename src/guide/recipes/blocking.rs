use fetch_event_source::{Error, Event, EventSource, EventStream};
use std::io;
use tokio::runtime::{Builder, Runtime};

/// The events as an iterator, for a program that has no async code.
pub struct Events {
    events: EventStream, // first, so that it is dropped first: its connection needs the runtime
    runtime: Runtime,
}

impl Events {
    /// Connects when the first event is asked for.
    pub fn new(source: EventSource<'static>) -> io::Result<Self> {
        Ok(Self {
            events: source.stream(),
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }
}

/// An `Err` is final. Nothing is read between two calls, and the clocks stand still.
impl Iterator for Events {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.runtime.block_on(self.events.next())
    }
}
