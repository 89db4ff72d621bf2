// SPDX-License-Identifier: Apache-2.0
//! What `/version` says: the Kubernetes version whose API this is, marked as ours.

use serde_json::{Value, json};

/// The version of the API, marked as Berth's (design.md 5).
pub const GIT_VERSION: &str = "v1.36.3+berth";

/// The answer of `/version`.
#[must_use]
pub fn value() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "rust",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }),
    })
}
