//! The directories that roots may be in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// The directories that roots may be in.
#[derive(Clone, Debug)]
pub(super) struct Directories(Arc<[PathBuf]>);

impl Directories {
    pub(super) fn new(directories: &[PathBuf]) -> Self {
        Self(directories.into())
    }

    /// Returns the JSON text of a result of `roots/list` with those roots of `result` that are inside
    /// the directories, each by its path after symbolic links are resolved.
    pub(super) async fn confine(&self, result: &str) -> String {
        let result: Value = serde_json::from_str(result).unwrap_or_default();
        let declared = match result.get("roots") {
            Some(Value::Array(roots)) => roots.clone(),
            _ => Vec::new(),
        };
        let (count, directories) = (declared.len(), self.clone());
        let look = move || {
            let declared = declared.iter().take(MAX_ROOTS);
            declared
                .filter_map(|root| directories.root(root))
                .collect::<Vec<_>>()
        };
        // A file system may be remote, and slow.
        let kept = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        if kept.len() < count {
            tracing::debug!(declared = count, kept = kept.len(), "roots dropped");
        }
        json!({ "roots": kept }).to_string()
    }

    /// Returns the root as the server may see it; `None` if it may not.
    fn root(&self, root: &Value) -> Option<Value> {
        let path = self.resolve(root["uri"].as_str()?)?;
        let mut confined = json!({ "uri": uri(&path)? });
        if let Some(name) = root["name"].as_str() {
            confined["name"] = name.into();
        }
        Some(confined)
    }

    /// Returns the path that `uri` names, without symbolic links; `None` if that is not inside the
    /// directories.
    fn resolve(&self, uri: &str) -> Option<PathBuf> {
        let path = path(uri)?.canonicalize().ok()?;
        let inside = |directory: &PathBuf| {
            // A relative one would depend on where the gateway was started.
            let directory = directory.is_absolute().then(|| directory.canonicalize());
            directory.is_some_and(|found| found.is_ok_and(|found| path.starts_with(found)))
        };
        self.0.iter().any(inside).then_some(path)
    }
}

/// Returns the absolute path that a `file` URI of this machine names.
///
/// Only the plain form is accepted, without query and fragment: what is left to interpretation could
/// be understood in another way elsewhere.
fn path(uri: &str) -> Option<PathBuf> {
    let (scheme, rest) = uri.split_once("://")?;
    let (authority, _) = rest.split_once('/')?;
    let local = authority.is_empty() || authority.eq_ignore_ascii_case("localhost");
    let encoded = &rest[authority.len()..];
    if !scheme.eq_ignore_ascii_case("file") || !local || encoded.contains(['?', '#']) {
        return None;
    }
    let path = percent_decode_str(encoded).decode_utf8().ok()?;
    if path.contains('\0') {
        return None;
    }
    let path = PathBuf::from(&*path);
    path.is_absolute().then_some(path)
}

/// Returns the `file` URI of an absolute path; `None` if the path is no text.
fn uri(path: &Path) -> Option<String> {
    let path = utf8_percent_encode(path.to_str()?, RESERVED);
    Some(format!("file://{path}"))
}

/// The characters of a path that mean something else in a URI, or may not be in one.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// How many roots of an answer are looked at; the others are dropped.
const MAX_ROOTS: usize = 256;

#[cfg(test)]
mod tests;
