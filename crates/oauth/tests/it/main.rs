// SPDX-License-Identifier: Apache-2.0
//! The OAuth server within an API server in memory, asked as clients ask it.

mod browser;
mod clients;
mod flow;
mod lockout;
mod tokens;
mod world;
