// SPDX-License-Identifier: Apache-2.0
//! Label selectors.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{SelectorError, parser};
use crate::field::{Error, ErrorList, Path};
use crate::{meta, names};

/// How a requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `in`
    In,
    /// `notin`; also true of objects without the label.
    NotIn,
    /// `=`
    Equals,
    /// `==`
    DoubleEquals,
    /// `!=`; also true of objects without the label.
    NotEquals,
    /// The label is there.
    Exists,
    /// `!`
    DoesNotExist,
    /// `>`, of whole numbers.
    GreaterThan,
    /// `<`, of whole numbers.
    LessThan,
}

/// Labels that a selector can be matched with.
pub trait Labels {
    /// The value of that label.
    fn get(&self, key: &str) -> Option<&str>;
}

/// A JSON map of labels.
impl Labels for Map<String, Value> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

/// A whole object: its `metadata.labels`.
impl Labels for Value {
    fn get(&self, key: &str) -> Option<&str> {
        meta::label(self, key)
    }
}

impl Labels for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl Labels for HashMap<String, String> {
    fn get(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// A condition, if key, operator and values fit together.
    ///
    /// # Errors
    /// When the key or a value is not valid, or the number of values does not fit the operator.
    pub fn new(
        key: impl Into<String>,
        operator: Operator,
        mut values: Vec<String>,
    ) -> Result<Self, SelectorError> {
        let key = key.into();
        let mut errors = ErrorList::new();
        let wrong = names::qualified_name(&key);
        if !wrong.is_empty() {
            errors.push(Error::invalid(&Path::new("key"), key.as_str(), wrong.join("; ")));
        }
        let path = Path::new("values");
        let mut refuse = |text: &str| {
            errors.push(Error::invalid(&path, values.as_slice(), text));
        };
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                refuse("for 'in', 'notin' operators, values set can't be empty");
            }
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals
                if values.len() != 1 =>
            {
                refuse("exact-match compatibility requires one single value");
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                refuse("values set must be empty for exists and does not exist");
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.len() != 1 {
                    refuse("for 'Gt', 'Lt' operators, exactly one value is required");
                }
                for (at, value) in values.iter().enumerate() {
                    if value.parse::<i64>().is_err() {
                        errors.push(Error::invalid(
                            &path.index(at),
                            value.as_str(),
                            "for 'Gt', 'Lt' operators, the value must be an integer",
                        ));
                    }
                }
            }
            _ => {}
        }
        for (at, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                let place = path.index(at).key(&key);
                errors.push(Error::invalid(&place, value.as_str(), wrong.join("; ")));
            }
        }
        errors.into_result().map_err(SelectorError::Invalid)?;
        values.sort();
        Ok(Self { key, operator, values })
    }

    /// The label.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it compares.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What with, sorted.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether the condition holds of these labels.
    pub fn matches(&self, labels: &(impl Labels + ?Sized)) -> bool {
        let value = labels.get(&self.key);
        let named = |value: &str| self.values.iter().any(|it| it == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(named),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(named),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compare(value).is_some_and(|(has, limit)| has > limit),
            Operator::LessThan => self.compare(value).is_some_and(|(has, limit)| has < limit),
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// Conditions that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// Selects everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects nothing: what an absent `LabelSelector` object means.
    #[must_use]
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// All these conditions, sorted by key.
    #[must_use]
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements, nothing: false }
    }

    /// Reads a `labelSelector` parameter.
    ///
    /// # Errors
    /// With Kubernetes' text when it is not understood.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parser::parse(text).map(Self::new)
    }

    /// Each of these labels with that value: `spec.selector` of services and replication controllers.
    ///
    /// # Errors
    /// When a key or value is not valid.
    pub fn from_map(labels: &Map<String, Value>) -> Result<Self, SelectorError> {
        let one = |(key, value): (&String, &Value)| {
            let value = value.as_str().unwrap_or_default().to_owned();
            Requirement::new(key.as_str(), Operator::Equals, vec![value])
        };
        labels.iter().map(one).collect::<Result<_, _>>().map(Self::new)
    }

    /// Reads a `metav1.LabelSelector` object: absent or null selects nothing, `{}` everything.
    ///
    /// # Errors
    /// When an operator, key or value is not valid.
    pub fn from_object(selector: Option<&Value>) -> Result<Self, SelectorError> {
        let Some(selector) = selector.filter(|it| !it.is_null()) else {
            return Ok(Self::nothing());
        };
        let mut requirements = match selector.get("matchLabels").and_then(Value::as_object) {
            Some(labels) => Self::from_map(labels)?.requirements,
            None => Vec::new(),
        };
        let expressions = selector.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let text = |field| expression.get(field).and_then(Value::as_str).unwrap_or_default();
            let operator = match text("operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError::Operator(other.to_owned())),
            };
            let values = expression.get("values").and_then(Value::as_array);
            let values = values.into_iter().flatten().filter_map(Value::as_str);
            let values = values.map(str::to_owned).collect();
            requirements.push(Requirement::new(text("key"), operator, values)?);
        }
        Ok(Self::new(requirements))
    }

    /// The conditions, sorted by key.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Whether all conditions hold of these labels (a map, or a whole object).
    pub fn matches(&self, labels: &(impl Labels + ?Sized)) -> bool {
        !self.nothing && self.requirements.iter().all(|it| it.matches(labels))
    }
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}

/// The form of a query parameter.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{requirement}")?;
        }
        Ok(())
    }
}
