// SPDX-License-Identifier: Apache-2.0
//! Parameters of the storage drivers (registry.md 5.5).
//!
//! Those of drivers that this build lacks are checked all the same, so that a file is known to be
//! right before the driver comes.

use std::collections::BTreeMap;

use crate::config::storage::check_filesystem;
use crate::value::{ByteSize, Secret};

settings! {
    /// A directory, in distribution's layout.
    pub struct Filesystem checked by check_filesystem {
        /// The directory.
        "rootdirectory" => root_directory: String = "/var/lib/registry";
        /// File operations at a time; at least 25.
        "maxthreads" => max_threads: u32 = "100" in "0" .. "100000";
    }
}

settings! {
    /// Memory, for tests and demonstrations. Everything is lost at exit.
    pub struct InMemory {
    }
}

choices! {
    /// Storage class of new objects in S3.
    pub enum StorageClass {
        /// The default.
        Standard = "STANDARD",
        /// Less redundancy.
        ReducedRedundancy = "REDUCED_REDUNDANCY",
        /// Infrequent access.
        StandardInfrequent = "STANDARD_IA",
        /// Infrequent access, one zone.
        OneZoneInfrequent = "ONEZONE_IA",
        /// Chosen by the store.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// On Outposts.
        Outposts = "OUTPOSTS",
        /// Instant retrieval from the archive.
        GlacierInstant = "GLACIER_IR",
        /// No class is sent.
        None = "NONE",
    }
}

settings! {
    /// Amazon S3 and what speaks its protocol.
    pub struct S3 {
        /// Region. Required.
        "region" => region: String = "";
        /// Bucket. Required.
        "bucket" => bucket: String = "";
        /// Access key; without keys the usual chain of credentials is used.
        "accesskey" => access_key: Secret = "";
        /// Secret key.
        "secretkey" => secret_key: Secret = "";
        /// Token of a temporary session.
        "sessiontoken" => session_token: Secret = "";
        /// Shared credentials file, instead of keys.
        "credentialsconfigpath" => credentials_config_path: Option<String> = "";
        /// Endpoint of a store that is not Amazon's.
        "regionendpoint" => region_endpoint: Option<String> = "";
        /// Whether the bucket is part of the path; by default it is with `regionendpoint`.
        "forcepathstyle" => force_path_style: Option<bool> = "";
        /// Whether the bucket is part of the host name, with `regionendpoint` too.
        "virtualhostedstyle" => virtual_hosted_style: bool = "false";
        /// Whether dual-stack endpoints are used.
        "usedualstack" => use_dual_stack: bool = "false";
        /// Whether transfer acceleration is used.
        "accelerate" => accelerate: bool = "false";
        /// Whether objects are encrypted by the store.
        "encrypt" => encrypt: bool = "false";
        /// Key of the key management service for that.
        "keyid" => key_id: Option<String> = "";
        /// Whether the connection is encrypted.
        "secure" => secure: bool = "true";
        /// Whether the store's certificate is not verified.
        "skipverify" => skip_verify: bool = "false";
        /// Whether requests are signed by version 4.
        "v4auth" => v4_auth: bool = "true";
        /// Least size of the parts of an upload.
        "chunksize" => chunk_size: ByteSize = "10MiB" in "5MiB" .. "5GiB";
        /// Size of the parts of a copy.
        "multipartcopychunksize" => copy_chunk_size: ByteSize = "32MiB" in "5MiB" .. "5GiB";
        /// Parts of a copy at a time.
        "multipartcopymaxconcurrency" => copy_concurrency: u32 = "100" in "1" .. "1000";
        /// Size from which on a copy has parts.
        "multipartcopythresholdsize" => copy_threshold: ByteSize = "32MiB" in "0" .. "5GiB";
        /// Whether a short last part is combined with the next (distribution 3).
        "multipartcombinesmallpart" => combine_small_part: bool = "true";
        /// Prefix of all keys.
        "rootdirectory" => root_directory: String = "";
        /// Storage class of new objects.
        "storageclass" => storage_class: StorageClass = "STANDARD";
        /// Access control list of new objects.
        "objectacl" => object_acl: String = "private";
        /// User agent; overwritten.
        "useragent" => user_agent: String = "";
        /// Log level of the library in distribution 3.
        "loglevel" => log_level: String = "" ignored "log.level decides";
    }
}

settings! {
    /// Google Cloud Storage.
    pub struct Gcs {
        /// Bucket. Required.
        "bucket" => bucket: String = "";
        /// File with the credentials.
        "keyfile" => key_file: Option<String> = "";
        /// The credentials themselves, by the names of that file.
        "credentials" => credentials: BTreeMap<String, Secret> = "{}";
        /// Prefix of all keys.
        "rootdirectory" => root_directory: String = "";
        /// Size of the parts of an upload; a multiple of 256 KiB.
        "chunksize" => chunk_size: ByteSize = "5MiB" in "256KiB" .. "5GiB";
        /// Requests at a time.
        "maxconcurrency" => max_concurrency: u32 = "50" in "25" .. "100000";
    }
}

settings! {
    /// Azure Blob Storage.
    pub struct Azure {
        /// Account. Required.
        "accountname" => account_name: String = "";
        /// Key of the account; without it, `credentials` or the environment's identity.
        "accountkey" => account_key: Secret = "";
        /// Container. Required.
        "container" => container: String = "";
        /// Domain of the service.
        "realm" => realm: String = "core.windows.net";
        /// URL of the service, instead of account and realm.
        "serviceurl" => service_url: Option<String> = "";
        /// Not used by the original either.
        "connectionstring" => connection_string: Secret = "" ignored "the original ignores it too";
        /// Credentials of an application.
        "credentials" => credentials: AzureCredentials = "{}";
        /// Prefix of all keys.
        "rootdirectory" => root_directory: String = "";
    }
}

settings! {
    /// Credentials of an application at Azure.
    pub struct AzureCredentials {
        /// Kind; the original knows `client_secret`.
        "type" => kind: String = "";
        /// Application.
        "clientid" => client_id: String = "";
        /// Directory.
        "tenantid" => tenant_id: String = "";
        /// Secret of the application.
        "secret" => secret: Secret = "";
    }
}

settings! {
    /// OpenStack Swift.
    pub struct Swift {
        /// Container. Required.
        "container" => container: String = "";
        /// URL of the identity service. Required.
        "authurl" => auth_url: String = "";
        /// User name.
        "username" => username: String = "";
        /// Password.
        "password" => password: Secret = "";
        /// Project by name.
        "tenant" => tenant: String = "";
        /// Project by id.
        "tenantid" => tenant_id: String = "";
        /// Domain by name.
        "domain" => domain: String = "";
        /// Domain by id.
        "domainid" => domain_id: String = "";
        /// Domain of the project by name.
        "tenantdomain" => tenant_domain: String = "";
        /// Domain of the project by id.
        "tenantdomainid" => tenant_domain_id: String = "";
        /// Trust.
        "trustid" => trust_id: String = "";
        /// Region.
        "region" => region: String = "";
        /// Version of the identity service; 0 means by its URL.
        "authversion" => auth_version: u32 = "0" in "0" .. "3";
        /// Kind of endpoint.
        "endpointtype" => endpoint_type: String = "public";
        /// Whether certificates are not verified.
        "insecureskipverify" => insecure_skip_verify: bool = "false";
        /// Size of the segments of an upload.
        "chunksize" => chunk_size: ByteSize = "20MiB" in "1MiB" .. "5GiB";
        /// Prefix of all names.
        "prefix" => prefix: String = "";
        /// Key that signs temporary URLs.
        "secretkey" => secret_key: Secret = "";
        /// Access key for temporary URLs.
        "accesskey" => access_key: Secret = "";
        /// Whether the key of temporary URLs belongs to the container.
        "tempurlcontainerkey" => temp_url_container_key: bool = "false";
        /// Methods that temporary URLs may have.
        "tempurlmethods" => temp_url_methods: Vec<String> = "[]";
        /// Application credential by id.
        "applicationcredentialid" => application_credential_id: String = "";
        /// Application credential by name.
        "applicationcredentialname" => application_credential_name: String = "";
        /// Secret of the application credential.
        "applicationcredentialsecret" => application_credential_secret: Secret = "";
    }
}

settings! {
    /// Alibaba Cloud OSS.
    pub struct Oss {
        /// Access key.
        "accesskeyid" => access_key_id: Secret = "";
        /// Secret key.
        "accesskeysecret" => access_key_secret: Secret = "";
        /// Region. Required.
        "region" => region: String = "";
        /// Bucket. Required.
        "bucket" => bucket: String = "";
        /// Endpoint.
        "endpoint" => endpoint: Option<String> = "";
        /// Whether the internal network is used.
        "internal" => internal: bool = "false";
        /// Whether objects are encrypted by the store.
        "encrypt" => encrypt: bool = "false";
        /// Key for that.
        "encryptionkeyid" => encryption_key_id: Option<String> = "";
        /// Whether the connection is encrypted.
        "secure" => secure: bool = "true";
        /// Size of the parts of an upload.
        "chunksize" => chunk_size: ByteSize = "10MiB" in "5MiB" .. "5GiB";
        /// Prefix of all keys.
        "rootdirectory" => root_directory: String = "";
    }
}
