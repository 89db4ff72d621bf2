// SPDX-License-Identifier: Apache-2.0
//! Every resource through a whole server in memory: what is stored, refused, printed, and with which words.

mod access;
mod bootstrap;
mod catalog;
mod kinds;
mod lifecycle;
mod openshift;
mod refusals;
mod server;
mod tables;
