// SPDX-License-Identifier: Apache-2.0
//! The load generator: HTTP/1.1 over plain sockets or TLS, without a framework between the
//! measurement and the system calls.
//!
//! [`transport`] moves bytes, [`http`] reads answers, [`get`] keeps many connections busy from one
//! or two threads, [`push`] plays the blocking sequence of a client that uploads images, and
//! [`content`] makes bytes whose digests are cheap to know.

pub mod content;
pub mod get;
pub mod http;
pub mod push;
pub mod transport;
