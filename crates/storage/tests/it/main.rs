// SPDX-License-Identifier: Apache-2.0
//! Tests of the storage drivers: the common cases on each, then what only one of them has.

mod conformance;
