// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask generate kinds DIR`: the table of the built-in kinds' fields (`crates/api/src/generated/kinds.tsv`).
//!
//! DIR holds the Go modules that declare the kinds, under these names: `api`, `apimachinery`,
//! `apiextensions-apiserver` and `kube-aggregator` (modules `k8s.io/…`; `go mod download` brings them) and
//! `openshift-api` (`github.com/openshift/api`). No network is used. Only facts are taken: names, types, protobuf
//! numbers, and how patches merge; no descriptions.

mod go;
mod packages;
mod table;

use std::path::Path;

use anyhow::{Context, Result};

/// Writes the table from the sources in `source` to `target`.
pub(crate) fn generate(source: &Path, target: &Path) -> Result<()> {
    let text = table::build(source)?;
    std::fs::write(target, text).with_context(|| format!("write {}", target.display()))
}
