// SPDX-License-Identifier: Apache-2.0
//! `GET` and `HEAD blobs/<digest>` (registry.md 1.5): whole, in ranges, or by redirect.

use blobstore::Blob;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use httpd::{FileRange, Reply, ReplyBody};
use oci::{Digest, RepositoryName};
use storage::driver::Content;

use super::conditional::{self, Quotes, Verdict};
use super::multipart::{Boundary, Piece};
use super::range::{self, ByteRange, Unsatisfiable, Wanted};
use crate::app::Call;
use crate::notifications::Happening;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::{DigestValues, With, from_text, name, number, value};
use crate::reply::pages;

/// Answers with content, or says that there is none.
pub(crate) async fn get(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    digest: &str,
) -> Result<Reply> {
    let digest = Digest::parse(digest).map_err(|_| Error::digest_invalid(digest))?;
    let values = DigestValues::of(&digest);
    if call.head.method == Method::HEAD {
        // Answered here also where a GET is redirected: a HEAD follows no URL signed for GET.
        return match call.store().stat_blob(repository, &digest).await? {
            Some(blob) => Ok(whole_head(call, &values, blob.size)),
            None => match empty_layer(&digest) {
                Some(bytes) => Ok(whole_head(call, &values, bytes.len() as u64)),
                None => Err(unknown(&digest)),
            },
        };
    }
    if call.settings().redirects
        && let Some(reply) = redirect(call, repository, &digest).await?
    {
        return Ok(reply);
    }
    let source = match call.store().open_blob(repository, &digest).await? {
        Some(blob) => Source::Stored(blob),
        None => Source::Memory(empty_layer(&digest).ok_or_else(|| unknown(&digest))?),
    };
    let size = source.size();
    match conditional::evaluate(&call.head.headers, &values.quoted, Quotes::Required) {
        Verdict::Proceed => {}
        verdict => return Ok(unchanged(verdict, &values)),
    }
    call.note(|| Happening::pulled_blob(repository, digest, size));
    match wanted_ranges(call, &values, size) {
        Ok(Wanted::Whole) => {
            let body = source.body(0, size).await?;
            Ok(stored(&values, StatusCode::OK, size).with_body(body))
        }
        Ok(Wanted::One(range)) => {
            let body = source.body(range.first, range.len).await?;
            Ok(stored(&values, StatusCode::PARTIAL_CONTENT, range.len)
                .with(&header::CONTENT_RANGE, from_text(range.content_range(size)))
                .with_body(body))
        }
        Ok(Wanted::Many(ranges)) => several(&source, &values, &ranges).await,
        Err(problem) => Ok(unsatisfiable(&problem, &values, size)),
    }
}

/// Where bytes come from.
enum Source {
    Stored(Blob),
    Memory(Bytes),
}

impl Source {
    fn size(&self) -> u64 {
        match self {
            Self::Stored(blob) => blob.size,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    async fn content(&self, first: u64, len: u64) -> Result<Content> {
        match self {
            Self::Stored(blob) => Ok(blob.content(first, len).await?),
            Self::Memory(bytes) => {
                // A range was checked against the size, which fits memory.
                let (first, len) = (first as usize, len as usize);
                Ok(Content::Bytes(bytes.slice(first..first + len)))
            }
        }
    }

    async fn body(&self, first: u64, len: u64) -> Result<ReplyBody> {
        Ok(match self.content(first, len).await? {
            Content::File { file, offset, len } => ReplyBody::File(FileRange { file, offset, len }),
            Content::Bytes(bytes) => ReplyBody::Bytes(bytes),
            Content::Stream { stream, .. } => ReplyBody::Stream(stream),
        })
    }
}

/// The layer that converted schema 1 manifests refer to, whether it was ever pushed or not.
fn empty_layer(digest: &Digest) -> Option<Bytes> {
    let is_it = Digest::parse(oci::schema1::EMPTY_LAYER).is_ok_and(|empty| empty == *digest);
    is_it.then(|| Bytes::from_static(&oci::schema1::EMPTY_LAYER_GZIP))
}

fn unknown(digest: &Digest) -> Error {
    Error::new(Code::BlobUnknown).detail(digest.to_string())
}

/// Headers of every answer that has content.
fn stored(values: &DigestValues, status: StatusCode, length: u64) -> Reply {
    immutable(values, status)
        .with(&header::ACCEPT_RANGES, value::BYTES.clone())
        .with(&header::CONTENT_TYPE, value::OCTET_STREAM.clone())
        .with(&header::CONTENT_LENGTH, number(length))
}

/// Headers of every answer about the content.
fn immutable(values: &DigestValues, status: StatusCode) -> Reply {
    Reply::new(status)
        .with(&header::CACHE_CONTROL, value::ONE_YEAR.clone())
        .with(&name::CONTENT_DIGEST, values.plain.clone())
        .with(&header::ETAG, values.quoted.clone())
}

/// The answer to a HEAD.
fn whole_head(call: &Call<'_>, values: &DigestValues, size: u64) -> Reply {
    match conditional::evaluate(&call.head.headers, &values.quoted, Quotes::Required) {
        Verdict::Proceed => stored(values, StatusCode::OK, size),
        verdict => unchanged(verdict, values),
    }
}

/// 304 or 412.
fn unchanged(verdict: Verdict, values: &DigestValues) -> Reply {
    let status = match verdict {
        Verdict::NotModified => StatusCode::NOT_MODIFIED,
        Verdict::Failed | Verdict::Proceed => StatusCode::PRECONDITION_FAILED,
    };
    immutable(values, status)
}

fn wanted_ranges(
    call: &Call<'_>,
    values: &DigestValues,
    size: u64,
) -> Result<Wanted, Unsatisfiable> {
    let headers = &call.head.headers;
    match headers.get(header::RANGE) {
        Some(value) if conditional::range_applies(headers, &values.quoted) => {
            range::parse(value.to_str().map_err(|_| Unsatisfiable::Invalid)?, size)
        }
        _ => Ok(Wanted::Whole),
    }
}

fn unsatisfiable(problem: &Unsatisfiable, values: &DigestValues, size: u64) -> Reply {
    let text = match problem {
        Unsatisfiable::Invalid => "invalid range\n",
        Unsatisfiable::NoOverlap => "invalid range: failed to overlap\n",
    };
    let mut reply = pages::text(StatusCode::RANGE_NOT_SATISFIABLE, text)
        .with(&name::CONTENT_DIGEST, values.plain.clone())
        .with(&header::ETAG, values.quoted.clone());
    if *problem == Unsatisfiable::NoOverlap {
        reply.headers.insert(header::CONTENT_RANGE, from_text(format!("bytes */{size}")));
    }
    reply
}

/// Several ranges. A driver that only streams answers with the whole, as RFC 9110 14.2 lets it.
async fn several(source: &Source, values: &DigestValues, ranges: &[ByteRange]) -> Result<Reply> {
    let mut pieces = Vec::with_capacity(ranges.len());
    for range in ranges {
        let piece = match source.content(range.first, range.len).await? {
            Content::File { file, offset, len } => Piece::File(FileRange { file, offset, len }),
            Content::Bytes(bytes) => Piece::Bytes(bytes),
            Content::Stream { .. } => {
                let body = source.body(0, source.size()).await?;
                return Ok(stored(values, StatusCode::OK, source.size()).with_body(body));
            }
        };
        pieces.push((*range, piece));
    }
    let boundary = Boundary::new(uuid::Uuid::new_v4());
    let (parts, length) = boundary.assemble(source.size(), pieces);
    Ok(stored(values, StatusCode::PARTIAL_CONTENT, length)
        .with(&header::CONTENT_TYPE, boundary.content_type())
        .with_body(ReplyBody::Parts(parts)))
}

/// 307 to the storage, for content that this repository has (registry.md 5.6).
async fn redirect(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<Reply>> {
    let Some(blob) = call.store().stat_blob(repository, digest).await? else { return Ok(None) };
    let method = call.head.method.as_str();
    let Some(url) = call.store().blob_redirect(repository, digest, method).await? else {
        return Ok(None);
    };
    call.note(|| Happening::pulled_blob(repository, *digest, blob.size));
    Ok(Some(
        pages::empty(StatusCode::TEMPORARY_REDIRECT)
            .with(&header::LOCATION, from_text(url))
            .with(&header::CONTENT_TYPE, value::OCTET_STREAM.clone()),
    ))
}
