//! Places of server entries in client files.
//!
//! | Place | Entries |
//! |---|---|
//! | `mcpServers`, `mcp_servers`, `context_servers` | map, or list of entries with `name` |
//! | `servers`, `extensions` | the same |
//! | `mcp.servers`, `servers.mcp` as one key with a dot | map |
//! | `mcp` | map; or settings with `servers` and `inputs` |
//! | `settings.mcp`, `customizations.vscode.mcp` | the same, in a workspace file of VS Code, and in `devcontainer.json` |
//! | `*.mcpServers`, `augment.advanced.mcpServers` | map or list, in settings of extensions of editors |
//! | `experimental.modelContextProtocolServers` | list, in older files of Continue |
//! | `server.mcp_config` | one entry, in the manifest of an extension of Claude Desktop |
//! | `projects.FOLDER.mcpServers` | map, for programs that run in the folder |
//! | the root | map, if no other place exists and at least one value looks like an entry |
//!
//! A file may have several places, whose entries are added to each other. The last one of several
//! entries with the same key in a map counts, as in JSON. Entries are left out if
//! the client skips them: by `excluded`, `excludeMCPServers` or `disabledMcpServers`, or because a
//! list `allowed` or `allowMCPServers` does not contain their name.

use std::collections::HashMap;

use crate::document::{Field, Table};

/// Server entry of a file, with the name that it has there.
pub(super) struct Listed<'a> {
    /// Key in a map; in a list the value of `name` or `uses`, or a placeholder.
    pub(super) name: &'a str,
    /// The entry itself, which is not checked yet.
    pub(super) field: Field<'a>,
    /// Folder of the project that the entry belongs to.
    pub(super) project: Option<&'a str>,
}

/// Entries of a file.
#[derive(Default)]
pub(super) struct Layout<'a> {
    /// Entries that the client uses, place by place.
    pub(super) entries: Vec<Listed<'a>>,
    /// Inputs of VS Code, or the user configuration of an extension.
    pub(super) inputs: Option<Field<'a>>,
    /// Names of entries that the client skips.
    excluded: Vec<&'a str>,
    /// Names of entries that the client uses; all if `None`.
    allowed: Option<Vec<&'a str>>,
    /// Set if the file has a place for entries.
    is_known: bool,
}

impl<'a> Layout<'a> {
    /// Finds the entries of the file with `root`. Returns `None` if nothing in it looks like them.
    ///
    /// In that case an error names the keys of most clients.
    pub(super) fn of(root: &Field<'a>) -> Option<Self> {
        let mut layout = Self::default();
        let mut table = root.table()?;
        layout.inputs = table.field("inputs").or_else(|| table.field("user_config"));
        layout.maps(&mut table);
        layout.lists(&mut table);
        if let Some(projects) = table.field("projects") {
            layout.projects(&projects);
        }
        layout.nested(root);
        if !layout.is_known && looks_like_entries(root) {
            layout.add(root, None);
        }
        if !layout.is_known {
            root.error(format!("expected one of: {}", MAPS.join(", ")));
            return None;
        }
        layout.select();
        Some(layout)
    }

    /// Adds the entries in settings of editors, and that of a manifest.
    fn nested(&mut self, root: &Field<'a>) {
        for path in SETTINGS {
            if let Some(settings) = at(root, path).filter(Field::is_map) {
                self.settings(&settings);
            }
        }
        for path in FURTHER {
            if let Some(entries) = at(root, path) {
                self.add(&entries, None);
            }
        }
        for (key, entries) in root.entries().unwrap_or_default() {
            // Settings of extensions of editors, such as amp.mcpServers.
            if key.ends_with(".mcpServers") {
                self.add(&entries, None);
            }
        }
        if let Some(field) = at(root, &["server", "mcp_config"]) {
            let name = root.peek("name").unwrap_or(NAMELESS);
            self.is_known = true;
            self.entries.push(Listed {
                name,
                field,
                project: None,
            });
        }
    }

    /// Adds the entries under the keys of most clients.
    fn maps(&mut self, table: &mut Table<'a>) {
        for key in MAPS {
            // In files of editors, extensions are something else.
            let field = table.field(key);
            let field = field.filter(|field| key != "extensions" || looks_like_entries(field));
            if let Some(field) = field {
                self.add(&field, None);
            }
        }
    }

    /// Reads the lists of names that the client uses and skips.
    fn lists(&mut self, table: &mut Table<'a>) {
        for key in ["excluded", "excludeMCPServers", "disabledMcpServers"] {
            let names = table.field(key);
            self.excluded
                .extend(names.as_ref().map(texts).unwrap_or_default());
        }
        for key in ["allowed", "allowMCPServers"] {
            if let Some(names) = table.field(key) {
                self.allowed = Some(texts(&names));
            }
        }
    }

    /// Reads the key `mcp`: settings of VS Code or Gemini CLI, or the entries of opencode and
    /// Crush.
    ///
    /// Any other map under the key is ignored: `mcp` has further settings in some clients.
    fn settings(&mut self, field: &Field<'a>) {
        let Some(mut table) = field.table() else {
            return;
        };
        self.lists(&mut table);
        if let Some(inputs) = table.field("inputs") {
            self.inputs = Some(inputs);
        }
        match table.field("servers") {
            Some(servers) => self.add(&servers, None),
            None if looks_like_entries(field) => self.add(field, None),
            None => {}
        }
    }

    /// Adds the entries of the projects of Claude Code.
    ///
    /// Keys are folders. The list of disabled names of a project concerns its own entries alone.
    fn projects(&mut self, field: &Field<'a>) {
        for (folder, project) in field.entries().unwrap_or_default() {
            let Some(mut table) = project.table() else {
                continue;
            };
            let disabled = table.field("disabledMcpServers");
            let disabled = disabled.as_ref().map(texts).unwrap_or_default();
            if let Some(servers) = table.field("mcpServers") {
                self.add(&servers, Some(folder));
                let is_disabled = |entry: &Listed<'_>| {
                    entry.project == Some(folder) && disabled.contains(&entry.name)
                };
                self.entries.retain(|entry| !is_disabled(entry));
            }
        }
    }

    /// Adds a map of entries, or a list of entries with names.
    ///
    /// The last one of several entries with the same key in a map counts.
    fn add(&mut self, field: &Field<'a>, project: Option<&'a str>) {
        self.is_known = true;
        let entries = match field.is_list() {
            true => field.items().map(|items| {
                let name = |field: &Field<'a>| field.peek("name").or_else(|| field.peek("uses"));
                let named = |field: Field<'a>| (name(&field).unwrap_or(NAMELESS), field);
                items.into_iter().map(named).collect()
            }),
            false => field.entries().map(last_of_each),
        };
        let listed = |(name, field)| Listed {
            name,
            field,
            project,
        };
        self.entries
            .extend(entries.unwrap_or_default().into_iter().map(listed));
    }

    /// Removes the entries that the client skips.
    fn select(&mut self) {
        let Self {
            excluded, allowed, ..
        } = self;
        self.entries.retain(|entry| {
            let name = &entry.name;
            let is_allowed = allowed.as_ref().is_none_or(|names| names.contains(name));
            is_allowed && !excluded.contains(name)
        });
    }
}

/// Returns the texts of a list.
fn texts<'a>(field: &Field<'a>) -> Vec<&'a str> {
    let items = field.items().unwrap_or_default();
    items.iter().filter_map(Field::text).collect()
}

/// Removes entries whose key occurs again.
fn last_of_each<'a>(entries: Vec<(&'a str, Field<'a>)>) -> Vec<(&'a str, Field<'a>)> {
    let last: HashMap<_, _> = entries.iter().map(|(name, _)| *name).zip(0..).collect();
    let numbered = entries.into_iter().zip(0..);
    let counts = numbered.filter(|((name, _), at)| last.get(name) == Some(at));
    counts.map(|(entry, _)| entry).collect()
}

/// Returns the field at `path` below `root`.
fn at<'a>(root: &Field<'a>, path: &[&str]) -> Option<Field<'a>> {
    let mut keys = path.iter();
    keys.try_fold(root.clone(), |field, key| field.get(key))
}

/// Returns `true` if `field` is a map of server entries.
fn looks_like_entries(field: &Field<'_>) -> bool {
    let Some(entries) = field.is_map().then(|| field.entries()).flatten() else {
        return false;
    };
    let is_entry = |field: &Field<'_>| KEYS.iter().any(|key| field.get(key).is_some());
    !entries.is_empty() && entries.iter().any(|(_, field)| is_entry(field))
}

/// Keys of the maps of servers.
const MAPS: [&str; 5] = [
    "mcpServers",
    "servers",
    "context_servers",
    "mcp_servers",
    "extensions",
];

/// Paths of settings with entries.
const SETTINGS: [&[&str]; 3] = [
    &["mcp"],
    &["settings", "mcp"],
    &["customizations", "vscode", "mcp"],
];

/// Paths of further entries.
const FURTHER: [&[&str]; 4] = [
    &["mcp.servers"],
    &["servers.mcp"],
    &["experimental", "modelContextProtocolServers"],
    &["augment.advanced", "mcpServers"],
];

/// Name of an entry without one.
const NAMELESS: &str = "server";

/// Keys of which a server entry has at least one. In Goose, servers of the client have a type only.
const KEYS: [&str; 7] = [
    "command",
    "cmd",
    "httpUrl",
    "serverUrl",
    "type",
    "uri",
    "url",
];
