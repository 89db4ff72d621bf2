// SPDX-License-Identifier: Apache-2.0
//! What a client knows of a registry's content: for each name, the values it may have.
//!
//! An acknowledged operation leaves one value. One that was cut off, or refused with a server error,
//! may have happened or not: its names may have the old value or the new one, each by itself, because
//! the protocol promises nothing more.

use std::collections::{BTreeMap, BTreeSet};

/// Something that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A blob of a repository.
    Blob {
        /// The repository.
        repository: String,
        /// The blob.
        digest: String,
    },
    /// A manifest of a repository.
    Manifest {
        /// The repository.
        repository: String,
        /// The manifest.
        digest: String,
    },
    /// What a tag points to.
    Tag {
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// That a manifest is listed as a referrer of another one.
    Referrer {
        /// The repository.
        repository: String,
        /// The manifest it refers to.
        subject: String,
        /// The referring manifest.
        digest: String,
    },
}

impl Name {
    /// The repository the name belongs to.
    pub fn repository(&self) -> &str {
        match self {
            Self::Blob { repository, .. }
            | Self::Manifest { repository, .. }
            | Self::Tag { repository, .. }
            | Self::Referrer { repository, .. } => repository,
        }
    }
}

/// The digest served under a name; `None`: not there.
pub type Value = Option<String>;

/// What an operation does to names.
pub type Effects = Vec<(Name, Value)>;

/// The values that each name may have. A name that is not listed was never written: absent.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    names: BTreeMap<Name, BTreeSet<Value>>,
}

impl Oracle {
    /// The operation is under way, or its end is unknown: new values become possible.
    pub fn begin(&mut self, effects: &Effects) {
        for (name, value) in effects {
            self.names
                .entry(name.clone())
                .or_insert_with(|| BTreeSet::from([None]))
                .insert(value.clone());
        }
    }

    /// The operation was acknowledged: only the new values are left.
    pub fn acknowledge(&mut self, effects: &Effects) {
        for (name, value) in effects {
            self.names.insert(name.clone(), BTreeSet::from([value.clone()]));
        }
    }

    /// Every name ever written, with the values it may have.
    pub fn names(&self) -> impl Iterator<Item = (&Name, &BTreeSet<Value>)> {
        self.names.iter()
    }

    /// Whether the name may have this value.
    pub fn allows(&self, name: &Name, value: &Value) -> bool {
        self.names.get(name).map_or(value.is_none(), |allowed| allowed.contains(value))
    }

    /// Tags of a repository that may point to this manifest.
    pub fn tags_to(&self, repository: &str, digest: &str) -> Vec<String> {
        let wanted = Some(digest.to_owned());
        self.names
            .iter()
            .filter_map(|(name, allowed)| match name {
                Name::Tag { repository: of, tag } if of == repository => {
                    allowed.contains(&wanted).then(|| tag.clone())
                }
                _ => None,
            })
            .collect()
    }

    /// Repositories that something was written to.
    pub fn repositories(&self) -> BTreeSet<&str> {
        self.names.keys().map(Name::repository).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(value: &str) -> Effects {
        let name = Name::Tag { repository: "r".into(), tag: "t".into() };
        vec![(name, (!value.is_empty()).then(|| value.to_owned()))]
    }

    #[test]
    fn an_operation_in_flight_may_be_either_way_and_an_acknowledged_one_may_not() {
        let mut oracle = Oracle::default();
        let (name, one) = tag("1").remove(0);
        assert!(oracle.allows(&name, &None));
        oracle.begin(&tag("1"));
        assert!(oracle.allows(&name, &None) && oracle.allows(&name, &one));
        oracle.acknowledge(&tag("1"));
        assert!(!oracle.allows(&name, &None) && oracle.allows(&name, &one));
        oracle.begin(&tag(""));
        assert_eq!(oracle.tags_to("r", "1"), ["t"]);
        oracle.acknowledge(&tag(""));
        assert!(oracle.allows(&name, &None) && !oracle.allows(&name, &one));
        assert!(oracle.tags_to("r", "1").is_empty());
    }
}
