// SPDX-License-Identifier: Apache-2.0
//! `berth`: settings that only this registry has: the kind of store, caches, limits.

use std::time::Duration;

use crate::value::ByteSize;

settings! {
    /// What only Berth has. Other registries ignore this section.
    pub struct Berth {
        /// Who writes to the store.
        "store" => store: StoreMode = "exclusive";
        /// A store that others write to as well.
        "shared" => shared: Shared = "{}";
        /// Whether each blob is hashed before it is served. A damaged one is answered with 500 and a
        /// detail that names it, instead of with its bytes.
        "verifyonread" => verify_on_read: bool = "false";
        /// Time between SIGTERM and the end of accepting. `/healthz` answers 503 from the start of
        /// it, everything else is served: with several replicas give the load balancer or the
        /// readiness probe the time to look elsewhere.
        "stopdelay" => stop_delay: Duration = "0s" in "0s" .. "10m";
        /// Threads that serve; 0 means one for each core.
        "workers" => workers: u16 = "0" in "0" .. "1024";
        /// TLS.
        "tls" => tls: BerthTls = "{}";
        /// What is kept in memory.
        "cache" => cache: Caches = "{}";
        /// Limits on what clients may use.
        "limits" => limits: Limits = "{}";
        /// Checking of passwords.
        "htpasswd" => htpasswd: PasswordCache = "{}";
        /// Delivery of notifications.
        "notifications" => notifications: Delivery = "{}";
    }
}

choices! {
    /// Who writes to the store.
    pub enum StoreMode {
        /// Only this process: it holds a lock, and what it remembers of the store is true.
        Exclusive = "exclusive",
        /// Also other replicas or registries: what is remembered is looked up again.
        Shared = "shared",
    }
}

settings! {
    /// A store that others write to as well.
    pub struct Shared {
        /// Age from which on a remembered fact is looked up again.
        "maxage" => max_age: Duration = "2s" in "0s" .. "1h";
    }
}

settings! {
    /// TLS.
    pub struct BerthTls {
        /// Time between two looks whether certificate and key have changed.
        "reload" => reload: Duration = "10s" in "100ms" .. "24h";
    }
}

settings! {
    /// What is kept in memory. Each limit is reached only by use; 0 switches the cache off.
    pub struct Caches {
        /// Manifests.
        "manifests" => manifests: ByteSize = "32MiB" in "0" .. "1TiB";
        /// Small blobs, up to 64 KiB each: image configurations and the like.
        "smallblobs" => small_blobs: ByteSize = "32MiB" in "0" .. "1TiB";
        /// Where blobs, manifests and tags are: entries, for each of the three.
        "descriptors" => descriptors: u32 = "100000" in "0" .. "100000000";
        /// Lists of tags and of repositories, for each of the two.
        "listings" => listings: ByteSize = "96MiB" in "0" .. "1TiB";
    }
}

settings! {
    /// Limits on what clients may use.
    pub struct Limits {
        /// Connections at a time.
        "connections" => connections: u32 = "10000" in "1" .. "1000000";
        /// Size of a request's line and headers; on HTTP/2, of its decoded header list.
        "headerbytes" => header_bytes: ByteSize = "64KiB" in "8KiB" .. "16MiB";
        /// Number of a request's headers.
        "headers" => headers: u32 = "100" in "16" .. "256";
        /// Time for a request's headers to arrive.
        "headertimeout" => header_timeout: Duration = "30s" in "1s" .. "1h";
        /// Time that a connection may be without a request.
        "idletimeout" => idle_timeout: Duration = "120s" in "1s" .. "24h";
        /// Time that a body may bring no byte.
        "bodyidletimeout" => body_idle_timeout: Duration = "60s" in "1s" .. "1h";
        /// Time that a client may take no byte of an answer.
        "writeidletimeout" => write_idle_timeout: Duration = "60s" in "1s" .. "1h";
        /// Requests at a time on one HTTP/2 connection.
        "h2streams" => h2_streams: u32 = "128" in "1" .. "10000";
        /// Size of a manifest.
        "manifestbytes" => manifest_bytes: ByteSize = "4MiB" in "64KiB" .. "64MiB";
        /// Descriptors in a manifest: config, layers and children together. A single list may have
        /// 16,384.
        "manifestdescriptors" => manifest_descriptors: u32 = "32768" in "1" .. "32768";
        /// `tag` parameters of one manifest push.
        "manifesttags" => manifest_tags: u32 = "100" in "10" .. "10000";
        /// Upload requests at a time of one user, or of one address without user. One more is
        /// answered with 429.
        "uploadsperidentity" => uploads_per_identity: u32 = "1024" in "1" .. "1000000";
        /// Memory for buffers of uploads in flight; when it is used up, clients wait.
        "uploadbuffers" => upload_buffers: ByteSize = "64MiB" in "1MiB" .. "1TiB";
        /// The most referrers in one answer; a longer list has a `Link` to the rest.
        "referrerspage" => referrers_page: u32 = "1000" in "1" .. "100000";
    }
}

settings! {
    /// Checking of passwords. A check takes long on purpose, so a success is remembered.
    pub struct PasswordCache {
        /// How long a success is remembered; 0 means not at all.
        "cachettl" => cache_ttl: Duration = "5m" in "0s" .. "24h";
        /// Successes that are remembered.
        "cacheentries" => cache_entries: u32 = "10000" in "0" .. "10000000";
    }
}

settings! {
    /// Delivery of notifications. Events wait on disk until they are delivered.
    pub struct Delivery {
        /// Size of the events that wait for one endpoint; beyond it new ones are dropped.
        "queuebytes" => queue_bytes: ByteSize = "64MiB" in "64KiB" .. "1TiB";
    }
}
