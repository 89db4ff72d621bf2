// SPDX-License-Identifier: Apache-2.0
//! The limit on open files: raised as far as it may be, and compared with what is configured.
//!
//! Soft limits are low (1,024) for the sake of programs that use `select`; this one does not.

use registry_config::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use telemetry::log::Line;

use super::serve::DEBUG_CONNECTIONS;

/// Descriptors for the log, the runtime, the journal, directories, and for files that are being
/// received or sent beside those kept open.
const OTHERS: u64 = 128;

/// Raises the soft limit to the hard one. Warns where that is less than the connections and files
/// that the configuration allows.
pub(super) fn prepare(config: &Config) {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: before.maximum, maximum: before.maximum };
    // A refusal leaves the limit as it was, and that is what counts below.
    let _ = setrlimit(Resource::Nofile, wanted);
    let limit = getrlimit(Resource::Nofile).current;
    let files = blobstore::Limits::default().open_files as u64;
    if let Some(text) = shortage(config.berth.limits.connections.into(), files, limit) {
        Line::warning(text).emit();
    }
}

/// What to say if `limit` is not enough; `None` is no limit.
fn shortage(connections: u64, files: u64, limit: Option<u64>) -> Option<String> {
    let needed = connections + files + DEBUG_CONNECTIONS as u64 + OTHERS;
    let limit = limit.filter(|limit| *limit < needed)?;
    Some(format!(
        "{connections} connections (berth.limits.connections) and the files of the store may need \
         {needed} file descriptors, the limit is {limit}: raise it (LimitNOFILE, ulimit -n) or \
         allow fewer connections"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_is_needed() {
        let needed = 10_000 + 512 + DEBUG_CONNECTIONS as u64 + OTHERS;
        assert_eq!(shortage(10_000, 512, None), None);
        assert_eq!(shortage(10_000, 512, Some(needed)), None);
        let text = shortage(10_000, 512, Some(needed - 1)).expect("too low");
        for number in ["10000 connections", &needed.to_string(), &(needed - 1).to_string()] {
            assert!(text.contains(number), "{text}");
        }
    }
}
