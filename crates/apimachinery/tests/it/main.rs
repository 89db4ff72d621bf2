// SPDX-License-Identifier: Apache-2.0
//! The API server without a socket, over the memory store, with two built-in kinds.

mod server;
mod verbs;
