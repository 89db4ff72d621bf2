// SPDX-License-Identifier: Apache-2.0
//! Labels whose values the contract lists (registry.md 6.1).

use crate::metrics::LabelValue;

/// Declares a label: an enum whose variants stand for texts.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl LabelValue for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn index(self) -> usize {
                self as usize
            }

            fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

label! {
    /// `operation` of `imageregistry_request_duration_seconds`.
    Operation {
        BlobStoreStat = "BlobStore.Stat",
        BlobStoreGet = "BlobStore.Get",
        BlobStoreOpen = "BlobStore.Open",
        BlobStorePut = "BlobStore.Put",
        BlobStoreCreate = "BlobStore.Create",
        BlobStoreResume = "BlobStore.Resume",
        BlobStoreServeBlob = "BlobStore.ServeBlob",
        BlobStoreDelete = "BlobStore.Delete",
        BlobWriterCommit = "BlobWriter.Commit",
        BlobWriterCancel = "BlobWriter.Cancel",
        ManifestServiceExists = "ManifestService.Exists",
        ManifestServiceGet = "ManifestService.Get",
        ManifestServicePut = "ManifestService.Put",
        ManifestServiceDelete = "ManifestService.Delete",
        TagServiceGet = "TagService.Get",
        TagServiceTag = "TagService.Tag",
        TagServiceUntag = "TagService.Untag",
        TagServiceAll = "TagService.All",
        TagServiceLookup = "TagService.Lookup",
    }
}

label! {
    /// `operation` of the pull-through families.
    RemoteOperation {
        Init = "Init",
        BlobStoreStat = "BlobStore.Stat",
        BlobStoreGet = "BlobStore.Get",
        BlobStoreOpen = "BlobStore.Open",
        BlobStorePut = "BlobStore.Put",
        BlobStoreCreate = "BlobStore.Create",
        BlobStoreResume = "BlobStore.Resume",
        BlobStoreServeBlob = "BlobStore.ServeBlob",
        BlobStoreDelete = "BlobStore.Delete",
        ManifestServiceExists = "ManifestService.Exists",
        ManifestServiceGet = "ManifestService.Get",
        ManifestServicePut = "ManifestService.Put",
        ManifestServiceDelete = "ManifestService.Delete",
    }
}

label! {
    /// `operation` of the `imageregistry_storage_*` families.
    StorageOperation {
        GetContent = "StorageDriver.GetContent",
        PutContent = "StorageDriver.PutContent",
        Reader = "StorageDriver.Reader",
        Writer = "StorageDriver.Writer",
        Stat = "StorageDriver.Stat",
        List = "StorageDriver.List",
        Move = "StorageDriver.Move",
        Delete = "StorageDriver.Delete",
        UrlFor = "StorageDriver.URLFor",
        Walk = "StorageDriver.Walk",
        ReaderRead = "ReadCloser.Read",
        ReaderClose = "ReadCloser.Close",
        WriterWrite = "FileWriter.Write",
        WriterClose = "FileWriter.Close",
        WriterCancel = "FileWriter.Cancel",
        WriterCommit = "FileWriter.Commit",
    }
}

label! {
    /// `action` of `registry_storage_action_seconds`.
    StorageAction {
        GetContent = "GetContent",
        PutContent = "PutContent",
        Stat = "Stat",
        List = "List",
        Move = "Move",
        Delete = "Delete",
        UrlFor = "URLFor",
    }
}

impl StorageOperation {
    /// The action that the operation counts as; reading and writing a file are none.
    pub fn action(self) -> Option<StorageAction> {
        match self {
            Self::GetContent => Some(StorageAction::GetContent),
            Self::PutContent => Some(StorageAction::PutContent),
            Self::Stat => Some(StorageAction::Stat),
            Self::List => Some(StorageAction::List),
            Self::Move => Some(StorageAction::Move),
            Self::Delete => Some(StorageAction::Delete),
            Self::UrlFor => Some(StorageAction::UrlFor),
            _ => None,
        }
    }
}

label! {
    /// `code` of `imageregistry_storage_errors_total`. What a driver does not support and the end
    /// of a file are not counted as errors.
    StorageErrorCode {
        PathNotFound = "PATH_NOT_FOUND",
        InvalidPath = "INVALID_PATH",
        InvalidOffset = "INVALID_OFFSET",
        ReadOnlyFilesystem = "READ_ONLY_FILESYSTEM",
        FileTooLarge = "FILE_TOO_LARGE",
        DeviceOutOfSpace = "DEVICE_OUT_OF_SPACE",
        Unknown = "UNKNOWN",
    }
}

label! {
    /// `type` of `registry_storage_cache_total`.
    DescriptorCacheEvent {
        Request = "Request",
        Hit = "Hit",
        Miss = "Miss",
        Error = "Error",
    }
}

label! {
    /// `type` of the cache families.
    CacheResult {
        Hit = "Hit",
        Miss = "Miss",
    }
}

label! {
    /// `method` of the HTTP families: lower case, and one value for all methods that HTTP does not
    /// define, because clients may invent them.
    Method {
        Get = "get",
        Head = "head",
        Put = "put",
        Post = "post",
        Patch = "patch",
        Delete = "delete",
        Options = "options",
        Connect = "connect",
        Trace = "trace",
        Unknown = "unknown",
    }
}

impl Method {
    /// The label for a request method, in any case.
    pub fn of(method: &str) -> Self {
        let known = Self::ALL.iter().find(|known| method.eq_ignore_ascii_case(known.as_str()));
        known.copied().unwrap_or(Self::Unknown)
    }
}

label! {
    /// `code` of `promhttp_metric_handler_requests_total`.
    ScrapeCode {
        Ok = "200",
        Failed = "500",
        Busy = "503",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_texts() {
        fn check<L: LabelValue + PartialEq + std::fmt::Debug>() {
            for (at, value) in L::ALL.iter().enumerate() {
                assert_eq!(value.index(), at);
                assert_eq!(L::ALL.iter().filter(|v| v.as_str() == value.as_str()).count(), 1);
            }
        }
        check::<Operation>();
        check::<RemoteOperation>();
        check::<StorageOperation>();
        check::<StorageAction>();
        check::<StorageErrorCode>();
        check::<Method>();
    }

    #[test]
    fn methods() {
        assert_eq!(Method::of("GET"), Method::Get);
        assert_eq!(Method::of("pAtCh"), Method::Patch);
        assert_eq!(Method::of("PROPFIND"), Method::Unknown);
        assert_eq!(Method::of(""), Method::Unknown);
    }

    #[test]
    fn actions_are_named_like_their_operations() {
        for operation in StorageOperation::ALL {
            if let Some(action) = operation.action() {
                assert_eq!(operation.as_str(), format!("StorageDriver.{}", action.as_str()));
            }
        }
    }
}
