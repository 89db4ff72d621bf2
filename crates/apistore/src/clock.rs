// SPDX-License-Identifier: Apache-2.0
//! The clock that keys with a time to live go by.
//!
//! "Not before that time" must hold when somebody sets the wall clock, so expiry is counted on a clock that only
//! runs: time since boot. Its readings mean nothing after the next boot, therefore they are stored with the boot they
//! belong to, and a key found from another boot gets its whole time again (late is allowed, early is not).

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// Time since an epoch that has a name.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { epoch: Arc<str> },
    Manual { epoch: Arc<str>, now: Arc<Mutex<Duration>> },
}

impl Clock {
    /// The machine's time since boot, suspend included.
    #[must_use]
    pub fn system() -> Self {
        let epoch = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self(Kind::System { epoch: epoch.trim().into() })
    }

    /// A clock that stands until it is [advanced](Self::advance).
    #[must_use]
    pub fn manual(epoch: &str) -> Self {
        Self(Kind::Manual { epoch: epoch.into(), now: Arc::default() })
    }

    /// Moves a manual clock on; the system's does as it likes.
    pub fn advance(&self, by: Duration) {
        if let Kind::Manual { now, .. } = &self.0 {
            *now.lock() += by;
        }
    }

    /// Since when this clock counts; empty: nobody knows, and no stored reading can be trusted.
    pub(crate) fn epoch(&self) -> &str {
        match &self.0 {
            Kind::System { epoch } | Kind::Manual { epoch, .. } => epoch,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        match &self.0 {
            Kind::System { .. } => since_boot(),
            Kind::Manual { now, .. } => *now.lock(),
        }
    }
}

#[cfg(feature = "sqlite")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Without a file to outlive the process, the process' own clock will do.
#[cfg(not(feature = "sqlite"))]
fn since_boot() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> =
        std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}
