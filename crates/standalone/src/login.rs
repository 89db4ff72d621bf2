// SPDX-License-Identifier: Apache-2.0
//! The first administrator, and the key of the login page's sessions: made once, kept in the data directory.

use api::status::Reason;
use apimachinery::local::Local;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oauth::{SessionKey, kubeadmin as admin};

use crate::data_dir::DataDir;
use crate::run::StartError;

/// The file with kubeadmin's password.
pub const PASSWORD_FILE: &str = "kubeadmin-password";
const SESSION_FILE: &str = "session.key";

/// The key that signs session cookies.
///
/// # Errors
/// When it can be neither read nor made.
pub fn session_key(dir: &DataDir) -> Result<SessionKey, StartError> {
    let kept = dir.read(SESSION_FILE)?.and_then(|text| STANDARD.decode(text.trim()).ok());
    if let Some(bytes) = kept.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        return Ok(SessionKey::new(bytes));
    }
    let key = SessionKey::generate().map_err(|e| StartError::Password(e.to_string()))?;
    dir.write(SESSION_FILE, &STANDARD.encode(key.bytes()))?;
    Ok(key)
}

/// Makes kubeadmin, once: an administrator who deletes the secret has switched kubeadmin off for good.
///
/// # Errors
/// When the password can be neither made nor kept.
pub async fn kubeadmin(dir: &DataDir, local: &Local) -> Result<(), StartError> {
    if dir.read(PASSWORD_FILE)?.is_some() {
        return Ok(());
    }
    let made = tokio::task::spawn_blocking(|| {
        let password = admin::generate_password().map_err(|e| e.to_string())?;
        let secret = admin::secret_of(&password).map_err(|e| e.to_string())?;
        Ok::<_, String>((password, secret))
    });
    let (password, secret) = made
        .await
        .map_err(|e| StartError::Password(e.to_string()))?
        .map_err(StartError::Password)?;
    let collection = format!("/api/v1/namespaces/{}/secrets", admin::NAMESPACE);
    match local.create(&collection, &secret).await {
        Ok(_) => {}
        // The last start ended between the secret and the file: nobody has seen that password.
        Err(status) if status.is(Reason::AlreadyExists) => {
            let replaced = local.replace(&format!("{collection}/{}", admin::SECRET), &secret).await;
            replaced.map_err(|status| StartError::Password(status.message))?;
        }
        Err(status) => return Err(StartError::Password(status.message)),
    }
    Ok(dir.write(PASSWORD_FILE, &password)?)
}
