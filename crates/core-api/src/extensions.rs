// SPDX-License-Identifier: Apache-2.0
//! What extends the API: custom resource definitions, API services, admission webhooks and policies. They are stored and
//! checked here; serving a definition's objects is the generic server's part.

use api::field::{Error, ErrorList, Path};
use api::meta;
use apimachinery::context::Call;
use apimachinery::resource::Resource;
use apimachinery::table::Column;
use serde_json::{Value, json};

use crate::Parts;
use crate::columns::{column, integer, name_and_created, with_name_and_age};
use crate::define::{Define, WITH_STATUS};
use crate::object::{default, flag, has, items, number, text};
use crate::rules::{Rules, StatusRule};
use crate::validation::{immutable, one_of};

pub(crate) fn api_services(parts: &Parts) -> Vec<Resource> {
    let available = |object: &Value| {
        let found = items(object, "/status/conditions")
            .iter()
            .find(|one| text(one, "/type") == "Available");
        match found.map(|one| (text(one, "/status"), text(one, "/reason"))) {
            Some(("True", _)) => "True".to_owned(),
            Some((status, reason)) => format!("{status} ({reason})"),
            None => "Unknown".to_owned(),
        }
    };
    let service = |object: &Value| match has(object, "/spec/service") {
        true => format!(
            "{}/{}",
            text(object, "/spec/service/namespace"),
            text(object, "/spec/service/name")
        ),
        false => "Local".to_owned(),
    };
    vec![
        Define::new("apiregistration.k8s.io", "v1", "APIService", "apiservices")
            .categories(&["api-extensions"])
            .columns(with_name_and_age([
                column("Service", service),
                column("Available", available),
            ]))
            .stored(
                &parts.storage,
                "apiregistration.k8s.io/apiservices",
                Rules { validate: api_service, ..WITH_STATUS },
            ),
    ]
}

fn api_service(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let (group, version) = (text(object, "/spec/group"), text(object, "/spec/version"));
    let wanted = format!("{version}.{group}");
    let name = meta::name(object);
    if name != wanted.trim_end_matches('.') && name != wanted {
        let at = Path::new("metadata").child("name");
        errors.push(Error::invalid(
            &at,
            name,
            format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"),
        ));
    }
    if version.is_empty() {
        errors.push(Error::required(&path.child("version"), ""));
    } else {
        errors.invalid_each(&path.child("version"), version, api::names::dns1035_label(version));
    }
    for (field, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let found = number(object, &format!("/spec/{field}")).unwrap_or(0);
        if !(1..=most).contains(&found) {
            let detail = format!("must be positive and less than {most}");
            errors.push(Error::invalid(&path.child(field), found, detail));
        }
    }
    let insecure = flag(object, "/spec/insecureSkipTLSVerify");
    if insecure && !text(object, "/spec/caBundle").is_empty() {
        let at = path.child("insecureSkipTLSVerify");
        errors.push(Error::invalid(&at, true, "may not be true if caBundle is present"));
    }
}

pub(crate) fn custom_resource_definitions(parts: &Parts) -> Vec<Resource> {
    vec![
        Define::new(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        )
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .columns(name_and_created())
        .stored(
            &parts.storage,
            "apiextensions.k8s.io/customresourcedefinitions",
            Rules {
                status: StatusRule::Apart,
                generation: true,
                prepare: prepare_definition,
                validate: validate_definition,
                ..Rules::PLAIN
            },
        ),
    ]
}

fn prepare_definition(_call: &Call, object: &mut Value, old: Option<&Value>) {
    let stored = items(object, "/spec/versions").iter().find(|one| flag(one, "/storage"));
    let stored = stored.map(|one| text(one, "/name").to_owned()).unwrap_or_default();
    if let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) {
        default(spec, "conversion", json!({"strategy": "None"}));
        let kind = text(spec, "/names/kind").to_owned();
        if let Some(names) = spec.get_mut("names").filter(|names| names.is_object()) {
            crate::object::default_text(names, "singular", &kind.to_lowercase());
            crate::object::default_text(names, "listKind", &format!("{kind}List"));
        }
    }
    match old {
        None => {
            object["status"] = json!({"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": [stored]});
        }
        Some(_) => {
            // Every version that was ever written is remembered until somebody says that none of it is left.
            default(object, "status", json!({}));
            default(&mut object["status"], "storedVersions", json!([]));
            if let Some(versions) = object["status"]["storedVersions"].as_array_mut()
                && !stored.is_empty()
                && !versions.iter().any(|one| *one == stored)
            {
                versions.push(stored.into());
            }
        }
    }
}

fn validate_definition(object: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let path = Path::new("spec");
    let (group, plural) = (text(object, "/spec/group"), text(object, "/spec/names/plural"));
    let wanted = format!("{plural}.{group}");
    if meta::name(object) != wanted {
        let at = Path::new("metadata").child("name");
        errors.push(Error::invalid(
            &at,
            meta::name(object),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if group.is_empty() {
        errors.push(Error::required(&path.child("group"), ""));
    } else if !group.contains('.') {
        errors.push(Error::invalid(
            &path.child("group"),
            group,
            "should be a domain with at least one dot",
        ));
    } else {
        errors.invalid_each(&path.child("group"), group, api::names::dns1123_subdomain(group));
    }
    one_of(&object["spec"], &path, "scope", &["Cluster", "Namespaced"], errors);
    let versions = items(object, "/spec/versions");
    if versions.is_empty() {
        errors.push(Error::required(&path.child("versions"), ""));
    } else if versions.iter().filter(|one| flag(one, "/storage")).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.push(Error::invalid(
            &path.child("versions"),
            object["spec"]["versions"].clone(),
            detail,
        ));
    }
    let mut seen = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let path = path.child("versions").index(at);
        let name = text(version, "/name");
        errors.invalid_each(&path.child("name"), name, api::names::dns1035_label(name));
        if seen.contains(&name) {
            let detail = "must contain unique version names";
            errors.push(Error::invalid(&Path::new("spec").child("versions"), name, detail));
        }
        seen.push(name);
        let Some(schema) =
            version.pointer("/schema/openAPIV3Schema").filter(|schema| !schema.is_null())
        else {
            let detail = "schemas are required";
            errors.push(Error::required(&path.child("schema").child("openAPIV3Schema"), detail));
            continue;
        };
        if text(schema, "/type") != "object" {
            let at = path.child("schema").child("openAPIV3Schema").child("type");
            match text(schema, "/type") {
                "" => errors.push(Error::required(&at, "must not be empty at the root")),
                other => errors.push(Error::invalid(&at, other, "must be object at the root")),
            }
        }
    }
    let names = path.child("names");
    for field in ["plural", "singular"] {
        let found = text(object, &format!("/spec/names/{field}"));
        errors.invalid_each(&names.child(field), found, api::names::dns1035_label(found));
    }
    for field in ["kind", "listKind"] {
        let found = text(object, &format!("/spec/names/{field}"));
        for message in api::names::dns1035_label(&found.to_lowercase()) {
            let detail = format!("may have mixed case, but should otherwise match: {message}");
            errors.push(Error::invalid(&names.child(field), found, detail));
        }
    }
    if text(object, "/spec/names/kind") == text(object, "/spec/names/listKind") {
        let value = text(object, "/spec/names/listKind");
        errors.push(Error::invalid(
            &names.child("listKind"),
            value,
            "kind and listKind may not be the same",
        ));
    }
    if let Some(old) = old {
        for pointer in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
            immutable(object, old, pointer, errors);
        }
    }
}

pub(crate) fn webhooks(parts: &Parts) -> Vec<Resource> {
    let group = "admissionregistration.k8s.io";
    let hooks = |kind, plural| {
        let count =
            |object: &Value| i64::try_from(items(object, "/webhooks").len()).unwrap_or(i64::MAX);
        Define::new(group, "v1", kind, plural)
            .categories(&["api-extensions"])
            .columns(with_name_and_age([integer("Webhooks", count)]))
            .stored(
                &parts.storage,
                plural,
                Rules {
                    generation: true,
                    prepare: hook_defaults,
                    validate: validate_hooks,
                    ..Rules::PLAIN
                },
            )
    };
    let policy = |kind, plural, column_name: &str, list: &'static str, rules| {
        let count =
            move |object: &Value| i64::try_from(items(object, list).len()).unwrap_or(i64::MAX);
        Define::new(group, "v1", kind, plural)
            .categories(&["api-extensions"])
            .columns(with_name_and_age([
                integer(column_name, count),
                column("ParamKind", |object| match has(object, "/spec/paramKind") {
                    true => {
                        format!(
                            "{}/{}",
                            text(object, "/spec/paramKind/apiVersion"),
                            text(object, "/spec/paramKind/kind")
                        )
                    }
                    false => "<unset>".to_owned(),
                }),
            ]))
            .stored(&parts.storage, plural, rules)
    };
    let binding = |kind, plural| {
        Define::new(group, "v1", kind, plural)
            .categories(&["api-extensions"])
            .columns(binding_columns())
            .stored(&parts.storage, plural, Rules { generation: true, ..Rules::PLAIN })
    };
    let plain = Rules { generation: true, ..Rules::PLAIN };
    vec![
        hooks("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
        hooks("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
        policy(
            "ValidatingAdmissionPolicy",
            "validatingadmissionpolicies",
            "Validations",
            "/spec/validations",
            Rules::REPORTED,
        ),
        binding("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings"),
        policy(
            "MutatingAdmissionPolicy",
            "mutatingadmissionpolicies",
            "Mutations",
            "/spec/mutations",
            plain,
        ),
        binding("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings"),
    ]
}

fn binding_columns() -> Vec<Column> {
    let parameters = |object: &Value| match (
        text(object, "/spec/paramRef/namespace"),
        text(object, "/spec/paramRef/name"),
    ) {
        ("", "") => "<unset>".to_owned(),
        ("", name) => format!("*/{name}"),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    with_name_and_age([
        crate::columns::at("PolicyName", "/spec/policyName"),
        column("ParamRef", parameters),
    ])
}

fn hook_defaults(_call: &Call, object: &mut Value, _old: Option<&Value>) {
    for hook in crate::object::each(object, "/webhooks") {
        for (field, value) in [
            ("failurePolicy", json!("Fail")),
            ("matchPolicy", json!("Equivalent")),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
            ("timeoutSeconds", json!(10)),
        ] {
            default(hook, field, value);
        }
        if let Some(service) = hook.pointer_mut("/clientConfig/service") {
            default(service, "port", 443);
        }
        for rule in crate::object::each(hook, "/rules") {
            default(rule, "scope", "*");
        }
    }
    if meta::kind(object) == "MutatingWebhookConfiguration" {
        for hook in crate::object::each(object, "/webhooks") {
            default(hook, "reinvocationPolicy", "Never");
        }
    }
}

fn validate_hooks(object: &Value, _old: Option<&Value>, errors: &mut ErrorList) {
    for (at, hook) in items(object, "/webhooks").iter().enumerate() {
        let path = Path::new("webhooks").index(at);
        let name = text(hook, "/name");
        if name.split('.').count() < 3 {
            let detail = "should be a domain with at least three segments separated by dots";
            errors.push(Error::invalid(&path.child("name"), name, detail));
        } else {
            errors.invalid_each(&path.child("name"), name, api::names::dns1123_subdomain(name));
        }
        one_of(hook, &path, "sideEffects", &["None", "NoneOnDryRun"], errors);
        if items(hook, "/admissionReviewVersions").is_empty() {
            let detail = "must specify one of v1, v1beta1";
            errors.push(Error::required(&path.child("admissionReviewVersions"), detail));
        }
        let seconds = number(hook, "/timeoutSeconds").unwrap_or(10);
        if !(1..=30).contains(&seconds) {
            let detail = "the timeout value must be between 1 and 30 seconds";
            errors.push(Error::invalid(&path.child("timeoutSeconds"), seconds, detail));
        }
        let config = path.child("clientConfig");
        if has(hook, "/clientConfig/url") == has(hook, "/clientConfig/service") {
            errors.push(Error::required(&config, "exactly one of url or service is required"));
        }
    }
}
