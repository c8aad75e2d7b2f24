//! Places of server entries in client files.
//!
//! | Place | Entries |
//! |---|---|
//! | `mcpServers`, `mcp_servers`, `context_servers` | map, or list of entries with `name` |
//! | `servers`, `extensions` | the same |
//! | `mcp.servers`, `servers.mcp` as one key with a dot | map |
//! | `mcp` | map; or settings with `servers` and `inputs` |
//! | `settings.mcp` | the same, in a workspace file of VS Code |
//! | `projects.FOLDER.mcpServers` | map, for programs that run in the folder |
//! | the root | map, if no other place exists and at least one value looks like an entry |
//!
//! A file may have several places, whose entries are added to each other. Entries are left out if
//! the client skips them: by `excluded`, `excludeMCPServers` or `disabledMcpServers`, or because a
//! list `allowed` or `allowMCPServers` does not contain their name.

use crate::document::{Field, Table};

/// Server entry of a file, with the name that it has there.
pub(super) struct Listed<'a> {
    /// Key in a map, or the value of `name` in a list.
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
    /// Inputs of VS Code.
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
        layout.inputs = table.field("inputs");
        layout.maps(&mut table);
        layout.lists(&mut table);
        if let Some(settings) = table.field("mcp").filter(Field::is_map) {
            layout.settings(&settings);
        }
        if let Some(projects) = table.field("projects") {
            layout.projects(&projects);
        }
        for key in ["settings", "mcp.servers", "servers.mcp"] {
            if let Some(field) = table.field(key).filter(Field::is_map) {
                match key {
                    "settings" => layout.workspace(&field),
                    _ => layout.add(&field, None),
                }
            }
        }
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

    /// Adds the entries under the keys of most clients.
    fn maps(&mut self, table: &mut Table<'a>) {
        for key in MAPS {
            if let Some(field) = table.field(key) {
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

    /// Adds the entries of the workspace settings of VS Code.
    fn workspace(&mut self, field: &Field<'a>) {
        let settings = field.table().and_then(|mut table| table.field("mcp"));
        if let Some(settings) = settings.filter(Field::is_map) {
            self.settings(&settings);
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
    /// Items of a list without a name are ignored.
    fn add(&mut self, field: &Field<'a>, project: Option<&'a str>) {
        self.is_known = true;
        let entries = match field.is_list() {
            true => field.items().map(|items| {
                let named = |field: Field<'a>| Some((field.peek("name")?, field));
                items.into_iter().filter_map(named).collect()
            }),
            false => field.entries(),
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

/// Keys of which a server entry has at least one.
const KEYS: [&str; 6] = ["command", "cmd", "url", "uri", "serverUrl", "httpUrl"];
