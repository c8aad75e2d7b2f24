//! Published apps in a host with a browser.
//!
//! Two of them have the same address and call a tool of the same name, with different HTML.

use std::time::Duration;

use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Era, program};

/// Far more than all plans take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A published app.
struct App {
    /// The name of its server.
    server: &'static str,
    package: &'static str,
    /// The year of the clock of its server.
    year: &'static str,
    tool: &'static str,
    uri: &'static str,
}

const REACT: App = App {
    server: "react",
    package: "server-basic-react",
    year: "2001",
    tool: "react__get-time",
    uri: "ui://react/get-time/mcp-app.html",
};

const VANILLA: App = App {
    server: "vanilla",
    package: "server-basic-vanillajs",
    year: "2002",
    tool: "vanilla__get-time",
    uri: "ui://vanilla/get-time/mcp-app.html",
};

const MONITOR: App = App {
    server: "monitor",
    package: "server-system-monitor",
    year: "2003",
    tool: "monitor__get-system-info",
    uri: "ui://monitor/system-monitor/mcp-app.html",
};

const APPS: [&App; 3] = [&REACT, &VANILLA, &MONITOR];

impl App {
    /// The file below the folder of its package.
    fn file(&self, environment: &Environment, name: &str) -> std::path::PathBuf {
        let package = environment.node_modules.join("@modelcontextprotocol");
        package.join(self.package).join("dist").join(name)
    }

    /// Adds its server: the published program, or in the modern era one with the same HTML.
    fn add(&self, backends: Backends, environment: &Environment, era: Era) -> Backends {
        let clock = format!("{}?{}", program("clock.mjs").display(), self.year);
        let mut arguments = vec!["--import".to_owned(), format!("file://{clock}")];
        let modules = environment.node_modules.display().to_string();
        arguments.extend(match era {
            Era::Legacy => {
                let script = self.file(environment, "index.js").display().to_string();
                vec![script, "--stdio".to_owned()]
            }
            Era::Modern => {
                let script = program("app-server.mjs").display().to_string();
                vec![script, modules, self.package.to_owned()]
            }
        });
        let process = runtime::Process::new(self.server, &environment.node).with_args(arguments);
        let server = UpstreamServer::builder(self.server, process).build();
        backends.with(self.server, self.server, server)
    }
}

/// A gateway over the apps, the first of which is of era `first` and the others of `others`.
async fn gateway(environment: &Environment, first: Era, others: Era) -> TestGateway {
    let mut backends = Backends::new();
    for (app, era) in APPS.into_iter().zip([first, others, others]) {
        backends = app.add(backends, environment, era);
    }
    backends.start().await
}

/// Returns what a host sees of `plans`.
async fn play(environment: &Environment, plans: &[Value]) -> Vec<Value> {
    let mut command = Command::new(&environment.node);
    command
        .arg(program("apps.mjs"))
        .arg(json!(plans).to_string())
        .env("CHROMIUM", &environment.chromium)
        .env("NODE_MODULES", &environment.node_modules);
    let mut process = Process::start(command).unwrap();
    let line = process.line(DEADLINE).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

/// A plan to open `apps` as a person of its own.
fn plan(gateway: &TestGateway, era: Era, apps: &[&App]) -> Value {
    let tools: Vec<_> = apps.iter().map(|app| app.tool).collect();
    json!({
        "url": gateway.url,
        "era": era.name(),
        "person": tools.join("+"),
        "awaits": APPS.map(|app| app.tool),
        "opens": tools,
    })
}

/// Fails unless the host shows the own HTML of `app`.
fn assert_is_own(app: &App, seen: &Value, environment: &Environment) {
    let html = std::fs::read_to_string(app.file(environment, "mcp-app.html")).unwrap();
    assert_eq!(seen["tool"], app.tool);
    assert_eq!(seen["uri"], app.uri);
    assert!(seen["html"] == *html, "{}: HTML of another app", app.tool);
}

#[tokio::test]
async fn published_apps_show_their_own_html_and_call_their_own_server() {
    let environment = Environment::installed().await.unwrap();
    let [legacy, modern] = Era::ALL;
    let mut gateways = Vec::new();
    let mut plans = Vec::new();
    for (first, others) in [(legacy, legacy), (modern, modern), (legacy, modern)] {
        let gateway = gateway(&environment, first, others).await;
        for era in Era::ALL {
            for apps in [[&REACT, &VANILLA], [&VANILLA, &MONITOR]] {
                plans.push((apps, plan(&gateway, era, &apps)));
            }
        }
        gateways.push(gateway);
    }
    let (opened, plans): (Vec<_>, Vec<_>) = plans.into_iter().unzip();
    for ((apps, seen), plan) in opened
        .iter()
        .zip(play(&environment, &plans).await)
        .zip(&plans)
    {
        let model: Vec<_> = [&REACT, &VANILLA, &MONITOR].map(|app| app.tool).into();
        assert_eq!(
            seen["model"],
            json!(model),
            "tools of apps only are hidden: {plan}"
        );
        for (app, seen) in apps.iter().zip(seen["apps"].as_array().unwrap()) {
            assert_is_own(app, seen, &environment);
            let shows = seen["shows"].as_str().unwrap();
            if app.tool == VANILLA.tool && apps[0].tool == REACT.tool {
                // Nothing tells which of the open apps has called `get-time`.
                assert!(shows.contains("[ERROR]"), "{plan}: {shows}");
                continue;
            }
            if app.tool == MONITOR.tool {
                assert!(shows.contains("Uptime"), "{plan}: {seen}");
                continue;
            }
            let result = seen["result"].as_str().unwrap();
            assert!(result.contains(&format!("{}-", app.year)), "{plan}: {seen}");
            assert!(shows.contains(&format!("{}-", app.year)), "{plan}: {shows}");
        }
    }
}
