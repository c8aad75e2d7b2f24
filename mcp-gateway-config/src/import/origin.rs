//! Properties of a client file that follow from its path.
//!
//! Files of clients do not name the client, but its conventions differ: the unit of times, the
//! syntax of references, and the folder in which programs run. Well-known names of files and
//! folders determine them, such as `.gemini/settings.json`. The path is not resolved, and no file
//! is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::document::{Environment, Field, Lookup};

/// Origin of a client file: the client that owns it, as far as its path tells.
#[derive(Debug)]
pub(super) struct Origin {
    /// Folder of the file.
    ///
    /// Empty for a path without a folder, which means the current one.
    pub(super) folder: PathBuf,
    /// Folder that the client calls the workspace or project.
    ///
    /// The parent of a folder such as `.vscode`; otherwise the folder of the file.
    pub(super) workspace: PathBuf,
    /// Set if the client runs programs in the workspace folder.
    ///
    /// Not set for files in the home directory, which belong to a user instead of a project.
    pub(super) runs_in_workspace: bool,
    /// Units of times and syntax of references.
    pub(super) dialect: Dialect,
}

/// Conventions of a client that its file does not show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// `$NAME` is a reference, times are in milliseconds: Gemini CLI, Qwen Code.
    Gemini,
    /// `{env:NAME}` and `{file:PATH}` are references, times are in milliseconds.
    Opencode,
    /// `$NAME` is a reference, times are in seconds.
    Crush,
    /// `{{NAME}}` is a value of the user, times are in milliseconds.
    LibreChat,
    /// Times are in milliseconds: Copilot, Kiro.
    Milliseconds,
    /// Times are in seconds: Cline, Roo, Goose.
    Seconds,
    /// Any other client.
    Other,
}

/// Syntax of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Syntax {
    /// JSON with comments and trailing commas.
    Json,
    /// TOML, for files `*.toml`.
    Toml,
    /// YAML, for files `*.yaml` and `*.yml`.
    Yaml,
}

impl Syntax {
    /// Returns the syntax of the file at `path`, JSON by default.
    pub(super) fn of(path: &Path) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some("toml") => Self::Toml,
            Some("yaml" | "yml") => Self::Yaml,
            Some(_) | None => Self::Json,
        }
    }
}

impl Origin {
    /// Determines the origin of the file at `path`.
    pub(super) fn of(path: &Path, environment: &dyn Environment) -> Self {
        let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
        let name = file_name(path);
        let inner = file_name(&folder);
        // .kiro/settings/mcp.json and .continue/mcpServers/a.yaml are one level deeper.
        let (marker, above) = match EDITOR_FOLDERS.contains(&inner) {
            true => (inner, folder.parent()),
            false => {
                let outer = folder.parent().unwrap_or_else(|| Path::new(""));
                (file_name(outer), outer.parent())
            }
        };
        let in_editor_folder = EDITOR_FOLDERS.contains(&marker);
        let workspace = match above {
            Some(above) if in_editor_folder => above.to_owned(),
            Some(_) | None => folder.clone(),
        };
        let is_project = in_editor_folder || PROJECT_FILES.contains(&name);
        Self {
            runs_in_workspace: is_project && !is_home(&workspace, environment),
            dialect: dialect(name, marker, inner),
            folder,
            workspace,
        }
    }

    /// Determines the dialect by the content of a file whose path does not tell.
    pub(super) fn refined(mut self, root: &Field<'_>) -> Self {
        let schema = root.peek("$schema").unwrap_or_default();
        let dialects = [
            (schema.contains("opencode"), Dialect::Opencode),
            (schema.contains("crush"), Dialect::Crush),
            (root.get("extensions").is_some(), Dialect::Seconds),
        ];
        if self.dialect == Dialect::Other
            && let Some((_, dialect)) = dialects.into_iter().find(|(shown, _)| *shown)
        {
            self.dialect = dialect;
        }
        self
    }
}

/// Returns the dialect of the file `name` in a folder of a client.
///
/// `marker` is the folder of the client, if the file is in one, and `inner` is the folder that
/// contains the file. They differ where the client has a folder of settings within its own.
fn dialect(name: &str, marker: &str, inner: &str) -> Dialect {
    match (name, marker) {
        ("gemini-extension.json" | "qwen-extension.json", _) | (_, ".gemini" | ".qwen") => {
            Dialect::Gemini
        }
        ("opencode.json" | "opencode.jsonc", _) | (_, ".opencode") => Dialect::Opencode,
        ("crush.json" | ".crush.json", _) => Dialect::Crush,
        ("librechat.yaml" | "librechat.yml", _) => Dialect::LibreChat,
        ("mcp-config.json", _)
        | (_, ".kiro" | ".amazonq" | ".copilot" | ".github" | ".continue") => Dialect::Milliseconds,
        ("cline_mcp_settings.json" | "mcp_settings.json", _)
        | (_, ".roo" | ".cline" | ".kilocode") => Dialect::Seconds,
        _ if inner == "goose" => Dialect::Seconds,
        _ => Dialect::Other,
    }
}

/// Returns the last component of `path`, empty without a valid one.
fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Returns `true` if `folder` is the home directory, whose files are not those of a project.
fn is_home(folder: &Path, environment: &dyn Environment) -> bool {
    match environment.variable("HOME") {
        Lookup::Found(home) => folder == Path::new(home.expose()),
        Lookup::Missing | Lookup::Unavailable => false,
    }
}

/// Folders of clients in a project, whose parent is the workspace.
const EDITOR_FOLDERS: [&str; 24] = [
    ".amazonq",
    ".augment",
    ".claude",
    ".cline",
    ".codex",
    ".continue",
    ".copilot",
    ".cursor",
    ".devcontainer",
    ".factory",
    ".gemini",
    ".github",
    ".idea",
    ".junie",
    ".kilocode",
    ".kiro",
    ".opencode",
    ".qwen",
    ".roo",
    ".trae",
    ".vs",
    ".vscode",
    ".windsurf",
    ".zed",
];

/// Files of clients in the folder of a project.
const PROJECT_FILES: [&str; 7] = [
    ".crush.json",
    ".mcp.json",
    "crush.json",
    "gemini-extension.json",
    "opencode.json",
    "opencode.jsonc",
    "qwen-extension.json",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::NoEnvironment;

    #[test]
    fn projects_are_found_by_the_folders_of_clients() {
        let table = [
            ("/p/.vscode/mcp.json", "/p", true),
            ("/p/.cursor/mcp.json", "/p", true),
            ("/p/.kiro/settings/mcp.json", "/p", true),
            ("/p/.mcp.json", "/p", true),
            ("/p/claude_desktop_config.json", "/p", false),
            ("mcp.json", "", false),
        ];
        for (path, workspace, runs) in table {
            let origin = Origin::of(Path::new(path), &NoEnvironment);
            assert_eq!(origin.workspace, Path::new(workspace), "{path}");
            assert_eq!(origin.runs_in_workspace, runs, "{path}");
        }
    }

    #[test]
    fn dialects_follow_from_paths() {
        let table = [
            ("/p/.gemini/settings.json", Dialect::Gemini),
            ("/p/gemini-extension.json", Dialect::Gemini),
            ("/p/.qwen/settings.json", Dialect::Gemini),
            ("/home/a/.config/opencode/opencode.json", Dialect::Opencode),
            ("/p/.roo/mcp.json", Dialect::Seconds),
            ("/home/a/.config/goose/config.yaml", Dialect::Seconds),
            ("/p/.mcp.json", Dialect::Other),
        ];
        for (path, expected) in table {
            let origin = Origin::of(Path::new(path), &NoEnvironment);
            assert_eq!(origin.dialect, expected, "{path}");
        }
    }
}
