// SPDX-License-Identifier: Apache-2.0
//! What `kubectl get pods` prints: one word for the state of many containers.

use api::meta;
use api::time::Time;
use apimachinery::table::{self, Column};
use serde_json::Value;

use crate::columns::{NONE, at_or, column};
use crate::object::{flag, has, items, number, text};

pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::object_name(),
        column("Ready", |object| {
            let summary = Summary::of(object);
            format!("{}/{}", summary.ready, summary.total)
        }),
        column("Status", |object| Summary::of(object).reason),
        Column::new("Restarts", |object, now| restarts(&Summary::of(object), now).into()),
        Column::age(),
        column("IP", |object| match items(object, "/status/podIPs").first() {
            Some(first) => text(first, "/ip").to_owned(),
            None => NONE.to_owned(),
        })
        .wide(),
        at_or("Node", "/spec/nodeName", NONE).wide(),
        at_or("Nominated Node", "/status/nominatedNodeName", NONE).wide(),
        column("Readiness Gates", gates).wide(),
    ]
}

fn restarts(summary: &Summary, now: Time) -> String {
    if summary.restarts == 0 || summary.last_restart.is_empty() {
        return summary.restarts.to_string();
    }
    format!("{} ({} ago)", summary.restarts, table::age(&summary.last_restart, now))
}

fn gates(object: &Value) -> String {
    let gates = items(object, "/spec/readinessGates");
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let passed = gates.iter().filter(|gate| is_true(object, text(gate, "/conditionType"))).count();
    format!("{passed}/{}", gates.len())
}

/// Whether a pod's condition holds.
fn is_true(object: &Value, condition: &str) -> bool {
    let found =
        items(object, "/status/conditions").iter().find(|one| text(one, "/type") == condition);
    found.is_some_and(|one| text(one, "/status") == "True")
}

/// The containers of a pod, summed up.
#[derive(Debug, Default)]
struct Summary {
    ready: usize,
    total: usize,
    reason: String,
    restarts: i64,
    /// RFC 3339 in UTC, whose order is that of the texts.
    last_restart: String,
}

impl Summary {
    fn of(object: &Value) -> Self {
        let phase = text(object, "/status/phase");
        let mut summary =
            Self { total: items(object, "/spec/containers").len(), ..Self::default() };
        summary.reason = match text(object, "/status/reason") {
            "" => phase.to_owned(),
            reason => reason.to_owned(),
        };
        let gated = |one: &Value| {
            text(one, "/type") == "PodScheduled" && text(one, "/reason") == "SchedulingGated"
        };
        if items(object, "/status/conditions").iter().any(gated) {
            "SchedulingGated".clone_into(&mut summary.reason);
        }
        summary.total +=
            items(object, "/spec/initContainers").iter().filter(|one| is_sidecar(one)).count();
        let (initializing, sidecars) = summary.init(object);
        if !initializing || is_true(object, "Initialized") {
            (summary.restarts, summary.last_restart) = sidecars;
            summary.regular(object);
        }
        if meta::is_being_deleted(object) {
            if text(object, "/status/reason") == "NodeLost" {
                "Unknown".clone_into(&mut summary.reason);
            } else if !matches!(phase, "Succeeded" | "Failed") {
                "Terminating".clone_into(&mut summary.reason);
            }
        }
        summary
    }

    fn restarted(&mut self, status: &Value) {
        self.restarts += number(status, "/restartCount").unwrap_or(0);
        later(&mut self.last_restart, status);
    }

    /// Init containers: whether one is not done yet, and what sidecars alone restarted.
    fn init(&mut self, object: &Value) -> (bool, (i64, String)) {
        let mut sidecars = (0, String::new());
        let specs = items(object, "/spec/initContainers");
        for (at, status) in items(object, "/status/initContainerStatuses").iter().enumerate() {
            self.restarted(status);
            let spec = specs.iter().find(|spec| text(spec, "/name") == text(status, "/name"));
            let sidecar = spec.is_some_and(is_sidecar);
            if sidecar {
                sidecars.0 += number(status, "/restartCount").unwrap_or(0);
                later(&mut sidecars.1, status);
            }
            let ended = has(status, "/state/terminated");
            let code = number(status, "/state/terminated/exitCode").unwrap_or(0);
            let waiting = text(status, "/state/waiting/reason");
            if ended && code == 0 {
                continue;
            }
            if sidecar && flag(status, "/started") {
                self.ready += usize::from(flag(status, "/ready"));
                continue;
            }
            self.reason = if ended {
                format!("Init:{}", end(status))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{at}/{}", specs.len())
            };
            return (true, sidecars);
        }
        (false, sidecars)
    }

    fn regular(&mut self, object: &Value) {
        let (mut running, mut failure) = (false, String::new());
        for status in items(object, "/status/containerStatuses").iter().rev() {
            self.restarted(status);
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut self.reason);
            } else if has(status, "/state/terminated") {
                self.reason = end(status);
                if number(status, "/state/terminated/exitCode").unwrap_or(0) != 0 {
                    failure.clone_from(&self.reason);
                }
            } else if flag(status, "/ready") && has(status, "/state/running") {
                running = true;
                self.ready += 1;
            }
        }
        if self.reason != "Completed" {
            return;
        }
        if running && is_true(object, "Ready") {
            "Running".clone_into(&mut self.reason);
        } else if !failure.is_empty() {
            self.reason = failure;
        } else if running {
            "NotReady".clone_into(&mut self.reason);
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "/restartPolicy") == "Always"
}

fn later(last: &mut String, status: &Value) {
    let ended = text(status, "/lastState/terminated/finishedAt");
    if ended > last.as_str() {
        ended.clone_into(last);
    }
}

/// How a container ended.
fn end(status: &Value) -> String {
    let number = |field: &str| number(status, &format!("/state/terminated/{field}")).unwrap_or(0);
    match (text(status, "/state/terminated/reason"), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(status: &Value) -> (String, String) {
        let pod = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}, "status": status});
        let summary = Summary::of(&pod);
        (format!("{}/{}", summary.ready, summary.total), summary.reason)
    }

    #[test]
    fn one_word_for_all_containers() {
        let running = json!({"ready": true, "state": {"running": {}}});
        let pair = |ready: &str, reason: &str| (ready.to_owned(), reason.to_owned());
        assert_eq!(shown(&json!({"phase": "Pending"})), pair("0/2", "Pending"));
        assert_eq!(
            shown(&json!({"phase": "Running", "containerStatuses": [running, running]})),
            pair("2/2", "Running")
        );
        let crashed =
            json!({"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
        assert_eq!(
            shown(&json!({"phase": "Running", "containerStatuses": [running, crashed]})),
            pair("1/2", "CrashLoopBackOff")
        );
        let done = json!({"state": {"terminated": {"reason": "Completed", "exitCode": 0}}});
        assert_eq!(
            shown(&json!({"phase": "Running", "containerStatuses": [done, running]})),
            pair("1/2", "NotReady")
        );
        let failed = json!({"state": {"terminated": {"exitCode": 3}}});
        assert_eq!(
            shown(&json!({"phase": "Failed", "initContainerStatuses": [failed]})),
            pair("0/2", "Init:ExitCode:3")
        );
    }
}
