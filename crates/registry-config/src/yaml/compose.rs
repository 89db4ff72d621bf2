// SPDX-License-Identifier: Apache-2.0
//! Events of the YAML parser become a tree, within limits.
//!
//! Aliases are copies, so a small text can stand for a huge tree; the budget below counts copies
//! before they are made. Duplicate keys are refused: the original takes the last one silently.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{Mapping, Node, Value, scalar};
use crate::problem::{Error, Origin, Problem};

/// The longest text of a file or a variable.
pub(crate) const MAX_TEXT: usize = 1 << 20;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most nodes after aliases are copied.
const MAX_NODES: usize = 1 << 16;
/// The most bytes of scalars after aliases are copied.
const MAX_BYTES: usize = 4 << 20;

/// Where the text that is parsed comes from; decides the origin of its nodes.
pub(crate) enum Source {
    /// A file; nodes get its name and their line.
    File(Arc<str>),
    /// A variable; all nodes get its name.
    Variable(Arc<str>),
}

impl Source {
    fn origin(&self, line: usize) -> Origin {
        match self {
            Self::File(name) => Origin::File { name: Arc::clone(name), line },
            Self::Variable(name) => Origin::Variable(Arc::clone(name)),
        }
    }
}

/// Parses one YAML document. An empty text is a null node.
pub(crate) fn parse(text: &str, source: &Source) -> Result<Node, Error> {
    if text.len() > MAX_TEXT {
        let limit = format!("text of {} bytes exceeds the limit of {MAX_TEXT}", text.len());
        return Err(syntax(source, 1, limit));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut composer = Composer {
        source,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        bytes: 0,
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        match event {
            Ok((event, span)) => composer.event(event, span)?,
            Err(error) => {
                // The parser's text describes the syntax and never quotes values.
                return Err(syntax(
                    source,
                    error.marker().line(),
                    format!("yaml: {}", error.info()),
                ));
            }
        }
    }
    Ok(composer.root.unwrap_or(Node { value: Value::Null, origin: source.origin(1) }))
}

fn syntax(source: &Source, line: usize, text: String) -> Error {
    Error { key: String::new(), origin: source.origin(line), problem: Problem::Syntax(text) }
}

/// A node with what a copy of it costs.
struct Anchor {
    node: Node,
    cost: Cost,
}

#[derive(Clone, Copy)]
struct Cost {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

/// A collection that is not closed yet.
struct Frame {
    kind: Collection,
    anchor: usize,
    line: usize,
    cost: Cost,
}

enum Collection {
    Sequence(Vec<Node>),
    Mapping { map: Mapping, key: Option<String>, merged: Vec<Mapping> },
}

struct Composer<'a> {
    source: &'a Source,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchor>,
    nodes: usize,
    bytes: usize,
    root: Option<Node>,
}

impl Composer<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(text.into_owned(), style, tag.as_deref(), line)?;
                let bytes = if let Value::Scalar { text, .. } = &value { text.len() } else { 0 };
                let node = Node { value, origin: self.source.origin(line) };
                self.add(node, anchor, Cost { nodes: 1, bytes, depth: 0 }, line)
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", line)?;
                self.open(Collection::Sequence(Vec::new()), anchor, line)
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", line)?;
                let map = Mapping::default();
                self.open(Collection::Mapping { map, key: None, merged: Vec::new() }, anchor, line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(line),
            Event::Alias(id) => {
                let inside = || self.error(line, "an alias inside the node that it names");
                let cost = self.anchors.get(&id).ok_or_else(inside)?.cost;
                // Spend before copying: the copy is what a bomb wants.
                self.spend(cost, line)?;
                let node = self.anchors[&id].node.clone();
                self.place(node, 0, cost, line)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(self.error(line, "only one document is allowed"))
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn error(&self, line: usize, text: &str) -> Error {
        syntax(self.source, line, format!("yaml: {text}"))
    }

    fn scalar(
        &self,
        text: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<Value, Error> {
        let plain = match tag {
            None => matches!(style, ScalarStyle::Plain),
            Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
                "str" => false,
                "bool" | "int" | "float" | "null" => true,
                _ => return Err(self.unsupported_tag(line)),
            },
            Some(_) => return Err(self.unsupported_tag(line)),
        };
        Ok(if plain && scalar::is_null(&text) {
            Value::Null
        } else {
            Value::Scalar { text, plain }
        })
    }

    fn check_tag(&self, tag: Option<&Tag>, allowed: &str, line: usize) -> Result<(), Error> {
        match tag {
            None => Ok(()),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == allowed => Ok(()),
            Some(_) => Err(self.unsupported_tag(line)),
        }
    }

    fn unsupported_tag(&self, line: usize) -> Error {
        self.error(line, "tags other than !!str, !!bool, !!int and !!float are not allowed")
    }

    fn open(&mut self, kind: Collection, anchor: usize, line: usize) -> Result<(), Error> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error(line, &format!("nesting deeper than {MAX_DEPTH}")));
        }
        self.spend(Cost { nodes: 1, bytes: 0, depth: 0 }, line)?;
        self.stack.push(Frame { kind, anchor, line, cost: Cost { nodes: 1, bytes: 0, depth: 1 } });
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), Error> {
        let Some(frame) = self.stack.pop() else {
            return Err(self.error(line, "end of a collection that was not begun"));
        };
        let value = match frame.kind {
            Collection::Sequence(items) => Value::Sequence(items),
            Collection::Mapping { mut map, merged, .. } => {
                // YAML 1.1 merge keys: what the map itself says wins, then the earlier source.
                for source in merged {
                    for (key, node) in source.iter() {
                        map.entry(key, || node.clone());
                    }
                }
                Value::Mapping(map)
            }
        };
        let node = Node { value, origin: self.source.origin(frame.line) };
        self.place(node, frame.anchor, frame.cost, frame.line)
    }

    /// Adds a scalar: counts it, then puts it in its place.
    fn add(&mut self, node: Node, anchor: usize, cost: Cost, line: usize) -> Result<(), Error> {
        self.spend(cost, line)?;
        self.place(node, anchor, cost, line)
    }

    fn spend(&mut self, cost: Cost, line: usize) -> Result<(), Error> {
        self.nodes += cost.nodes;
        self.bytes += cost.bytes;
        if self.nodes > MAX_NODES {
            return Err(self.error(line, &format!("more than {MAX_NODES} values")));
        }
        if self.bytes > MAX_BYTES {
            return Err(self.error(line, &format!("more than {MAX_BYTES} bytes of values")));
        }
        if self.stack.len() + cost.depth > MAX_DEPTH {
            return Err(self.error(line, &format!("nesting deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize, cost: Cost, line: usize) -> Result<(), Error> {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor { node: node.clone(), cost });
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        frame.cost.nodes += cost.nodes;
        frame.cost.bytes += cost.bytes;
        frame.cost.depth = frame.cost.depth.max(cost.depth + 1);
        let problem = match &mut frame.kind {
            Collection::Sequence(items) => {
                items.push(node);
                None
            }
            Collection::Mapping { key: pending @ None, .. } => match node.value {
                Value::Scalar { text, .. } => {
                    *pending = Some(text);
                    None
                }
                _ => Some("a key must be a word".to_owned()),
            },
            Collection::Mapping { map, key, merged } => match key.take() {
                Some(name) if name == "<<" => merge(node, merged),
                Some(name) if map.get(&name).is_some() => {
                    Some(format!("key {name:?} is given twice"))
                }
                Some(name) => {
                    map.set(&name, node);
                    None
                }
                None => None,
            },
        };
        problem.map_or(Ok(()), |text| Err(self.error(line, &text)))
    }
}

/// Collects the maps that a merge key names; they are applied when their map ends.
fn merge(node: Node, merged: &mut Vec<Mapping>) -> Option<String> {
    match node.value {
        Value::Mapping(map) => merged.push(map),
        Value::Sequence(items) => {
            for item in items {
                match item.value {
                    Value::Mapping(map) => merged.push(map),
                    _ => return Some("a merge key needs maps".to_owned()),
                }
            }
        }
        _ => return Some("a merge key needs a map".to_owned()),
    }
    None
}
