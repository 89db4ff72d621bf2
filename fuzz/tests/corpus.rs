// SPDX-License-Identifier: Apache-2.0
//! Replays the kept corpora without instrumentation, so that a plain `cargo test` guards what was
//! once found.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn every_kept_input_is_handled() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in berth_fuzz::TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")) {
            let path = entry.expect("the folder is readable").path();
            let input = fs::read(&path).expect("the input is readable");
            println!("{}", path.display());
            let start = Instant::now();
            berth_fuzz::bounded(target, &input);
            assert!(start.elapsed() < Duration::from_secs(1), "{} hangs", path.display());
            inputs += 1;
        }
        assert!(inputs > 0, "{name} has no corpus");
    }
}
