//! Ready entries: servers that need no configuration.
//!
//! An entry is a file of data in `src/library`. It names a package in a fixed version, and has the
//! YAML text of its server, with the isolation that each caller's copy needs.
//!
//! | key of a file | value |
//! |---|---|
//! | `summary` | description in a few words |
//! | `package` | package with its version |
//! | `needs` | programs that must be installed |
//! | `prompts` | values to ask for: `name`, `text`, `default` and `type` (`folder` or `text`) |
//! | `callers` | description of what callers share |
//! | `server` | text of the server without its name, in which `{{NAME}}` stands for a value |

use std::sync::LazyLock;

use mcp_gateway_registry::{self as registry, EntryDocument, Input, InputFormat};

use crate::document::{DiagnosticSink, Field, FromField, NoEnvironment, json, suggestion, yaml};
use crate::file::is_name_char;

/// Ready entry.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::library::Entry;
///
/// let memory = Entry::find("memory").unwrap();
/// assert_eq!(memory.needs, ["npx"]);
/// let text = memory.server("notes", &[]).unwrap();
/// assert!(text.starts_with("name: notes\nprocess:\n  command: npx\n"));
/// let error = Entry::find("memoryx").unwrap_err();
/// assert!(error.starts_with("unknown entry \"memoryx\"; did you mean \"memory\"?"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Name, which is the default name of the server.
    pub name: String,
    /// Summary.
    pub summary: String,
    /// Package with its version.
    pub package: String,
    /// Programs that must be installed.
    pub needs: Vec<String>,
    /// Values to ask for.
    pub prompts: Vec<Prompt>,
    /// Description of what callers share, and what they have of their own.
    pub callers: String,
    /// YAML text of the server, without its name.
    template: String,
}

/// Value that an entry asks for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Prompt {
    /// Name.
    pub name: String,
    /// Question.
    pub text: String,
    /// Value of an empty answer; an answer is required if `None`.
    pub default: Option<String>,
    /// Set if the value is the path of a folder.
    pub is_folder: bool,
}

impl Entry {
    /// Returns all entries, by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ENTRIES
    }

    /// Returns the entry `name`.
    ///
    /// # Errors
    ///
    /// A message with similar names if it does not exist.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        let found = Self::all().iter().find(|entry| entry.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::all().iter().map(|entry| &*entry.name).collect();
            format!("unknown entry {name:?}; {}", suggestion(name, &names))
        })
    }

    /// Returns the YAML text of a server called `name`, with the `values` of prompts.
    ///
    /// # Errors
    ///
    /// A message if a value is missing, or `values` has a name that is no prompt.
    pub fn server(&self, name: &str, values: &[(String, String)]) -> Result<String, String> {
        let names: Vec<_> = self.prompts.iter().map(|prompt| &*prompt.name).collect();
        if let Some((unknown, _)) = values.iter().find(|(name, _)| !names.contains(&&**name)) {
            let instead = suggestion(unknown, &names);
            return Err(format!(
                "{} does not ask for {unknown:?}; {instead}",
                self.name
            ));
        }
        // A JSON string is a YAML scalar.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let name = match name.chars().all(is_name_char) {
            true => name.to_owned(),
            false => quoted(name),
        };
        let mut text = format!("name: {name}\n{}", self.template);
        for prompt in &self.prompts {
            let given = values.iter().find(|(name, _)| *name == prompt.name);
            let value = given.map(|(_, value)| value).or(prompt.default.as_ref());
            let value = value.ok_or_else(|| format!("{} asks for {:?}", self.name, prompt.name))?;
            text = text.replace(&format!("{{{{{}}}}}", prompt.name), &quoted(value));
        }
        Ok(text)
    }

    /// Returns the entry as the registry has it.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::library::Entry;
    ///
    /// let entry = Entry::find("filesystem").unwrap().to_registry().entry;
    /// assert_eq!(entry.inputs[0].name, "folder");
    /// let server = entry.install("files", &Default::default()).unwrap();
    /// assert_eq!(server["process"]["args"][2], "${state}");
    /// ```
    #[must_use]
    pub fn to_registry(&self) -> EntryDocument {
        let version = self.package.rsplit_once('@').map(|(_, version)| version);
        let description = format!("{}. {}", self.summary, self.callers);
        let version = version.unwrap_or(&self.package);
        let mut entry = registry::Entry::new(&self.name, version, description);
        entry.title = Some(self.summary.clone());
        entry.inputs = self.prompts.iter().map(Prompt::to_input).collect();
        let text = self
            .prompts
            .iter()
            .fold(self.template.clone(), |text, prompt| {
                let (braces, name) = (format!("{{{{{}}}}}", prompt.name), &prompt.name);
                text.replace(&braces, &format!("\"{{{name}}}\""))
            });
        let sink = DiagnosticSink::new(&NoEnvironment);
        entry.server = yaml::parse(&text, &sink).map(|node| json::value(&node));
        EntryDocument::new(entry, 0)
    }

    /// Reads the entry `name` from `text`.
    fn read(name: &str, text: &str) -> Option<Self> {
        let sink = DiagnosticSink::new(&NoEnvironment);
        let node = yaml::parse(text, &sink)?;
        let mut table = sink.root(&node).table()?;
        let entry = Self {
            name: name.to_owned(),
            summary: table.get("summary")?,
            package: table.get("package")?,
            needs: table.get("needs")?,
            prompts: table.get("prompts").unwrap_or_default(),
            callers: table.get("callers")?,
            template: table.get("server")?,
        };
        table.finish();
        sink.into_diagnostics().is_empty().then_some(entry)
    }
}

impl Prompt {
    /// Returns the input of the registry.
    fn to_input(&self) -> Input {
        let mut input = Input::new(self.name.as_str());
        input.description = Some(self.text.clone());
        input.default.clone_from(&self.default);
        input.required = self.default.is_none();
        if self.is_folder {
            input.format = InputFormat::Filepath;
        }
        input
    }
}

impl FromField for Prompt {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let types = [("folder", true), ("text", false)];
        let prompt = Self {
            name: table.get("name")?,
            text: table.get("text")?,
            default: table.get("default"),
            is_folder: table.get_with("type", |field| field.choice(&types))?,
        };
        table.finish();
        Some(prompt)
    }
}

/// All entries. A test checks that none is invalid.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let read = |(name, text): &(&str, &str)| Entry::read(name, text);
    FILES.iter().filter_map(read).collect()
});

/// Names and texts of the entries.
const FILES: [(&str, &str); 8] = [
    ("everything", include_str!("library/everything.yaml")),
    ("fetch", include_str!("library/fetch.yaml")),
    ("filesystem", include_str!("library/filesystem.yaml")),
    ("memory", include_str!("library/memory.yaml")),
    ("playwright", include_str!("library/playwright.yaml")),
    (
        "sequential-thinking",
        include_str!("library/sequential-thinking.yaml"),
    ),
    ("time", include_str!("library/time.yaml")),
    ("tmux", include_str!("library/tmux.yaml")),
];

#[cfg(test)]
mod tests {
    use mcp_gateway_platform::registry::EntryReader as _;
    use mcp_gateway_platform::spec::ServerRuntime;

    use super::*;
    use crate::edit::add_server;
    use crate::file::Config;
    use crate::stored::StoredEntries;

    /// The version in the description is the one that is started.
    #[test]
    fn every_entry_is_valid_and_pinned() {
        assert_eq!(Entry::all().len(), FILES.len());
        for entry in Entry::all() {
            let text = add_server("", &entry.server(&entry.name, &[]).unwrap()).unwrap();
            let (config, warnings) = Config::read_from(&text, &NoEnvironment).unwrap();
            assert!(warnings.is_empty(), "{text}\n{warnings}");
            let ServerRuntime::Process(process) = &config.platform.dynamic.servers[0].transport
            else {
                panic!("{text}");
            };
            assert!(process.args.contains(&entry.package), "{text}");
            assert_eq!(process.command, entry.needs[0]);
            assert!(
                !entry.callers.is_empty() && !entry.summary.ends_with('.'),
                "{text}"
            );
        }
    }

    /// The registry and the configuration file install the same server.
    #[test]
    fn entries_of_the_registry_are_those_of_the_library() {
        for entry in Entry::all() {
            let document = entry.to_registry();
            assert!(document.entry.violations().is_empty(), "{document:?}");
            let server = document.entry.install(&entry.name, &Default::default());
            let read = StoredEntries::new(&[]).read(&server.unwrap()).unwrap();
            let text = add_server("", &entry.server(&entry.name, &[]).unwrap()).unwrap();
            let (config, _) = Config::read_from(&text, &NoEnvironment).unwrap();
            let mut expected = config.platform.dynamic.servers[0].clone();
            expected.entry = Some(document.entry.id().into());
            assert_eq!(read, expected);
            let published = registry::server_json::write(&document);
            let found = registry::server_json::violations(&published);
            assert!(found.is_empty(), "{found:?} {published}");
            let package = &published["packages"][0]["identifier"];
            assert!(
                entry.package.starts_with(package.as_str().unwrap()),
                "{published}"
            );
        }
    }

    #[test]
    fn prompts_are_answered_by_name() {
        let files = Entry::find("filesystem").unwrap();
        let folder = |value: &str| vec![("folder".to_owned(), value.to_owned())];
        let text = files.server("a", &folder("/srv/\"x\": #")).unwrap();
        assert!(text.contains(r##""/srv/\"x\": #"]"##), "{text}");
        assert!(files.server("a", &[]).unwrap().contains("\"${state}\""));
        let text = files.server("a\nroots: on", &[]).unwrap();
        assert!(text.starts_with(r#"name: "a\nroots: on""#), "{text}");
        let unknown = files.server("a", &[("foldr".to_owned(), String::new())]);
        assert!(unknown.unwrap_err().contains("did you mean \"folder\"?"));
    }
}
