// SPDX-License-Identifier: Apache-2.0
//! Our replies as hyper's bodies: frames on demand, files through pooled buffers.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

use super::{Active, Activity};
use crate::buffers::{Buffer, Filled};
use crate::file::Source;
use crate::h1::{given_length, has_no_body, known_length};
use crate::message::{ByteStream, FileRange, Part, Reply, ReplyBody};
use crate::server::Engine;
use crate::{Head, Sent, Service};

type Reading = Pin<Box<dyn Future<Output = (Source, io::Result<(Buffer, usize)>)> + Send>>;

/// What is owed to the service when a reply ends.
pub(super) struct Completion<C> {
    context: C,
}

impl<C> Completion<C> {
    pub(super) fn new(context: C) -> Self {
        Self { context }
    }
}

enum State {
    Parts(VecDeque<Part>),
    File { source: Source, at: u64, end: u64, then: VecDeque<Part> },
    Reading { reading: Reading, at: u64, end: u64, then: VecDeque<Part> },
    Stream { stream: ByteStream, left: Option<u64> },
    Done,
}

/// A reply's body, and the duty to tell the service when it was sent.
pub(crate) struct Frames<S: Service> {
    engine: Arc<Engine<S>>,
    head: Head,
    completion: Option<Completion<S::Context>>,
    active: Active,
    status: StatusCode,
    state: State,
    /// Bytes still to come, if known.
    left: Option<u64>,
    written: u64,
    failed: bool,
    /// Counted as waiting for the client.
    sending: bool,
}

/// Nothing in here is pinned structurally; the futures and streams inside are boxed.
impl<S: Service> Unpin for Frames<S> {}

impl<S: Service> Frames<S> {
    pub(super) fn response(
        engine: Arc<Engine<S>>,
        head: Head,
        reply: Reply,
        completion: Option<Completion<S::Context>>,
        active: Active,
    ) -> Response<Self> {
        let Reply { status, mut headers, body, close: _ } = reply;
        // Fields that belong to an HTTP/1.1 connection are errors here (RFC 9113 8.2.2).
        for name in [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
            headers.remove(name);
        }
        headers.remove("keep-alive");
        let known = known_length(&body);
        let given = given_length(&headers);
        let bodyless = head.method == Method::HEAD || has_no_body(status);
        let length = if status == StatusCode::NOT_MODIFIED {
            given
        } else if has_no_body(status) {
            None
        } else if head.method == Method::HEAD {
            given.or(known.filter(|len| *len > 0))
        } else {
            known.or(given)
        };
        match length {
            Some(length) => {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            None => {
                headers.remove(header::CONTENT_LENGTH);
            }
        }
        let state = match body {
            _ if bodyless => State::Done,
            ReplyBody::Empty => State::Done,
            ReplyBody::Bytes(bytes) => State::Parts(VecDeque::from([Part::Bytes(bytes)])),
            ReplyBody::File(range) => State::Parts(VecDeque::from([Part::File(range)])),
            ReplyBody::Parts(parts) => State::Parts(parts.into()),
            ReplyBody::Stream(stream) => State::Stream { stream, left: given },
        };
        let left = if bodyless { Some(0) } else { known.or(given) };
        let mut frames = Self {
            engine,
            head,
            completion,
            active,
            status,
            state,
            left,
            written: 0,
            failed: false,
            sending: false,
        };
        frames.waits_for_client(true);
        let mut response = Response::new(frames);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    fn activity(&self) -> &Activity {
        &self.active.0
    }

    fn waits_for_client(&mut self, waits: bool) {
        if self.sending != waits {
            self.sending = waits;
            let sending = &self.activity().sending;
            if waits {
                sending.fetch_add(1, Relaxed);
            } else {
                sending.fetch_sub(1, Relaxed);
            }
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(None),
                State::Parts(mut parts) => match parts.pop_front() {
                    None => return Poll::Ready(None),
                    Some(Part::Bytes(bytes)) => {
                        self.state = State::Parts(parts);
                        if !bytes.is_empty() {
                            return Poll::Ready(Some(Ok(bytes)));
                        }
                    }
                    Some(Part::File(FileRange { file, offset, len })) => {
                        self.state = State::File {
                            source: Source::new(file),
                            at: offset,
                            end: offset + len,
                            then: parts,
                        };
                    }
                },
                State::File { at, end, then, .. } if at == end => {
                    self.state = State::Parts(then);
                }
                State::File { mut source, at, end, then } => {
                    let buffer = self.engine.core.buffers.large();
                    let len = usize::try_from(end - at).unwrap_or(usize::MAX);
                    let reading: Reading = Box::pin(async move {
                        let read = source.read(buffer, at, len).await;
                        (source, read)
                    });
                    self.state = State::Reading { reading, at, end, then };
                }
                State::Reading { mut reading, at, end, then } => {
                    let Poll::Ready((source, read)) = reading.as_mut().poll(cx) else {
                        self.state = State::Reading { reading, at, end, then };
                        return Poll::Pending;
                    };
                    let (buffer, n) = match read {
                        Ok((_, 0)) => return Poll::Ready(Some(Err(short()))),
                        Ok(read) => read,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    self.state = State::File { source, at: at + n as u64, end, then };
                    return Poll::Ready(Some(Ok(Bytes::from_owner(Filled::new(buffer, n)))));
                }
                State::Stream { mut stream, mut left } => {
                    let Poll::Ready(next) = stream.as_mut().poll_next(cx) else {
                        self.state = State::Stream { stream, left };
                        return Poll::Pending;
                    };
                    let Some(piece) = next else {
                        let missing = left.is_some_and(|left| left > 0);
                        return Poll::Ready(missing.then(|| Err(short())));
                    };
                    let piece = match piece {
                        Ok(piece) => piece,
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    if let Some(left) = &mut left {
                        match left.checked_sub(piece.len() as u64) {
                            Some(rest) => *left = rest,
                            None => return Poll::Ready(Some(Err(long()))),
                        }
                    }
                    self.state = State::Stream { stream, left };
                    if !piece.is_empty() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                }
            }
        }
    }
}

fn short() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the reply's source has too few bytes")
}

fn long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply's source has too many bytes")
}

impl<S: Service> Body for Frames<S> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        this.activity().progressed();
        this.waits_for_client(false);
        let next = ready!(this.poll_bytes(cx));
        this.waits_for_client(true);
        match next {
            Some(Ok(bytes)) => {
                let len = bytes.len() as u64;
                this.written += len;
                this.left = this.left.map(|left| left.saturating_sub(len));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Some(Err(error)) => {
                this.failed = true;
                this.state = State::Done;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.left = Some(0);
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.failed && self.left == Some(0) && !matches!(self.state, State::Stream { .. })
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl<S: Service> Drop for Frames<S> {
    fn drop(&mut self) {
        self.waits_for_client(false);
        let Some(Completion { context }) = self.completion.take() else { return };
        let sent = Sent {
            status: self.status,
            written: self.written,
            duration: self.head.received.elapsed(),
            // As far as we can know: the last frames are hyper's to deliver.
            complete: !self.failed && self.left == Some(0),
        };
        self.engine.service.completed(&self.head, sent, context);
    }
}
