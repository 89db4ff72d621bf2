// SPDX-License-Identifier: Apache-2.0
//! Sections of distribution that are understood and checked, and change nothing here.
//!
//! They stay parsed so that an existing file starts, and so that its mistakes are still found.

use std::time::Duration;

use crate::problem::Problem;
use crate::read::{Reader, Scope};
use crate::value::{Secret, Url};

settings! {
    /// Error reporting services.
    pub struct Reporting {
        /// Bugsnag.
        "bugsnag" => bugsnag: Bugsnag = "{}";
        /// New Relic.
        "newrelic" => new_relic: NewRelic = "{}";
    }
}

settings! {
    /// Bugsnag.
    pub struct Bugsnag {
        /// API key.
        "apikey" => api_key: Secret = "";
        /// Stage of the deployment.
        "releasestage" => release_stage: String = "";
        /// Address of an own Bugsnag server.
        "endpoint" => endpoint: String = "";
    }
}

settings! {
    /// New Relic.
    pub struct NewRelic {
        /// License key.
        "licensekey" => license_key: Secret = "";
        /// Name of the component.
        "name" => name: String = "";
        /// Whether the agent prints what it does.
        "verbose" => verbose: bool = "false";
    }
}

settings! {
    /// A redis server, with the keys of distribution 2 and 3.
    pub struct Redis {
        /// Address (distribution 2).
        "addr" => addr: String = "";
        /// Addresses (distribution 3).
        "addrs" => addrs: Vec<String> = "[]";
        /// User name.
        "username" => username: String = "";
        /// Password.
        "password" => password: Secret = "";
        /// User name at the sentinels.
        "sentinelusername" => sentinel_username: String = "";
        /// Password at the sentinels.
        "sentinelpassword" => sentinel_password: Secret = "";
        /// Name of the sentinels' master.
        "mastername" => master_name: String = "";
        /// Number of the database.
        "db" => db: u32 = "0";
        /// Name of this client.
        "clientname" => client_name: String = "";
        /// Encryption.
        "tls" => tls: RedisTls = "{}";
        /// Connection pool (distribution 2).
        "pool" => pool: RedisPool = "{}";
        /// Time limit for connecting.
        "dialtimeout" => dial_timeout: Duration = "0s";
        /// Time limit for reading.
        "readtimeout" => read_timeout: Duration = "0s";
        /// Time limit for writing.
        "writetimeout" => write_timeout: Duration = "0s";
        /// Attempts before a command fails.
        "maxretries" => max_retries: u32 = "0";
        /// Connections of the pool (distribution 3).
        "poolsize" => pool_size: u32 = "0";
        /// Wait for a connection of the pool.
        "pooltimeout" => pool_timeout: Duration = "0s";
        /// Least idle connections.
        "minidleconns" => min_idle_connections: u32 = "0";
        /// Most idle connections.
        "maxidleconns" => max_idle_connections: u32 = "0";
        /// Most connections.
        "maxactiveconns" => max_active_connections: u32 = "0";
        /// Time after which an idle connection is closed.
        "connmaxidletime" => connection_max_idle_time: Duration = "0s";
        /// Age at which a connection is closed.
        "connmaxlifetime" => connection_max_lifetime: Duration = "0s";
    }
}

settings! {
    /// Encryption of the connection to redis.
    pub struct RedisTls {
        /// Whether the connection is encrypted (distribution 2).
        "enabled" => enabled: bool = "false";
        /// Client certificate.
        "certificate" => certificate: String = "";
        /// Key of the client certificate.
        "key" => key: String = "";
        /// Certificate authorities.
        "rootcas" => root_cas: Vec<String> = "[]";
        /// Certificate authorities (older name).
        "clientcas" => client_cas: Vec<String> = "[]";
    }
}

settings! {
    /// Connection pool of distribution 2.
    pub struct RedisPool {
        /// Most idle connections.
        "maxidle" => max_idle: u32 = "0";
        /// Most connections.
        "maxactive" => max_active: u32 = "0";
        /// Time after which an idle connection is closed.
        "idletimeout" => idle_timeout: Duration = "0s";
    }
}

settings! {
    /// Distribution's pull-through cache of one remote registry.
    pub struct Proxy {
        /// The remote registry.
        "remoteurl" => remote_url: Option<Url> = "";
        /// User name there.
        "username" => username: String = "";
        /// Password there.
        "password" => password: Secret = "";
        /// How long content is kept.
        "ttl" => ttl: Option<Duration> = "";
        /// Time limit for storing what was fetched.
        "cachewritetimeout" => cache_write_timeout: Option<Duration> = "";
        /// A program that gives credentials.
        "exec" => exec: ProxyExec = "{}";
    }
}

settings! {
    /// A program that gives credentials.
    pub struct ProxyExec {
        /// The program.
        "command" => command: String = "";
        /// How long its answer is good for.
        "lifetime" => lifetime: Option<Duration> = "";
    }
}

choices! {
    /// Which images of an index must exist.
    pub enum Platforms {
        /// All of them.
        All = "all",
        /// None: indexes may be sparse.
        None = "none",
        /// Those for the platforms in `platformlist`.
        List = "list",
    }
}

settings! {
    /// Which images of an index must exist, in distribution 3.
    pub struct Indexes checked by check_indexes {
        /// Which of their images must exist.
        "platforms" => platforms: Platforms = "all"
            wrong "invalid platforms option {} Must be one of [all, none, list]";
        /// The platforms for `list`.
        "platformlist" => platform_list: Vec<Platform> = "[]";
    }
}

settings! {
    /// A platform.
    pub struct Platform {
        /// Architecture, as in `amd64`.
        "architecture" => architecture: String = "";
        /// Operating system, as in `linux`.
        "os" => os: String = "";
    }
}

fn check_indexes(indexes: &mut Indexes, scope: &Scope<'_>, reader: &mut Reader) {
    if indexes.platforms == Platforms::List && indexes.platform_list.is_empty() {
        let text = "platforms is list: platformlist needs at least one platform".to_owned();
        let at = scope.at.child("platformlist");
        reader.error(&at, scope.origin_of("platforms"), Problem::Missing(text));
    }
}
