// SPDX-License-Identifier: Apache-2.0
//! What several system tests share: the two ways in which a registry is offered to clients.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use tempfile::TempDir;
use testkit::{Authority, Builder, Credentials, Server, Subject};

/// Clear text and open, or TLS with htpasswd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `http://`, everybody may do everything.
    Open,
    /// `https://` with a certificate of the test's own authority, one account.
    Guarded,
}

/// Both ways, for tests that must hold in both.
pub const BOTH: [Access; 2] = [Access::Open, Access::Guarded];

/// A registry with what clients need to reach it.
pub struct Stage {
    /// How it is offered.
    pub access: Access,
    /// The registry.
    pub server: Server,
    /// Where the test may put files.
    pub directory: TempDir,
    /// Present when guarded.
    pub authority: Option<Arc<Authority>>,
    /// Present when guarded.
    pub credentials: Option<Credentials>,
}

impl Stage {
    /// Starts a registry of the kind under test.
    pub fn new(access: Access) -> Result<Self> {
        Self::with(access, |builder| builder)
    }

    /// The same after `adjust` has changed how it starts.
    pub fn with(access: Access, adjust: impl FnOnce(Builder) -> Builder) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("berth-stage-").tempdir()?;
        let mut builder = adjust(Server::builder());
        let (mut authority, mut credentials) = (None, None);
        if access == Access::Guarded {
            let made = Arc::new(Authority::create(directory.path())?);
            let account = Credentials::default();
            builder = builder.tls(made.clone()).htpasswd(account.clone());
            authority = Some(made);
            credentials = Some(account);
        }
        let server = builder.start()?;
        Ok(Self { access, server, directory, authority, credentials })
    }

    /// `host:port` of the registry.
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// Folder for the test's files.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether clients reach it in clear text.
    pub fn is_open(&self) -> bool {
        self.access == Access::Open
    }
}

/// Whether the long form of the tests was asked for (`cargo xtask full system`).
pub fn is_full() -> bool {
    std::env::var_os("BERTH_TEST_FULL").is_some()
}

/// Whether Berth is under test, so that what only Berth promises can be asserted.
pub fn is_berth() -> bool {
    Subject::under_test() == Subject::Berth
}
