//! Checks of the members of a definition.
//!
//! See [MCP 2026-07-28,
//! schema](https://modelcontextprotocol.io/specification/2026-07-28/schema#tool).

use super::path::Path;
use super::schema::{SchemaCheck, Use};
use super::{Check, Defect};
use crate::json::{Tree, TreeObject};
use crate::protocol::ListKind;

/// Expected form of a member.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Flag,
    List(&'static Self),
    Number,
    Object(&'static Members),
    OneOf(&'static [&'static str]),
    Text,
}

/// Known members of an object; others are not checked.
#[derive(Debug)]
struct Members {
    known: &'static [(&'static str, Shape)],
    /// Member without which the object means nothing.
    required: Option<&'static str>,
}

impl Check {
    /// Checks an entry of a list of `kind`.
    pub(super) fn entry(&mut self, kind: ListKind, entry: &mut TreeObject<'_>) {
        let known = match kind {
            ListKind::Prompts => PROMPT,
            ListKind::Resources => RESOURCE,
            ListKind::Templates => TEMPLATE,
            ListKind::Tools => TOOL,
        };
        for known in [COMMON, known] {
            self.members(None, entry, known);
        }
        if kind == ListKind::Tools {
            self.name(entry);
            self.input_schema(entry);
            self.output_schema(entry);
        }
    }

    /// Checks the known members of an object, and removes those that are invalid.
    fn members(
        &mut self,
        path: Option<&Path<'_>>,
        object: &mut TreeObject<'_>,
        known: &'static [(&'static str, Shape)],
    ) {
        object.retain(|key, value| {
            let Some((_, shape)) = known.iter().find(|(other, _)| *other == key) else {
                return true;
            };
            match path {
                Some(path) => self.fits(&path.key(key), value, *shape),
                None => self.fits(&Path::of(key), value, *shape),
            }
        });
    }

    /// Returns `true` if `value` has the form `shape`, converted if necessary.
    fn fits(&mut self, path: &Path<'_>, value: &mut Tree<'_>, shape: Shape) -> bool {
        if value.is_null() {
            self.breaks_list(path, Defect::Null);
            return false;
        }
        if let (Shape::List(_), Tree::Object(_) | Tree::Scalar(_)) = (shape, &*value) {
            self.breaks_list(path, Defect::Kind(shape.noun()));
            let single = std::mem::replace(value, Tree::Array(Vec::new()));
            *value = Tree::Array(vec![single]);
        }
        match (shape, &mut *value) {
            (Shape::List(shape), Tree::Array(items)) => {
                let mut index = 0..;
                items.retain_mut(|item| {
                    let index = index.next().unwrap_or_default();
                    self.fits(&path.item(index), item, *shape)
                });
                true
            }
            (Shape::Object(members), Tree::Object(object)) => {
                self.members(Some(path), object, members.known);
                let missing = members.required.filter(|key| object.get(key).is_none());
                if let Some(key) = missing {
                    self.breaks_list(&path.key(key), Defect::Missing);
                }
                missing.is_none()
            }
            (_, value) if shape.is_of(value) => true,
            (shape, value) => {
                self.breaks_list(path, Defect::Kind(shape.noun()));
                let unquoted = value
                    .text()
                    .map(|text| Tree::Scalar(text.into_owned().into()));
                match unquoted.filter(|unquoted| shape.is_of(unquoted)) {
                    Some(unquoted) => {
                        *value = unquoted;
                        true
                    }
                    None => false,
                }
            }
        }
    }

    /// Checks the characters of the name of a tool.
    fn name(&mut self, tool: &TreeObject<'_>) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = tool.get("name").and_then(Tree::text);
        if name.is_some_and(|name| !name.chars().all(allowed)) {
            self.report(&Path::of("name"), Defect::Characters);
        }
    }

    /// Checks the schema of the arguments of a tool, and creates it if it does not exist.
    fn input_schema(&mut self, tool: &mut TreeObject<'_>) {
        let path = Path::of("inputSchema");
        let defect = match tool.get_mut("inputSchema") {
            Some(schema @ Tree::Object(_)) => {
                SchemaCheck::of(self, Use::Arguments, schema).check(&path, schema);
                return;
            }
            Some(Tree::Array(_) | Tree::Scalar(_)) => Defect::Kind("an object"),
            None => Defect::Missing,
        };
        self.breaks_list(&path, defect);
        let mut schema = TreeObject::default();
        schema.set("type", Tree::of_text("object"));
        tool.set("inputSchema", Tree::Object(schema));
    }

    /// Checks the schema of the results of a tool, and removes it if no client could use it.
    fn output_schema(&mut self, tool: &mut TreeObject<'_>) {
        let path = Path::of("outputSchema");
        let is_usable = match tool.get_mut("outputSchema") {
            Some(schema @ Tree::Object(_)) => {
                SchemaCheck::of(self, Use::Results, schema).check(&path, schema)
            }
            Some(schema) => {
                self.breaks_list(
                    &path,
                    match schema.is_null() {
                        true => Defect::Null,
                        false => Defect::Kind("an object"),
                    },
                );
                false
            }
            None => true,
        };
        if !is_usable {
            tool.remove("outputSchema");
        }
    }
}

impl Shape {
    /// Returns `true` if a scalar has this form.
    fn is_of(self, value: &Tree<'_>) -> bool {
        let token = value.token().unwrap_or_default();
        match self {
            Self::Flag => matches!(token, "true" | "false"),
            Self::List(_) | Self::Object(_) => false,
            Self::Number => super::keyword::is_number(token),
            Self::OneOf(values) => value.text().is_some_and(|text| values.contains(&&*text)),
            Self::Text => token.starts_with('"'),
        }
    }

    /// Returns the name of the form, with an article.
    fn noun(self) -> &'static str {
        match self {
            Self::Flag => "a boolean",
            Self::List(_) => "a list",
            Self::Number => "a number",
            Self::Object(_) => "an object",
            Self::OneOf(_) => "one of the defined values",
            Self::Text => "a string",
        }
    }
}

/// Creates the form of an object.
const fn object(known: &'static [(&'static str, Shape)]) -> Members {
    let required = None;
    Members { known, required }
}

/// Members of all kinds of entries.
const COMMON: &[(&str, Shape)] = &[
    ("_meta", Shape::Object(&object(&[]))),
    ("description", Shape::Text),
    ("icons", Shape::List(&Shape::Object(&ICON))),
    ("title", Shape::Text),
];

const TOOL: &[(&str, Shape)] = &[
    ("annotations", Shape::Object(&TOOL_ANNOTATIONS)),
    ("execution", Shape::Object(&EXECUTION)),
];

const PROMPT: &[(&str, Shape)] = &[("arguments", Shape::List(&Shape::Object(&ARGUMENT)))];

const RESOURCE: &[(&str, Shape)] = &[
    ("annotations", Shape::Object(&ANNOTATIONS)),
    ("mimeType", Shape::Text),
    ("size", Shape::Number),
];

const TEMPLATE: &[(&str, Shape)] = &[
    ("annotations", Shape::Object(&ANNOTATIONS)),
    ("mimeType", Shape::Text),
];

const ICON: Members = Members {
    known: &[
        ("mimeType", Shape::Text),
        ("sizes", Shape::List(&Shape::Text)),
        ("src", Shape::Text),
        ("theme", Shape::OneOf(&["dark", "light"])),
    ],
    required: Some("src"),
};

const ARGUMENT: Members = Members {
    known: &[
        ("description", Shape::Text),
        ("name", Shape::Text),
        ("required", Shape::Flag),
        ("title", Shape::Text),
    ],
    required: Some("name"),
};

const TOOL_ANNOTATIONS: Members = object(&[
    ("destructiveHint", Shape::Flag),
    ("idempotentHint", Shape::Flag),
    ("openWorldHint", Shape::Flag),
    ("readOnlyHint", Shape::Flag),
    ("title", Shape::Text),
]);

const EXECUTION: Members = object(&[(
    "taskSupport",
    Shape::OneOf(&["forbidden", "optional", "required"]),
)]);

const ANNOTATIONS: Members = object(&[
    (
        "audience",
        Shape::List(&Shape::OneOf(&["assistant", "user"])),
    ),
    ("lastModified", Shape::Text),
    ("priority", Shape::Number),
]);
