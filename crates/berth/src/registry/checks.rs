// SPDX-License-Identifier: Apache-2.0
//! The health checks that the configuration asks for (registry.md 6.5).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use blobstore::BlobStore;
use http::{HeaderMap, HeaderName, HeaderValue};
use registry::Probe;
use registry_config::config::health::Health as Configured;
use telemetry::health::{Health, Schedule};

/// Registers every configured check.
pub(super) fn register(configured: &Configured, store: &BlobStore) -> Result<Health> {
    let health = Health::new();
    let driver = &configured.storage_driver;
    if driver.enabled {
        let store = store.clone();
        let name = format!("storagedriver_{}", store.driver_name());
        health.register(name, schedule(driver.interval, driver.threshold), move || {
            let store = store.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        });
    }
    for file in &configured.file {
        let path = PathBuf::from(&file.file);
        health.register(&file.file, schedule(file.interval, file.threshold), move || {
            let path = path.clone();
            async move {
                match tokio::task::spawn_blocking(move || path.try_exists()).await {
                    Ok(Ok(false)) => Ok(()),
                    Ok(Ok(true)) => Err("file exists".to_owned()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the check was interrupted".to_owned()),
                }
            }
        });
    }
    for tcp in &configured.tcp {
        let (address, limit) = (tcp.addr.clone(), tcp.timeout);
        health.register(&tcp.addr, schedule(tcp.interval, tcp.threshold), move || {
            let address = address.clone();
            async move {
                let connect = tokio::net::TcpStream::connect(address);
                match tokio::time::timeout(limit, connect).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("connecting took too long".to_owned()),
                }
            }
        });
    }
    if configured.http.is_empty() {
        return Ok(health);
    }
    // Reading the system's certificates takes longer than the rest of the start.
    let tls = Arc::new(registry::client_tls()?);
    for check in &configured.http {
        let Some(url) = &check.uri else { continue };
        let mut headers = HeaderMap::new();
        for (name, values) in &check.headers {
            for value in values {
                let name = HeaderName::from_bytes(name.as_bytes())?;
                let mut value = HeaderValue::from_str(value.expose())?;
                value.set_sensitive(true);
                headers.append(name, value);
            }
        }
        let probe = Probe::new(url.expose(), headers, check.timeout, Arc::clone(&tls))
            .map_err(|reason| anyhow::anyhow!("health.http {url}: {reason}"))?;
        let (probe, wanted) = (Arc::new(probe), check.status_code);
        health.register(url.to_string(), schedule(check.interval, check.threshold), move || {
            let probe = Arc::clone(&probe);
            async move {
                match probe.head().await {
                    Ok(status) if status.as_u16() == wanted => Ok(()),
                    Ok(status) => Err(format!("the answer was {status} instead of {wanted}")),
                    Err(error) => Err(error.to_string()),
                }
            }
        });
    }
    Ok(health)
}

fn schedule(interval: Duration, threshold: u32) -> Schedule {
    Schedule::every(interval).threshold(threshold)
}
