// SPDX-License-Identifier: Apache-2.0
//! autoscaling/v1 and v2: stored as v2, shown in both.

use api::field::{Error, ErrorList, Path};
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{NONE, column, with_name_and_age};
use crate::define::Define;
use crate::object::{default, items, number, plain, remove, set, text};
use crate::rules::{Rules, StatusRule};

pub(crate) fn resources(parts: &Parts) -> Vec<Resource> {
    let columns = with_name_and_age([
        column("Reference", |object| {
            format!(
                "{}/{}",
                text(object, "/spec/scaleTargetRef/kind"),
                text(object, "/spec/scaleTargetRef/name")
            )
        }),
        column("Targets", targets),
        column("MinPods", |object| {
            number(object, "/spec/minReplicas").map_or("<unset>".to_owned(), |n| n.to_string())
        }),
        column("MaxPods", |object| number(object, "/spec/maxReplicas").unwrap_or(0).to_string()),
        column("Replicas", |object| {
            number(object, "/status/currentReplicas").unwrap_or(0).to_string()
        }),
    ]);
    vec![
        Define::new("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            .short(&["hpa"])
            .categories(&["all"])
            .columns(columns)
            .older("v1", to_v1, from_v1, "")
            .undeprecated()
            .stored(
                &parts.storage,
                "horizontalpodautoscalers",
                Rules { status: StatusRule::Apart, prepare, validate, ..Rules::PLAIN },
            ),
    ]
}

/// The metric that v1 has a field for.
fn is_cpu(metric: &Value) -> bool {
    text(metric, "/type") == "Resource"
        && text(metric, "/resource/name") == "cpu"
        && number(metric, "/resource/target/averageUtilization").is_some()
}

/// Where v1 keeps the metrics that it has no field for.
const ANNOTATION: &str = "autoscaling.alpha.kubernetes.io/metrics";

fn to_v1(object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    let Some(Value::Array(mut metrics)) = remove(spec, "metrics") else { return };
    if let Some(at) = metrics.iter().position(is_cpu) {
        let cpu = metrics.remove(at);
        set(
            spec,
            "targetCPUUtilizationPercentage",
            cpu["resource"]["target"]["averageUtilization"].clone(),
        );
    }
    if !metrics.is_empty() {
        let kept = Value::Array(metrics).to_string();
        api::meta::set_annotation(object, ANNOTATION, &kept);
    }
}

fn from_v1(object: &mut Value) {
    let mut metrics = match api::meta::remove_annotation(object, ANNOTATION) {
        Some(Value::String(kept)) => serde_json::from_str::<Vec<Value>>(&kept).unwrap_or_default(),
        _ => Vec::new(),
    };
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    if let Some(percent) =
        remove(spec, "targetCPUUtilizationPercentage").filter(|percent| !percent.is_null())
    {
        let target = json!({"type": "Utilization", "averageUtilization": percent});
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if !metrics.is_empty() {
        set(spec, "metrics", metrics);
    }
}

fn prepare(call: &Call, object: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        object["status"] = json!({"desiredReplicas": 0, "currentReplicas": 0});
        if call.version().name == "v2" {
            object["status"]["currentMetrics"] = Value::Null;
        }
    }
    let v1 = call.version().name == "v1";
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    default(spec, "minReplicas", 1);
    // Without a metric it looks at the processor, four fifths of what was requested.
    if v1 {
        if api::meta::annotation(object, ANNOTATION).is_none() {
            default(&mut object["spec"], "targetCPUUtilizationPercentage", 80);
        }
    } else if items(spec, "/metrics").is_empty() {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        set(
            spec,
            "metrics",
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]),
        );
    }
}

fn validate(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let (least, most) =
        (number(object, "/spec/minReplicas"), number(object, "/spec/maxReplicas").unwrap_or(0));
    if let Some(least) = least.filter(|least| *least < 1) {
        errors.push(Error::invalid(
            &path.child("minReplicas"),
            least,
            "must be greater than or equal to 1",
        ));
    }
    if most < 1 {
        errors.push(Error::invalid(&path.child("maxReplicas"), most, "must be greater than 0"));
    }
    if least.is_some_and(|least| most < least) {
        let detail = "must be greater than or equal to `minReplicas`";
        errors.push(Error::invalid(&path.child("maxReplicas"), most, detail));
    }
    for field in ["kind", "name"] {
        if text(object, &format!("/spec/scaleTargetRef/{field}")).is_empty() {
            errors.push(Error::required(&path.child("scaleTargetRef").child(field), ""));
        }
    }
}

/// `cpu: 3%/80%`, at most two of them. Of the rare kinds of metrics only the target is shown.
fn targets(object: &Value) -> String {
    let mut shown = Vec::new();
    if let Some(target) = number(object, "/spec/targetCPUUtilizationPercentage") {
        let now = number(object, "/status/currentCPUUtilizationPercentage");
        shown.push(format!(
            "cpu: {}/{target}%",
            now.map_or("<unknown>".to_owned(), |now| format!("{now}%"))
        ));
    }
    for (at, metric) in items(object, "/spec/metrics").iter().enumerate() {
        let kind = text(metric, "/type");
        let field = format!(
            "{}{}",
            kind.get(..1).unwrap_or_default().to_lowercase(),
            kind.get(1..).unwrap_or_default()
        );
        let target = &metric[field.as_str()]["target"];
        let current = object.pointer(&format!("/status/currentMetrics/{at}/{field}/current"));
        let show = |value: Option<&Value>, unit: &str| match value {
            Some(value) if !value.is_null() => format!("{}{unit}", plain(value)),
            _ => "<unknown>".to_owned(),
        };
        let pair = if target.get("averageUtilization").is_some() {
            let now = current.and_then(|current| current.get("averageUtilization"));
            format!("{}/{}", show(now, "%"), show(target.get("averageUtilization"), "%"))
        } else if target.get("averageValue").is_some() {
            let now = current.and_then(|current| current.get("averageValue"));
            format!("{}/{}", show(now, ""), show(target.get("averageValue"), ""))
        } else {
            let now = current.and_then(|current| current.get("value"));
            format!("{}/{}", show(now, ""), show(target.get("value"), ""))
        };
        shown.push(match kind {
            "Resource" | "ContainerResource" => {
                format!("{}: {pair}", text(metric, &format!("/{field}/name")))
            }
            _ => pair,
        });
    }
    match shown.len() {
        0 => NONE.to_owned(),
        count if count > 2 => format!("{} + {} more...", shown[..2].join(", "), count - 2),
        _ => shown.join(", "),
    }
}
