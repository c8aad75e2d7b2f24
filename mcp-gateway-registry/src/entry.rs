//! Entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{Input, Violation, input, version};

/// Server that can be installed, in one version.
///
/// See the [crate documentation](crate) for an example.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// Name, such as `com.example/notes`.
    #[schema(pattern = "^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$", max_length = 200)]
    pub name: String,
    /// Version; not `latest`.
    #[schema(pattern = "^[!#-\\[\\]-~]+$", max_length = 255)]
    pub version: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 200)]
    pub title: Option<String>,
    /// Description.
    #[schema(min_length = 1, max_length = 4096)]
    pub description: String,
    /// Page with more about the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 2048)]
    pub website_url: Option<String>,
    /// Template of the server: an entry of `servers` in a configuration file, without a name, in
    /// which `{NAME}` stands for the value of an input. `null` if the server cannot be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub server: Option<Value>,
    /// Reason for which the server cannot be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsupported: Option<String>,
    /// Values that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Teams that see the entry; everybody if `null`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
    /// Status.
    #[serde(default)]
    pub status: EntryStatus,
    /// Reason for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 500)]
    pub status_message: Option<String>,
}

/// Status of an entry.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the registry API defines them")]
pub enum EntryStatus {
    /// Installable.
    #[default]
    Active,
    /// Installable, but not recommended.
    Deprecated,
    /// Not installable any more.
    Deleted,
}

/// Registry from which an entry has been imported.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Origin {
    /// URL of the registry; `null` for a file.
    pub registry: Option<String>,
}

/// Entry with what the registry manages.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EntryDocument)]
#[non_exhaustive]
pub struct EntryDocument {
    /// Entry.
    pub entry: Entry,
    /// Origin, if it has been imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// `server.json` from which it has been read, unless it has been changed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub published: Option<Value>,
    /// Time of creation, in seconds since the Unix epoch.
    pub created: u64,
    /// Time of the last change.
    pub updated: u64,
}

/// Name and version of an entry.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::EntryReference;
///
/// let pinned: EntryReference = "com.example/notes@1.0.0".parse().unwrap();
/// assert_eq!(pinned.version.as_deref(), Some("1.0.0"));
/// let latest: EntryReference = "memory".parse().unwrap();
/// assert_eq!((&*latest.name, latest.version), ("memory", None));
/// assert!("a b".parse::<EntryReference>().is_err());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct EntryReference {
    /// Name.
    pub name: String,
    /// Version; the latest if `None`.
    pub version: Option<String>,
}

impl Entry {
    /// Creates an entry that cannot be installed yet.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            description: description.into(),
            ..Self::default()
        }
    }

    /// Returns `NAME@VERSION`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Returns `true` if the server can be installed.
    #[must_use]
    pub fn is_installable(&self) -> bool {
        self.server.is_some() && self.unsupported.is_none() && self.status != EntryStatus::Deleted
    }

    /// Returns the violations of the entry itself; the server of its template is checked elsewhere.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Violations::default();
        let name = "expected letters, digits, '.', '_', '-', and at most one '/'";
        found.require(is_name(&self.name), "name", name);
        let is_own = !self.name.starts_with("local/");
        let local = "names below local/ are those of entries without a namespace";
        found.require(is_own, "name", local);
        let version = "expected a version without spaces, and not latest";
        found.require(version::is_valid(&self.version), "version", version);
        let texts = [
            ("title", self.title.as_deref(), 200),
            ("description", Some(&*self.description), 4096),
            ("websiteUrl", self.website_url.as_deref(), 2048),
            ("statusMessage", self.status_message.as_deref(), 500),
        ];
        for (path, text, max) in texts {
            let is_valid = |text: &str| !text.trim().is_empty() && text.chars().count() <= max;
            let message = format!("expected text of up to {max} characters");
            found.require(text.is_none_or(is_valid), path, &message);
        }
        self.check_inputs(&mut found);
        let mut teams = self.teams.iter().flatten();
        let are_names = teams.all(|team| !team.is_empty() && team.len() <= 256);
        found.require(are_names, "teams", "expected names of teams");
        let has_server = self.server.is_some() || self.unsupported.is_some();
        let server = "required, unless the entry is unsupported";
        found.require(has_server, "server", server);
        found.0
    }

    /// Adds the violations of the inputs to `found`.
    fn check_inputs(&self, found: &mut Violations) {
        found.require(self.inputs.len() <= MAX_INPUTS, "inputs", "too many inputs");
        for (at, input) in self.inputs.iter().enumerate() {
            let path = format!("inputs[{at}].name");
            let name = "expected letters, digits, '_', '.', ':' and '-'";
            found.require(input::is_name(&input.name), &path, name);
            let mut before = self.inputs[..at].iter();
            let is_first = before.all(|before| before.name != input.name);
            found.require(is_first, &path, "duplicate name");
            let path = format!("inputs[{at}].default");
            let default = input.default.as_deref();
            let is_valid = default.is_none_or(|default| input.check(default).is_ok());
            found.require(is_valid, &path, "not a valid value of the input");
            let is_public = !input.secret || default.is_none();
            found.require(is_public, &path, "a secret has no default");
            let path = format!("inputs[{at}].choices");
            let is_public = !input.secret || input.choices.is_empty();
            found.require(is_public, &path, "a secret has no choices");
        }
    }
}

/// Violations that have been found.
#[derive(Debug, Default)]
struct Violations(Vec<Violation>);

impl Violations {
    /// Adds a violation at `path` unless the rule `holds`.
    fn require(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.0.push(Violation::new(path, message));
        }
    }
}

impl EntryDocument {
    /// Creates a document of `entry` at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn new(entry: Entry, now: u64) -> Self {
        Self {
            entry,
            origin: None,
            published: None,
            created: now,
            updated: now,
        }
    }
}

impl EntryStatus {
    /// Returns the name of the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for EntryReference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, version) = match text.split_once('@') {
            None | Some((_, "latest")) => (text.split('@').next().unwrap_or(text), None),
            Some((name, version)) => (name, Some(version)),
        };
        match is_name(name) && version.is_none_or(version::is_valid) {
            true => Ok(Self {
                name: name.to_owned(),
                version: version.map(str::to_owned),
            }),
            false => Err("expected NAME or NAME@VERSION".to_owned()),
        }
    }
}

impl fmt::Display for EntryReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{}@{version}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// Returns `true` if `name` is a valid name of an entry.
pub(crate) fn is_name(name: &str) -> bool {
    let is_part = |part: &str, others: &[u8]| {
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || others.contains(&byte);
        !part.is_empty() && part.bytes().all(is_valid)
    };
    let is_valid = match name.split_once('/') {
        Some((namespace, name)) => is_part(namespace, b".-") && is_part(name, b"._-"),
        None => is_part(name, b"._-"),
    };
    name.len() <= 200 && is_valid
}

/// Maximum number of inputs.
const MAX_INPUTS: usize = 256;
