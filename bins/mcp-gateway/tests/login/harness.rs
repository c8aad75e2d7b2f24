//! The program, and whoever logs in to it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::root;
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use tempfile::TempDir;
use tokio::process::Command;

/// Timeout of steps that take no time on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Shared secret of the client and the provider.
pub(crate) const SECRET: &str = "a secret of more than thirty-two characters";

/// A gateway with a folder of its own.
pub(crate) struct Gateway {
    process: Process,
    /// URL without a path.
    pub(crate) url: String,
    /// The same, where the program itself is.
    pub(crate) listener: String,
    /// The password of the account that is made at the first start.
    pub(crate) password: String,
    _folder: TempDir,
}

impl Gateway {
    /// Starts the program with the configuration `config`.
    pub(crate) async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.yaml");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(file)
            .env("SECRET", SECRET)
            .env("MCP_GATEWAY_DATA", folder.path().join("data"))
            .env_remove("MCP_GATEWAY_TOKEN")
            .env_remove("MCP_GATEWAY_LOG");
        let mut process = Process::start(command).unwrap();
        let mut banner = Vec::new();
        while !banner
            .last()
            .is_some_and(|line: &String| line.contains("callers "))
        {
            banner.push(process.line(SOON).await.unwrap());
        }
        let after = |word: &str| {
            let found = banner.iter().find_map(|line| line.split_once(word));
            found.map(|(_, rest)| rest.trim().to_owned())
        };
        let url = after("endpoint ").unwrap().replace("/mcp", "");
        Self {
            listener: after("listens ").map_or_else(|| url.clone(), |it| format!("http://{it}")),
            url,
            password: after(", password ").unwrap_or_default(),
            process,
            _folder: folder,
        }
    }

    /// Messages with `token`.
    pub(crate) fn wire(&self, token: &str) -> Wire {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        Wire::new(self.endpoint()).with_header(AUTHORIZATION, token)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/mcp", self.url)
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }
}

/// Somebody who logs in to a gateway in a browser when a client sends them there.
pub(crate) struct Visitor {
    pub(crate) environment: Environment,
    name: String,
    password: String,
    provider: Option<&'static str>,
    folder: TempDir,
}

impl Visitor {
    /// The first user of `gateway`.
    pub(crate) fn new(environment: &Environment, gateway: &Gateway) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["browser", "gio", "xdg-open"] {
            fs::copy(program("opener.sh"), folder.path().join(name)).unwrap();
        }
        Self {
            environment: environment.clone(),
            name: "admin".to_owned(),
            password: gateway.password.clone(),
            provider: None,
            folder,
        }
    }

    /// Creates a visitor with the account `name` at `provider`.
    pub(crate) fn known_at(mut self, provider: &'static str, name: &str) -> Self {
        self.provider = Some(provider);
        name.clone_into(&mut self.name);
        "anything".clone_into(&mut self.password);
        self
    }

    /// The command that opens the address that is added to it.
    pub(crate) fn command(&self) -> [OsString; 2] {
        let node = self.environment.node.clone().into();
        [node, program("person.mjs").into()]
    }

    /// Lets `command` open pages.
    pub(crate) fn equip(&self, command: &mut Command) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path);
        let folders = std::iter::once(self.folder().to_owned()).chain(folders);
        command
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("BROWSER", self.folder().join("browser"))
            .env("CHROMIUM", &self.environment.chromium)
            .env("NODE", &self.environment.node)
            .env("NODE_MODULES", &self.environment.node_modules)
            .env("PERSON", program("person.mjs"))
            .env("PERSON_LOG", self.log())
            .env("PERSON_NAME", &self.name)
            .env("PERSON_PASSWORD", &self.password)
            .env("PERSON_PROVIDER", self.provider.unwrap_or_default())
            .env("SECRET", SECRET);
    }

    /// Opens `url`; returns where the way ended.
    pub(crate) async fn visit(&self, url: &str) -> String {
        let [program, arguments @ ..] = self.command();
        let mut command = Command::new(program);
        command.args(arguments).arg(url);
        self.equip(&mut command);
        let mut process = Process::start(command).unwrap();
        process.line(SOON).await.unwrap()
    }

    /// Returns the final URLs, one for each page that a client has opened.
    pub(crate) fn visits(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// A folder for what clients keep.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log(&self) -> PathBuf {
        self.folder().join("visits")
    }
}

/// The path of a program that these tests run.
pub(crate) fn program(name: &str) -> PathBuf {
    root().join("tests/clients/login").join(name)
}
