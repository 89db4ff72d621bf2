// SPDX-License-Identifier: Apache-2.0
//! Our keys below etcd's: the configured prefix before each, ranges as etcd wants them.

use std::sync::Arc;

use bytes::Bytes;

use super::client::unsigned;
use super::wire::WireKeyValue;
use crate::{Error, KeyValue};

#[derive(Clone)]
pub(super) struct Keys(Arc<str>);

impl Keys {
    pub fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    pub fn key(&self, key: &str) -> Bytes {
        Bytes::from([&self.0, key].concat())
    }

    /// The first key with that prefix and the first after them. etcd writes "to the end" as a zero byte, and knows no
    /// empty key: the least one is a zero byte too.
    pub fn prefix(&self, prefix: &str) -> (Bytes, Bytes) {
        let from = [&self.0, prefix].concat().into_bytes();
        let mut to = from.clone();
        while let Some(last) = to.pop() {
            if last < u8::MAX {
                to.push(last + 1);
                break;
            }
        }
        let or_zero =
            |bytes: Vec<u8>| if bytes.is_empty() { Bytes::from_static(&[0]) } else { bytes.into() };
        (or_zero(from), or_zero(to))
    }

    /// The first key after that one.
    pub fn after(&self, key: &str) -> Bytes {
        Bytes::from([&self.0, key, "\0"].concat())
    }

    pub fn item(&self, item: WireKeyValue) -> Result<KeyValue, Error> {
        let key = std::str::from_utf8(&item.key).ok().and_then(|key| key.strip_prefix(&*self.0));
        let key =
            key.ok_or_else(|| Error::Failed("etcd answered a key that is not ours".to_owned()))?;
        Ok(KeyValue {
            key: key.to_owned(),
            created: unsigned(item.create_revision),
            modified: unsigned(item.mod_revision),
            value: item.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn ranges() {
        let keys = Keys::new("/registry");
        let (from, to) = keys.prefix("/pods/");
        assert_eq!((&from[..], &to[..]), (&b"/registry/pods/"[..], &b"/registry/pods0"[..]));
        assert_eq!(&keys.after("/a")[..], b"/registry/a\0");
        let (from, to) = Keys::new("").prefix("");
        assert_eq!((&from[..], &to[..]), (&b"\0"[..], &b"\0"[..]));
    }
}
