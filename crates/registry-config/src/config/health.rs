// SPDX-License-Identifier: Apache-2.0
//! `health`: checks that take the registry out of service (registry.md 6.5).

use std::collections::BTreeMap;
use std::time::Duration;

use super::notifications::refuse_credentials;
use crate::read::{Reader, Scope};
use crate::value::{Secret, Url};

settings! {
    /// Checks that take the registry out of service while they fail. Each runs first one interval
    /// after the start; until then it counts as passed.
    pub struct Health {
        /// The check of the store.
        "storagedriver" => storage_driver: StorageDriverCheck = "{}";
        /// Checks of files.
        "file" env "FILECHECKERS" => file: Vec<FileCheck> = "[]";
        /// Checks by HTTP.
        "http" env "HTTPCHECKERS" => http: Vec<HttpCheck> = "[]";
        /// Checks by TCP.
        "tcp" env "TCPCHECKERS" => tcp: Vec<TcpCheck> = "[]";
    }
}

settings! {
    /// The check of the store.
    pub struct StorageDriverCheck {
        /// Whether the store is checked.
        "enabled" => enabled: bool = "false";
        /// Time between two checks.
        "interval" => interval: Duration = "10s" in "10ms" .. "24h";
        /// Failures in a row that make the registry unhealthy; 0 is as 1.
        "threshold" => threshold: u32 = "0";
    }
}

settings! {
    /// A file whose existence means "unhealthy".
    pub struct FileCheck checked by check_file {
        /// The file. Required.
        "file" => file: String = "";
        /// Time between two checks.
        "interval" => interval: Duration = "10s" in "10ms" .. "24h";
        /// Failures in a row that make the registry unhealthy; 0 is as 1.
        "threshold" => threshold: u32 = "0";
    }
}

settings! {
    /// A URL that must answer.
    pub struct HttpCheck checked by check_http {
        /// The URL, asked with HEAD. Required.
        "uri" => uri: Option<Url> = "";
        /// The status that means "healthy".
        "statuscode" => status_code: u16 = "200" in "100" .. "599";
        /// Headers of the requests: a list of values for each name.
        "headers" => headers: BTreeMap<String, Vec<Secret>> = "{}";
        /// Time limit of a request; 0 means 5 seconds.
        "timeout" => timeout: Duration = "5s" in "0s" .. "1h";
        /// Time between two checks.
        "interval" => interval: Duration = "10s" in "10ms" .. "24h";
        /// Failures in a row that make the registry unhealthy; 0 is as 1.
        "threshold" => threshold: u32 = "0";
    }
}

settings! {
    /// A server that must accept connections.
    pub struct TcpCheck checked by check_tcp {
        /// Host and port. Required.
        "addr" => addr: String = "";
        /// Time limit for connecting; 0 means 5 seconds.
        "timeout" => timeout: Duration = "5s" in "0s" .. "1h";
        /// Time between two checks.
        "interval" => interval: Duration = "10s" in "10ms" .. "24h";
        /// Failures in a row that make the registry unhealthy; 0 is as 1.
        "threshold" => threshold: u32 = "0";
    }
}

/// A check without time limit could hang for ever; the original allows that, we do not.
const TIMEOUT: Duration = Duration::from_secs(5);

fn check_file(_: &mut FileCheck, scope: &Scope<'_>, reader: &mut Reader) {
    reader.require(scope, "file");
}

fn check_http(check: &mut HttpCheck, scope: &Scope<'_>, reader: &mut Reader) {
    reader.require(scope, "uri");
    refuse_credentials(check.uri.as_ref(), scope, "uri", reader);
    if check.timeout.is_zero() {
        check.timeout = TIMEOUT;
    }
}

fn check_tcp(check: &mut TcpCheck, scope: &Scope<'_>, reader: &mut Reader) {
    reader.require(scope, "addr");
    if check.timeout.is_zero() {
        check.timeout = TIMEOUT;
    }
}
