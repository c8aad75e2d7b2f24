//! Checks of the schemas of a tool.
//!
//! Arguments are not validated: only the interface of a model and the server interpret a schema.

use std::collections::HashSet;

use percent_encoding::percent_decode_str;

use super::combination::{COMBINATIONS, merge};
use super::defect::printable;
use super::keyword::{Keyword, is_type, type_meant_by};
use super::path::Path;
use super::{Check, Defect};
use crate::json::{Tree, TreeObject};
use crate::protocol::Era;

/// Use of a schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    Arguments,
    Results,
}

/// Traversal of a schema.
#[derive(Debug)]
pub(super) struct SchemaCheck<'c> {
    check: &'c mut Check,
    used_for: Use,
    /// References without a target.
    unresolved: HashSet<Box<str>>,
    /// Number of schemas around the current one.
    level: usize,
}

impl<'c> SchemaCheck<'c> {
    /// Creates the check of `schema`.
    pub(super) fn of(check: &'c mut Check, used_for: Use, schema: &Tree<'_>) -> Self {
        let mut references = HashSet::new();
        collect_references(schema, &mut references);
        match references.len() > MAX_REFERENCES || embeds_resource(schema) {
            true => references.clear(),
            false => references.retain(|reference| !resolves(schema, reference)),
        }
        Self {
            check,
            used_for,
            unresolved: references,
            level: 0,
        }
    }

    /// Checks the schema at `path`. Returns `false` if no client could use it.
    pub(super) fn check(mut self, path: &Path<'_>, schema: &mut Tree<'_>) -> bool {
        let Tree::Object(schema) = schema else {
            return false;
        };
        let is_usable = self.top(path, schema);
        if is_usable {
            self.schema(path, schema);
        }
        is_usable
    }

    /// Checks the members that concern all arguments or results together.
    fn top(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) -> bool {
        let is_free = self.used_for == Use::Results && self.check.rules.era == Era::Modern;
        let found = schema.get("type").map(written);
        if !is_free && found.as_deref() != Some("\"object\"") {
            // Arguments are always an object. Other results are defined in the modern era only.
            let is_usable = self.used_for == Use::Arguments || found.is_none();
            let defect = Defect::NotObject(found.as_deref().map(printable));
            self.check.breaks_list(path, defect);
            if !is_usable {
                return false;
            }
            schema.set("type", Tree::of_text("object"));
        }
        if self.used_for == Use::Arguments {
            self.combinations(path, schema);
        }
        true
    }

    /// Checks that no schemas are combined at the top level.
    fn combinations(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        for key in COMBINATIONS {
            if schema.get(key).is_none() {
                continue;
            }
            match self.check.adapts() && merge(schema, key) {
                true => {
                    self.check.breaks_request(path, Defect::Combination(key));
                }
                false => self.check.report(path, Defect::Combination(key)),
            }
        }
    }

    /// Checks a schema and its subschemas.
    fn schema(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        self.types(path, schema);
        self.reference(path, schema);
        self.required_below_properties(path, schema);
        self.required_flags(schema);
        self.required(path, schema);
        schema.retain(|key, value| match Keyword::of(key) {
            Some(keyword) => self.keyword(&path.key(key), (key, keyword), value),
            None => true,
        });
    }

    /// Records a defect. Returns `true` if it is to be adapted.
    ///
    /// `breaks_list` is set where client libraries of the era reject the list in any case; those of
    /// the legacy era compile the schemas of results, and reject the list if they cannot.
    fn defect(&mut self, path: &Path<'_>, defect: Defect, breaks_list: bool) -> bool {
        if breaks_list || self.compiles() {
            self.check.breaks_list(path, defect);
            return true;
        }
        self.check.breaks_request(path, defect)
    }

    /// Returns `true` if client libraries compile the schema as they read the list.
    fn compiles(&self) -> bool {
        self.used_for == Use::Results && self.is_legacy()
    }

    fn is_legacy(&self) -> bool {
        self.check.rules.era == Era::Legacy
    }

    /// Returns `true` if the current schema is one that client libraries of the era parse.
    fn is_parsed(&self) -> bool {
        self.level == 0 && self.is_legacy()
    }

    /// Checks the value of a keyword. Returns `true` if it stays.
    fn keyword(
        &mut self,
        path: &Path<'_>,
        (key, keyword): (&str, Keyword),
        value: &mut Tree<'_>,
    ) -> bool {
        if !keyword.is_of(value) {
            let breaks_list = match key {
                "$schema" => self.level == 0,
                "properties" => self.is_parsed(),
                _ => false,
            };
            let defect = match value.is_null() {
                true => Defect::Null,
                false => Defect::Kind(keyword.noun()),
            };
            return match self.defect(path, defect, breaks_list) {
                true => unquote(keyword, value),
                false => true,
            };
        }
        let are_properties = key == "properties";
        match (keyword, value) {
            (Keyword::SchemaMap, Tree::Object(schemas)) => schemas.retain(|name, schema| {
                self.subschema(&path.key(name), schema, are_properties);
                true
            }),
            (Keyword::SchemaList | Keyword::SchemaOrList, Tree::Array(schemas)) => {
                for (index, schema) in schemas.iter_mut().enumerate() {
                    self.subschema(&path.item(index), schema, false);
                }
            }
            (Keyword::Schema | Keyword::SchemaOrList, schema) => {
                self.subschema(path, schema, false);
            }
            _ => {}
        }
        true
    }

    /// Checks a subschema, which is an object or a boolean.
    fn subschema(&mut self, path: &Path<'_>, schema: &mut Tree<'_>, is_property: bool) {
        let breaks_list = is_property && self.is_parsed();
        let replacement = match schema {
            Tree::Object(schema) => {
                self.level += 1;
                self.schema(path, schema);
                self.level -= 1;
                return;
            }
            Tree::Scalar(token) if matches!(&**token, "true" | "false") => {
                if !breaks_list {
                    return;
                }
                let mut equivalent = TreeObject::default();
                if token == "false" {
                    equivalent.set("not", Tree::Object(TreeObject::default()));
                }
                equivalent
            }
            Tree::Array(_) | Tree::Scalar(_) => of_type_name(schema),
        };
        if self.defect(path, Defect::Kind("a schema"), breaks_list) {
            *schema = Tree::Object(replacement);
        }
    }

    /// Checks that `type` is a defined name or a list of defined names.
    fn types(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        let Some(types) = schema.get_mut("type") else {
            return;
        };
        let mut stays = |kind: &mut Tree<'_>| {
            if kind.text().is_some_and(|name| is_type(&name)) {
                return true;
            }
            let found = printable(&written(kind));
            if !self.defect(path, Defect::UnknownType(found), false) {
                return true;
            }
            let meant = kind.text().and_then(|name| type_meant_by(&name));
            if let Some(meant) = meant {
                *kind = Tree::of_text(meant);
            }
            meant.is_some()
        };
        let stay = match types {
            Tree::Array(names) => {
                let before = names.len();
                names.retain_mut(&mut stays);
                before == 0 || !names.is_empty()
            }
            name => stays(name),
        };
        if !stay {
            schema.remove("type");
        }
    }

    /// Checks that a reference within the document has a target.
    fn reference(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        let Some(reference) = schema.get("$ref").and_then(Tree::text) else {
            return;
        };
        if self.unresolved.contains(&*reference) {
            let target = Defect::Reference(printable(&reference));
            if self.defect(path, target, false) {
                schema.remove("$ref");
            }
        }
    }

    /// Checks that `required` is not one of the properties, but beside them.
    fn required_below_properties(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        let Some(Tree::Object(properties)) = schema.get_mut("properties") else {
            return;
        };
        let Some(names @ Tree::Array(_)) = properties.get("required") else {
            return;
        };
        let names = names.clone();
        let breaks_list = self.is_parsed();
        let path = path.key("properties");
        let defect = Defect::RequiredBelowProperties;
        if self.defect(&path.key("required"), defect, breaks_list) {
            properties.remove("required");
            if schema.get("required").is_none() {
                schema.set("required", names);
            }
        }
    }

    /// Adds the properties that contain the flag `required` to the list of required ones, if such
    /// flags are adapted. [`required`](Self::required) removes the flags.
    fn required_flags(&mut self, schema: &mut TreeObject<'_>) {
        if !self.compiles() && !self.check.adapts() {
            return;
        }
        let properties = schema.get("properties").and_then(Tree::as_object);
        let is_flagged = |property: &Tree<'_>| {
            let flag = property.as_object().and_then(|it| it.get("required"));
            flag.and_then(Tree::token) == Some("true")
        };
        let flagged = properties.into_iter().flat_map(TreeObject::iter);
        let flagged = flagged.filter(|(_, property)| is_flagged(property));
        let flagged: Vec<_> = flagged.map(|(name, _)| Tree::of_text(name)).collect();
        match schema.get_mut("required") {
            _ if flagged.is_empty() => {}
            Some(Tree::Array(names)) => {
                for name in flagged {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            Some(_) => {}
            None => schema.set("required", Tree::Array(flagged)),
        }
    }

    /// Checks that `required` is a list of names.
    fn required(&mut self, path: &Path<'_>, schema: &mut TreeObject<'_>) {
        let is_name = |name: &Tree<'_>| name.text().is_some();
        let defect = match schema.get("required") {
            Some(Tree::Array(names)) if names.iter().all(is_name) => return,
            Some(Tree::Scalar(flag)) if matches!(&**flag, "true" | "false") => Defect::RequiredFlag,
            Some(_) => Defect::Kind("a list of names"),
            None => return,
        };
        let breaks_list = self.is_parsed();
        if self.defect(&path.key("required"), defect, breaks_list) {
            match schema.get_mut("required") {
                Some(Tree::Array(names)) => names.retain(is_name),
                _ => schema.remove("required"),
            }
        }
    }
}

/// Returns the JSON text of a value.
fn written(value: &Tree<'_>) -> String {
    let mut text = String::new();
    value.write(&mut text);
    text
}

/// Replaces a string that contains the expected value by that value. Returns `false` if `value` is
/// to be removed instead.
fn unquote(keyword: Keyword, value: &mut Tree<'_>) -> bool {
    let unquoted = value
        .text()
        .map(|text| Tree::Scalar(text.into_owned().into()));
    match unquoted.filter(|unquoted| keyword.is_of(unquoted)) {
        Some(unquoted) => {
            *value = unquoted;
            true
        }
        None => false,
    }
}

/// Returns the schema that is meant by the name of a type, and otherwise one for any value.
fn of_type_name<'a>(name: &Tree<'_>) -> TreeObject<'a> {
    let mut schema = TreeObject::default();
    if let Some(kind) = name.text().and_then(|name| type_meant_by(&name)) {
        schema.set("type", Tree::of_text(kind));
    }
    schema
}

/// Collects the references within the document.
fn collect_references(tree: &Tree<'_>, references: &mut HashSet<Box<str>>) {
    match tree {
        Tree::Array(items) => {
            for item in items {
                collect_references(item, references);
            }
        }
        Tree::Object(object) => {
            for (key, value) in object.iter() {
                match value.text() {
                    Some(reference) if key == "$ref" => {
                        references.insert((*reference).into());
                    }
                    _ => collect_references(value, references),
                }
            }
        }
        Tree::Scalar(_) => {}
    }
}

/// Returns `true` if a part of `schema` has an `$id`, against which references resolve.
fn embeds_resource(schema: &Tree<'_>) -> bool {
    let has_id = |part: &Tree<'_>| {
        let id = part.as_object().and_then(|part| part.get("$id"));
        id.and_then(Tree::text).is_some() || embeds_resource(part)
    };
    match schema {
        Tree::Array(items) => items.iter().any(has_id),
        Tree::Object(object) => object.iter().any(|(_, part)| has_id(part)),
        Tree::Scalar(_) => false,
    }
}

/// Maximum number of different references of a schema that are checked: each is looked up in all of
/// it.
const MAX_REFERENCES: usize = 1_000;

/// Returns `true` if `reference` leads to a value of the document.
///
/// Anchors are not followed. Other documents cannot be fetched by a client.
fn resolves(root: &Tree<'_>, reference: &str) -> bool {
    let Some(fragment) = reference.strip_prefix('#') else {
        return false;
    };
    if !fragment.starts_with('/') {
        return true;
    }
    let pointer = percent_decode_str(fragment).decode_utf8_lossy();
    root.pointer(&pointer).is_some()
}
