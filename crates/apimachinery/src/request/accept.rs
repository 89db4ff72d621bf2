// SPDX-License-Identifier: Apache-2.0
//! Which form of answer a client wants (guide-commands.md 1.1 to 1.3).

/// The forms an answer can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// The object or list itself.
    Object,
    /// `kind: Table` of that version of meta.k8s.io.
    Table(MetaVersion),
    /// `PartialObjectMetadata` or its list.
    PartialMetadata(MetaVersion),
}

/// A version of meta.k8s.io.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaVersion {
    /// v1.
    V1,
    /// v1beta1.
    V1Beta1,
}

impl MetaVersion {
    /// As written in `apiVersion`.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// How bytes are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf envelope.
    Protobuf,
}

impl Encoding {
    /// The media type that names it.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }
}

/// What was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The form.
    pub form: As,
    /// The encoding.
    pub encoding: Encoding,
}

/// One entry of an `Accept` header.
#[derive(Debug, Clone)]
pub struct Clause<'a> {
    /// `type/subtype`, as sent.
    pub media_type: &'a str,
    /// The parameters without `q`.
    pub parameters: Vec<(&'a str, &'a str)>,
    quality: u16,
}

impl Clause<'_> {
    /// The parameter of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }
}

/// Most entries of an `Accept` header that are looked at; clients send a handful.
const MAX_CLAUSES: usize = 32;

/// The clauses of an `Accept` header, best first (by `q`, then by place).
#[must_use]
pub fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .take(MAX_CLAUSES)
        .filter_map(|part| {
            let mut fields = part.split(';').map(str::trim);
            let media_type = fields.next().filter(|t| !t.is_empty())?;
            let mut clause = Clause { media_type, parameters: Vec::new(), quality: 1000 };
            for field in fields {
                let (key, value) = field.split_once('=').unwrap_or((field, ""));
                let (key, value) = (key.trim(), value.trim().trim_matches('"'));
                if key.eq_ignore_ascii_case("q") {
                    clause.quality = quality(value);
                } else {
                    clause.parameters.push((key, value));
                }
            }
            Some(clause)
        })
        .filter(|clause| clause.quality > 0)
        .collect();
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality));
    clauses
}

/// `q` in thousandths; unreadable counts as 1.
fn quality(text: &str) -> u16 {
    let thousandths = text.parse::<f32>().unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0;
    // In range by the clamp above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rounded = thousandths as u16;
    rounded
}

/// Chooses the answer's form; `protobuf` says whether the kind can be written so. None: nothing acceptable (406).
#[must_use]
pub fn negotiate(accept: &str, protobuf: bool) -> Option<Wanted> {
    let json = Wanted { form: As::Object, encoding: Encoding::Json };
    if accept.trim().is_empty() {
        return Some(json);
    }
    clauses(accept).iter().find_map(|clause| {
        let encoding = match clause.media_type.to_ascii_lowercase().as_str() {
            "application/json" | "*/*" | "application/*" => Encoding::Json,
            "application/yaml" => Encoding::Yaml,
            "application/vnd.kubernetes.protobuf" if protobuf => Encoding::Protobuf,
            _ => return None,
        };
        let version = match clause.parameter("v") {
            Some("v1beta1") => MetaVersion::V1Beta1,
            _ => MetaVersion::V1,
        };
        let group_is_meta = clause.parameter("g").is_none_or(|g| g == "meta.k8s.io");
        let form = match clause.parameter("as") {
            None => As::Object,
            Some("Table") if group_is_meta && encoding != Encoding::Protobuf => As::Table(version),
            Some("PartialObjectMetadata" | "PartialObjectMetadataList")
                if group_is_meta && encoding != Encoding::Protobuf =>
            {
                As::PartialMetadata(version)
            }
            Some(_) => return None,
        };
        Some(Wanted { form, encoding })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send() {
        let kubectl_get = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        let table = negotiate(kubectl_get, false).expect("acceptable");
        assert_eq!(table.form, As::Table(MetaVersion::V1));
        let typed = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(negotiate(typed, false).expect("acceptable").encoding, Encoding::Json);
        assert_eq!(negotiate(typed, true).expect("acceptable").encoding, Encoding::Protobuf);
        assert!(negotiate("text/html", false).is_none());
        assert_eq!(
            negotiate("text/html, */*;q=0.1", false).expect("acceptable").encoding,
            Encoding::Json
        );
        assert_eq!(negotiate("", false).expect("acceptable").form, As::Object);
        let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(
            negotiate(partial, false).expect("ok").form,
            As::PartialMetadata(MetaVersion::V1)
        );
    }
}
