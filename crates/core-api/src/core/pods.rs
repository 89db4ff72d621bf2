// SPDX-License-Identifier: Apache-2.0
//! Pods: made pending, bound to a node once, deleted gracefully by who runs them.

use std::sync::Arc;

use api::field::{ErrorList, Path};
use api::meta;
use api::quantity::Quantity;
use apimachinery::context::Call;
use apimachinery::resource::{Grace, Resource, Verbs};
use apimachinery::storage::Field;
use serde_json::{Value, json};

use super::pod_streams::{Bind, Evict, Log, Proxy, Streams};
use crate::backend::{Parts, Stream};
use crate::define::Define;
use crate::object::{flag, items, map, number, set, text};
use crate::rules::{Rules, StatusRule};
use crate::validation::{pod, pod_defaults};

/// The storage key.
pub(crate) const KEY: &str = "pods";

const FIELDS: &[Field] = &[
    ("spec.nodeName", |object| text(object, "/spec/nodeName").to_owned()),
    ("spec.restartPolicy", |object| text(object, "/spec/restartPolicy").to_owned()),
    ("spec.schedulerName", |object| text(object, "/spec/schedulerName").to_owned()),
    ("spec.serviceAccountName", |object| text(object, "/spec/serviceAccountName").to_owned()),
    ("spec.hostNetwork", |object| flag(object, "/spec/hostNetwork").to_string()),
    ("status.phase", |object| text(object, "/status/phase").to_owned()),
    ("status.podIP", |object| text(object, "/status/podIP").to_owned()),
    ("status.nominatedNodeName", |object| text(object, "/status/nominatedNodeName").to_owned()),
];

pub(crate) const RULES: Rules = Rules {
    fields: FIELDS,
    status: StatusRule::Apart,
    generation: true,
    prepare,
    validate,
    warnings: |object, _| {
        object.get("spec").map(|spec| pod::warnings(spec, &Path::new("spec"))).unwrap_or_default()
    },
    grace,
    returns_deleted: true,
    ..Rules::PLAIN
};

/// Rules of a binding: it is the one way in which a pod's node changes.
pub(super) const BINDING: Rules = Rules { validate: |_, _, _| {}, ..RULES };

pub(super) fn resources(parts: &Parts) -> Vec<Resource> {
    let stream = Verbs::GET.and(Verbs::CREATE);
    let proxy = stream.and(Verbs::UPDATE).and(Verbs::PATCH).and(Verbs::DELETE);
    let streams = |stream| Arc::new(Streams { parts: parts.clone(), stream });
    let bind = Arc::new(Bind(parts.clone()));
    vec![
        Define::new("", "v1", "Binding", "bindings")
            .namespaced(true)
            .verbs(Verbs::CREATE)
            .answered(bind.clone()),
        Define::new("", "v1", "Pod", "pods")
            .short(&["po"])
            .all()
            .columns(super::pod_table::columns())
            .made("attach", ("", "v1", "PodAttachOptions"), stream, streams(Stream::Attach))
            .made("binding", ("", "v1", "Binding"), Verbs::CREATE, bind)
            .made(
                "eviction",
                ("policy", "v1", "Eviction"),
                Verbs::CREATE,
                Arc::new(Evict(parts.clone())),
            )
            .made("exec", ("", "v1", "PodExecOptions"), stream, streams(Stream::Exec))
            .made("log", ("", "v1", "Pod"), Verbs::GET, Arc::new(Log(parts.clone())))
            .made(
                "portforward",
                ("", "v1", "PodPortForwardOptions"),
                stream,
                streams(Stream::PortForward),
            )
            .made("proxy", ("", "v1", "PodProxyOptions"), proxy, Arc::new(Proxy(parts.clone())))
            .stored(&parts.storage, KEY, RULES),
    ]
}

fn prepare(_call: &Call, object: &mut Value, old: Option<&Value>) {
    if let Some(spec) = object.get_mut("spec") {
        pod_defaults::spec(spec);
        crate::object::default(spec, "enableServiceLinks", true);
    }
    match old {
        None => object["status"] = json!({"phase": "Pending", "qosClass": quality(object)}),
        Some(_) => {
            let quality = quality(object);
            if let Some(status) = object.get_mut("status").filter(|status| status.is_object()) {
                set(status, "qosClass", quality);
            }
        }
    }
}

fn validate(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let nothing = json!({});
    pod::spec(object.get("spec").unwrap_or(&nothing), &Path::new("spec"), &[], errors);
    if let Some(old) = old {
        pod::update(object, old, errors);
    }
}

/// A pod that runs somewhere is given time; one that does not, or has ended, goes at once.
fn grace(object: &Value, asked: Option<i64>) -> Grace {
    let seconds =
        asked.or_else(|| number(object, "/spec/terminationGracePeriodSeconds")).unwrap_or(30);
    if text(object, "/spec/nodeName").is_empty()
        || matches!(text(object, "/status/phase"), "Succeeded" | "Failed")
    {
        return Grace::Seconds(0);
    }
    Grace::Seconds(if seconds < 0 { 1 } else { seconds })
}

/// `qosClass`: how requests and limits rank a pod when its node is short of something.
fn quality(object: &Value) -> &'static str {
    let containers =
        items(object, "/spec/containers").iter().chain(items(object, "/spec/initContainers"));
    let (mut none, mut guaranteed) = (true, true);
    for container in containers {
        let amount = |list: &str, name: &str| {
            map(container, &format!("/resources/{list}"))
                .and_then(|all| all.get(name))
                .and_then(|value| Quantity::from_value(value).ok())
                .filter(|quantity| !quantity.is_zero())
        };
        for name in ["cpu", "memory"] {
            let (request, limit) = (amount("requests", name), amount("limits", name));
            none &= request.is_none() && limit.is_none();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match () {
        () if none => "BestEffort",
        () if guaranteed => "Guaranteed",
        () => "Burstable",
    }
}

/// Whether a pod's labels and namespace are meant by a selector object; for budgets.
pub(super) fn selected(pod: &Value, selector: Option<&Value>) -> bool {
    let nothing = serde_json::Map::new();
    let labels =
        meta::metadata(pod).and_then(|metadata| metadata.get("labels")).and_then(Value::as_object);
    api::selector::LabelSelector::from_object(selector)
        .is_ok_and(|selector| selector.matches(labels.unwrap_or(&nothing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_follows_requests_and_limits() {
        let pod = |resources: Value| json!({"spec": {"containers": [{"resources": resources}]}});
        assert_eq!(quality(&pod(json!({}))), "BestEffort");
        assert_eq!(quality(&pod(json!({"requests": {"cpu": "1"}}))), "Burstable");
        let both = json!({"cpu": "1", "memory": "1Gi"});
        assert_eq!(quality(&pod(json!({"requests": both, "limits": both}))), "Guaranteed");
    }

    #[test]
    fn only_running_pods_are_given_time() {
        let mut pod = json!({"spec": {"nodeName": "n", "terminationGracePeriodSeconds": 7}});
        assert_eq!(grace(&pod, None), Grace::Seconds(7));
        assert_eq!(grace(&pod, Some(0)), Grace::Seconds(0));
        pod["status"] = json!({"phase": "Succeeded"});
        assert_eq!(grace(&pod, None), Grace::Seconds(0));
        assert_eq!(grace(&json!({"spec": {}}), Some(9)), Grace::Seconds(0));
    }
}
