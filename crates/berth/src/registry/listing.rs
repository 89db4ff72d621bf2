// SPDX-License-Identifier: Apache-2.0
//! What `dockerregistry -experimental -list-…` prints (registry.md 7).

use std::process::ExitCode;

use anyhow::{Context, Result};
use oci::RepositoryName;

use super::maintenance::with_store;
use super::store::Purpose;
use crate::cli::Source;

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    /// `repository\t<name>`
    Repositories,
    /// `blob\t<digest>`
    Blobs,
    /// `manifest\t<name>\t<digest>`, of all repositories.
    Manifests,
    /// The same of one repository.
    ManifestsFrom(String),
}

/// Prints the listings, in the order of the flags' documentation.
pub(crate) fn run(source: &Source, listings: &[Listing]) -> Result<ExitCode> {
    with_store(source, Purpose::Read, async |store| {
        for listing in listings {
            match listing {
                Listing::Repositories => {
                    store.each_repository(|name| println!("repository\t{name}")).await?;
                }
                Listing::Blobs => store.each_blob(|digest| println!("blob\t{digest}")).await?,
                Listing::Manifests => {
                    let mut names = Vec::new();
                    store.each_repository(|name| names.push(name.to_owned())).await?;
                    for name in names {
                        let Ok(name) = RepositoryName::parse(&name) else { continue };
                        let print = |digest| println!("manifest\t{name}\t{digest}");
                        store.each_manifest(&name, print).await?;
                    }
                }
                Listing::ManifestsFrom(name) => {
                    let name = RepositoryName::parse(name).context("-list-manifests-from")?;
                    let print = |digest| println!("manifest\t{name}\t{digest}");
                    store.each_manifest(&name, print).await?;
                }
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
