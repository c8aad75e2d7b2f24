//! Configuration files and their diagnostics.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use mcp_gateway_config::document::{Environment, LookupScope};
use mcp_gateway_config::file::{Config, Diagnostics};
use mcp_gateway_config::import;
use mcp_gateway_platform::spec::{PinSource, ServerRuntime, ServerSpec};

use crate::builtins::DEMO;

/// Paths of the configuration files. Without any, the configuration is that of the demo.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfigFiles {
    pub(crate) config: Option<PathBuf>,
    /// Configuration files of MCP clients, whose servers are added.
    pub(crate) clients: Vec<PathBuf>,
}

/// Configuration that was read from files.
#[derive(Debug)]
pub(crate) struct LoadedConfig {
    pub(crate) config: Config,
    /// Warnings.
    pub(crate) warnings: FileDiagnostics,
}

/// Diagnostics of files, by file name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FileDiagnostics(Vec<(String, Diagnostics)>);

impl ConfigFiles {
    /// Sorts paths by type: configuration files, and the files of clients.
    pub(crate) fn sorted(paths: Vec<PathBuf>) -> Result<Self, String> {
        let (clients, configs): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| is_client_file(path));
        let mut configs = configs.into_iter();
        let config = configs.next();
        match configs.next() {
            Some(second) => Err(second_file(&second)),
            None => Ok(Self { config, clients }),
        }
    }

    /// Adds the files of options, whose type is given.
    ///
    /// # Errors
    ///
    /// A message if there are two configuration files.
    pub(crate) fn with_options(
        self,
        config: Option<PathBuf>,
        clients: Vec<PathBuf>,
    ) -> Result<Self, String> {
        if let (Some(_), Some(second)) = (&self.config, &config) {
            return Err(second_file(second));
        }
        Ok(Self {
            config: self.config.or(config),
            clients: self.clients.into_iter().chain(clients).collect(),
        })
    }

    /// Returns all paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.config.iter().chain(&self.clients)
    }

    /// Returns the path of `file`, which is relative to the configuration file.
    pub(crate) fn beside(&self, file: &Path) -> PathBuf {
        let folder = self.config.as_ref().and_then(|path| path.parent());
        folder.map_or_else(|| file.to_owned(), |folder| folder.join(file))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    /// Reads all files, and resolves their references in `environment`.
    ///
    /// # Errors
    ///
    /// Returns all diagnostics if any file has an error.
    pub(crate) fn load(
        &self,
        environment: &dyn Environment,
    ) -> Result<LoadedConfig, FileDiagnostics> {
        self.load_within(LookupScope::All, environment)
    }

    /// Reads all files, and resolves the references of the configuration file within `scope`.
    ///
    /// # Errors
    ///
    /// Returns all diagnostics if any file has an error.
    pub(crate) fn load_within(
        &self,
        scope: LookupScope,
        environment: &dyn Environment,
    ) -> Result<LoadedConfig, FileDiagnostics> {
        if self.is_empty() {
            return Ok(LoadedConfig::demo());
        }
        let mut findings = FileDiagnostics::default();
        let read = |path: &Path| Config::read_within(scope, &text_of(path)?, environment);
        let config = self.config.as_deref();
        let config = config.and_then(|path| findings.keep(path, read(path)));
        let mut servers = Vec::new();
        for path in &self.clients {
            let whole = absolute(path);
            let read = text_of(path).and_then(|text| import::read(&text, &whole, environment));
            for server in findings.keep(path, read).unwrap_or_default() {
                let dynamic = config.as_ref().map(|config| &config.platform.dynamic);
                let configured = dynamic.and_then(|dynamic| dynamic.server(&server.name));
                let taken = |other: &&ServerSpec| other.name == server.name;
                match configured.or_else(|| servers.iter().find(taken)) {
                    // Clients of one project often have the same servers.
                    Some(other) if *other == server => {}
                    Some(_) => findings.add(path, duplicate_server(&server.name)),
                    None => servers.push(server),
                }
            }
        }
        let lock = config.as_ref().and_then(|config| config.lock.as_ref());
        if lock.is_some_and(|lock| lock.is_default) {
            for server in &mut servers {
                server.pinned = Some(PinSource::File);
            }
        }
        let loaded = match config {
            Some(mut config) => {
                config.platform.dynamic.add_servers(servers);
                config
            }
            None => Config::from_servers(servers),
        };
        match findings.has_errors() {
            true => Err(findings),
            false => Ok(LoadedConfig {
                config: loaded,
                warnings: findings,
            }),
        }
    }
}

impl LoadedConfig {
    /// Returns the configuration of the demo.
    fn demo() -> Self {
        let demo = ServerSpec::new("demo", ServerRuntime::Builtin(DEMO.into()));
        let servers = if cfg!(feature = "demo") {
            vec![demo]
        } else {
            Vec::new()
        };
        Self {
            config: Config::from_servers(servers),
            warnings: FileDiagnostics::default(),
        }
    }
}

impl FileDiagnostics {
    /// Creates a diagnostic of the command line.
    pub(crate) fn of_options(message: String) -> Self {
        Self(vec![(
            "command line".to_owned(),
            Diagnostics::of_file(message),
        )])
    }

    /// Splits the result of reading `path` into the value and its diagnostics.
    fn keep<T>(&mut self, path: &Path, read: Result<(T, Diagnostics), Diagnostics>) -> Option<T> {
        let (value, problems) = match read {
            Ok((value, warnings)) => (Some(value), warnings),
            Err(problems) => (None, problems),
        };
        self.add(path, problems);
        value
    }

    pub(crate) fn add(&mut self, path: &Path, problems: Diagnostics) {
        if !problems.is_empty() {
            self.0.push((path.display().to_string(), problems));
        }
    }

    fn has_errors(&self) -> bool {
        self.0.iter().any(|(_, problems)| problems.has_errors())
    }

    /// Returns the number of diagnostics.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|(_, problems)| problems.len()).sum()
    }

    /// Formats the diagnostics, one per line.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.0
            .iter()
            .flat_map(|(name, problems)| problems.lines(name))
    }
}

impl fmt::Display for FileDiagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines().collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for FileDiagnostics {}

fn second_file(path: &Path) -> String {
    format!(
        "only one configuration file is supported; {} is a second one",
        path.display()
    )
}

fn text_of(path: &Path) -> Result<String, Diagnostics> {
    read_limited(path).map_err(|error| Diagnostics::of_file(format!("cannot read file: {error}")))
}

/// Reads a text file of up to [`MAX_FILE`] bytes.
pub(crate) fn read_limited(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    match read as u64 > MAX_FILE {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(text),
    }
}

/// Maximum size of a file in bytes. Devices have no end.
const MAX_FILE: u64 = 64 * 1024 * 1024;

fn duplicate_server(name: &str) -> Diagnostics {
    Diagnostics::of_file(format!(
        "server {name:?} is also defined in another file; rename one of them"
    ))
}

/// Returns the absolute path of `path`.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns `true` if the file at `path` is that of a client. YAML files are told apart by their keys.
fn is_client_file(path: &Path) -> bool {
    match path.extension().and_then(OsStr::to_str) {
        Some("json" | "jsonc" | "toml") => true,
        // A pipe can be read once.
        Some(_) | None => {
            path.is_file() && text_of(path).is_ok_and(|text| import::is_client_file(&text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEnvironment;

    fn load(files: &[(&str, &str)]) -> Result<LoadedConfig, FileDiagnostics> {
        let folder = tempfile::tempdir().unwrap();
        let paths = files.iter().map(|(name, text)| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        ConfigFiles::sorted(paths.collect())
            .unwrap()
            .load(&SystemEnvironment::new())
    }

    const YAML: &str = "servers: [{ name: a, builtin: demo }]\ngateways: [{ name: all }, { name: some, servers: [a] }]";

    #[test]
    fn nothing_is_the_demo() {
        let loaded = ConfigFiles::default()
            .load(&SystemEnvironment::new())
            .unwrap();
        assert_eq!(&*loaded.config.platform.dynamic.servers[0].name, "demo");
    }

    #[test]
    fn the_servers_of_clients_join_the_others() {
        let json = r#"{ "mcpServers": { "b": { "command": "b" } } }"#;
        let config = load(&[("a.yaml", YAML), ("b.json", json)]).unwrap().config;
        let config = config.platform.dynamic;
        let servers = |at: usize| config.gateways[at].servers.join(" ");
        assert_eq!((servers(0), servers(1)), ("a b".to_owned(), "a".to_owned()));
        assert_eq!(config.servers.len(), 2);
    }

    #[test]
    fn the_mistakes_of_all_files_are_found() {
        let json = r#"{ "mcpServers": { "b": {} } }"#;
        let findings = load(&[("a.yaml", "servers: 1"), ("b.json", json)]).unwrap_err();
        let lines: Vec<_> = findings.lines().collect();
        assert!(lines[0].contains("a.yaml:1:10: servers"), "{lines:?}");
        assert!(lines[1].contains("b.json:1:24: mcpServers.b"), "{lines:?}");
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn a_name_belongs_to_one_server() {
        let json = r#"{ "mcpServers": { "a": { "command": "b" } } }"#;
        let findings = load(&[("a.yaml", YAML), ("b.json", json)]).unwrap_err();
        assert!(
            findings
                .to_string()
                .contains("server \"a\" is also defined"),
            "{findings}"
        );
    }

    #[test]
    fn a_missing_file_is_a_problem() {
        let files = ConfigFiles::sorted(vec!["/nowhere/gateway.yaml".into()]).unwrap();
        let findings = files.load(&SystemEnvironment::new()).unwrap_err();
        assert!(
            findings
                .to_string()
                .starts_with("/nowhere/gateway.yaml: cannot read file")
        );
        assert!(ConfigFiles::sorted(vec!["a.yaml".into(), "b.yaml".into()]).is_err());
    }

    #[test]
    fn a_pipe_is_read_once_and_a_device_not_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("gateway.yaml");
        let status = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(status.unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, YAML).unwrap()
        });
        let files = ConfigFiles::sorted(vec![pipe]).unwrap();
        let loaded = files.load(&SystemEnvironment::new()).unwrap();
        assert_eq!(loaded.config.platform.dynamic.gateways.len(), 2);
        writer.join().unwrap();

        let device = ConfigFiles::sorted(vec!["/dev/zero".into()]).unwrap();
        assert!(device.load(&SystemEnvironment::new()).is_err());
    }

    #[test]
    fn options_join_arguments() {
        let files = ConfigFiles::sorted(vec!["a.yaml".into(), "b.json".into()]).unwrap();
        assert!(
            files
                .clone()
                .with_options(Some("c.json".into()), Vec::new())
                .is_err()
        );
        let files = files.with_options(None, vec!["d.yaml".into()]).unwrap();
        assert_eq!(files.config, Some("a.yaml".into()));
        assert_eq!(files.clients, [Path::new("b.json"), Path::new("d.yaml")]);
        let files = ConfigFiles::default().with_options(Some("c.json".into()), Vec::new());
        assert_eq!(files.unwrap().config, Some("c.json".into()));
    }
}
