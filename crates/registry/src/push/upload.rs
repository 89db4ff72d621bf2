// SPDX-License-Identifier: Apache-2.0
//! Upload sessions (registry.md 1.9).
//!
//! ```text
//!  POST ──▶ session, offset 0 ──PATCH──▶ offset n ──PATCH──▶ … ──PUT ?digest=──▶ blob
//!               │                 ▲  │ client gone, wrong chunk: kept, resumable
//!               │                 └──┘
//!               └──DELETE, wrong digest──▶ gone
//! ```
//!
//! A request holds its session alone. Bytes are hashed while they are written.

use std::time::Duration;

use blobstore::{BlobStore, Upload, UploadState};
use bytes::Bytes;
use http::{StatusCode, header};
use httpd::{Body, Reply};
use oci::{Algorithm, Digest, RepositoryName};
use tokio::time::timeout;
use uuid::Uuid;

use super::content_range::ContentRange;
use super::mount;
use crate::app::Call;
use crate::exchange::Exchange;
use crate::notifications::Happening;
use crate::query;
use crate::reply::error::{Code, Error, Result};
use crate::reply::headers::{DigestValues, With, from_text, name};
use crate::reply::{location, pages};

/// `POST blobs/uploads/`: mount, whole blob in one request, or a new session.
pub(crate) async fn start(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    body: &mut Body<'_>,
    exchange: &mut Exchange,
) -> Result<Reply> {
    count(call, exchange)?;
    let query = call.head.target.query();
    let mut algorithm = None;
    if let Some(text) = query::first(query, "mount")
        && let Ok(digest) = Digest::parse(&text)
    {
        if let Some(blob) = mount::try_mount(call, repository, &digest).await? {
            return Ok(created(call, repository, &blob.digest));
        }
        algorithm = Some(digest.algorithm());
    }
    let digest = match query::first(query, "digest") {
        Some(text) => Some(Digest::parse(&text).map_err(|_| Error::digest_invalid(&text))?),
        None => None,
    };
    if let Some(text) = query::first(query, "digest-algorithm") {
        algorithm = Some(Algorithm::parse(&text).ok_or_else(|| unknown_algorithm(&text))?);
    }
    let algorithm = digest.map(|d| d.algorithm()).or(algorithm).unwrap_or(Algorithm::Sha256);
    let upload = call.store().start_upload(repository, algorithm).await?;
    match digest {
        Some(digest) if carries_blob(body, &digest) => {
            whole(call, repository, upload, &digest, body).await
        }
        _ => {
            let state = upload.suspend().await?;
            Ok(accepted(call, repository, &state))
        }
    }
}

/// A client that only announces a digest sends no body, and gets a session.
fn carries_blob(body: &Body<'_>, digest: &Digest) -> bool {
    let is_empty = body.announced() == Some(0) || body.is_finished();
    !is_empty || *digest == Digest::of(digest.algorithm(), b"")
}

/// The whole blob in the POST. Nobody knows the session, so it does not outlive a failure.
async fn whole(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    mut upload: Upload,
    digest: &Digest,
    body: &mut Body<'_>,
) -> Result<Reply> {
    if let Err(error) = receive(call.store(), &mut upload, body, None).await {
        if let Err(cleanup) = upload.cancel().await {
            tracing::warn!("an interrupted upload could not be removed: {cleanup}");
        }
        return Err(error);
    }
    commit(call, repository, upload, digest).await
}

/// `PATCH`: more bytes.
pub(crate) async fn append(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    id: &str,
    body: &mut Body<'_>,
    exchange: &mut Exchange,
) -> Result<Reply> {
    count(call, exchange)?;
    let state = open_state(call, repository, id)?;
    let range = chunk_range(call, repository, &state, body)?;
    let mut upload = resume(call, repository, &state).await?;
    let received = receive(call.store(), &mut upload, body, range).await;
    // Whatever arrived is kept: the client asks where to go on.
    let state = upload.suspend().await?;
    match received {
        Ok(()) => Ok(accepted(call, repository, &state)),
        Err(error) => Err(with_position(call, repository, &state, error)),
    }
}

/// `PUT ?digest=`: perhaps a last chunk, then the blob.
pub(crate) async fn finish(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    id: &str,
    body: &mut Body<'_>,
    exchange: &mut Exchange,
) -> Result<Reply> {
    count(call, exchange)?;
    let state = open_state(call, repository, id)?;
    let digest = match query::first(call.head.target.query(), "digest") {
        None => return Err(Error::new(Code::DigestInvalid).detail("digest missing")),
        Some(text) => Digest::parse(&text)
            .map_err(|_| Error::new(Code::DigestInvalid).detail("digest parsing failed"))?,
    };
    let range = chunk_range(call, repository, &state, body)?;
    let mut upload = resume(call, repository, &state).await?;
    if let Err(error) = receive(call.store(), &mut upload, body, range).await {
        let state = upload.suspend().await?;
        return Err(with_position(call, repository, &state, error));
    }
    commit(call, repository, upload, &digest).await
}

/// `GET`, `HEAD`: where to go on.
pub(crate) async fn status(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    id: &str,
) -> Result<Reply> {
    let known = open_state(call, repository, id)?;
    let state = call.store().upload_status(repository, known.id, Some(&known)).await?;
    Ok(position(call, repository, &state, StatusCode::NO_CONTENT))
}

/// `DELETE`
pub(crate) async fn cancel(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    id: &str,
) -> Result<Reply> {
    let known = open_state(call, repository, id)?;
    // Whatever the session holds by now: it is going away.
    let state = call.store().upload_status(repository, known.id, Some(&known)).await?;
    call.store().resume_upload(repository, &state).await?.cancel().await?;
    Ok(Reply::new(StatusCode::NO_CONTENT).with(&name::UPLOAD_UUID, from_text(known.id.to_string())))
}

/// Counts the request among its caller's.
fn count(call: &Call<'_>, exchange: &mut Exchange) -> Result<()> {
    let limit = call.settings().limits.uploads_per_identity;
    let peer = call.head.peer.ip();
    match call.registry.uploads.enter(&call.caller.identity, peer, limit) {
        Some(counted) => {
            exchange.upload = Some(counted);
            Ok(())
        }
        None => {
            call.registry.observer.too_many_uploads();
            Err(Error::new(Code::TooManyRequests)
                .detail(format!("you have {limit} uploads in progress; finish some first"))
                .retry_soon())
        }
    }
}

/// The state that the URL carries.
fn open_state(call: &Call<'_>, repository: &RepositoryName, id: &str) -> Result<UploadState> {
    let id = Uuid::parse_str(id).map_err(|_| Error::new(Code::BlobUploadUnknown))?;
    let Some(text) = query::first(call.head.target.query(), "_state") else {
        return Err(Error::new(Code::BlobUploadInvalid)
            .detail("the _state parameter is missing; use the Location of the last answer"));
    };
    call.registry
        .upload_states
        .open(&text, repository, id, &call.caller.identity)
        .map_err(|rejected| Error::new(Code::BlobUploadInvalid).detail(rejected.0))
}

/// Takes the session. A state that is not the newest is told where the session stands.
async fn resume(
    call: &Call<'_>,
    repository: &RepositoryName,
    state: &UploadState,
) -> Result<Upload> {
    match call.store().resume_upload(repository, state).await {
        Ok(upload) => Ok(upload),
        Err(error @ blobstore::Error::UploadOffset { .. }) => {
            let now = call.store().upload_status(repository, state.id, Some(state)).await?;
            Err(with_position(call, repository, &now, error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Checks `Content-Range` against the session and the announced length.
fn chunk_range(
    call: &Call<'_>,
    repository: &RepositoryName,
    state: &UploadState,
    body: &Body<'_>,
) -> Result<Option<ContentRange>> {
    let Some(value) = call.head.headers.get(header::CONTENT_RANGE) else { return Ok(None) };
    let range = value.to_str().ok().and_then(ContentRange::parse).ok_or_else(|| {
        let error = Error::new(Code::RangeInvalid).detail(
            "Content-Range of a chunk is <first>-<last>, two numbers of bytes, without a unit",
        );
        with_position(call, repository, state, error)
    })?;
    if range.first != state.offset {
        let error = Error::new(Code::RangeInvalid).detail(format!(
            "the chunk begins at {}, the upload continues at {}",
            range.first, state.offset
        ));
        return Err(with_position(call, repository, state, error));
    }
    match body.announced() {
        Some(length) if length != range.len() => Err(wrong_length(range, length)),
        _ => Ok(Some(range)),
    }
}

fn wrong_length(range: ContentRange, length: u64) -> Error {
    Error::new(Code::SizeInvalid)
        .detail(format!("Content-Range announces {} bytes, the body has {length}", range.len()))
}

/// Bytes that are read before a large buffer is taken. A client that cannot fill this at once does
/// not get one, so that any number of slow clients leaves the large buffers to the fast.
const FIRST_READ: usize = 16 * 1024;

/// How long a large buffer waits for its client.
const PATIENCE: Duration = Duration::from_millis(50);

/// Copies the body into the session, up to 512 KiB at a time.
async fn receive(
    store: &BlobStore,
    upload: &mut Upload,
    body: &mut Body<'_>,
    range: Option<ContentRange>,
) -> Result<()> {
    if let Some(length) = body.announced() {
        upload.expect(length);
    }
    let started = upload.offset();
    let mut first = Vec::new();
    while !body.is_finished() {
        first.resize(FIRST_READ, 0);
        let count = body.read(&mut first).await?;
        if count == 0 {
            break;
        }
        upload.write(Bytes::copy_from_slice(&first[..count])).await?;
        if count == FIRST_READ {
            first = Vec::new();
            receive_fast(store, upload, body).await?;
        }
    }
    let total = upload.offset() - started;
    match range {
        Some(range) if range.len() != total => Err(wrong_length(range, total)),
        _ => Ok(()),
    }
}

/// Goes on with large buffers while the client keeps up.
async fn receive_fast(store: &BlobStore, upload: &mut Upload, body: &mut Body<'_>) -> Result<()> {
    while !body.is_finished() {
        let mut buffer = store.buffer().await;
        let mut filled = 0;
        let mut keeps_up = Ok(true);
        while filled < buffer.len() {
            match timeout(PATIENCE, body.read(&mut buffer[filled..])).await {
                Ok(Ok(count)) if count > 0 => filled += count,
                Ok(Err(error)) => {
                    keeps_up = Err(error);
                    break;
                }
                // The end, which the caller finds too, or a pause.
                Ok(Ok(_)) | Err(_) => {
                    keeps_up = Ok(false);
                    break;
                }
            }
        }
        if filled > 0 {
            upload.write(buffer.freeze(filled)).await?;
        }
        if !keeps_up? {
            break;
        }
    }
    Ok(())
}

/// Session → blob.
async fn commit(
    call: &mut Call<'_>,
    repository: &RepositoryName,
    upload: Upload,
    digest: &Digest,
) -> Result<Reply> {
    let blob = upload.commit(digest).await?;
    call.note(|| Happening::pushed_blob(repository, *digest, blob.size));
    // Always the digest that was asked for, also where the store knows another (R-23).
    Ok(created(call, repository, digest))
}

/// 201 for a blob.
fn created(call: &Call<'_>, repository: &RepositoryName, digest: &Digest) -> Reply {
    let base = location::base(call.head, call.settings());
    pages::empty(StatusCode::CREATED)
        .with(&header::LOCATION, from_text(format!("{base}/v2/{repository}/blobs/{digest}")))
        .with(&name::CONTENT_DIGEST, DigestValues::of(digest).plain)
}

/// 202 for a session that goes on.
fn accepted(call: &Call<'_>, repository: &RepositoryName, state: &UploadState) -> Reply {
    position(call, repository, state, StatusCode::ACCEPTED)
        .with(&header::CONTENT_LENGTH, crate::reply::headers::value::ZERO.clone())
}

/// Where a session stands: `Location`, `Range`, `Docker-Upload-UUID`.
fn position(
    call: &Call<'_>,
    repository: &RepositoryName,
    state: &UploadState,
    status: StatusCode,
) -> Reply {
    Reply::new(status)
        .with(&header::LOCATION, from_text(upload_url(call, repository, state)))
        .with(&header::RANGE, from_text(received_range(state.offset)))
        .with(&name::UPLOAD_UUID, from_text(state.id.to_string()))
}

/// An error that tells where the session stands.
fn with_position(
    call: &Call<'_>,
    repository: &RepositoryName,
    state: &UploadState,
    error: Error,
) -> Error {
    error
        .header(&header::LOCATION, from_text(upload_url(call, repository, state)))
        .header(&header::RANGE, from_text(received_range(state.offset)))
        .header(&name::UPLOAD_UUID, from_text(state.id.to_string()))
}

fn upload_url(call: &Call<'_>, repository: &RepositoryName, state: &UploadState) -> String {
    let base = location::base(call.head, call.settings());
    let sealed = call.registry.upload_states.seal(repository, &call.caller.identity, state);
    let sealed = query::encode(&sealed);
    format!("{base}/v2/{repository}/blobs/uploads/{}?_state={sealed}", state.id)
}

/// `0-<last>`; of nothing also `0-0`, as in the original.
fn received_range(offset: u64) -> String {
    format!("0-{}", offset.saturating_sub(1))
}

fn unknown_algorithm(text: &str) -> Error {
    let shown: String = text.chars().take(40).collect();
    Error::new(Code::DigestInvalid).detail(format!(
        "{shown:?} is not a digest algorithm of this registry: sha256, sha384 or sha512"
    ))
}
