// SPDX-License-Identifier: Apache-2.0
//! Limits on how much clients may do at once.

pub mod requests;
pub(crate) mod uploads;
