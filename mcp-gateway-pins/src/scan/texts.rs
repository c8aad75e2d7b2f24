//! Texts of a definition, with their places.

use crate::node::Node;

/// A text of a definition.
#[derive(Clone, Debug)]
pub(super) struct Text<'a> {
    /// Place in the definition; of a name of a member, that of the object.
    pub(super) path: String,
    /// Text.
    pub(super) text: &'a str,
    /// Set for descriptions and titles, which are for people.
    pub(super) is_prose: bool,
    /// Set for names of members.
    pub(super) is_name: bool,
}

/// Returns all texts of a definition, names of members included.
pub(super) fn texts(node: &Node) -> Vec<Text<'_>> {
    let mut texts = Vec::new();
    collect(String::new(), node, true, &mut texts);
    texts
}

/// Adds the texts of `node`, which is at `path`.
fn collect<'a>(path: String, node: &'a Node, is_prose: bool, texts: &mut Vec<Text<'a>>) {
    match node {
        Node::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(format!("{path}[{at}]"), item, is_prose, texts);
            }
        }
        Node::Object(members) => {
            for (key, value) in members {
                texts.push(Text {
                    path: path.clone(),
                    text: key,
                    is_prose: false,
                    is_name: true,
                });
                let inner = match &*path {
                    "" => key.clone(),
                    path => format!("{path}.{key}"),
                };
                collect(inner, value, PROSE.contains(&&**key), texts);
            }
        }
        Node::Scalar(_) => {}
        Node::Text(text) => texts.push(Text {
            path,
            text,
            is_prose,
            is_name: false,
        }),
    }
}

/// Members whose values are for people.
const PROSE: &[&str] = &["description", "title", "$comment"];
