// SPDX-License-Identifier: Apache-2.0
//! The program from outside: what it says, what it leaves, how it exits.

mod maintenance;
mod program;
mod start;
