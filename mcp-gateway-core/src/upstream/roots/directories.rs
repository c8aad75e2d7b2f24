//! Confinement of roots to directories of this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

/// Directories that may contain roots.
///
/// Cloning is cheap. The directories are resolved at each use, so that directories and links that
/// are created later count as well.
#[derive(Clone, Debug)]
pub(super) struct Directories(Arc<[PathBuf]>);

impl Directories {
    /// Creates the set of `directories`, which are not required to exist.
    pub(super) fn new(directories: &[PathBuf]) -> Self {
        Self(directories.into())
    }

    /// Returns the result of `roots/list` as JSON text, with those roots of `result` that lie
    /// inside of the directories.
    ///
    /// The URI of each root is that of its path after symbolic links are resolved; its name is
    /// kept, other members are dropped. Roots that do not exist, are not `file` URIs or lie
    /// elsewhere are dropped, as are all but the first [`MAX_ROOTS`]. If `/` is one of the
    /// directories, roots that do not exist are kept. An invalid `result` has no roots.
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
        // File systems can be remote and slow, so they are not accessed on a worker of the runtime.
        let kept = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        if kept.len() < count {
            tracing::debug!(declared = count, kept = kept.len(), "roots dropped");
        }
        json!({ "roots": kept }).to_string()
    }

    /// Returns the root as the server may receive it, or `None` if it must be dropped.
    fn root(&self, root: &Value) -> Option<Value> {
        let path = self.resolve(root["uri"].as_str()?)?;
        let mut confined = json!({ "uri": uri(&path)? });
        if let Some(name) = root["name"].as_str() {
            confined["name"] = name.into();
        }
        Some(confined)
    }

    /// Returns the path of `uri` with symbolic links resolved, or `None` if it does not exist
    /// inside of the directories.
    ///
    /// A path that does not exist is inside of `/`, whatever it will lead to once it does.
    fn resolve(&self, uri: &str) -> Option<PathBuf> {
        let declared = path(uri)?;
        let Ok(path) = declared.canonicalize() else {
            let is_unbounded = self.0.iter().any(|it| it == Path::new("/"));
            return is_unbounded.then_some(declared);
        };
        let inside = |directory: &PathBuf| {
            // A relative path would depend on the working directory of the gateway.
            let directory = directory.is_absolute().then(|| directory.canonicalize());
            directory.is_some_and(|found| found.is_ok_and(|found| path.starts_with(found)))
        };
        self.0.iter().any(inside).then_some(path)
    }
}

/// Returns the absolute path of a `file` URI of this machine.
///
/// Only the plain form is accepted, with an empty authority or `localhost`, without query and
/// fragment. Anything that parsers interpret differently could name another file to the server than
/// here.
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

/// Returns the `file` URI of an absolute path, or `None` if the path is not valid UTF-8.
fn uri(path: &Path) -> Option<String> {
    let path = utf8_percent_encode(path.to_str()?, RESERVED);
    Some(format!("file://{path}"))
}

/// Characters of a path that have another meaning in a URI, or are not allowed in one.
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

/// Maximum number of roots of a response; the rest is dropped.
const MAX_ROOTS: usize = 256;

#[cfg(test)]
mod tests;
