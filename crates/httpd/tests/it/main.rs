// SPDX-License-Identifier: Apache-2.0
//! The engine as a client sees it: raw sockets, TLS and HTTP/2 against a running server.

mod files;
mod framing;
mod http2;
mod inherit;
mod limits;
mod messages;
mod parsers;
mod stop;
mod support;
mod tls;
