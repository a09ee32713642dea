//! Where things stand in a YAML file: from the path of a field to its line, and back.

use super::error::Position;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// Every key and item of a file with its place, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Outline {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    path: String,
    position: Position,
    text: Option<String>,
}

impl Outline {
    /// The outline of `text`; empty when it is no YAML at all.
    pub(super) fn of(text: &str) -> Self {
        let options = serde_saphyr::options! {
            duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
            with_snippet: false,
        };
        let mut outline = Self::default();
        if let Ok(root) = serde_saphyr::from_str_with_options::<Spanned<Node>>(text, options) {
            outline.walk(String::new(), position(&root), &root.value);
        }
        outline
    }

    /// Where the field at `path` stands, or the innermost thing around it that is there.
    pub(super) fn position_of(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(entry) = self.entries.iter().find(|entry| entry.path == path) {
                return Some(entry.position);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }

    /// The case and the path within it of what stands at `position`.
    pub(super) fn path_at(&self, position: Position) -> (Option<String>, String) {
        let before = self.entries.iter().filter(|entry| entry.position <= position);
        before.max_by_key(|entry| entry.position).map(|entry| self.within_case(&entry.path)).unwrap_or_default()
    }

    /// Splits a path from the file's root into the case that it leads through and the rest. A case without a readable
    /// id is left in the path by its place.
    pub(super) fn within_case(&self, path: &str) -> (Option<String>, String) {
        let end = path.find(']').map_or(0, |at| at + 1);
        let id = format!("{}.id", &path[..end]);
        match self.entries.iter().find(|entry| end > 0 && path.starts_with('[') && entry.path == id) {
            Some(Entry { text: Some(text), .. }) => {
                (Some(text.clone()), path[end..].trim_start_matches('.').to_owned())
            }
            _ => (None, path.to_owned()),
        }
    }

    fn walk(&mut self, path: String, position: Position, node: &Node) {
        let text = match node {
            Node::Leaf(text) => text.clone(),
            Node::Map(_) | Node::Seq(_) => None,
        };
        self.entries.push(Entry { path: path.clone(), position, text });
        match node {
            Node::Leaf(_) => {}
            Node::Map(entries) => {
                for (key, value) in entries {
                    let path = if path.is_empty() { key.value.clone() } else { format!("{path}.{}", key.value) };
                    self.walk(path, self::position(key), value);
                }
            }
            Node::Seq(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.walk(format!("{path}[{i}]"), self::position(item), &item.value);
                }
            }
        }
    }
}

fn position<T>(spanned: &Spanned<T>) -> Position {
    Position { line: spanned.referenced.line(), column: spanned.referenced.column() }
}

/// A YAML value of which only the shape and the strings matter.
#[derive(Debug)]
enum Node {
    Leaf(Option<String>),
    Seq(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Self)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Leaf(Some(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}
