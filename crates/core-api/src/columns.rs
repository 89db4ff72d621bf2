// SPDX-License-Identifier: Apache-2.0
//! Cells of tables that many kinds have in common, in the words that `kubectl get` prints.

use api::time::Time;
use apimachinery::table::{self, Column};
use serde_json::Value;

use crate::object::{items, map, text};

/// What stands for nothing in most columns.
pub(crate) const NONE: &str = "<none>";

/// A column of text.
pub(crate) fn column(
    name: &str,
    cell: impl Fn(&Value) -> String + Send + Sync + 'static,
) -> Column {
    Column::new(name, move |object, _| cell(object).into())
}

/// A column of text that depends on the time.
pub(crate) fn timed(
    name: &str,
    cell: impl Fn(&Value, Time) -> String + Send + Sync + 'static,
) -> Column {
    Column::new(name, move |object, now| cell(object, now).into())
}

/// A column of whole numbers.
pub(crate) fn integer(name: &str, cell: impl Fn(&Value) -> i64 + Send + Sync + 'static) -> Column {
    Column::new(name, move |object, _| cell(object).into()).integer()
}

/// A column of a number that stands in the object; 0 if absent.
pub(crate) fn integer_at(name: &str, pointer: &'static str) -> Column {
    integer(name, move |object| crate::object::number(object, pointer).unwrap_or(0))
}

/// A column of booleans.
pub(crate) fn boolean(name: &str, cell: impl Fn(&Value) -> bool + Send + Sync + 'static) -> Column {
    let mut column = Column::new(name, move |object, _| cell(object).into());
    column.kind = "boolean";
    column
}

/// A column of a text that stands in the object.
pub(crate) fn at(name: &str, pointer: &'static str) -> Column {
    column(name, move |object| text(object, pointer).to_owned())
}

/// The same with a word for an absent text.
pub(crate) fn at_or(name: &str, pointer: &'static str, absent: &'static str) -> Column {
    column(name, move |object| match text(object, pointer) {
        "" => absent.to_owned(),
        found => found.to_owned(),
    })
}

/// A column of the age of a time that stands in the object.
pub(crate) fn age_at(name: &str, pointer: &'static str, absent: &'static str) -> Column {
    timed(name, move |object, now| match text(object, pointer) {
        "" => absent.to_owned(),
        found => table::age(found, now),
    })
}

/// The names and images of the containers of a pod template, for `-o wide`.
pub(crate) fn containers_and_images(pod_spec: &'static str) -> [Column; 2] {
    let joined = move |object: &Value, field: &'static str| {
        let containers =
            object.pointer(pod_spec).map(|spec| items(spec, "/containers")).unwrap_or_default();
        containers.iter().map(|container| text(container, field)).collect::<Vec<_>>().join(",")
    };
    [
        column("Containers", move |object| joined(object, "/name")).wide(),
        column("Images", move |object| joined(object, "/image")).wide(),
    ]
}

/// A selector of the `metav1.LabelSelector` form.
pub(crate) fn selector(name: &str, pointer: &'static str) -> Column {
    column(name, move |object| label_selector(object.pointer(pointer)))
}

/// `metav1.FormatLabelSelector`.
pub(crate) fn label_selector(selector: Option<&Value>) -> String {
    match api::selector::LabelSelector::from_object(selector) {
        Err(_) => "<error>".to_owned(),
        Ok(selector) => match selector.to_string() {
            nothing if nothing.is_empty() => NONE.to_owned(),
            text => text,
        },
    }
}

/// `a=b,c=d`, sorted, or `<none>`.
pub(crate) fn label_map(object: &Value, pointer: &str) -> String {
    let Some(map) = map(object, pointer).filter(|map| !map.is_empty()) else {
        return NONE.to_owned();
    };
    let mut pairs: Vec<String> = map
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.sort();
    pairs.join(",")
}

/// The first `max` of a list, with how many more there are.
pub(crate) fn first_of(all: &[String], max: usize) -> String {
    match all.len() {
        0 => "<unset>".to_owned(),
        count if count > max => format!("{} + {} more...", all[..max].join(","), count - max),
        _ => all.join(","),
    }
}

/// The columns of kinds without printer of their own: `Created At`, which clients turn into an age.
pub(crate) fn name_and_created() -> Vec<Column> {
    let created = |object: &Value, _: Time| Value::from(api::meta::creation_timestamp(object));
    vec![Column::object_name(), Column::new("Created At", created).date()]
}

/// Those of `meta` around the given ones.
pub(crate) fn with_name_and_age(between: impl IntoIterator<Item = Column>) -> Vec<Column> {
    let mut columns = vec![Column::object_name()];
    columns.extend(between);
    columns.push(Column::age());
    columns
}
