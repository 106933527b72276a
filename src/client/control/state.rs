//! The ready state, and the commands of handles and of the page.

use std::time::Duration;

use crate::client::stats::ReadyState;

/// A command of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Pause,
    Close,
    Reconnect,
}

/// The commands since the poller last took them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Orders {
    pub(crate) state: ReadyState,
    /// Whether the connection, or the wait for one, was dropped.
    pub(crate) revoked: bool,
    /// Whether only the page was hidden or shown, and no handle gave a command.
    pub(crate) by_page: bool,
}

pub(super) struct State {
    pub(super) ready: ReadyState,
    /// Whether a handle paused the source.
    pub(super) is_paused: bool,
    /// Whether the page is hidden, so that the source must have no connection.
    pub(super) is_hidden: bool,
    /// Whether the request that was sent cannot be sent again. A page that hides lets it end.
    pub(super) is_only_one: bool,
    /// Whether a handle gave an order to connect since the poller last took the orders.
    pub(super) by_handle: bool,
    /// Whether a handle dropped the connection and the poller has not noticed yet.
    pub(super) revoked: bool,
    /// How many connections handles are dropping at the moment. The next request waits for them.
    pub(super) dropping: usize,
    /// When the ready state last changed.
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
    /// Follows a command of a handle.
    pub(super) fn follow(&mut self, command: Command) {
        self.is_paused = command == Command::Pause;
        match command {
            Command::Pause => self.ready = ReadyState::Paused,
            Command::Close => self.ready = ReadyState::Closed,
            Command::Reconnect => self.connect(),
        }
    }

    /// Ends the pause of a handle.
    pub(super) fn resume(&mut self) {
        if self.ready == ReadyState::Paused && self.is_paused {
            self.is_paused = false;
            self.connect();
        }
    }

    /// Connects at once, or when the page is shown.
    fn connect(&mut self) {
        self.ready = match self.is_hidden {
            true => ReadyState::Paused,
            false => ReadyState::Connecting,
        };
        self.by_handle |= !self.is_hidden;
    }

    /// Called when the page is hidden. Returns whether the connection must be dropped.
    pub(super) fn hide(&mut self) -> bool {
        self.is_hidden = true;
        let hides = !self.is_only_one && self.ready != ReadyState::Paused;
        if hides {
            self.ready = ReadyState::Paused;
        }
        hides
    }

    /// Called when the page is shown again.
    pub(super) fn show(&mut self) {
        self.is_hidden = false;
        if self.ready == ReadyState::Paused && !self.is_paused {
            self.ready = ReadyState::Connecting;
        }
    }

    /// Takes the orders.
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
