// SPDX-License-Identifier: Apache-2.0
//! What the table of built-in kinds costs at first use: `cargo run --release -p api --example table_cost`.

use std::time::Instant;

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap_or_default();
    line.to_owned()
}

fn main() {
    println!("before: {}", resident());
    let begun = Instant::now();
    let kinds = api::builtin::kinds().len();
    println!(
        "{kinds} kinds, {} structures in {:?}",
        api::builtin::types().all().len(),
        begun.elapsed()
    );
    println!("after: {}", resident());
}
