// SPDX-License-Identifier: Apache-2.0
//! What is remembered of a request from its arrival until its answer has been sent: the id, the
//! slots it holds, and what the log will say.

use std::cell::RefCell;

use http::{HeaderValue, StatusCode};
use ports::Identity;
use telemetry::families::InFlight;
use uuid::{Builder, Uuid};

use crate::limits::requests::Slot;
use crate::limits::uploads::Counted;
use crate::operation::Operation;
use crate::reply::error::{Code, Error};

/// The memory of one request. Given back by the engine when the answer has been sent, which frees
/// the slots.
pub struct Exchange {
    pub(crate) id: Uuid,
    /// Whether the registry application saw it; `/`, `/healthz` and refused requests it did not.
    pub(crate) application: bool,
    pub(crate) operation: Option<Operation>,
    pub(crate) identity: Option<Identity>,
    pub(crate) failure: Option<Box<Failure>>,
    pub(crate) response_type: Option<HeaderValue>,
    pub(crate) slot: Slot,
    pub(crate) upload: Option<Counted>,
    /// Counted as being served while this lives.
    pub(crate) in_flight: Option<InFlight>,
    /// The same for its route, where routes are counted.
    pub(crate) route: Option<(&'static str, InFlight)>,
}

/// What the log says of a failed request.
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) detail: String,
}

impl Exchange {
    pub(crate) fn begin() -> Self {
        Self {
            id: request_id(),
            application: false,
            operation: None,
            identity: None,
            failure: None,
            response_type: None,
            slot: None,
            upload: None,
            in_flight: None,
            route: None,
        }
    }

    /// Keeps what the log needs of an error before it becomes an answer.
    pub(crate) fn remember(&mut self, error: &Error) {
        let (message, detail) = error.log_texts();
        let status = error.status_code();
        self.failure = Some(Box::new(Failure { code: error.code(), status, message, detail }));
    }
}

/// Random bytes are drawn from the generator in larger portions: one request needs sixteen.
const PORTION: usize = 1024;

struct Pool {
    bytes: [u8; PORTION],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; PORTION], used: PORTION }) };
}

/// A random (version 4) UUID.
fn request_id() -> Uuid {
    let mut random = [0; 16];
    POOL.with_borrow_mut(|pool| {
        if pool.used == PORTION {
            aws_lc_rs::rand::fill(&mut pool.bytes)
                .expect("the operating system's random numbers are available");
            pool.used = 0;
        }
        random.copy_from_slice(&pool.bytes[pool.used..pool.used + 16]);
        pool.used += 16;
    });
    Builder::from_random_bytes(random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_and_differ() {
        let ids: std::collections::HashSet<_> = (0..200).map(|_| request_id()).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }
}
