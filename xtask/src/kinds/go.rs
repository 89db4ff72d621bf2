// SPDX-License-Identifier: Apache-2.0
//! Reads what Go files of API types declare: structures with their tags and `+markers`, and names for other types.
//!
//! These files are written in a narrow style that code generators depend on, so this reads lines: one field on each,
//! its tag in backquotes, markers in the comments above it. What it does not understand is an error, not a guess.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// One field of a structure.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The name in Go; for an embedded structure that of its type.
    pub(super) go_name: String,
    /// Whether it is a structure that stands here without a name.
    pub(super) embedded: bool,
    /// The type as it is written.
    pub(super) ty: String,
    /// The tags.
    pub(super) tags: BTreeMap<String, String>,
    /// `+name=value` comments above it.
    pub(super) markers: Vec<(String, String)>,
}

impl Field {
    /// The name and the options of the JSON tag.
    pub(super) fn json(&self) -> (&str, Vec<&str>) {
        let mut parts = self.tags.get("json").map_or("", String::as_str).split(',');
        (parts.next().unwrap_or_default(), parts.collect())
    }

    /// The protobuf number, if it has one.
    pub(super) fn proto(&self) -> u32 {
        let tag = self.tags.get("protobuf").map_or("", String::as_str);
        tag.split(',').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
    }

    /// The values of that marker.
    pub(super) fn markers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.markers.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Whether that marker stands there.
    pub(super) fn marked(&self, name: &str) -> bool {
        self.markers(name).next().is_some()
    }
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A structure.
    Struct(Vec<Field>),
    /// Another type, as it is written.
    Other(String),
}

/// A declared type.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) shape: Shape,
    /// Markers above it.
    pub(super) markers: Vec<(String, String)>,
    /// The imports of its file: alias to path.
    pub(super) imports: std::rc::Rc<BTreeMap<String, String>>,
}

impl Declared {
    /// The first value of that marker.
    pub(super) fn marker(&self, name: &str) -> Option<&str> {
        self.markers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// The types that the package in that folder declares.
pub(super) fn package(folder: &Path) -> Result<BTreeMap<String, Declared>> {
    let mut types = BTreeMap::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|it| Ok(it?.path())).collect::<Result<_>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let wanted = name.ends_with(".go")
            && !name.ends_with("_test.go")
            && !name.starts_with("zz_")
            && !name.starts_with("generated.");
        if wanted {
            let text = std::fs::read_to_string(&path)?;
            file(&text, &mut types).with_context(|| format!("in {}", path.display()))?;
        }
    }
    if types.is_empty() {
        bail!("{} declares no types", folder.display());
    }
    Ok(types)
}

/// Comments above a line: the block that touches it and the one before.
#[derive(Default)]
struct Comments {
    markers: Vec<(String, String)>,
    earlier: Vec<(String, String)>,
}

impl Comments {
    fn line(&mut self, text: &str) {
        if let Some(marker) = text.trim().strip_prefix('+') {
            let (name, value) = marker.split_once('=').unwrap_or((marker, ""));
            self.markers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }

    fn blank(&mut self) {
        if !self.markers.is_empty() {
            self.earlier = std::mem::take(&mut self.markers);
        }
    }

    /// Both blocks: `+genclient` often stands apart from the text.
    fn of_type(&mut self) -> Vec<(String, String)> {
        let mut all = std::mem::take(&mut self.earlier);
        all.append(&mut self.markers);
        all
    }

    fn of_field(&mut self) -> Vec<(String, String)> {
        self.earlier.clear();
        std::mem::take(&mut self.markers)
    }
}

fn file(text: &str, types: &mut BTreeMap<String, Declared>) -> Result<()> {
    let imports = std::rc::Rc::new(imports(text));
    let mut comments = Comments::default();
    let text = without_block_comments(text);
    let mut lines = text.iter().copied();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if let Some(comment) = trimmed.strip_prefix("//") {
            comments.line(comment);
        } else if trimmed.is_empty() {
            comments.blank();
        } else if let Some(declaration) = line.strip_prefix("type ") {
            let markers = comments.of_type();
            let mut words = declaration.split_whitespace();
            let name = words.next().unwrap_or_default().to_owned();
            let rest: Vec<&str> = words.take_while(|it| !it.starts_with("//")).collect();
            let shape = match rest.as_slice() {
                ["struct", "{"] => Shape::Struct(fields(&mut lines)?),
                ["struct", "{}"] | ["struct{}"] => Shape::Struct(Vec::new()),
                ["interface" | "func", ..] => continue,
                [other] | ["=", other] if !other.starts_with("func") => {
                    Shape::Other((*other).to_owned())
                }
                _ => continue,
            };
            let imports = std::rc::Rc::clone(&imports);
            types.insert(name.clone(), Declared { name, shape, markers, imports });
        } else {
            comments = Comments::default();
        }
    }
    Ok(())
}

/// The lines that lie outside `/* … */`, which here always stand on lines of their own.
fn without_block_comments(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.lines()
        .filter(|line| {
            inside |= line.trim_start().starts_with("/*");
            let outside = !inside;
            inside &= !line.contains("*/");
            outside
        })
        .collect()
}

fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<Field>> {
    let mut fields = Vec::new();
    let mut comments = Comments::default();
    for line in lines {
        let line = line.trim();
        if line == "}" {
            return Ok(fields);
        }
        if let Some(comment) = line.strip_prefix("//") {
            comments.line(comment);
        } else if line.is_empty() {
            comments.blank();
        } else {
            let mut parts = line.splitn(3, '`');
            let before = parts.next().unwrap_or_default();
            let tag = parts.next().unwrap_or_default();
            let before = before.split("//").next().unwrap_or_default();
            let words: Vec<&str> = before.split_whitespace().collect();
            let (go_name, ty) = match words.as_slice() {
                [embedded] => (embedded.rsplit('.').next().unwrap_or_default(), *embedded),
                [name, ty] => (*name, *ty),
                _ => bail!("not a field: {line}"),
            };
            fields.push(Field {
                go_name: go_name.trim_start_matches('*').to_owned(),
                embedded: words.len() == 1,
                ty: ty.to_owned(),
                tags: tags(tag),
                markers: comments.of_field(),
            });
        }
    }
    bail!("a structure does not end")
}

/// `json:"a,omitempty" protobuf:"bytes,1,opt,name=a"`
fn tags(text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once(":\"") {
        let Some((value, after)) = after.split_once('"') else { break };
        tags.insert(name.trim().to_owned(), value.to_owned());
        rest = after;
    }
    tags
}

fn imports(text: &str) -> BTreeMap<String, String> {
    let mut imports = BTreeMap::new();
    let mut inside = false;
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("type ") {
            break;
        }
        if line == "import (" {
            inside = true;
        } else if line == ")" {
            inside = false;
        } else if inside || line.starts_with("import ") {
            let line = line.trim_start_matches("import ");
            let mut quoted = line.split('"');
            let alias = quoted.next().unwrap_or_default().trim();
            let Some(path) = quoted.next() else { continue };
            let alias =
                if alias.is_empty() { path.rsplit('/').next().unwrap_or_default() } else { alias };
            imports.insert(alias.to_owned(), path.to_owned());
        }
    }
    imports
}
