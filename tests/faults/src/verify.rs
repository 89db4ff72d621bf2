// SPDX-License-Identifier: Apache-2.0
//! Reads back everything that the oracle knows of and tells what contradicts it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use testkit::{Client, Response, digest};

use crate::oracle::{Name, Oracle, Value};

/// Lines that say what is wrong; empty when nothing is.
pub fn verify(client: &mut Client, oracle: &Oracle) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (name, allowed) in oracle.names() {
        match look_up(client, name)? {
            Ok(found) if oracle.allows(name, &found) => {}
            Ok(found) => wrong.push(format!("{name:?} is {found:?}, allowed: {allowed:?}")),
            Err(torn) => wrong.push(format!("{name:?}: {torn}")),
        }
    }
    for repository in oracle.repositories() {
        check_tags(client, oracle, repository, &mut wrong)?;
    }
    Ok(wrong)
}

/// The value of a name as a client sees it; `Err` if what is served is broken in itself.
fn look_up(client: &mut Client, name: &Name) -> Result<std::result::Result<Value, String>> {
    match name {
        Name::Blob { repository, digest } => {
            let answer = client.get(&format!("/v2/{repository}/blobs/{digest}"), &[])?;
            Ok(content(&answer, Some(digest)))
        }
        Name::Manifest { repository, digest } => {
            let answer = manifest(client, repository, digest)?;
            Ok(content(&answer, Some(digest)))
        }
        Name::Tag { repository, tag } => {
            let answer = manifest(client, repository, tag)?;
            let value = content(&answer, None);
            if let Ok(Some(digest)) = &value {
                let direct = manifest(client, repository, digest)?;
                if direct.status != 200 || direct.body != answer.body {
                    return Ok(Err(format!("leads to {digest}, which answers {}", direct.status)));
                }
            }
            Ok(value)
        }
        Name::Referrer { repository, subject, digest } => {
            let answer = client.get(&format!("/v2/{repository}/referrers/{subject}"), &[])?;
            if answer.status != 200 {
                return Ok(Err(format!("status {}: {}", answer.status, answer.text())));
            }
            let listed = answer.json()?["manifests"].as_array().is_some_and(|list| {
                list.iter().any(|entry| entry["digest"].as_str() == Some(digest))
            });
            Ok(Ok(listed.then(|| digest.clone())))
        }
    }
}

fn manifest(client: &mut Client, repository: &str, reference: &str) -> Result<Response> {
    let target = format!("/v2/{repository}/manifests/{reference}");
    client.get(&target, &[("accept", testkit::fixture::media::MANIFEST)])
}

/// The digest of what was served, checked against its own bytes and, if given, the name asked for.
fn content(answer: &Response, asked: Option<&str>) -> std::result::Result<Value, String> {
    match answer.status {
        404 => Ok(None),
        200 => {
            let stated = asked.or(answer.header("docker-content-digest")).unwrap_or_default();
            let actual = if stated.starts_with("sha512:") {
                digest::sha512(&answer.body)
            } else {
                digest::sha256(&answer.body)
            };
            if actual == stated {
                Ok(Some(actual))
            } else {
                Err(format!("torn: {} bytes with digest {actual}", answer.body.len()))
            }
        }
        status => Err(format!("status {status}: {}", answer.text())),
    }
}

/// The list of tags must hold every tag that must exist and none that must not, and each listed one
/// must lead to a manifest.
fn check_tags(
    client: &mut Client,
    oracle: &Oracle,
    repository: &str,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let answer = client.get(&format!("/v2/{repository}/tags/list"), &[])?;
    let listed: BTreeSet<String> = match answer.status {
        404 => BTreeSet::new(),
        200 => {
            let body = answer.json()?;
            let tags = body["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
            tags.iter().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
        }
        status => {
            wrong.push(format!("tags of {repository}: status {status}: {}", answer.text()));
            return Ok(());
        }
    };
    for tag in &listed {
        let name = Name::Tag { repository: repository.into(), tag: tag.clone() };
        match look_up(client, &name)? {
            Ok(Some(_)) => {}
            found => wrong.push(format!("tag {tag} of {repository} is listed but is {found:?}")),
        }
    }
    for (name, allowed) in oracle.names() {
        if let Name::Tag { repository: of, tag } = name
            && of == repository
            && !allowed.contains(&None)
            && !listed.contains(tag)
        {
            wrong.push(format!("tag {tag} of {repository} is not listed"));
        }
    }
    Ok(())
}

/// Whether a refusal is one that the protocol knows: 4xx or 5xx with a body of errors.
pub fn is_protocol_error(answer: &Response) -> Result<()> {
    anyhow::ensure!((400..600).contains(&answer.status), "status {}", answer.status);
    answer.code().with_context(|| format!("no error code in {:?}", answer.text()))?;
    Ok(())
}
