//! A server, its requirements, and its rows.

use std::path::Path;

use crate::lab::Lab;
use crate::nginx::MODULES;
use crate::row::Trial;

pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) needs: Vec<Tool>,
    pub(crate) trials: Vec<Trial>,
}

/// A requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Node, with the packages of package.json.
    Node,
    /// Python, with the packages of requirements.txt.
    Python,
    /// nginx.
    Nginx,
    /// nginx with nchan.
    Nchan,
    /// haproxy.
    Haproxy,
}

impl Suite {
    /// Returns what is missing.
    pub(crate) fn missing(&self, lab: &Lab) -> Option<&'static str> {
        self.needs.iter().find_map(|tool| tool.missing(lab))
    }
}

impl Tool {
    fn missing(self, lab: &Lab) -> Option<&'static str> {
        let is_there = match self {
            Self::Node => is_on_path("node") && lab.home.join("node_modules/express").exists(),
            Self::Python => lab.venv.join("bin/uvicorn").exists(),
            Self::Nginx => is_on_path("nginx"),
            Self::Nchan => {
                is_on_path("nginx") && Path::new(MODULES).join("ngx_nchan_module.so").exists()
            }
            Self::Haproxy => is_on_path("haproxy"),
        };
        match self {
            _ if is_there => None,
            Self::Node => Some("Node and its packages"),
            Self::Python => Some("Python and its packages"),
            Self::Nginx => Some("nginx"),
            Self::Nchan => Some("nginx with nchan"),
            Self::Haproxy => Some("haproxy"),
        }
    }
}

fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .any(|directory| directory.join(program).is_file())
}
