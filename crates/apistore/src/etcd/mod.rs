// SPDX-License-Identifier: Apache-2.0
//! A store in etcd (v3 API), which several servers may share.
//!
//! Keys are ours with the configured prefix before them, values are stored as they are, and every write is one
//! transaction that compares the key's revision; so other clients of the same etcd, kube-apiserver among them, see
//! what they expect.

mod client;
mod keys;
mod lease;
mod watch;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OnceCell;
use tonic::Status;

use self::client::{Client, is_compacted, is_future, meaning, signed, unsigned};
pub use self::client::{Config, Tls};
use self::keys::Keys;
use self::lease::Leases;
use self::watch::Watching;
use self::wire::{
    Compare, Comparison, DeleteRangeRequest, Operand, PutRequest, RangeRequest, RangeResponse,
    Request, RequestOp, Response, Target, TxnRequest, TxnResponse,
};
use crate::{Error, Expect, KeyValue, List, Page, Revision, Store, Watch};

/// Items that one answer of etcd brings: with values at etcd's limit it still fits the largest answer taken.
const PAGE: usize = 250;

/// A store in etcd.
pub struct Etcd {
    client: Client,
    config: Config,
    keys: Keys,
    leases: Leases,
    /// Counts what [`Store::progress`] asked; each watch passes it on.
    asked: tokio::sync::watch::Sender<u64>,
    /// Whether this etcd tells the truth about a watch's progress.
    progress: OnceCell<bool>,
}

impl Etcd {
    /// A store in the etcd configured. Nothing is sent before it is used.
    ///
    /// # Errors
    /// [`Error::Failed`] when the configuration cannot be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        let client = Client::new(&config)?;
        let keys = Keys::new(&config.prefix);
        let (asked, _) = tokio::sync::watch::channel(0);
        Ok(Self {
            client,
            keys,
            config,
            leases: Leases::default(),
            asked,
            progress: OnceCell::new(),
        })
    }

    /// etcd before 3.4.31 and 3.5.13 may report progress before it sent the events (etcd-io/etcd#15220).
    async fn progress_is_reliable(&self) -> Result<bool, Error> {
        let ask = || async {
            let status = self.client.status().await.map_err(|status| self.meaning(&status))?;
            Ok(reliable(&status.version))
        };
        self.progress.get_or_try_init(ask).await.copied()
    }

    fn meaning(&self, status: &Status) -> Error {
        meaning(status, 0, self.config.value_limit)
    }

    async fn lease(&self, ttl: Option<Duration>) -> Result<i64, Error> {
        match ttl {
            Some(ttl) => self.leases.lease(&self.client, ttl).await,
            None => Ok(0),
        }
    }

    fn check_size(&self, value: &Bytes) -> Result<(), Error> {
        let limit = self.config.value_limit;
        if value.len() > limit { Err(Error::TooLarge { size: value.len(), limit }) } else { Ok(()) }
    }

    async fn write(
        &self,
        key: &str,
        compare: Compare,
        success: Vec<Request>,
        size: usize,
    ) -> Result<(bool, Revision, Vec<Response>), Error> {
        let wrap = |request| RequestOp { request: Some(request) };
        let found =
            Request::Range(RangeRequest { key: self.keys.key(key), ..RangeRequest::default() });
        let request = TxnRequest {
            compare: vec![compare],
            success: success.into_iter().map(wrap).collect(),
            failure: vec![wrap(found)],
        };
        let answer = self.client.txn(request).await;
        let TxnResponse { header, succeeded, responses } =
            answer.map_err(|status| meaning(&status, size, self.config.value_limit))?;
        let revision = header.map_or(0, |header| unsigned(header.revision));
        Ok((
            succeeded,
            revision,
            responses.into_iter().filter_map(|response| response.response).collect(),
        ))
    }

    fn compare(&self, key: &str, expect: Expect) -> Compare {
        let (result, target, operand) = match expect {
            Expect::Modified(revision) => {
                (Comparison::Equal, Target::Mod, Operand::Mod(signed(revision)))
            }
            Expect::Exists => (Comparison::Greater, Target::Create, Operand::Create(0)),
        };
        Compare {
            result: result as i32,
            target: target as i32,
            key: self.keys.key(key),
            operand: Some(operand),
        }
    }

    /// Why a comparison failed: the failure branch read the key.
    fn refused(&self, responses: Vec<Response>) -> Error {
        for response in responses {
            if let Response::Range(mut range) = response
                && let Some(found) = range.kvs.pop()
            {
                return self
                    .keys
                    .item(found)
                    .map_or_else(|error| error, |now| Error::Conflict(Box::new(now)));
            }
        }
        Error::NotFound
    }

    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Error> {
        let asked = unsigned(request.revision);
        match self.client.range(request).await {
            Ok(answer) => Ok(answer),
            Err(status) if is_compacted(&status) => {
                Err(Error::Compacted { asked, oldest: asked.saturating_add(1) })
            }
            Err(status) if is_future(&status) => {
                Err(Error::Future { asked, newest: self.revision().await? })
            }
            Err(status) => Err(self.meaning(&status)),
        }
    }
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Etcd").field("config", &self.config).finish_non_exhaustive()
    }
}

fn reliable(version: &str) -> bool {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    match (part(), part(), part()) {
        (3, 4, patch) => patch >= 31,
        (3, 5, patch) => patch >= 13,
        newer => newer >= (3, 6, 0),
    }
}

fn header_revision(answer: &RangeResponse) -> Revision {
    answer.header.as_ref().map_or(0, |header| unsigned(header.revision))
}

#[async_trait]
impl Store for Etcd {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        let mut answer =
            self.range(RangeRequest { key: self.keys.key(key), ..RangeRequest::default() }).await?;
        answer.kvs.pop().map(|item| self.keys.item(item)).transpose()
    }

    async fn list(&self, prefix: &str, list: List) -> Result<Page, Error> {
        let (mut key, range_end) = self.keys.prefix(prefix);
        if let Some(after) = &list.after {
            key = self.keys.after(after);
        }
        let limit = if list.limit == 0 { usize::MAX } else { list.limit };
        let (mut items, mut revision) = (Vec::new(), list.revision);
        loop {
            let page = PAGE.min(limit - items.len());
            let request = RangeRequest {
                key: key.clone(),
                range_end: range_end.clone(),
                limit: i64::try_from(page).unwrap_or(i64::MAX),
                revision: signed(revision.unwrap_or(0)),
                ..RangeRequest::default()
            };
            let answer = self.range(request).await?;
            let at = *revision.get_or_insert_with(|| header_revision(&answer));
            let got = answer.kvs.len();
            for item in answer.kvs {
                items.push(self.keys.item(item)?);
            }
            let left = u64::try_from(answer.count).unwrap_or(0).saturating_sub(got as u64);
            match items.last() {
                Some(last) if left > 0 && items.len() < limit => key = self.keys.after(&last.key),
                _ => {
                    return Ok(Page {
                        items,
                        revision: at,
                        remaining: Some(left).filter(|left| *left > 0),
                    });
                }
            }
        }
    }

    async fn count(&self, prefix: &str) -> Result<u64, Error> {
        let (key, range_end) = self.keys.prefix(prefix);
        let request = RangeRequest { key, range_end, count_only: true, ..RangeRequest::default() };
        Ok(u64::try_from(self.range(request).await?.count).unwrap_or(0))
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.check_size(&value)?;
        let lease = self.lease(ttl).await?;
        let put = Request::Put(PutRequest { key: self.keys.key(key), value: value.clone(), lease });
        let (done, revision, _) =
            self.write(key, self.compare(key, Expect::Modified(0)), vec![put], value.len()).await?;
        if !done {
            return Err(Error::Exists);
        }
        Ok(KeyValue { key: key.to_owned(), value, created: revision, modified: revision })
    }

    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        self.check_size(&value)?;
        let lease = self.lease(ttl).await?;
        let put = Request::Put(PutRequest { key: self.keys.key(key), value: value.clone(), lease });
        // For the revision that created it.
        let look =
            RangeRequest { key: self.keys.key(key), keys_only: true, ..RangeRequest::default() };
        let success = vec![put, Request::Range(look)];
        let (done, modified, responses) =
            self.write(key, self.compare(key, expect), success, value.len()).await?;
        if !done {
            return Err(self.refused(responses));
        }
        let created = responses.into_iter().find_map(|response| match response {
            Response::Range(range) => range.kvs.first().map(|item| unsigned(item.create_revision)),
            _ => None,
        });
        Ok(KeyValue { key: key.to_owned(), value, created: created.unwrap_or(modified), modified })
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error> {
        let delete =
            Request::DeleteRange(DeleteRangeRequest { key: self.keys.key(key), prev_kv: true });
        let (done, revision, responses) =
            self.write(key, self.compare(key, expect), vec![delete], 0).await?;
        if !done {
            return Err(self.refused(responses));
        }
        let previous = responses.into_iter().find_map(|response| match response {
            Response::DeleteRange(mut deleted) => deleted.prev_kvs.pop(),
            _ => None,
        });
        let previous =
            previous.ok_or_else(|| Error::Failed("etcd did not say what it deleted".to_owned()))?;
        Ok((self.keys.item(previous)?, revision))
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let progress = self.progress_is_reliable().await?;
        Watching::begin(
            self.client.clone(),
            &self.config,
            prefix,
            after,
            self.asked.subscribe(),
            progress,
        )
        .await
    }

    async fn revision(&self) -> Result<Revision, Error> {
        // Of a key that is not there: only the header matters.
        let request =
            RangeRequest { key: self.keys.key("\0"), count_only: true, ..RangeRequest::default() };
        let answer = self.client.range(request).await.map_err(|status| self.meaning(&status))?;
        Ok(header_revision(&answer))
    }

    async fn progress(&self) -> Result<Option<Revision>, Error> {
        if !self.progress_is_reliable().await? {
            return Ok(None);
        }
        let revision = self.revision().await?;
        self.asked.send_modify(|asked| *asked += 1);
        Ok(Some(revision))
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        match self.client.compact(signed(revision)).await {
            Ok(_) => Ok(()),
            Err(status) if is_compacted(&status) => Ok(()),
            Err(status) if is_future(&status) => {
                Err(Error::Future { asked: revision, newest: self.revision().await? })
            }
            Err(status) => Err(self.meaning(&status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reliable;

    #[test]
    fn whose_progress_is_reliable() {
        for version in ["3.4.31", "3.5.13", "3.5.20", "3.6.0", "3.6.0-rc.1", "4.0.0"] {
            assert!(reliable(version), "{version}");
        }
        for version in ["3.4.23", "3.4.30", "3.5.12", "3.3.40", ""] {
            assert!(!reliable(version), "{version}");
        }
    }
}
