// SPDX-License-Identifier: Apache-2.0
//! The one gate in front of everything that changes the store: read-only mode and disabled
//! deletion. It stands in the dispatcher, before any handler, and decides by the operation's
//! [`Effect`](crate::operation::Effect), so no path can go round it.

use httpd::Reply;

use crate::operation::{Effect, Operation};
use crate::reply::error::{Code, Error};
use crate::reply::pages;
use crate::settings::Settings;

/// The answer that refuses an operation, if it is to be refused.
pub(crate) fn refusal(settings: &Settings, operation: Operation) -> Option<Reply> {
    match operation.effect() {
        // Read-only has the method page of a registry that never had these methods (5.7).
        Effect::Write | Effect::Delete if settings.read_only => {
            Some(pages::method_not_allowed("GET, HEAD"))
        }
        Effect::Delete if !settings.delete_enabled => Some(
            Error::new(Code::Unsupported)
                .detail("deletion is disabled in the registry's configuration (storage.delete)")
                .into_reply(),
        ),
        Effect::None | Effect::Write | Effect::Delete => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Secret;

    const CHANGING: [Operation; 8] = [
        Operation::PutManifest,
        Operation::DeleteManifest,
        Operation::DeleteBlob,
        Operation::StartUpload,
        Operation::AppendUpload,
        Operation::FinishUpload,
        Operation::CancelUpload,
        Operation::RemoveAnyBlob,
    ];

    #[test]
    fn read_only_stops_everything_that_changes_something() {
        let settings = Settings { read_only: true, ..Settings::new(Secret::new("s")) };
        for operation in CHANGING {
            let refusal = refusal(&settings, operation).expect("is refused");
            assert_eq!(refusal.status, 405, "{operation:?}");
            assert_eq!(refusal.headers["allow"], "GET, HEAD");
        }
        assert!(refusal(&settings, Operation::GetBlob).is_none());
    }

    #[test]
    fn disabled_deletion_stops_deletes_only() {
        let settings = Settings { delete_enabled: false, ..Settings::new(Secret::new("s")) };
        for operation in CHANGING {
            let refused = refusal(&settings, operation).is_some();
            assert_eq!(refused, operation.effect() == Effect::Delete, "{operation:?}");
        }
    }
}
