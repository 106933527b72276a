//! The ready state, and what handles and the page want of it.

use std::time::Duration;

use crate::client::stats::ReadyState;

/// What a handle wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Pause,
    Close,
    Reconnect,
}

/// What came from handles since the last look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) state: ReadyState,
    /// The connection, or the wait for one, was given up.
    pub(crate) revoked: bool,
    /// It is the page that was hidden or shown: no handle spoke.
    pub(crate) by_page: bool,
}

pub(super) struct State {
    pub(super) ready: ReadyState,
    /// A handle has paused the source.
    pub(super) is_paused: bool,
    /// Nobody sees the page, and the source has no connection then.
    pub(super) is_hidden: bool,
    /// The request that was sent would not be sent again: a page that hides lets it be.
    pub(super) is_only_one: bool,
    /// A handle has ordered to connect since the last look.
    pub(super) by_handle: bool,
    /// A handle gave up the connection, and the poller has not taken note.
    pub(super) revoked: bool,
    /// How many connections handles are dropping at the moment. The next one waits for that.
    pub(super) dropping: usize,
    /// Since when the ready state is what it is.
    pub(super) since: Duration,
}

impl Default for State {
    fn default() -> Self {
        Self {
            ready: ReadyState::Connecting,
            is_paused: false,
            is_hidden: false,
            is_only_one: false,
            by_handle: false,
            revoked: false,
            dropping: 0,
            since: Duration::ZERO,
        }
    }
}

impl State {
    /// A handle's command.
    pub(super) fn follow(&mut self, command: Command) {
        self.is_paused = command == Command::Pause;
        match command {
            Command::Pause => self.ready = ReadyState::Paused,
            Command::Close => self.ready = ReadyState::Closed,
            Command::Reconnect => self.connect(),
        }
    }

    /// A handle ends its pause.
    pub(super) fn resume(&mut self) {
        if self.ready == ReadyState::Paused && self.is_paused {
            self.is_paused = false;
            self.connect();
        }
    }

    /// A handle orders to connect: at once, or when the page is shown.
    fn connect(&mut self) {
        self.ready = match self.is_hidden {
            true => ReadyState::Paused,
            false => ReadyState::Connecting,
        };
        self.by_handle |= !self.is_hidden;
    }

    /// The page is hidden. Returns whether the connection is to be given up.
    pub(super) fn hide(&mut self) -> bool {
        self.is_hidden = true;
        let hides = !self.is_only_one && self.ready != ReadyState::Paused;
        if hides {
            self.ready = ReadyState::Paused;
        }
        hides
    }

    /// The page is shown again.
    pub(super) fn show(&mut self) {
        self.is_hidden = false;
        if self.ready == ReadyState::Paused && !self.is_paused {
            self.ready = ReadyState::Connecting;
        }
    }

    /// The orders since the last look.
    pub(super) fn take_orders(&mut self) -> Orders {
        let revoked = std::mem::take(&mut self.revoked);
        let by_handle = std::mem::take(&mut self.by_handle);
        self.is_only_one &= !revoked;
        Orders {
            state: self.ready,
            revoked,
            by_page: match self.ready {
                ReadyState::Paused => !self.is_paused,
                _ => !by_handle,
            },
        }
    }
}
