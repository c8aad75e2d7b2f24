//! Reading of a published file.

use serde_json::Value;

use super::fields::{field, items, text};
use super::inputs::Inputs;
use super::{OFFICIAL, package, remote, sanitize};
use crate::{Entry, EntryStatus, timestamp, version};

/// Entry of a published file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadEntry {
    /// Entry.
    pub entry: Entry,
    /// The file as it is published again: valid, and without what its registry manages.
    pub published: Value,
    /// Time of the last change in its registry, in seconds since the Unix epoch.
    pub updated: Option<u64>,
}

/// Reads a `server.json`, or an entry of a response of a registry: `{ server, _meta }`.
///
/// An entry that cannot be installed is read, too, with the reason.
///
/// # Errors
///
/// A message if the file has no valid name or version.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::server_json::read;
/// use serde_json::json;
///
/// let package = json!({ "registryType": "npm", "identifier": "@example/a", "version": "1.0.0",
///     "transport": { "type": "stdio" } });
/// let file = json!({ "name": "com.example/a", "description": "A", "version": "1.0.0",
///     "packages": [package] });
/// let entry = read(&file).unwrap().entry;
/// let args = json!(["-y", "@example/a@1.0.0"]);
/// assert_eq!(entry.server, Some(json!({ "process": { "command": "npx", "args": args } })));
/// assert!(read(&json!({ "name": "a b" })).is_err());
/// ```
pub fn read(document: &Value) -> Result<ReadEntry, String> {
    let server = document.get("server").unwrap_or(document);
    if !server.is_object() {
        return Err("expected an object".to_owned());
    }
    let name = text(server, "name").filter(|name| crate::entry::is_name(name));
    let name = name.ok_or("the name is missing or invalid")?;
    let version = version_of(server).ok_or("the version is missing or invalid")?;
    let described = text(server, "description").or_else(|| text(server, "title"));
    let mut entry = Entry::new(name, version, shortened(described.unwrap_or(name), 1000));
    entry.title = text(server, "title").map(|title| shortened(title, 100));
    entry.website_url = text(server, "websiteUrl").map(|url| shortened(url, 2048));
    read_status(document, server, &mut entry);
    let mut reasons = Vec::new();
    match template(server, &mut reasons) {
        Some((template, inputs)) => {
            (entry.server, entry.inputs) = (Some(template), inputs.into_inputs());
        }
        None if reasons.is_empty() => {
            entry.unsupported = Some("the entry has neither packages nor remotes".to_owned());
        }
        None => entry.unsupported = Some(shortened(&reasons.join("; "), 1000)),
    }
    entry.check_template(&|_| Vec::new());
    let managed = official(document);
    let updated = managed.and_then(|managed| text(managed, "updatedAt"));
    let updated = updated.and_then(timestamp::parse);
    let published = sanitize::sanitize(server, &entry);
    if let Some(violation) = entry.violations().first() {
        return Err(format!("{}: {}", violation.path, violation.message));
    }
    Ok(ReadEntry {
        entry,
        published,
        updated,
    })
}

/// Returns the template of the first usable remote or package, with its inputs.
///
/// The reasons for which others are not usable are added to `reasons`.
fn template(server: &Value, reasons: &mut Vec<String>) -> Option<(Value, Inputs)> {
    let remotes = items(server, "remotes").iter();
    let remotes = remotes.map(|remote| (remote, remote::read as Reader));
    let packages = items(server, "packages").iter();
    let packages = packages.map(|package| (package, package::read as Reader));
    remotes.chain(packages).find_map(|(part, read)| {
        let mut inputs = Inputs::default();
        match read(part, &mut inputs) {
            Ok(template) => Some((template, inputs)),
            Err(reason) => {
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
                None
            }
        }
    })
}

/// Reader of a package or a remote.
type Reader = fn(&Value, &mut Inputs) -> Result<Value, String>;

/// Returns the version of a file; that of its first package if it has none.
fn version_of(server: &Value) -> Option<&str> {
    let detail = field(server, "versionDetail");
    let packages = items(server, "packages").iter();
    let candidates = [
        text(server, "version"),
        detail.and_then(|detail| text(detail, "version")),
    ];
    let mut candidates = candidates.into_iter().flatten();
    let own = candidates.find(|text| version::is_valid(text));
    let mut theirs = packages.filter_map(|package| text(package, "version"));
    own.or_else(|| theirs.find(|text| version::is_valid(text)))
}

/// Reads the status, which registries keep beside the file, and older ones in it.
fn read_status(document: &Value, server: &Value, entry: &mut Entry) {
    let managed = official(document);
    let status = managed.and_then(|managed| text(managed, "status"));
    entry.status = match status.or_else(|| text(server, "status")) {
        Some("deprecated") => EntryStatus::Deprecated,
        Some("deleted") => EntryStatus::Deleted,
        _ => EntryStatus::Active,
    };
    let message = managed.and_then(|managed| text(managed, "statusMessage"));
    entry.status_message = message.map(|message| shortened(message, 500));
}

/// Returns what the registry manages of an entry.
fn official(document: &Value) -> Option<&Value> {
    document.get("_meta").and_then(|meta| meta.get(OFFICIAL))
}

/// Returns up to `max` characters of `text`, on one line.
pub(super) fn shortened(text: &str, max: usize) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let text = words.join(" ").replace(char::is_control, "");
    match text.chars().count() <= max {
        true => text,
        false => text.chars().take(max - 1).chain(['…']).collect(),
    }
}
