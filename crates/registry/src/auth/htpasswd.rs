// SPDX-License-Identifier: Apache-2.0
//! Users from an htpasswd file with bcrypt entries: whoever is in it may do everything, as in
//! distribution.
//!
//! ```text
//!  Authorization ─▶ cache of verified passwords ─hit─▶ identity
//!                        │ miss
//!                        ▼
//!              bcrypt on a blocking thread, a few at a time
//! ```
//!
//! An unknown user costs the same bcrypt check as a known one, so that time tells no names.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use parking_lot::RwLock;
use ports::{Access, AuthError, Authorizer, Challenge, Credentials, Decision, Identity};
use tokio::sync::Semaphore;

use super::htpasswd_cache::VerifiedCache;

/// Where the users are and how their checks are bounded.
#[derive(Clone, Debug)]
pub struct HtpasswdSettings {
    /// `auth.htpasswd.path`
    pub path: PathBuf,
    /// `auth.htpasswd.realm`
    pub realm: String,
    /// bcrypt checks at the same time.
    pub concurrent_checks: usize,
    /// How long a verified password is not checked again.
    pub cache_lifetime: Duration,
    /// How many verified passwords are remembered.
    pub cache_entries: usize,
    /// How often the file is looked at for changes.
    pub reload_after: Duration,
}

impl HtpasswdSettings {
    /// Defaults: as many checks as cores, five minutes, 10,000 passwords, one look a second.
    pub fn new(path: impl Into<PathBuf>, realm: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            realm: realm.into(),
            concurrent_checks: std::thread::available_parallelism().map_or(2, usize::from),
            cache_lifetime: Duration::from_secs(300),
            cache_entries: 10_000,
            reload_after: Duration::from_secs(1),
        }
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HtpasswdError {
    /// It cannot be read.
    #[error("cannot read the password file {path}")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Larger than any password file.
    #[error("the password file {path} is larger than {limit} bytes")]
    TooLarge {
        /// Where.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Nobody could log in.
    #[error("the password file {path} has no usable entry; add one with htpasswd -B")]
    NoUser {
        /// Where.
        path: PathBuf,
    },
}

/// 16 MiB: some 200,000 users.
const MAX_FILE: u64 = 16 << 20;

/// Costs above this would let one login take a minute.
const MAX_COST: u32 = 16;

/// The authorizer.
pub struct Htpasswd {
    settings: HtpasswdSettings,
    users: RwLock<Users>,
    verified: VerifiedCache,
    checks: Arc<Semaphore>,
}

struct Users {
    by_name: HashMap<Arc<str>, Arc<str>>,
    /// Checked for users that do not exist; of the most usual cost in the file.
    decoy: Arc<str>,
    stamp: Option<(SystemTime, u64)>,
    looked: Instant,
}

impl Htpasswd {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or has no usable line. Single unusable lines only warn. (A file that
    /// loses its last user later is taken as it is: that user is meant to be locked out.)
    pub fn open(settings: HtpasswdSettings) -> Result<Self, HtpasswdError> {
        let users = Users::load(&settings)?;
        if users.by_name.is_empty() {
            return Err(HtpasswdError::NoUser { path: settings.path });
        }
        Ok(Self {
            verified: VerifiedCache::new(settings.cache_entries, settings.cache_lifetime),
            checks: Arc::new(Semaphore::new(settings.concurrent_checks.max(1))),
            users: RwLock::new(users),
            settings,
        })
    }

    /// Reads the file again if it changed. A file that cannot be read now leaves the users as they
    /// were: an editor may be replacing it.
    fn refresh(&self, now: Instant) {
        let fresh = |users: &Users| now.duration_since(users.looked) < self.settings.reload_after;
        if fresh(&self.users.read()) {
            return;
        }
        let Some(mut users) = self.users.try_write() else { return };
        if fresh(&users) {
            return;
        }
        users.looked = now;
        if stamp(&self.settings).is_some_and(|found| Some(found) != users.stamp) {
            match Users::load(&self.settings) {
                Ok(loaded) => *users = loaded,
                Err(error) => tracing::warn!("keeping the users known so far: {error}"),
            }
        }
    }

    /// Whether the password is the user's.
    async fn verify(&self, user: &str, password: &str) -> Result<bool, AuthError> {
        let now = Instant::now();
        self.refresh(now);
        let (stored, exists) = {
            let users = self.users.read();
            match users.by_name.get(user) {
                Some(stored) => (Arc::clone(stored), true),
                None => (Arc::clone(&users.decoy), false),
            }
        };
        let key = self.verified.key(user, password, &stored);
        if exists && self.verified.knows(&key, now) {
            return Ok(true);
        }
        let unavailable = |what: &str| AuthError::Unavailable(what.to_owned());
        let permit = Arc::clone(&self.checks)
            .acquire_owned()
            .await
            .map_err(|_| unavailable("the registry is stopping"))?;
        let password = password.to_owned();
        let matches = tokio::task::spawn_blocking(move || {
            let matches = bcrypt::verify(password, &stored).unwrap_or(false);
            drop(permit);
            matches
        })
        .await
        .map_err(|_| unavailable("the password check was stopped"))?;
        if matches && exists {
            self.verified.remember(key, now);
        }
        Ok(matches && exists)
    }
}

fn stamp(settings: &HtpasswdSettings) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(&settings.path).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}

impl Users {
    fn load(settings: &HtpasswdSettings) -> Result<Self, HtpasswdError> {
        let path = &settings.path;
        let read = |source| HtpasswdError::Read { path: path.clone(), source };
        // Before the content, so that a change in between is seen at the next look.
        let stamp = stamp(settings);
        if std::fs::metadata(path).map_err(read)?.len() > MAX_FILE {
            return Err(HtpasswdError::TooLarge { path: path.clone(), limit: MAX_FILE });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let (by_name, warnings) = parse(&text);
        for (line, what) in warnings {
            tracing::warn!("{}: line {line} is ignored: {what}", path.display());
        }
        let cost = by_name.values().filter_map(|hash| cost(hash)).max().unwrap_or(10);
        // Any salt and hash of the right shape: nobody has its password.
        let decoy = format!("$2b${cost:02}${}", "K".repeat(21) + "e" + &"u".repeat(31));
        Ok(Self { by_name, decoy: decoy.into(), stamp, looked: Instant::now() })
    }
}

/// Users by name, and the lines that are none.
type Parsed = (HashMap<Arc<str>, Arc<str>>, Vec<(usize, &'static str)>);

fn parse(text: &str) -> Parsed {
    let mut users = HashMap::new();
    let mut warnings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once(':') {
            None => warnings.push((index + 1, "it has no colon")),
            Some(("", _)) => warnings.push((index + 1, "it has no user name")),
            Some((user, hash)) => match cost(hash) {
                None => {
                    warnings.push((index + 1, "only bcrypt entries are supported (htpasswd -B)"));
                }
                Some(cost) if cost > MAX_COST => {
                    warnings.push((index + 1, "its bcrypt cost is too high"));
                }
                Some(_) => {
                    if users.insert(user.into(), hash.into()).is_some() {
                        warnings
                            .push((index + 1, "the user is there twice; the last entry counts"));
                    }
                }
            },
        }
    }
    (users, warnings)
}

/// The cost of a bcrypt entry, `None` for anything else.
fn cost(hash: &str) -> Option<u32> {
    let rest = ["$2y$", "$2b$", "$2a$", "$2x$"].iter().find_map(|p| hash.strip_prefix(p))?;
    let (cost, tail) = rest.split_once('$')?;
    let salt = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'/';
    (cost.len() == 2 && tail.len() == 53 && tail.bytes().all(salt)).then(|| cost.parse().ok())?
}

#[async_trait]
impl Authorizer for Htpasswd {
    async fn identify(&self, credentials: &Credentials) -> Result<Identity, AuthError> {
        match credentials {
            Credentials::None => Err(AuthError::Required),
            Credentials::Malformed | Credentials::Bearer(_) => Err(AuthError::Refused),
            Credentials::Basic { user, password } => {
                if self.verify(user, password.expose()).await? {
                    let name = user.as_str().into();
                    Ok(Identity { name, uid: "".into(), authenticated: true })
                } else {
                    Err(AuthError::Refused)
                }
            }
        }
    }

    async fn decide(
        &self,
        identity: &Identity,
        _credentials: &Credentials,
        wanted: &[Access],
    ) -> Result<Vec<Decision>, AuthError> {
        let decision = if identity.authenticated {
            Decision::Allowed
        } else {
            Decision::Denied("log in first".to_owned())
        };
        Ok(vec![decision; wanted.len()])
    }

    fn challenge(&self, _cause: &AuthError) -> Challenge {
        Challenge::Basic { realm: self.settings.realm.clone(), error: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ports::Secret;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.into(), password: Secret::new(password) }
    }

    fn file_with(text: &str) -> (tempfile::TempDir, Htpasswd) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        std::fs::write(&path, text).unwrap();
        let settings = HtpasswdSettings {
            reload_after: Duration::ZERO,
            ..HtpasswdSettings::new(path, "realm")
        };
        let users = Htpasswd::open(settings).unwrap();
        (dir, users)
    }

    #[test]
    fn unusable_lines_are_named() {
        let good = hash("x");
        let text = format!(
            "# users\n\na:{good}\nb:$apr1$abc$def\nnocolon\n:{good}\nc:{}\na:{good}\nd:{}\n",
            good.replace("$04$", "$31$"),
            &good[..50],
        );
        let (users, warnings) = parse(&text);
        assert_eq!(users.len(), 1);
        let lines: Vec<_> = warnings.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 5, 6, 7, 8, 9]);
    }

    #[tokio::test]
    async fn the_right_password_passes_and_no_other() {
        let (_dir, users) = file_with(&format!("alice:{}\n", hash("right")));
        for _ in 0..2 {
            let identity = users.identify(&basic("alice", "right")).await.unwrap();
            assert_eq!(&*identity.name, "alice");
            assert!(identity.authenticated);
        }
        for wrong in [basic("alice", "wrong"), basic("bob", "right"), Credentials::Malformed] {
            assert_eq!(users.identify(&wrong).await, Err(AuthError::Refused));
        }
        assert_eq!(users.identify(&Credentials::None).await, Err(AuthError::Required));
    }

    #[tokio::test]
    async fn a_changed_file_counts_at_once_also_for_remembered_passwords() {
        let (dir, users) = file_with(&format!("alice:{}\n", hash("old")));
        users.identify(&basic("alice", "old")).await.unwrap();
        let text = format!("# a longer file\nalice:{}\nbob:{}\n", hash("new"), hash("b"));
        std::fs::write(dir.path().join("htpasswd"), text).unwrap();
        assert_eq!(users.identify(&basic("alice", "old")).await, Err(AuthError::Refused));
        assert!(users.identify(&basic("alice", "new")).await.is_ok());
        assert!(users.identify(&basic("bob", "b")).await.is_ok());
    }

    #[tokio::test]
    async fn a_vanished_file_keeps_its_users() {
        let (dir, users) = file_with(&format!("alice:{}\n", hash("pw")));
        std::fs::remove_file(dir.path().join("htpasswd")).unwrap();
        assert!(users.identify(&basic("alice", "pw")).await.is_ok());
    }

    #[test]
    fn a_file_without_a_user_is_refused_at_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("htpasswd");
        for text in ["", "# nobody\n", "a:$apr1$abc$def\n"] {
            std::fs::write(&path, text).unwrap();
            let error = Htpasswd::open(HtpasswdSettings::new(&path, "realm")).err().unwrap();
            let expected = format!("the password file {} has no usable entry", path.display());
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }

    #[tokio::test]
    async fn emptying_the_file_locks_its_users_out() {
        let (dir, users) = file_with(&format!("alice:{}\n", hash("pw")));
        users.identify(&basic("alice", "pw")).await.unwrap();
        std::fs::write(dir.path().join("htpasswd"), "").unwrap();
        assert_eq!(users.identify(&basic("alice", "pw")).await, Err(AuthError::Refused));
    }

    #[test]
    fn the_decoy_is_a_hash_that_bcrypt_works_on() {
        let (_dir, users) = file_with(&format!("alice:{}\n", hash("pw")));
        let decoy = Arc::clone(&users.users.read().decoy);
        assert!(decoy.starts_with("$2b$04$"), "costs what the users' entries cost");
        assert!(!bcrypt::verify("pw", &decoy).expect("is well formed"));
    }

    #[tokio::test]
    async fn without_a_user_nothing_is_allowed() {
        let (_dir, users) = file_with(&format!("alice:{}\n", hash("pw")));
        let access = Access { verb: ports::Verb::List, resource: ports::Resource::Catalog };
        let decisions = users
            .decide(&Identity::anonymous(), &Credentials::None, std::slice::from_ref(&access))
            .await
            .unwrap();
        assert!(!decisions[0].is_allowed());
    }
}
