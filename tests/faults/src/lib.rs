// SPDX-License-Identifier: Apache-2.0
//! Fault tests: what Berth acknowledged must outlive kills, power cuts, failing system calls, full
//! disks and flipped bits.
//!
//! ```text
//!   script ──▶ world (a real berth, started and restarted) ──▶ oracle (what was acknowledged)
//!                 ▲                                              │
//!   tracer ───────┘ strace: counts calls, kills or fails one     ▼
//!   power: recorded calls ─▶ model of a filesystem ─▶ images ─▶ verify (read everything back)
//!   power_fs: recorded disk ─▶ cut ─▶ ext4, XFS, btrfs recover ─▶ verify
//! ```
//!
//! Every test is a function here; `src/main.rs` runs them at full size and `tests/sample.rs` runs
//! seeded samples of them. The filesystem model of the power test is in the crate's README.md.

pub mod errors;
pub mod full_disk;
pub mod kill;
pub mod oracle;
pub mod points;
pub mod power;
pub mod power_fs;
pub mod random;
pub mod report;
pub mod rot;
pub mod script;
pub mod storm;
pub mod tracer;
pub mod verify;
pub mod world;
