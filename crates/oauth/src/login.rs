// SPDX-License-Identifier: Apache-2.0
//! From a user name and a password to an account.
//!
//! ```text
//!  Basic ─▶ throttle ─▶ providers of oauths/cluster ─▶ bcrypt, a few at a time ─▶ accounts (user, identity) ─▶ Account
//!                       kubeadmin's secret
//! ```
//!
//! Providers are read when somebody logs in: a changed password file counts at once. What was parsed is kept by the
//! secret's version.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::accounts::{Account, Accounts, Mapping};
use crate::credentials::{Basic, Hidden};
use crate::htpasswd::{Check, Htpasswd};
use crate::kubeadmin;
use crate::objects::{CONFIG_SECRETS, OAUTHS, Objects, SYSTEM_SECRETS, text};
use crate::settings::{Clock, Settings};
use crate::throttle::Throttle;

/// Most providers that are asked.
const MAX_PROVIDERS: usize = 16;
/// Logins that wait for a hash, for each that is computed.
const WAITING: usize = 32;

/// Why somebody is not logged in.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// Wrong name or password; which one is not told.
    Wrong,
    /// Too many wrong ones; come back after this time.
    Locked(Duration),
    /// Too many logins at this moment.
    Busy,
    /// The password is right, but the user may not be made of it.
    Refused(&'static str),
    /// It could not be found out.
    Failed(Box<Status>),
}

impl From<Status> for LoginError {
    fn from(status: Status) -> Self {
        Self::Failed(Box::new(status))
    }
}

/// Checks passwords.
pub(crate) struct Logins {
    objects: Arc<Objects>,
    accounts: Arc<Accounts>,
    throttle: Throttle,
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    parsed: Mutex<Vec<Parsed>>,
    clock: Clock,
}

/// A password file that was read, and of which version of its secret.
struct Parsed {
    uid: String,
    version: String,
    file: Arc<Htpasswd>,
}

/// A provider that is asked.
struct Provider {
    name: String,
    mapping: Mapping,
    file: Arc<Htpasswd>,
}

impl Logins {
    pub(crate) fn new(objects: Arc<Objects>, accounts: Arc<Accounts>, settings: &Settings) -> Self {
        let running = settings.concurrent_checks.max(1);
        Self {
            objects,
            accounts,
            throttle: Throttle::new(settings.lockout),
            running: Arc::new(Semaphore::new(running)),
            places: Arc::new(Semaphore::new(running * (1 + WAITING))),
            parsed: Mutex::default(),
            clock: settings.clock.clone(),
        }
    }

    /// Who somebody is, or why not.
    pub(crate) async fn login(
        &self,
        who: &Basic,
        from: Option<IpAddr>,
    ) -> Result<Account, LoginError> {
        let now = self.clock.running();
        let attempt =
            self.throttle.begin(Some(&who.user), from, now).map_err(LoginError::Locked)?;
        let result = self.check(who).await;
        match &result {
            Ok(_) | Err(LoginError::Refused(_)) => self.throttle.right(attempt),
            Err(LoginError::Wrong) => tracing::info!(?from, "a login failed"),
            Err(_) => self.throttle.forgive(attempt),
        }
        result
    }

    /// Counts a wrong client secret as a wrong password of the address.
    pub(crate) fn guard<T>(
        &self,
        from: Option<IpAddr>,
        check: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, Duration> {
        let attempt = self.throttle.begin(None, from, self.clock.running())?;
        let found = check();
        if found.is_some() {
            self.throttle.right(attempt);
        }
        Ok(found)
    }

    async fn check(&self, who: &Basic) -> Result<Account, LoginError> {
        if who.user == kubeadmin::LOGIN
            && let Some(secret) = self.objects.find(SYSTEM_SECRETS, kubeadmin::SECRET).await?
        {
            return self.check_kubeadmin(who, &secret).await;
        }
        let providers = self.providers().await?;
        let mut checks: Vec<Check> = providers.iter().map(|it| it.file.check(&who.user)).collect();
        if checks.is_empty() {
            checks.push(Htpasswd::default().check(&who.user));
        }
        let at = self.compare(checks, &who.password).await?.ok_or(LoginError::Wrong)?;
        let provider = providers.get(at).ok_or(LoginError::Wrong)?;
        self.accounts.of_identity(&provider.name, &who.user, provider.mapping).await
    }

    async fn check_kubeadmin(&self, who: &Basic, secret: &Value) -> Result<Account, LoginError> {
        let file = kubeadmin::hash_in(secret)
            .map(|hash| Htpasswd::one(&who.user, &hash))
            .unwrap_or_default();
        self.compare(vec![file.check(&who.user)], &who.password).await?.ok_or(LoginError::Wrong)?;
        let uid = kubeadmin::uid_of(secret).ok_or(LoginError::Wrong)?;
        Ok(Account { name: kubeadmin::USER.to_owned(), uid })
    }

    /// The first check that the password passes; all are made, whichever it is.
    async fn compare(
        &self,
        checks: Vec<Check>,
        password: &Hidden,
    ) -> Result<Option<usize>, LoginError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| LoginError::Busy)?;
        let turn = self.running.clone().acquire_owned().await.map_err(|_| LoginError::Busy)?;
        let password = password.clone();
        let work = move || {
            // Held by the work itself: a client that goes away does not make room for another.
            let _held = (place, turn);
            let results: Vec<bool> =
                checks.iter().map(|check| check.matches(password.expose())).collect();
            results.iter().position(|right| *right)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| LoginError::Busy)
    }

    async fn providers(&self) -> Result<Vec<Provider>, Status> {
        let config = self.objects.find(OAUTHS, "cluster").await?.unwrap_or_default();
        let listed = config.pointer("/spec/identityProviders").and_then(Value::as_array);
        let mut providers = Vec::new();
        for entry in listed.into_iter().flatten().take(MAX_PROVIDERS) {
            let name = text(entry, "name");
            let file_name = entry
                .pointer("/htpasswd/fileData/name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let mapping = Mapping::parse(text(entry, "mappingMethod"));
            match (text(entry, "type"), mapping) {
                ("HTPasswd", Some(mapping)) if !name.is_empty() && !file_name.is_empty() => {
                    let file = self.file(name, file_name).await?;
                    providers.push(Provider { name: name.to_owned(), mapping, file });
                }
                (kind, _) => tracing::warn!(
                    provider = name,
                    kind,
                    "an identity provider is not supported and left out"
                ),
            }
        }
        Ok(providers)
    }

    async fn file(&self, provider: &str, secret_name: &str) -> Result<Arc<Htpasswd>, Status> {
        let Some(secret) = self.objects.find(CONFIG_SECRETS, secret_name).await? else {
            tracing::warn!(
                provider,
                secret = secret_name,
                "the secret of an identity provider does not exist"
            );
            return Ok(Arc::default());
        };
        let (uid, version) = (api::meta::uid(&secret), api::meta::resource_version(&secret));
        let known = |parsed: &&Parsed| parsed.uid == uid && parsed.version == version;
        if let Some(parsed) = self.parsed.lock().iter().find(known) {
            return Ok(parsed.file.clone());
        }
        let encoded = secret.pointer("/data/htpasswd").and_then(Value::as_str).unwrap_or_default();
        let content = STANDARD.decode(encoded).unwrap_or_default();
        let (file, bad) = Htpasswd::parse(&String::from_utf8_lossy(&content));
        for line in bad {
            tracing::warn!(
                provider,
                secret = secret_name,
                line = line.number,
                "a line is ignored: {}",
                line.reason
            );
        }
        let file = Arc::new(file);
        let mut parsed = self.parsed.lock();
        parsed.retain(|other| other.uid != uid);
        if parsed.len() >= MAX_PROVIDERS {
            parsed.remove(0);
        }
        parsed.push(Parsed {
            uid: uid.to_owned(),
            version: version.to_owned(),
            file: file.clone(),
        });
        Ok(file)
    }
}
