// SPDX-License-Identifier: Apache-2.0
//! See [`berth_fuzz::patch_json`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| berth_fuzz::bounded(berth_fuzz::patch_json, data));
