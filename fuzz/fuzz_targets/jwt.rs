// SPDX-License-Identifier: Apache-2.0
//! See [`berth_fuzz::jwt`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| berth_fuzz::bounded(berth_fuzz::jwt, data));
