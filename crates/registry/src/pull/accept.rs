// SPDX-License-Identifier: Apache-2.0
//! The `Accept` header of a manifest request and what follows from it (registry.md 1.6).

use http::{HeaderMap, header};
use oci::MediaType;

/// Which of the manifest families a client takes. Parameters, quality included, are dropped, as
/// the registries before did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) schema2: bool,
    pub(crate) list: bool,
    pub(crate) oci_manifest: bool,
    pub(crate) oci_index: bool,
}

/// How the manifest was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Tag,
    Digest,
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The bytes as stored.
    AsStored,
    /// Schema 2 turned into signed schema 1.
    ToSchema1,
    /// The linux/amd64 entry of a list, and then again by this table.
    FirstOfList,
    /// 404 with this message.
    Refuse(&'static str),
}

impl Accepted {
    /// Reads the header; `*/*` accepts everything.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        for value in headers.get_all(header::ACCEPT) {
            for range in value.as_bytes().split(|b| *b == b',') {
                let range = range.split(|b| *b == b';').next().unwrap_or(b"").trim_ascii();
                match range {
                    b"application/vnd.docker.distribution.manifest.v2+json" => {
                        accepted.schema2 = true;
                    }
                    b"application/vnd.docker.distribution.manifest.list.v2+json" => {
                        accepted.list = true;
                    }
                    b"application/vnd.oci.image.manifest.v1+json" => accepted.oci_manifest = true,
                    b"application/vnd.oci.image.index.v1+json" => accepted.oci_index = true,
                    b"*/*" | b"application/*" => return Self::everything(),
                    _ => {}
                }
            }
        }
        accepted
    }

    fn everything() -> Self {
        Self { schema2: true, list: true, oci_manifest: true, oci_index: true }
    }

    /// The negotiation table.
    pub(crate) fn plan(self, stored: &MediaType, by: By) -> Plan {
        match (stored, by) {
            (MediaType::DockerSchema2, By::Tag) if !self.schema2 => Plan::ToSchema1,
            (MediaType::DockerList, By::Tag) if !self.list => Plan::FirstOfList,
            (MediaType::OciManifest, _) if !self.oci_manifest => {
                Plan::Refuse("OCI manifest found, but accept header does not support OCI manifests")
            }
            (MediaType::OciIndex, _) if !self.oci_index => {
                Plan::Refuse("OCI index found, but accept header does not support OCI indexes")
            }
            _ => Plan::AsStored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Accepted {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        Accepted::of(&headers)
    }

    const SCHEMA2: &str = "application/vnd.docker.distribution.manifest.v2+json";
    const INDEX: &str = "application/vnd.oci.image.index.v1+json";

    #[test]
    fn flags_are_read_from_all_values() {
        assert_eq!(of(&[]), Accepted::default());
        assert_eq!(of(&["application/json"]), Accepted::default());
        let both = Accepted { schema2: true, oci_index: true, ..Accepted::default() };
        assert_eq!(of(&[&format!("{SCHEMA2};q=0.5 , text/html, {INDEX}")]), both);
        assert_eq!(of(&[SCHEMA2, INDEX]), both);
        assert_eq!(of(&["text/html, */*;q=0.1"]), Accepted::everything());
    }

    #[test]
    fn the_table() {
        let none = Accepted::default();
        let all = Accepted::everything();
        for stored in [
            MediaType::DockerSchema1Signed,
            MediaType::DockerSchema2,
            MediaType::DockerList,
            MediaType::OciManifest,
            MediaType::OciIndex,
            MediaType::OciArtifact,
        ] {
            assert_eq!(all.plan(&stored, By::Tag), Plan::AsStored);
            assert_eq!(all.plan(&stored, By::Digest), Plan::AsStored);
        }
        assert_eq!(none.plan(&MediaType::DockerSchema1Signed, By::Tag), Plan::AsStored);
        assert_eq!(none.plan(&MediaType::DockerSchema2, By::Tag), Plan::ToSchema1);
        assert_eq!(none.plan(&MediaType::DockerSchema2, By::Digest), Plan::AsStored);
        assert_eq!(none.plan(&MediaType::DockerList, By::Tag), Plan::FirstOfList);
        assert_eq!(none.plan(&MediaType::DockerList, By::Digest), Plan::AsStored);
        for by in [By::Tag, By::Digest] {
            assert!(matches!(none.plan(&MediaType::OciManifest, by), Plan::Refuse(_)));
            assert!(matches!(none.plan(&MediaType::OciIndex, by), Plan::Refuse(_)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn anything_is_survived(value in "[ -~]{0,80}") {
            let _ = of(&[&value]);
        }
    }
}
