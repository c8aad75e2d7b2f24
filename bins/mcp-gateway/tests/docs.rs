//! Examples of the documentation, executed.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "docs/replicas.rs"]
mod replicas;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::{Desk, Example, examples, root};
use mcp_gateway_tests::process::Process;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-gateway");

/// Timeout of steps that take no time on an idle machine.
const SOON: Duration = Duration::from_secs(60);

const DOCUMENTS: &[&str] = &[
    "README.md",
    "bins/mcp-gateway/README.md",
    "docs/api.md",
    "docs/audit.md",
    "docs/authentication.md",
    "docs/clients-and-servers.md",
    "docs/code.md",
    "docs/configuration.md",
    "docs/connect.md",
    "docs/guides/approve-what-deletes.md",
    "docs/guides/team-gateway.md",
    "docs/guides/limits-for-a-team.md",
    "docs/guides/many-tools.md",
    "docs/guides/own-github-token.md",
    "docs/guides/pin-your-servers.md",
    "docs/guides/servers-on-kubernetes.md",
    "docs/guides/kubernetes-rights.md",
    "docs/guides/attach-or-bridge.md",
    "docs/performance.md",
    "docs/kubernetes.md",
    "docs/limits.md",
    "docs/observability.md",
    "docs/pins.md",
    "docs/platform-tools.md",
    "docs/policy.md",
    "docs/guides/identity-provider.md",
    "docs/ready-servers.md",
    "docs/registry.md",
    "docs/results.md",
    "docs/search.md",
];

/// Guides that a test of their own follows.
const OWN_TEST: [&str; 1] = ["docs/guides/two-replicas.md"];

/// Commands that take too long to be run along the way; the first is what runs this.
const LONG: [&str; 7] = [
    "tests/run",
    "bins/mcp-bench/measure",
    "bins/mcp-bench/measure-instructions",
    "bins/mcp-bench/measure-jwt",
    "bins/mcp-bench/measure-parked",
    "bins/mcp-bench/measure-rules",
    "bins/mcp-bench/measure-token",
];

/// The name for a file with the example, if it is the configuration of a gateway.
fn configuration(example: &Example) -> Option<&'static str> {
    match &*example.language {
        "yaml" => Some("gateway.yaml"),
        "json" => Some("mcp.json"),
        _ => None,
    }
}

/// Every document below `docs`, so that none is forgotten.
fn assert_complete() {
    for path in documents(&root().join("docs")) {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        let has_examples = ["```yaml", "```json", "```sh", "```rust"]
            .iter()
            .any(|fence| text.contains(fence));
        let is_followed = DOCUMENTS.contains(&name) || OWN_TEST.contains(&name);
        assert!(!has_examples || is_followed, "{name}");
    }
}

#[tokio::test]
async fn every_configuration_is_right() {
    assert_complete();
    let desk = Desk::new(&Environment::installed().await.unwrap()).unwrap();
    let mut checked = 0;
    for example in DOCUMENTS.iter().flat_map(|path| examples(path).unwrap()) {
        let Some(name) = configuration(&example) else {
            continue;
        };
        desk.write(name, &example.text).unwrap();
        let check = format!("{PROGRAM} check --without-secrets {name}");
        let output = desk.shell(&check).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let place = example.place();
        assert!(
            output.status.success() && said.starts_with("ok"),
            "{place}\n{said}"
        );
        checked += 1;
    }
    assert!(checked > 5, "the documentation has examples");
}

#[test]
fn every_program_is_one_of_the_examples() {
    let programs = DOCUMENTS.iter().flat_map(|path| examples(path).unwrap());
    let programs = programs.filter(|example| example.language == "rust");
    let mut known = fs::read_dir(root().join("examples")).unwrap().flatten();
    let known: Vec<_> = known
        .by_ref()
        .map(|entry| fs::read_to_string(entry.path().join("src/main.rs")).unwrap())
        .collect();
    let mut compared = 0;
    for program in programs {
        assert!(known.contains(&program.text), "{}", program.place());
        let lines = program.text.lines().count();
        assert!(lines <= 40, "a gateway is embedded in {lines} lines");
        let main = program
            .text
            .lines()
            .skip_while(|line| !line.contains("fn main()"));
        let body = main.skip(1).count();
        assert!(body <= 15, "{body} lines from the brace of main to its end");
        compared += 1;
    }
    assert!(compared > 0, "the documentation has programs");
}

/// State of a reader who follows a document.
struct Reader {
    desk: Desk,
    /// The gateway that was started last.
    running: Option<(Process, String)>,
    /// Output of the last command.
    said: String,
}

impl Reader {
    async fn new() -> Self {
        let mut desk = Desk::new(&Environment::installed().await.unwrap()).unwrap();
        let root = root().display();
        let gateway = format!("exec '{PROGRAM}' \"$@\" ${{MORE-}}\n");
        desk.install("mcp-gateway", &gateway).unwrap();
        // The tests of each example run it; what is installed or documented is only looked for.
        let cargo = format!(
            "case \"$*\" in\n\
             'run --release') exec mcp-gateway ;;\n\
             'run --release -- '*) shift 3; exec mcp-gateway \"$@\" ;;\n\
             'run -p '*) test -f '{root}'/examples/\"$3\"/src/main.rs ;;\n\
             'install --locked --path '*) test -f '{root}'/\"$4\"/src/main.rs ;;\n\
             'doc --open') ;;\n\
             *) exit 1 ;;\n\
             esac\n"
        );
        desk.install("cargo", &cargo).unwrap();
        desk.export("export MCP_GATEWAY_TOKEN=a-token-that-was-printed");
        // What the examples say is in the environment.
        for name in ["ALICE_TOKEN", "CORP_CLIENT_SECRET", "GITHUB_TOKEN"] {
            desk.export(format!("export {name}=a-secret-of-the-reader"));
        }
        Self {
            desk,
            running: None,
            said: String::new(),
        }
    }

    /// Does what an example says.
    async fn follow(&mut self, example: &Example) {
        if let Some(name) = configuration(example) {
            self.desk.write(name, &example.text).unwrap();
        } else if let Some(name) = example.language.strip_prefix("yaml ") {
            self.desk.write(name, &example.text).unwrap();
        } else if example.language == "sh" {
            for command in example.commands() {
                self.run(&command, &example.place()).await;
            }
        } else if let Some(kind) = example.language.strip_suffix(" answer") {
            let (said, place) = (self.here(&self.said), example.place());
            match kind {
                "json" => {
                    let value = |text: &str| {
                        serde_json::from_str::<Value>(text)
                            .unwrap_or_else(|error| panic!("{place}: {error}: {text}"))
                    };
                    let (said, shown) = (value(&said), value(&example.text));
                    assert!(matches(&shown, &said), "{place}\n{said:#}");
                }
                _ => assert!(has_lines(&said, &example.text), "{place}\n{said}"),
            }
        }
    }

    /// `text`, with the address that is shown in the place of that at which the gateway is.
    fn here(&self, text: &str) -> String {
        match &self.running {
            Some((_, url)) => {
                let host = |url: &str| url.split('/').nth(2).unwrap().to_owned();
                text.replace(&host(url), &host(SHOWN))
            }
            None => text.to_owned(),
        }
    }

    /// Sets a variable to what it is now, for all later commands.
    async fn assign(&mut self, command: &str, place: &str) {
        let (name, _) = command
            .trim_start_matches("export ")
            .split_once('=')
            .unwrap();
        self.finish(&format!("{command}\nprintf '%s' \"${name}\""), place)
            .await;
        assert!(!self.said.is_empty(), "{place}: {command}");
        let value = self.said.replace('\'', "'\\''");
        self.desk.export(format!("export {name}='{value}'"));
    }

    async fn run(&mut self, command: &str, place: &str) {
        if is_assignment(command) {
            self.assign(command, place).await;
        } else if LONG.contains(&command.split(' ').next().unwrap_or_default()) {
            let script = root().join(command.split(' ').next().unwrap_or_default());
            let read = Command::new("bash").arg("-n").arg(script).status();
            assert!(read.await.unwrap().success(), "{place}");
        } else if is_in_foreground(command) {
            self.start(command, place).await;
        } else {
            self.finish(command, place).await;
        }
    }

    /// Starts a gateway, and ends the one that has run until now.
    async fn start(&mut self, command: &str, place: &str) {
        self.stop().await;
        let mut shell = self.desk.shell(command);
        shell.env("MORE", "--listen 127.0.0.1:0");
        let mut process = Process::start(shell).unwrap();
        let url = process.url(SOON).await;
        let url = url.unwrap_or_else(|error| panic!("{place}: {error}"));
        self.running = Some((process, url));
    }

    /// Runs a command to its end, with the gateway that runs in the place of the default one.
    async fn finish(&mut self, command: &str, place: &str) {
        let there = self
            .running
            .as_ref()
            .map_or(SHOWN, |(_, url)| url.trim_end_matches("/mcp"));
        let command = &*command.replace(SHOWN, there);
        let mut shell = self.desk.shell(command);
        let words: Vec<_> = command.split(' ').collect();
        let has = |word: &&str| words.contains(word);
        let words_of_clients = [
            "approval", "call", "entry", "gateway", "policy", "request", "server", "session",
            "tools", "usage", "whoami",
        ];
        let reaches = words_of_clients.iter().any(has);
        if reaches && !["--config", "--mcp-config"].iter().any(has) {
            let (_, url) = self.running.as_ref().unwrap();
            shell.env("MORE", format!("--url {url}"));
        }
        let output = timeout(SOON, shell.kill_on_drop(true).output()).await;
        let output = output.unwrap_or_else(|_| panic!("{place}: {command} does not end"));
        let output = output.unwrap();
        self.said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{place}: {command}\n{}{said}",
            self.said
        );
    }

    /// Ends the gateway that runs.
    async fn stop(&mut self) {
        if let Some((mut process, _)) = self.running.take() {
            process.interrupt().unwrap();
            let status = process.finish(SOON).await.unwrap();
            assert!(status.success(), "{}", process.stderr());
        }
    }
}

/// Returns `true` if `command` occupies the terminal until it is interrupted.
fn is_in_foreground(command: &str) -> bool {
    let words = command.split(" #").next().unwrap_or_default().trim_end();
    ["cargo run --release", "mcp-gateway"].contains(&words) || is_server(words)
}

/// Returns `true` if `command` starts a program that serves until it is interrupted.
fn is_server(command: &str) -> bool {
    let servers = ["mcp-gateway serve", "mcp-bridge stdio"];
    let mut rest = servers.iter().filter_map(|it| command.strip_prefix(it));
    rest.any(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[test]
fn nothing_follows_a_gateway_in_the_foreground() {
    for document in documents(root()) {
        let path = document.strip_prefix(root()).unwrap();
        let examples = examples(path.to_str().unwrap()).unwrap();
        for example in examples.iter().filter(|example| example.language == "sh") {
            let commands = example.commands();
            let first = commands
                .iter()
                .position(|command| is_in_foreground(command));
            let after = first.map_or(0, |at| commands.len() - at - 1);
            assert_eq!(after, 0, "{}: a paste would stop there", example.place());
        }
    }
}

#[tokio::test]
async fn every_command_does_what_it_says() {
    for path in DOCUMENTS {
        let mut reader = Reader::new().await;
        let examples = examples(path).unwrap();
        assert!(!examples.is_empty(), "{path}");
        for example in examples {
            reader.follow(&example).await;
        }
        reader.stop().await;
    }
}

/// Address of the gateway in the documentation.
const SHOWN: &str = "http://127.0.0.1:8080";

/// Returns `true` if `command` sets a variable, and does nothing else.
fn is_assignment(command: &str) -> bool {
    let is_name = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    };
    let alone = command.split_once("=$(").filter(|_| command.ends_with(')'));
    command.starts_with("export ") || alone.is_some_and(|(name, _)| is_name(name))
}

/// Returns `true` if `text` equals `shown`, in which `…` stands for any text.
fn is_like(shown: &str, text: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut open = false;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        (rest, open) = (after, part.is_empty());
    }
    open || rest.is_empty()
}

/// Returns `true` if `said` equals `shown`, except for times; a member `…` stands for any others.
fn matches(shown: &Value, said: &Value) -> bool {
    match (shown, said) {
        (Value::String(shown), Value::String(said)) => is_like(shown, said),
        (Value::Number(shown), Value::Number(said)) => {
            let is_moment = |number: &serde_json::Number| number.as_u64() > Some(1_000_000_000);
            shown == said || is_moment(shown) && is_moment(said)
        }
        (Value::Array(shown), Value::Array(said)) => {
            let mut pairs = shown.iter().zip(said);
            shown.len() == said.len() && pairs.all(|(shown, said)| matches(shown, said))
        }
        (Value::Object(shown), Value::Object(said)) => {
            let mut named = shown.iter().filter(|(name, _)| *name != "…");
            let is_there = |(name, shown): (&String, &Value)| {
                said.get(name).is_some_and(|said| matches(shown, said))
            };
            named.all(is_there) && (shown.contains_key("…") || shown.len() == said.len())
        }
        (shown, said) => shown == said,
    }
}

/// Returns `true` if the lines of `shown` are among those of `said`, in their order.
fn has_lines(said: &str, shown: &str) -> bool {
    let mut said = said.lines().map(str::trim_end);
    let mut shown = shown.lines().filter(|line| *line != "…");
    shown.all(|shown| said.any(|said| is_like(shown, said)))
}

/// The documents in `folder`, and below it.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let hidden = name.to_str().is_none_or(|name| name.starts_with('.'));
        if path.is_dir() && !hidden && name != "target" && name != "node_modules" {
            documents.extend(self::documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    documents
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents(root());
    assert!(documents.len() > 6, "{documents:?}");
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let folder = document.parent().unwrap();
            assert!(folder.join(link).exists(), "{}: {link}", document.display());
        }
    }
}
