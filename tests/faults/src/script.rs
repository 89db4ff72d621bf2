// SPDX-License-Identifier: Apache-2.0
//! The sequence of operations that all fault tests run: every way in which a client changes a store,
//! and what only a restart does.

use anyhow::{Context, Result};
use serde_json::json;
use testkit::fixture::{media, noise};
use testkit::{Client, Response, Subject, digest};

use crate::oracle::{Effects, Name, Oracle};

/// One request, or the few that belong together.
#[derive(Clone, Debug)]
pub enum Action {
    /// POST, then one PUT with all bytes.
    Push {
        /// Where to.
        repository: &'static str,
        /// What.
        bytes: Vec<u8>,
    },
    /// One POST with all bytes and a sha512 digest.
    PushSingle {
        /// Where to.
        repository: &'static str,
        /// What.
        bytes: Vec<u8>,
    },
    /// POST, some PATCHes, PUT without bytes.
    PushChunked {
        /// Where to.
        repository: &'static str,
        /// What.
        bytes: Vec<u8>,
        /// In how many parts.
        parts: usize,
    },
    /// POST with `mount` and `from`.
    Mount {
        /// Where to.
        repository: &'static str,
        /// Where from.
        from: &'static str,
        /// What.
        digest: String,
    },
    /// PUT of a manifest under a tag, or by digest.
    PutManifest {
        /// Where to.
        repository: &'static str,
        /// The tag; `None`: by digest.
        tag: Option<&'static str>,
        /// The manifest.
        bytes: Vec<u8>,
        /// The manifest that it refers to.
        subject: Option<String>,
    },
    /// DELETE of a tag.
    DeleteTag {
        /// Where.
        repository: &'static str,
        /// What.
        tag: &'static str,
    },
    /// DELETE of a manifest with all its tags.
    DeleteManifest {
        /// Where.
        repository: &'static str,
        /// What.
        digest: String,
    },
    /// DELETE of a blob.
    DeleteBlob {
        /// Where.
        repository: &'static str,
        /// What.
        digest: String,
    },
}

/// What the client was told.
#[derive(Debug)]
pub enum Answer {
    /// The operation has been done.
    Acknowledged,
    /// The registry refused with this answer.
    Refused(Response),
    /// The connection broke before the answer was complete.
    Broken(String),
}

/// A client that counts the answers it got.
pub struct Connection {
    client: Client,
    /// Answers so far.
    pub answers: usize,
}

impl Connection {
    /// Counts from 0.
    pub fn new(client: Client) -> Self {
        Self { client, answers: 0 }
    }

    /// Sends one request.
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        kind: &str,
        body: &[u8],
    ) -> Result<Response> {
        let answer = self.client.send(method, target, &[("content-type", kind)], body)?;
        self.answers += 1;
        Ok(answer)
    }
}

const BYTES: &str = "application/octet-stream";

impl Action {
    /// What the operation does to names, given what is known before.
    pub fn effects(&self, oracle: &Oracle) -> Effects {
        let blob =
            |repository: &str, digest: String| Name::Blob { repository: repository.into(), digest };
        match self {
            Self::Push { repository, bytes } | Self::PushChunked { repository, bytes, .. } => {
                let digest = digest::sha256(bytes);
                vec![(blob(repository, digest.clone()), Some(digest))]
            }
            Self::PushSingle { repository, bytes } => {
                // Known by the digest asked for and by the sha256 alias (registry.md 1.9).
                let names = [digest::sha512(bytes), digest::sha256(bytes)];
                names.map(|name| (blob(repository, name.clone()), Some(name))).to_vec()
            }
            Self::Mount { repository, digest, .. } => {
                vec![(blob(repository, digest.clone()), Some(digest.clone()))]
            }
            Self::PutManifest { repository, tag, bytes, subject } => {
                let digest = digest::sha256(bytes);
                let repository = (*repository).to_owned();
                let name =
                    Name::Manifest { repository: repository.clone(), digest: digest.clone() };
                let mut effects = vec![(name, Some(digest.clone()))];
                if let Some(subject) = subject {
                    let name = Name::Referrer {
                        repository: repository.clone(),
                        subject: subject.clone(),
                        digest: digest.clone(),
                    };
                    effects.push((name, Some(digest.clone())));
                }
                if let Some(tag) = tag {
                    effects.push((Name::Tag { repository, tag: (*tag).into() }, Some(digest)));
                }
                effects
            }
            Self::DeleteTag { repository, tag } => {
                let name = Name::Tag { repository: (*repository).into(), tag: (*tag).into() };
                vec![(name, None)]
            }
            Self::DeleteManifest { repository, digest } => {
                let repository = (*repository).to_owned();
                let mut effects: Effects = oracle
                    .tags_to(&repository, digest)
                    .into_iter()
                    .map(|tag| (Name::Tag { repository: repository.clone(), tag }, None))
                    .collect();
                effects.push((Name::Manifest { repository, digest: digest.clone() }, None));
                effects
            }
            Self::DeleteBlob { repository, digest } => {
                vec![(blob(repository, digest.clone()), None)]
            }
        }
    }

    /// Asks a registry to do it.
    pub fn perform(&self, connection: &mut Connection) -> Answer {
        match self.attempt(connection) {
            Ok(answer) if (200..300).contains(&answer.status) => Answer::Acknowledged,
            Ok(answer) => Answer::Refused(answer),
            Err(cause) => Answer::Broken(format!("{cause:#}")),
        }
    }

    /// The last answer: a success of the last request, or the first refusal.
    fn attempt(&self, to: &mut Connection) -> Result<Response> {
        match self {
            Self::Push { repository, bytes } => {
                let begun = to.send("POST", &uploads(repository), BYTES, b"")?;
                if begun.status != 202 {
                    return Ok(begun);
                }
                to.send("PUT", &last(&begun, bytes)?, BYTES, bytes)
            }
            Self::PushSingle { repository, bytes } => {
                let target = format!("{}?digest={}", uploads(repository), digest::sha512(bytes));
                to.send("POST", &target, BYTES, bytes)
            }
            Self::PushChunked { repository, bytes, parts } => {
                let mut answer = to.send("POST", &uploads(repository), BYTES, b"")?;
                for part in bytes.chunks(bytes.len().div_ceil(*parts)) {
                    if answer.status != 202 {
                        return Ok(answer);
                    }
                    answer = to.send("PATCH", location(&answer)?, BYTES, part)?;
                }
                if answer.status != 202 {
                    return Ok(answer);
                }
                to.send("PUT", &last(&answer, bytes)?, BYTES, b"")
            }
            Self::Mount { repository, from, digest } => {
                let target = format!("{}?mount={digest}&from={from}", uploads(repository));
                let answer = to.send("POST", &target, BYTES, b"")?;
                // 202 means: not mounted, upload it. That is no acknowledgement.
                anyhow::ensure!(answer.status != 202, "the blob to be mounted was not found");
                Ok(answer)
            }
            Self::PutManifest { repository, tag, bytes, .. } => {
                let digest = digest::sha256(bytes);
                let target = format!("/v2/{repository}/manifests/{}", tag.unwrap_or(&digest));
                to.send("PUT", &target, media::MANIFEST, bytes)
            }
            Self::DeleteTag { repository, tag } => {
                to.send("DELETE", &format!("/v2/{repository}/manifests/{tag}"), BYTES, b"")
            }
            Self::DeleteManifest { repository, digest } => {
                to.send("DELETE", &format!("/v2/{repository}/manifests/{digest}"), BYTES, b"")
            }
            Self::DeleteBlob { repository, digest } => {
                to.send("DELETE", &format!("/v2/{repository}/blobs/{digest}"), BYTES, b"")
            }
        }
    }

    /// Whether doing it again after it has been done is answered with 404.
    pub fn is_delete(&self) -> bool {
        matches!(
            self,
            Self::DeleteTag { .. } | Self::DeleteManifest { .. } | Self::DeleteBlob { .. }
        )
    }
}

fn uploads(repository: &str) -> String {
    format!("/v2/{repository}/blobs/uploads/")
}

fn location(answer: &Response) -> Result<&str> {
    answer.header("location").context("no Location in a 202")
}

fn last(answer: &Response, bytes: &[u8]) -> Result<String> {
    let location = location(answer)?;
    let separator = if location.contains('?') { '&' } else { '?' };
    Ok(format!("{location}{separator}digest={}", digest::sha256(bytes)))
}

/// What one step does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Requests.
    Act(Action),
    /// Nothing, until the journal of an idle registry has been cut.
    Idle,
    /// SIGTERM, and wait for the end.
    Stop,
    /// Start after a stop.
    Start,
    /// SIGKILL, then start: what was not cut is replayed.
    CrashStart,
}

/// A named step.
#[derive(Clone, Debug)]
pub struct Step {
    /// For reports.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
}

const FIRST: &str = "faults/first";
const SECOND: &str = "faults/second/nested";

/// An OCI image manifest. `padding` makes it large.
fn manifest(config: &[u8], layers: &[&[u8]], subject: Option<&[u8]>, padding: usize) -> Vec<u8> {
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": digest::sha256(bytes), "size": bytes.len()});
    let layers: Vec<_> = layers.iter().map(|bytes| describe(media::LAYER, bytes)).collect();
    let mut value = json!({
        "schemaVersion": 2,
        "mediaType": media::MANIFEST,
        "config": describe(media::CONFIG, config),
        "layers": layers,
    });
    if let Some(subject) = subject {
        value["subject"] = describe(media::MANIFEST, subject);
    }
    if padding > 0 {
        value["annotations"] = json!({"padding": "x".repeat(padding)});
    }
    value.to_string().into_bytes()
}

/// The script. `seed` changes the bytes, not the steps; the peer is spared what it does not know.
pub fn script(seed: u64) -> Vec<Step> {
    let mut steps = whole_script(seed);
    if Subject::under_test() == Subject::Peer {
        steps.retain(|step| match &step.kind {
            Kind::Act(Action::DeleteTag { .. } | Action::PushSingle { .. }) => false,
            Kind::Act(Action::PutManifest { subject, .. }) => subject.is_none(),
            _ => true,
        });
    }
    steps
}

fn whole_script(seed: u64) -> Vec<Step> {
    let content = |index: u64, length| noise(seed.wrapping_mul(1000).wrapping_add(index), length);
    let (config, small) = (content(1, 900), content(2, 20_000));
    let (large, monolithic) = (content(3, 200_000), content(4, 150_000));
    let (single, spare) = (content(5, 3_000), content(6, 1_200));
    let late = content(7, 80_000);
    let one = manifest(&config, &[&small], None, 0);
    let two = manifest(&config, &[&small, &large], None, 0);
    let referrer = manifest(&config, &[&small], Some(&two), 0);
    let big = manifest(&config, &[&large], None, 100_000);
    let push = |bytes: &[u8]| Action::Push { repository: FIRST, bytes: bytes.to_vec() };
    let chunked = |bytes: &[u8], parts| Action::PushChunked {
        repository: FIRST,
        bytes: bytes.to_vec(),
        parts,
    };
    let put = |tag, bytes: &[u8]| Action::PutManifest {
        repository: FIRST,
        tag,
        bytes: bytes.to_vec(),
        subject: None,
    };
    let act = |name, action| Step { name, kind: Kind::Act(action) };
    let other = |name, kind| Step { name, kind };
    vec![
        act("push small", push(&config)),
        act("push small in chunks", chunked(&small, 3)),
        act("push large in chunks", chunked(&large, 3)),
        act("push large", push(&monolithic)),
        act("push single POST sha512", Action::PushSingle { repository: FIRST, bytes: single }),
        act("push again", push(&config)),
        act(
            "mount",
            Action::Mount { repository: SECOND, from: FIRST, digest: digest::sha256(&large) },
        ),
        act("put manifest", put(Some("v1"), &one)),
        act("move tag", put(Some("v1"), &two)),
        act("put large manifest", put(Some("big"), &big)),
        act(
            "put referrer",
            Action::PutManifest {
                repository: FIRST,
                tag: None,
                subject: Some(digest::sha256(&two)),
                bytes: referrer,
            },
        ),
        act("put second tag", put(Some("v2"), &one)),
        act("put third tag", put(Some("v3"), &one)),
        act("delete tag", Action::DeleteTag { repository: FIRST, tag: "v3" }),
        other("cut", Kind::Idle),
        act("put tag again", put(Some("v3"), &one)),
        act(
            "delete manifest",
            Action::DeleteManifest { repository: FIRST, digest: digest::sha256(&one) },
        ),
        act(
            "delete blob",
            Action::DeleteBlob { repository: FIRST, digest: digest::sha256(&monolithic) },
        ),
        act("push deleted blob", push(&monolithic)),
        act("put deleted manifest", put(Some("v2"), &one)),
        other("replay", Kind::CrashStart),
        act("push after replay", push(&spare)),
        act("push large after replay", chunked(&late, 2)),
        act("tag after replay", put(Some("v4"), &two)),
        other("stop", Kind::Stop),
        other("start", Kind::Start),
        act("delete tag after start", Action::DeleteTag { repository: FIRST, tag: "v4" }),
        act(
            "delete blob after start",
            Action::DeleteBlob { repository: FIRST, digest: digest::sha256(&spare) },
        ),
        other("replay of deletes", Kind::CrashStart),
    ]
}
