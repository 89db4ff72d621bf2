// SPDX-License-Identifier: Apache-2.0
//! The open registry: everybody may do everything.

use async_trait::async_trait;
use ports::{Access, AuthError, Authorizer, Challenge, Credentials, Decision, Identity};

/// Allows everything. Credentials are not looked at; a Basic user name is kept as the name that
/// notifications and logs show, and proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

#[async_trait]
impl Authorizer for Open {
    async fn identify(&self, credentials: &Credentials) -> Result<Identity, AuthError> {
        Ok(match credentials {
            Credentials::Basic { user, .. } => {
                Identity { name: user.as_str().into(), uid: "".into(), authenticated: false }
            }
            _ => Identity::anonymous(),
        })
    }

    async fn decide(
        &self,
        _identity: &Identity,
        _credentials: &Credentials,
        wanted: &[Access],
    ) -> Result<Vec<Decision>, AuthError> {
        Ok(vec![Decision::Allowed; wanted.len()])
    }

    fn challenge(&self, _cause: &AuthError) -> Challenge {
        Challenge::Basic { realm: "registry".to_owned(), error: None }
    }

    fn is_open(&self) -> bool {
        true
    }
}
