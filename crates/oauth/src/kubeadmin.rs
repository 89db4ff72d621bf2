// SPDX-License-Identifier: Apache-2.0
//! The first administrator: logs in as `kubeadmin`, is known as `kube:admin`, and is gone when its secret is deleted.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rbac::UserInfo;
use serde_json::{Value, json};

use crate::settings::{NoRandom, random};

/// Who logs in.
pub const LOGIN: &str = "kubeadmin";
/// Who that is afterwards. The colon keeps it apart from all users of identity providers.
pub const USER: &str = "kube:admin";
/// The group that makes it an administrator.
pub const GROUP: &str = "system:cluster-admins";
/// The secret's namespace.
pub const NAMESPACE: &str = "kube-system";
/// The secret's name and the key in it.
pub const SECRET: &str = "kubeadmin";

/// Letters and digits that are not taken for each other.
const ALPHABET: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ2345678";
/// What a hash costs: some 50 ms.
const COST: u32 = 10;

/// Why there is no new password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandom),
    /// The hash could not be computed.
    #[error("the password cannot be hashed")]
    Hash(#[source] bcrypt::BcryptError),
}

/// A new password: four groups of five (116 bits).
///
/// # Errors
/// [`NoRandom`].
pub fn generate_password() -> Result<String, NoRandom> {
    let mut letters: Vec<u8> = Vec::with_capacity(20);
    // Values beyond a multiple of the alphabet would make its first letters more likely than others.
    let fair = u8::MAX - u8::MAX % ALPHABET.len() as u8;
    while letters.len() < 20 {
        let bytes: [u8; 32] = random()?;
        let fresh = bytes.iter().filter(|byte| **byte < fair);
        letters.extend(fresh.filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len())));
    }
    letters.truncate(20);
    let groups: Vec<String> =
        letters.chunks(5).map(|group| group.iter().map(|b| char::from(*b)).collect()).collect();
    Ok(groups.join("-"))
}

/// The secret that a password is kept as. Takes a tenth of a second: not for the thread of a runtime.
///
/// # Errors
/// [`PasswordError::Hash`].
pub fn secret_of(password: &str) -> Result<Value, PasswordError> {
    let hash = bcrypt::hash(password, COST).map_err(PasswordError::Hash)?;
    Ok(json!({
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "type": "Opaque",
        "data": {(SECRET): STANDARD.encode(hash)},
    }))
}

/// The hash in a secret.
pub(crate) fn hash_in(secret: &Value) -> Option<String> {
    let encoded = secret.pointer("/data/kubeadmin")?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

/// The uid of the user that a secret stands for: another password is another user, so that tokens do not outlive it.
pub(crate) fn uid_of(secret: &Value) -> Option<String> {
    let hash = hash_in(secret)?;
    let message = format!("{}\n{hash}", api::meta::uid(secret));
    Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, message.as_bytes())))
}

/// Who `kube:admin` is to authorization.
pub(crate) fn user_info(uid: &str) -> UserInfo {
    UserInfo {
        name: USER.to_owned(),
        uid: uid.to_owned(),
        groups: vec![GROUP.to_owned(), authn::groups::OAUTH.to_owned()],
        ..UserInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_four_groups_of_five_and_differ() {
        let passwords: std::collections::BTreeSet<String> =
            (0..200).map(|_| generate_password().expect("random numbers")).collect();
        assert_eq!(passwords.len(), 200);
        for password in &passwords {
            let groups: Vec<&str> = password.split('-').collect();
            assert_eq!(
                groups.iter().map(|group| group.len()).collect::<Vec<_>>(),
                [5; 4],
                "{password}"
            );
            assert!(groups.concat().bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        let used: std::collections::BTreeSet<u8> =
            passwords.iter().flat_map(|it| it.bytes()).collect();
        assert_eq!(used.len(), ALPHABET.len() + 1, "4,000 letters use the whole alphabet");
    }

    #[test]
    fn another_password_is_another_user() {
        let one = secret_of("one").expect("a secret");
        assert!(bcrypt::verify("one", &hash_in(&one).expect("a hash")).expect("a hash"));
        let again = secret_of("one").expect("a secret");
        assert_eq!(uid_of(&one), uid_of(&one));
        assert_ne!(uid_of(&one), uid_of(&again), "salted anew");
    }
}
