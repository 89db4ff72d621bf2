// SPDX-License-Identifier: Apache-2.0
//! The rules of a stored kind as data: what differs from other kinds is named, the rest is as for all.

use std::sync::Arc;
use std::time::Duration;

use api::field::ErrorList;
use apimachinery::context::Call;
use apimachinery::resource::{Grace, NameRule, Propagation, Strategy, Virtual, Visible};
use apimachinery::storage::Field;
use serde_json::Value;

/// Who may write an object's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusRule {
    /// There is none, or it is like any other field.
    Plain,
    /// Only through `/status`.
    Apart,
    /// Through `/status`, and by whoever creates the object (nodes register themselves with their status).
    ApartButOnCreate,
}

/// A kind's rules. Functions are given the new object and, on updates, the old one.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// How names look.
    pub names: NameRule,
    /// Fields that selectors may name.
    pub fields: &'static [Field],
    /// Who writes the status.
    pub status: StatusRule,
    /// Whether generations are counted.
    pub generation: bool,
    /// Defaults, and what neither create nor update may set.
    pub prepare: fn(&Call, &mut Value, Option<&Value>),
    /// What is refused.
    pub validate: fn(&Value, Option<&Value>, &mut ErrorList),
    /// What is refused in a new status.
    pub validate_status: fn(&Value, &Value, &mut ErrorList),
    /// What clients are warned of.
    pub warnings: fn(&Value, Option<&Value>) -> Vec<String>,
    /// Whether a PUT without `resourceVersion` overwrites.
    pub unconditional_update: bool,
    /// Whether a PUT of an absent object creates it.
    pub create_on_update: bool,
    /// How a delete goes on.
    pub grace: fn(&Value, Option<i64>) -> Grace,
    /// What shows that a deletion began.
    pub begin_delete: fn(&mut Value),
    /// What keeps a deleted object beside its finalizers.
    pub is_held: fn(&Value) -> bool,
    /// Whether a delete answers with the object.
    pub returns_deleted: bool,
    /// How long an object lives.
    pub ttl: fn(&Value) -> Option<Duration>,
    /// What becomes of dependents when nobody says.
    pub propagation: Propagation,
}

impl Rules {
    /// Those of a kind about which nothing is special.
    pub const PLAIN: Self = Self {
        names: NameRule::Subdomain,
        fields: &[],
        status: StatusRule::Plain,
        generation: false,
        prepare: |_, _, _| {},
        validate: |_, _, _| {},
        validate_status: |_, _, _| {},
        warnings: |_, _| Vec::new(),
        unconditional_update: true,
        create_on_update: false,
        grace: |_, _| Grace::None,
        begin_delete: |_| {},
        is_held: |_| false,
        returns_deleted: false,
        ttl: |_| None,
        propagation: Propagation::Background,
    };

    /// Those of a kind that a controller reports on: a status apart, generations.
    pub const REPORTED: Self = Self { status: StatusRule::Apart, generation: true, ..Self::PLAIN };
}

impl Strategy for Rules {
    fn name_rule(&self) -> NameRule {
        self.names
    }

    fn fields(&self) -> &'static [Field] {
        self.fields
    }

    fn prepare_create(&self, call: &Call, object: &mut Value) {
        if self.status != StatusRule::ApartButOnCreate {
            self.reset_status(object, None);
        }
        (self.prepare)(call, object, None);
    }

    fn prepare_update(&self, call: &Call, new: &mut Value, old: &Value) {
        self.reset_status(new, Some(old));
        (self.prepare)(call, new, Some(old));
    }

    fn validate_create(&self, _call: &Call, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        (self.validate)(object, None, &mut errors);
        errors
    }

    fn validate_update(&self, _call: &Call, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        (self.validate)(new, Some(old), &mut errors);
        errors
    }

    fn validate_status(&self, _call: &Call, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        (self.validate_status)(new, old, &mut errors);
        errors
    }

    fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        (self.warnings)(object, old)
    }

    fn has_status(&self) -> bool {
        self.status != StatusRule::Plain
    }

    fn counts_generations(&self) -> bool {
        self.generation
    }

    fn allows_unconditional_update(&self) -> bool {
        self.unconditional_update
    }

    fn allows_create_on_update(&self) -> bool {
        self.create_on_update
    }

    fn grace(&self, object: &Value, asked: Option<i64>) -> Grace {
        (self.grace)(object, asked)
    }

    fn begin_delete(&self, object: &mut Value) {
        (self.begin_delete)(object);
    }

    fn is_held(&self, object: &Value) -> bool {
        (self.is_held)(object)
    }

    fn returns_deleted(&self) -> bool {
        self.returns_deleted
    }

    fn ttl(&self, object: &Value) -> Option<Duration> {
        (self.ttl)(object)
    }

    fn default_propagation(&self) -> Propagation {
        self.propagation
    }
}

/// Who sees which objects.
pub(crate) type Sight = Arc<dyn Fn(&Call) -> Visible + Send + Sync>;

/// Rules with what data cannot say: a name that is no object's, and objects that not everybody sees.
#[derive(Clone)]
pub(crate) struct Special {
    /// The rest.
    pub rules: Rules,
    /// A name and who answers a get of it.
    pub made: Option<(&'static str, Arc<dyn Virtual>)>,
    /// Which objects a user sees in lists.
    pub visible: Option<Sight>,
}

/// Methods that are those of the rules.
macro_rules! as_the_rules {
    ($($method:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        fn $method(&self, $($argument: $type),*) $(-> $result)? {
            self.rules.$method($($argument),*)
        }
    )*};
}

impl Strategy for Special {
    fn made(&self, name: &str) -> Option<Arc<dyn Virtual>> {
        self.made.as_ref().filter(|(own, _)| *own == name).map(|(_, who)| who.clone())
    }

    fn visible(&self, call: &Call) -> Option<Visible> {
        self.visible.as_ref().map(|sight| sight(call))
    }

    as_the_rules! {
        name_rule() -> NameRule;
        fields() -> &'static [Field];
        prepare_create(call: &Call, object: &mut Value);
        prepare_update(call: &Call, new: &mut Value, old: &Value);
        validate_create(call: &Call, object: &Value) -> ErrorList;
        validate_update(call: &Call, new: &Value, old: &Value) -> ErrorList;
        validate_status(call: &Call, new: &Value, old: &Value) -> ErrorList;
        warnings(object: &Value, old: Option<&Value>) -> Vec<String>;
        has_status() -> bool;
        counts_generations() -> bool;
        allows_unconditional_update() -> bool;
        allows_create_on_update() -> bool;
        grace(object: &Value, asked: Option<i64>) -> Grace;
        begin_delete(object: &mut Value);
        is_held(object: &Value) -> bool;
        returns_deleted() -> bool;
        ttl(object: &Value) -> Option<Duration>;
        default_propagation() -> Propagation;
    }
}
