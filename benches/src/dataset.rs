// SPDX-License-Identifier: Apache-2.0
//! The objects that the read rows ask for, and how they get into each server.

use anyhow::Result;

use crate::context::Scale;
use crate::load::content::{Bodies, Body, Random};
use crate::load::get::Target;
use crate::load::http::Connection;
use crate::load::push::{self, MANIFEST, Style};
use crate::load::transport::Endpoint;
use crate::store::Store;

/// Repository of small images.
pub const IMAGES: &str = "bench/small";
/// Repository of single blobs.
pub const BLOBS: &str = "bench/blobs";

/// Bytes of a ranged read.
const RANGE: usize = 64 * 1024;

/// Layers of a small image; its manifest then has the usual 1.5 kB or so.
const LAYERS: usize = 7;

/// A small image.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its tag.
    pub tag: String,
    /// Its manifest.
    pub manifest: Body,
    /// Its configuration and layers.
    pub blobs: Vec<Body>,
}

/// The data set of the read rows.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Small images.
    pub images: Vec<Image>,
    /// Blobs of 1 KiB.
    pub small: Vec<Body>,
    /// Blobs of 1 MiB.
    pub medium: Vec<Body>,
    /// Blobs of 100 MiB.
    pub large: Vec<Body>,
}

impl Dataset {
    /// Makes the content; the same in every run.
    pub fn generate(scale: &Scale) -> Self {
        let mut random = Random::new(1);
        let kib = Bodies::new(1024, 2);
        let small: Vec<Body> = (0..scale.small_count).map(|_| kib.unique(&mut random)).collect();
        let medium = Bodies::new(scale.medium, 3);
        let medium = (0..scale.small_count.min(32)).map(|_| medium.unique(&mut random)).collect();
        let large = Bodies::new(scale.large, 4);
        let large = (0..scale.large_count).map(|_| large.unique(&mut random)).collect();
        let images = (0..scale.small_count.min(32))
            .map(|number| {
                let layers: Vec<Body> = (0..LAYERS)
                    .map(|layer| small[(number + layer) % small.len()].clone())
                    .collect();
                let config = push::config(number as u64);
                let manifest = Body::whole(push::manifest(&config, &layers));
                let mut blobs = layers;
                blobs.push(config);
                Image { tag: format!("v{number}"), manifest, blobs }
            })
            .collect();
        Self { images, small, medium, large }
    }

    /// Stores everything directly.
    pub fn write(&self, store: &mut dyn Store) -> Result<()> {
        for image in &self.images {
            for body in &image.blobs {
                store.blob(IMAGES, body)?;
            }
            store.manifest(IMAGES, Some(&image.tag), image.manifest.parts()[1])?;
        }
        for body in self.small.iter().chain(&self.medium).chain(&self.large) {
            store.blob(BLOBS, body)?;
        }
        Ok(())
    }

    /// Pushes everything.
    pub fn push(&self, endpoint: &Endpoint) -> Result<()> {
        let mut client = Connection::open(endpoint)?;
        for image in &self.images {
            for body in &image.blobs {
                push::blob(&mut client, IMAGES, body, Style::Patch)?;
            }
            let bytes = image.manifest.parts()[1];
            push::put_manifest(&mut client, IMAGES, &image.tag, bytes, &image.manifest.digest)?;
        }
        for body in self.small.iter().chain(&self.medium).chain(&self.large) {
            push::blob(&mut client, BLOBS, body, Style::Monolithic)?;
        }
        Ok(())
    }

    /// `GET manifests/<digest>`.
    pub fn manifests_by_digest(&self) -> Vec<Target> {
        self.images.iter().map(|image| manifest(IMAGES, &image.manifest.digest, image)).collect()
    }

    /// `GET manifests/<tag>`.
    pub fn manifests_by_tag(&self) -> Vec<Target> {
        self.images.iter().map(|image| manifest(IMAGES, &image.tag, image)).collect()
    }

    /// `GET` of parts of a large blob, 64 KiB each.
    pub fn ranges(&self) -> Vec<Target> {
        let Some(body) = self.large.first() else { return Vec::new() };
        let bytes = body.parts()[0];
        let mut random = Random::new(5);
        (0..64)
            .map(|_| {
                let from = random.below((bytes.len() - RANGE) / 4096) * 4096;
                let path = format!("/v2/{BLOBS}/blobs/{}", body.digest);
                Target::range(path, from as u64, &bytes[from..from + RANGE])
            })
            .collect()
    }
}

fn manifest(repository: &str, reference: &str, image: &Image) -> Target {
    let path = format!("/v2/{repository}/manifests/{reference}");
    Target::get(path, Some((image.manifest.len(), &image.manifest.digest))).with("Accept", MANIFEST)
}

/// `GET blobs/<digest>` of each.
pub fn blob_targets(repository: &str, bodies: &[Body]) -> Vec<Target> {
    bodies
        .iter()
        .map(|body| {
            let path = format!("/v2/{repository}/blobs/{}", body.digest);
            Target::get(path, Some((body.len(), &body.digest)))
        })
        .collect()
}
