// SPDX-License-Identifier: Apache-2.0
//! Password files as Apache's `htpasswd` writes them, with bcrypt (`-B`) or SHA-1 (`-s`) entries, and their checks.
//!
//! A check costs the same whether a user exists or not, and whatever form the entry has: always one bcrypt.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Costs above this would let one login take a minute.
const MAX_COST: u32 = 16;
/// The cost of the decoy of a file without bcrypt entries: `htpasswd -B` and OpenShift write 5 and 10.
const USUAL_COST: u32 = 10;
/// The longest text that bcrypt tells apart.
const BCRYPT_MAX: usize = 72;

/// How one user's password is stored.
#[derive(Clone)]
enum Entry {
    Bcrypt(Arc<str>),
    Sha1([u8; 20]),
}

/// A password file. Shows no hashes.
#[derive(Clone)]
pub(crate) struct Htpasswd {
    users: HashMap<Box<str>, Entry>,
    decoy: Arc<str>,
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

/// A line that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) number: usize,
    pub(crate) reason: &'static str,
}

/// What a password is compared with; computed on a thread that may block.
pub(crate) struct Check {
    bcrypt: Arc<str>,
    sha1: Option<[u8; 20]>,
    exists: bool,
}

impl Htpasswd {
    /// Reads a file; lines that cannot be used are named and left out.
    pub(crate) fn parse(text: &str) -> (Self, Vec<BadLine>) {
        let mut users = HashMap::new();
        let mut bad = Vec::new();
        let mut highest = None;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match parse_line(line) {
                Ok((user, entry)) => {
                    if let Entry::Bcrypt(hash) = &entry {
                        highest = highest.max(cost(hash));
                    }
                    if users.insert(user.into(), entry).is_some() {
                        bad.push(BadLine {
                            number: index + 1,
                            reason: "the user is there twice; the last entry counts",
                        });
                    }
                }
                Err(reason) => bad.push(BadLine { number: index + 1, reason }),
            }
        }
        (Self { users, decoy: decoy(highest.unwrap_or(USUAL_COST)) }, bad)
    }

    /// A file with one user.
    pub(crate) fn one(user: &str, hash: &str) -> Self {
        Self::parse(&format!("{user}:{hash}")).0
    }

    /// What to compare a user's password with.
    pub(crate) fn check(&self, user: &str) -> Check {
        let decoy = self.decoy.clone();
        match self.users.get(user) {
            Some(Entry::Bcrypt(hash)) => Check { bcrypt: hash.clone(), sha1: None, exists: true },
            Some(Entry::Sha1(hash)) => Check { bcrypt: decoy, sha1: Some(*hash), exists: true },
            None => Check { bcrypt: decoy, sha1: None, exists: false },
        }
    }
}

impl Default for Htpasswd {
    fn default() -> Self {
        Self { users: HashMap::new(), decoy: decoy(USUAL_COST) }
    }
}

impl Check {
    /// Whether the password is right. Slow on purpose.
    pub(crate) fn matches(&self, password: &str) -> bool {
        // What goes beyond bcrypt's length is not compared by the tools that write these files either.
        let bytes = password.as_bytes();
        let bcrypt =
            bcrypt::verify(bytes.get(..BCRYPT_MAX).unwrap_or(bytes), &self.bcrypt).unwrap_or(false);
        let right = match &self.sha1 {
            Some(hash) => {
                verify_slices_are_equal(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref(), hash)
                    .is_ok()
            }
            None => bcrypt,
        };
        right && self.exists
    }
}

fn parse_line(line: &str) -> Result<(&str, Entry), &'static str> {
    let (user, hash) = line.split_once(':').ok_or("it has no colon")?;
    if user.is_empty() {
        return Err("it has no user name");
    }
    if let Some(encoded) = hash.strip_prefix("{SHA}") {
        let bytes = STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok());
        return bytes.map(|hash| (user, Entry::Sha1(hash))).ok_or("its SHA-1 hash cannot be read");
    }
    match cost(hash) {
        None => Err("only bcrypt (htpasswd -B) and SHA-1 (htpasswd -s) entries are supported"),
        Some(cost) if cost > MAX_COST => Err("its bcrypt cost is too high"),
        Some(_) => Ok((user, Entry::Bcrypt(hash.into()))),
    }
}

/// The cost of a bcrypt hash; `None` for anything else.
fn cost(hash: &str) -> Option<u32> {
    let rest = ["$2y$", "$2b$", "$2a$"].iter().find_map(|prefix| hash.strip_prefix(prefix))?;
    let (cost, tail) = rest.split_once('$')?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    (cost.len() == 2 && tail.len() == 53 && tail.bytes().all(legal)).then(|| cost.parse().ok())?
}

/// A hash of the right shape that nobody has the password of.
fn decoy(cost: u32) -> Arc<str> {
    format!("$2b${cost:02}${}", "K".repeat(21) + "e" + &"u".repeat(31)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(password: &str) -> String {
        bcrypt::hash(password, 4).expect("a hash")
    }

    #[test]
    fn both_forms_are_checked_and_strangers_are_refused() {
        // printf '%s' secret | openssl sha1 -binary | base64
        let text = format!("alice:{}\nbob:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", hash("right"));
        let (file, bad) = Htpasswd::parse(&text);
        assert!(bad.is_empty());
        assert!(file.check("alice").matches("right"));
        assert!(!file.check("alice").matches("wrong"));
        assert!(file.check("bob").matches("secret"));
        assert!(!file.check("bob").matches("right"));
        assert!(!file.check("carol").matches("right"));
    }

    #[test]
    fn a_stranger_costs_what_the_dearest_user_costs() {
        let (file, _) = Htpasswd::parse(&format!("alice:{}", hash("x")));
        assert!(file.check("nobody").bcrypt.starts_with("$2b$04$"));
        assert!(bcrypt::verify("x", &file.check("nobody").bcrypt).is_ok_and(|matches| !matches));
        assert!(Htpasswd::default().check("nobody").bcrypt.starts_with("$2b$10$"));
    }

    #[test]
    fn unusable_lines_are_named() {
        let good = hash("x");
        let text = format!(
            "# users\n\na:{good}\nb:$apr1$abc$def\nnocolon\n:{good}\nc:{}\na:{good}\nd:{}\ne:{{SHA}}abc\n",
            good.replace("$04$", "$31$"),
            &good[..50],
        );
        let (file, bad) = Htpasswd::parse(&text);
        assert_eq!(file.users.len(), 1);
        assert_eq!(bad.iter().map(|line| line.number).collect::<Vec<_>>(), [4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn long_passwords_are_compared_as_far_as_bcrypt_goes() {
        let long = "p".repeat(100);
        let file = Htpasswd::one("a", &bcrypt::hash(&long[..72], 4).expect("a hash"));
        assert!(file.check("a").matches(&long));
    }

    #[test]
    fn no_hash_is_printed() {
        assert!(!format!("{:?}", Htpasswd::one("a", &hash("x"))).contains("$2b$"));
    }
}
