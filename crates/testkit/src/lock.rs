// SPDX-License-Identifier: Apache-2.0
//! One test at a time where tests would disturb each other: those that measure latency or memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

static MACHINE: Mutex<()> = Mutex::new(());

/// Holds the machine for one test of this binary. A test that failed does not fail the next one.
pub fn machine() -> MutexGuard<'static, ()> {
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
