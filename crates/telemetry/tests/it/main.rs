// SPDX-License-Identifier: Apache-2.0
//! Behaviour of the crate as its users see it, compared with recordings of the registry it
//! replaces (`tests/golden`).

mod cost;
mod families;
mod health;
mod log;
mod log_golden;
