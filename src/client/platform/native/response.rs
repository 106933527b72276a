//! What only an HTTP stack with sockets knows of a response.

use std::fmt::DebugStruct;
use std::net::SocketAddr;

use http::Version;

use crate::client::http::response::ResponseHead;

/// How the response came.
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

    /// Gives the response the version that this one came by.
    pub(crate) fn apply<B>(&self, response: &mut http::Response<B>) {
        *response.version_mut() = self.version;
    }
}

impl ResponseHead {
    /// The HTTP version the server answered in. Not in a browser, which does not tell.
    #[must_use]
    pub fn version(&self) -> Version {
        self.transport().version
    }

    /// The address of the server, where the client knows it. Not in a browser, which does not tell.
    #[must_use]
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.transport().remote_addr
    }
}
