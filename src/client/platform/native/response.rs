//! The facts about a response that need sockets.

use std::fmt::DebugStruct;
use std::net::SocketAddr;

use http::Version;

use crate::client::http::response::ResponseHead;

/// How the response was received.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Transport {
    pub(crate) version: Version,
    pub(crate) remote_addr: Option<SocketAddr>,
}

impl Transport {
    pub(crate) fn of_version(version: Version) -> Self {
        Self {
            version,
            remote_addr: None,
        }
    }

    pub(crate) fn show(&self, debug: &mut DebugStruct<'_, '_>) {
        debug.field("version", &self.version);
    }

    /// Sets the HTTP version of a response that is made from this one.
    pub(crate) fn apply<B>(&self, response: &mut http::Response<B>) {
        *response.version_mut() = self.version;
    }
}

impl ResponseHead {
    /// Returns the HTTP version of the response. A browser does not expose it, so the method is native only.
    #[must_use]
    pub fn version(&self) -> Version {
        self.transport().version
    }

    /// Returns the address of the server, if the HTTP client knows it. Native only.
    #[must_use]
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.transport().remote_addr
    }
}
