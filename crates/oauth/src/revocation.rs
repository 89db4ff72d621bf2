// SPDX-License-Identifier: Apache-2.0
//! Writes that will revoke tokens, announced before they are made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use api::status::Status;
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;

use crate::kubeadmin;
use crate::objects::texts;
use crate::settings::Clock;

/// How long an announcement holds: longer than a write and the watch that tells of it take.
const HOLD: Duration = Duration::from_secs(10);
/// Most announcements; more are one for all.
const MAX: usize = 1024;

/// Tokens and users whose tokens are read anew, not remembered.
pub(crate) struct Announced {
    held: Mutex<Held>,
    clock: Clock,
}

#[derive(Default)]
struct Held {
    all_until: Duration,
    until: HashMap<String, Duration>,
}

impl Announced {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { held: Mutex::default(), clock }
    }

    fn hold(&self, what: impl IntoIterator<Item = String>) {
        let now = self.clock.running();
        let end = now.saturating_add(HOLD);
        let mut held = self.held.lock();
        for what in what {
            if held.until.len() >= MAX {
                held.until.retain(|_, until| now < *until);
            }
            if held.until.len() >= MAX {
                held.all_until = end;
                return;
            }
            held.until.insert(what, end);
        }
    }

    /// Whether a write to the token (by its object's name) or to its user was announced lately.
    pub(crate) fn concerns(&self, token: &str, user: &str) -> bool {
        let now = self.clock.running();
        let held = self.held.lock();
        let holds = |what: String| held.until.get(&what).is_some_and(|until| now < *until);
        now < held.all_until
            || (!held.until.is_empty() && (holds(of_token(token)) || holds(of_user(user))))
    }
}

fn of_token(name: &str) -> String {
    format!("token/{name}")
}

fn of_user(name: &str) -> String {
    format!("user/{name}")
}

/// Sees writes to tokens, users, groups and kubeadmin's secret. Changes and refuses nothing.
pub struct RevocationAdmission(pub(crate) Arc<Announced>);

#[async_trait]
impl Admission for RevocationAdmission {
    async fn validate(
        &self,
        call: &Call,
        object: Option<&Value>,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let either = old.or(object);
        let name = either.map(api::meta::name).unwrap_or_default();
        match (call.resource.group.as_str(), call.resource.plural.as_str()) {
            ("oauth.openshift.io", "oauthaccesstokens") if old.is_some() => {
                self.0.hold([of_token(name)]);
            }
            ("user.openshift.io", "users") if old.is_some() => self.0.hold([of_user(name)]),
            ("user.openshift.io", "groups") => {
                let users =
                    [object, old].into_iter().flatten().flat_map(|group| texts(group, "users"));
                self.0.hold(users.map(|user| of_user(&user)));
            }
            ("", "secrets")
                if name == kubeadmin::SECRET
                    && either.map(api::meta::namespace) == Some(kubeadmin::NAMESPACE) =>
            {
                self.0.hold([of_user(kubeadmin::USER)]);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use time::OffsetDateTime;

    #[test]
    fn announcements_hold_for_a_while_and_are_bounded() {
        let seconds = Arc::new(AtomicU64::new(0));
        let running = seconds.clone();
        let clock = Clock::new(OffsetDateTime::now_utc, move || {
            Duration::from_secs(running.load(Ordering::Relaxed))
        });
        let announced = Announced::new(clock);
        announced.hold([of_user("alice")]);
        assert!(announced.concerns("t", "alice"));
        assert!(!announced.concerns("t", "bob"));
        seconds.store(11, Ordering::Relaxed);
        assert!(!announced.concerns("t", "alice"));
        announced.hold((0..=MAX).map(|n| of_user(&n.to_string())));
        assert!(announced.concerns("t", "bob"), "too many to tell apart");
        assert!(announced.held.lock().until.len() <= MAX);
        seconds.store(22, Ordering::Relaxed);
        assert!(!announced.concerns("t", "bob"));
    }
}
