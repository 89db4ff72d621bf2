// SPDX-License-Identifier: Apache-2.0
//! The built-in kinds: names, scope, and the shape of their objects.
//!
//! All of it is one table that `cargo xtask generate kinds` makes from Kubernetes' and OpenShift's own declarations
//! (facts only; see NOTICE). It is read once, when first asked for, into one arena that all kinds share.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use schema::{
    Empty, Field, GoField, Inlined, List, ListKind, Map, ObjectType, PatchStrategy, Schema, Type,
    TypeId, Types,
};

use crate::GroupVersionKind;
use crate::quantity::Quantity;
use crate::time::Time;

const TABLE: &str = include_str!("generated/kinds.tsv");

/// A kind of the table.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name.
    pub gvk: GroupVersionKind,
    /// Whether its objects live in namespaces. (Kinds that are only sent, never stored, say no.)
    pub namespaced: bool,
    /// Whether its protobuf form is known.
    pub protobuf: bool,
    /// Its structure.
    pub ty: TypeId,
}

struct Table {
    types: Arc<Types>,
    kinds: Vec<Kind>,
    /// Where in `kinds` a group, version and kind stands.
    index: HashMap<(&'static str, &'static str, &'static str), usize>,
}

static TABLED: LazyLock<Table> = LazyLock::new(read);

/// Kinds of `meta.k8s.io/v1` that belong to every group and version.
const EVERYWHERE: [&str; 12] = [
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "List",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
    "Status",
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
];

/// The shape of a built-in kind.
#[must_use]
pub fn schema(group: &str, version: &str, kind: &str) -> Option<Schema> {
    let found = find(group, version, kind)?;
    Some(Schema { types: Arc::clone(&TABLED.types), root: Type::Object(found.ty) })
}

/// What the table says of a built-in kind. `DeleteOptions`, `Status` and their like are found in any group version.
#[must_use]
pub fn find(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    let table = &*TABLED;
    let at = table.index.get(&(group, version, kind)).or_else(|| {
        EVERYWHERE.contains(&kind).then(|| table.index.get(&("meta.k8s.io", "v1", kind)))?
    })?;
    table.kinds.get(*at)
}

/// All built-in kinds, lists included, in the order of the table.
pub fn kinds() -> &'static [Kind] {
    &TABLED.kinds
}

/// The arena of all built-in structures, for documents that list them.
#[must_use]
pub fn types() -> &'static Arc<Types> {
    &TABLED.types
}

/// Rewrites an object of a built-in kind as Kubernetes would write it after decoding: empty fields vanish or appear as
/// Go's types say, and quantities, times and durations take their canonical form.
pub fn normalise(schema: &Schema, object: &mut serde_json::Value) {
    schema::normalise(schema.view(), object, &mut |ty, value| {
        let Some(text) = value.as_str() else {
            if *ty == Type::Quantity && value.is_number() {
                canonical_quantity(value);
            }
            return;
        };
        let canonical = match ty {
            Type::Quantity => return canonical_quantity(value),
            Type::Time => Time::parse(text).ok().map(|it| it.to_string()),
            Type::MicroTime => Time::parse(text).ok().map(Time::to_micro),
            Type::Duration => crate::go::parse_duration(text).map(crate::go::duration),
            _ => None,
        };
        if let Some(canonical) = canonical {
            *value = canonical.into();
        }
    });
}

fn canonical_quantity(value: &mut serde_json::Value) {
    if let Ok(quantity) = Quantity::from_value(value) {
        *value = (&quantity).into();
    }
}

const SOUND: &str = "the generated table is sound: a test reads all of it";

/// One package's place in the table.
#[derive(Clone, Copy)]
struct Package<'a> {
    short: &'a str,
    openapi: &'a str,
    group: &'static str,
    version: &'static str,
}

fn read() -> Table {
    let names = names();
    let mut types = Types::default();
    for _ in 0..names.len() {
        types.add(ObjectType::default());
    }
    let mut table =
        Table { types: Arc::new(Types::default()), kinds: Vec::new(), index: HashMap::new() };
    let mut package = Package { short: "", openapi: "", group: "", version: "" };
    let mut next = 0_u32;
    let mut lines = TABLE.lines().peekable();
    while let Some(line) = lines.next() {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        match column() {
            "P" => {
                package = Package {
                    short: column(),
                    openapi: column(),
                    group: column(),
                    version: column(),
                };
            }
            "T" => {
                let (name, flags) = (column(), column());
                let id = TypeId(next);
                next += 1;
                if flags.contains('k') {
                    table.index.insert((package.group, package.version, name), table.kinds.len());
                    table.kinds.push(Kind {
                        gvk: GroupVersionKind::new(package.group, package.version, name),
                        namespaced: flags.contains('n'),
                        protobuf: flags.contains('p'),
                        ty: id,
                    });
                }
                let mut body = Vec::new();
                while let Some(line) = lines.next_if(|it| it.starts_with(['F', 'I'])) {
                    body.push(line);
                }
                types.set(id, structure(&names, package, name, flags, &body));
            }
            _ => {}
        }
    }
    table.types = Arc::new(types);
    table
}

type Names = HashMap<(&'static str, &'static str), TypeId>;

/// The numbers of all structures, in the order they stand in the table.
fn names() -> Names {
    let mut names = HashMap::new();
    let mut short = "";
    for line in TABLE.lines() {
        let mut columns = line.split('\t');
        match columns.next() {
            Some("P") => short = columns.next().unwrap_or_default(),
            Some("T") => {
                let id = TypeId(u32::try_from(names.len()).expect(SOUND));
                names.insert((short, columns.next().unwrap_or_default()), id);
            }
            _ => {}
        }
    }
    names
}

fn structure(
    names: &Names,
    package: Package<'_>,
    name: &str,
    flags: &str,
    body: &[&'static str],
) -> ObjectType {
    let mut inlined = Vec::new();
    let mut fields = Vec::with_capacity(body.len());
    let mut go = Vec::with_capacity(body.len());
    for line in body {
        let columns: Vec<&'static str> = line.split('\t').collect();
        let column = |at: usize| columns.get(at).copied().unwrap_or_default();
        if column(0) == "I" {
            let Type::Object(ty) = parse_type(names, package, column(2)) else { continue };
            inlined.push(Inlined { proto: column(1).parse().expect(SOUND), ty });
            continue;
        }
        let flags = column(4);
        let (patch, list) = (column(5), column(6));
        let mut ty = parse_type(names, package, column(2));
        let mut strategy = patch_strategy(patch);
        if let Type::List(it) = &mut ty {
            it.patch = std::mem::take(&mut strategy);
            it.kind = list_kind(list);
        }
        let default = match column(7) {
            "" => None,
            json => Some(serde_json::from_str(json).expect(SOUND)),
        };
        go.push(GoField {
            empty: match flags {
                it if it.contains('d') => Empty::Dropped,
                it if it.contains('z') => Empty::Zero,
                it if it.contains('n') => Empty::Null,
                _ => Empty::Kept,
            },
            wrapped: flags.contains('w'),
        });
        fields.push(Field {
            name: column(1).to_owned(),
            ty,
            required: flags.contains('r'),
            nullable: false,
            default,
            proto: column(3).parse().expect(SOUND),
            inline: flags.contains('i'),
            patch: strategy,
        });
    }
    let openapi = format!("{}.{}", package.openapi, name.trim_end_matches('~'));
    let mut object = ObjectType::new(openapi, fields);
    object.atomic = flags.contains('a');
    object.inlined = inlined;
    object.go = go;
    object
}

fn parse_type(names: &Names, package: Package<'_>, word: &'static str) -> Type {
    if let Some(items) = word.strip_prefix('[') {
        let items = parse_type(names, package, items);
        return Type::List(Box::new(List {
            items,
            kind: ListKind::Atomic,
            patch: PatchStrategy::default(),
        }));
    }
    if let Some(values) = word.strip_prefix(['{', '}']) {
        let values = parse_type(names, package, values);
        return Type::Map(Box::new(Map { values, atomic: word.starts_with('}') }));
    }
    if let Some(name) = word.strip_prefix('@') {
        let (short, name) = name.rsplit_once('.').unwrap_or((package.short, name));
        return Type::Object(*names.get(&(short, name)).expect(SOUND));
    }
    match word {
        "s" => Type::String,
        "B" => Type::Bytes,
        "i" => Type::Integer(32),
        "l" => Type::Integer(64),
        "f" => Type::Number,
        "b" => Type::Boolean,
        "q" => Type::Quantity,
        "x" => Type::IntOrString,
        "t" => Type::Time,
        "u" => Type::MicroTime,
        "d" => Type::Duration,
        _ => Type::Any,
    }
}

fn patch_strategy(text: &str) -> PatchStrategy {
    let (letters, key) = match text.split_once(':') {
        Some((letters, key)) => (letters, Some(key.to_owned())),
        None => (text, None),
    };
    PatchStrategy {
        merge: letters.contains('m'),
        retain_keys: letters.contains('k'),
        replace: letters.contains('r'),
        merge_key: key,
    }
}

fn list_kind(text: &str) -> ListKind {
    match text.split_once(':') {
        Some((_, keys)) => ListKind::Map(keys.split(',').map(str::to_owned).collect()),
        None if text == "s" => ListKind::Set,
        None => ListKind::Atomic,
    }
}
