// SPDX-License-Identifier: Apache-2.0
//! Routes beside the distribution protocol.

pub(crate) mod admin;
pub(crate) mod metrics;
