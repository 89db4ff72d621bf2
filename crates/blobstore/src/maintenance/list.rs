// SPDX-License-Identifier: Apache-2.0
//! What a store holds, by walking it: for tools, not for serving.

use oci::{Digest, RepositoryName};

use super::walk;
use crate::error::Result;
use crate::layout;
use crate::store::BlobStore;

impl BlobStore {
    /// Shows every directory that is a repository, also an empty one, in no particular order.
    pub async fn each_repository(&self, mut visit: impl FnMut(&str) + Send) -> Result<()> {
        let mut repositories = walk::repositories(&self.inner.driver);
        while let Some((path, _)) = repositories.next().await? {
            visit(&path);
        }
        Ok(())
    }

    /// Shows every blob that has data, linked or not.
    pub async fn each_blob(&self, mut visit: impl FnMut(Digest) + Send) -> Result<()> {
        for digest in walk::blobs(&self.inner.driver, |_| {}).await? {
            if self.inner.data_size(&digest).await?.is_some() {
                visit(digest);
            }
        }
        Ok(())
    }

    /// Shows every manifest linked into a repository. One without revisions has none.
    pub async fn each_manifest(
        &self,
        repository: &RepositoryName,
        mut visit: impl FnMut(Digest) + Send,
    ) -> Result<()> {
        let revisions = layout::revisions(repository);
        for digest in walk::digests(&self.inner.driver, &revisions, |_| {}).await? {
            let link = layout::revision_link(repository, &digest);
            if self.inner.read_link(&link).await?.is_some() {
                visit(digest);
            }
        }
        Ok(())
    }
}
