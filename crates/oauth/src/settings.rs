// SPDX-License-Identifier: Apache-2.0
//! What whoever starts the OAuth server decides, and the time it goes by.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use time::OffsetDateTime;

/// The system's source of random numbers failed.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandom;

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

/// The key that session cookies are signed with. Kept by the caller: who restarts with another key logs everybody's
/// browser out (tokens are not concerned).
#[derive(Clone)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// A key that was kept.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key.
    ///
    /// # Errors
    /// [`NoRandom`].
    pub fn generate() -> Result<Self, NoRandom> {
        Ok(Self(random()?))
    }

    /// The bytes, to be kept (mode 0600).
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// Two clocks: the wall's, which tokens carry, and one that only runs, which lockouts count on.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> OffsetDateTime + Send + Sync>,
    running: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn system() -> Self {
        let start = Instant::now();
        Self::new(OffsetDateTime::now_utc, move || start.elapsed())
    }

    /// Any two clocks; the second counts from an origin of its own.
    pub fn new(
        wall: impl Fn() -> OffsetDateTime + Send + Sync + 'static,
        running: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), running: Arc::new(running) }
    }

    pub(crate) fn wall(&self) -> OffsetDateTime {
        (self.wall)()
    }

    pub(crate) fn running(&self) -> Duration {
        (self.running)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("wall", &self.wall()).finish_non_exhaustive()
    }
}

/// What the server is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https://host:port` without a slash at the end, as clients reach the server.
    pub issuer: String,
    /// Signs session cookies.
    pub session_key: SessionKey,
    /// How long access tokens are good, unless the client or `oauths.config.openshift.io/cluster` says otherwise.
    pub token_lifetime: Duration,
    /// When wrong passwords lock a user or an address out.
    pub lockout: Lockout,
    /// Password hashes that are computed at the same time.
    pub concurrent_checks: usize,
    /// The clocks.
    pub clock: Clock,
}

impl Settings {
    /// The defaults: tokens for a day, as OpenShift; as many hashes at once as half the cores.
    #[must_use]
    pub fn new(issuer: impl Into<String>, session_key: SessionKey) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            issuer: issuer.into().trim_end_matches('/').to_owned(),
            session_key,
            token_lifetime: Duration::from_secs(24 * 3600),
            lockout: Lockout::default(),
            concurrent_checks: cores.div_ceil(2),
            clock: Clock::system(),
        }
    }
}

/// When wrong passwords lock out, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Wrong passwords for one user name before it is locked. Small: a lock is short at first.
    pub per_user: u32,
    /// Wrong passwords from one address (IPv6: one /64) before it is locked. Larger: people share addresses.
    pub per_address: u32,
    /// The first lock; each further wrong password doubles it.
    pub first: Duration,
    /// The longest lock, and how long wrong passwords are remembered.
    pub longest: Duration,
}

impl Default for Lockout {
    fn default() -> Self {
        Self {
            per_user: 10,
            per_address: 100,
            first: Duration::from_secs(10),
            longest: Duration::from_secs(15 * 60),
        }
    }
}
