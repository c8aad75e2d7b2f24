//! Operations of the API, as its document describes them.

use std::sync::LazyLock;

use axum::http::Method;
use serde_json::Value;

use super::document;

/// Operation of the API.
#[derive(Debug)]
pub(crate) struct Operation {
    /// `operationId`.
    pub(crate) id: String,
    /// Method of the request.
    pub(crate) method: Method,
    /// Path with names of parameters in braces.
    path: String,
    /// Parameters and body, as JSON.
    description: Value,
}

/// Parameter of an operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// `true` if it is required.
    pub(crate) is_required: bool,
    description: &'a Value,
}

impl Operation {
    /// Returns the path with the segments that `value` returns for the parameters.
    pub(crate) fn path(&self, value: impl Fn(&str) -> String) -> String {
        let segments = self.path.split('/').map(|segment| {
            let name = segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'));
            name.map_or_else(|| segment.to_owned(), &value)
        });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Returns a path of the operation, which names nothing.
    pub(super) fn sample_path(&self) -> String {
        self.path(|_| "_".to_owned())
    }

    /// Returns the parameters in the path or the query.
    pub(crate) fn parameters(&self, place: &'static str) -> impl Iterator<Item = Parameter<'_>> {
        let all = self.description["parameters"].as_array();
        let found = all.into_iter().flatten();
        let found = found.filter(move |parameter| parameter["in"] == place);
        found.filter_map(|description| {
            Some(Parameter {
                name: description["name"].as_str()?,
                is_required: description["required"] == true,
                description,
            })
        })
    }

    /// Returns the schema of the body, without references; `None` if there is no body.
    pub(crate) fn body(&self) -> Option<Value> {
        let schema = &self.description["requestBody"]["content"]["application/json"]["schema"];
        (!schema.is_null()).then(|| resolved(schema, MAX_DEPTH))
    }
}

impl Parameter<'_> {
    /// Returns the schema, with the description.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = resolved(&self.description["schema"], MAX_DEPTH);
        if let (Some(members), Some(text)) = (
            schema.as_object_mut(),
            self.description["description"].as_str(),
        ) {
            members.insert("description".to_owned(), text.into());
        }
        schema
    }
}

/// Returns all operations.
pub(crate) fn operations() -> &'static [Operation] {
    &OPERATIONS
}

/// Returns the operation with the identifier `id`.
pub(crate) fn operation(id: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.id == id)
}

/// Returns `schema` with the referenced schemas in the places of their references.
fn resolved(schema: &Value, depth: usize) -> Value {
    let target = schema["$ref"]
        .as_str()
        .and_then(|reference| DOCUMENT.pointer(reference.trim_start_matches('#')));
    match (target, schema) {
        (Some(_), _) | (_, Value::Array(_) | Value::Object(_)) if depth == 0 => Value::from(true),
        (Some(target), _) => {
            let mut target = resolved(target, depth - 1);
            if let (Some(members), Some(text)) = (target.as_object_mut(), schema.get("description"))
            {
                members.insert("description".to_owned(), text.clone());
            }
            target
        }
        (None, Value::Array(items)) => items.iter().map(|it| resolved(it, depth - 1)).collect(),
        (None, Value::Object(members)) => members
            .iter()
            .map(|(key, member)| (key.clone(), resolved(member, depth - 1)))
            .collect(),
        (None, scalar) => scalar.clone(),
    }
}

/// Document of the API.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(document()).unwrap_or_default());

/// Operations of the document, in the order of their paths.
static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
    let paths = DOCUMENT["paths"].as_object().into_iter().flatten();
    let found = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.filter_map(move |(method, description)| {
            Some(Operation {
                id: description["operationId"].as_str()?.to_owned(),
                method: Method::from_bytes(method.to_ascii_uppercase().as_bytes()).ok()?,
                path: path.clone(),
                description: description.clone(),
            })
        })
    });
    found.collect()
});

/// Maximum nesting of a schema.
const MAX_DEPTH: usize = 24;

#[cfg(test)]
mod tests {
    use super::super::BASE;
    use super::*;

    #[test]
    fn operations_are_those_of_the_document() {
        let rotate = operation("rotateToken").unwrap();
        assert_eq!(rotate.method, Method::POST);
        assert_eq!(
            rotate.path(|name| format!("<{name}>")),
            format!("{BASE}/tokens/<id>/rotate")
        );
        assert!(rotate.body().is_none());
        let listed = operation("listEntries").unwrap();
        assert!(listed.parameters("query").any(|it| it.name == "search"));
        assert!(operations().iter().all(|it| it.path.starts_with(BASE)));
    }

    #[test]
    fn schemas_have_no_references() {
        for operation in operations() {
            let text = operation.body().unwrap_or_default().to_string();
            assert!(!text.contains("$ref"), "{}: {text}", operation.id);
        }
    }
}
