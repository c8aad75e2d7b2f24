//! The guide to two replicas, followed with PostgreSQL and nginx.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::{Desk, Example, examples};
use mcp_gateway_tests::postgres::Postgres;
use mcp_gateway_tests::process::Process;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::{PROGRAM, SOON};

const GUIDE: &str = "docs/guides/two-replicas.md";

/// Ports of the guide: the proxy, and the replicas.
const PORTS: [u16; 3] = [8080, 8081, 8082];

/// Free ports below those that the system gives to connections, which nobody takes meanwhile.
fn free_ports() -> [u16; PORTS.len()] {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut free = (first..32_000).filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    PORTS.map(|_| free.next().unwrap())
}

/// The reader of the guide, and what runs in their terminals.
struct Operator {
    desk: Desk,
    environment: Environment,
    ports: [u16; PORTS.len()],
    replicas: Vec<Process>,
    proxy: Option<Process>,
    said: String,
}

impl Operator {
    async fn new() -> Self {
        let environment = Environment::installed().await.unwrap();
        let mut desk = Desk::new(&environment).unwrap();
        desk.install("mcp-gateway", &format!("exec '{PROGRAM}' \"$@\"\n"))
            .unwrap();
        let postgres = Postgres::shared().await.unwrap();
        let database = postgres.database().await.unwrap();
        desk.export(format!("export DATABASE_URL='{database}'"));
        Self {
            desk,
            environment,
            ports: free_ports(),
            replicas: Vec::new(),
            proxy: None,
            said: String::new(),
        }
    }

    /// `text` of the guide, with the ports of this run.
    fn here(&self, text: &str) -> String {
        let pairs = PORTS.iter().zip(&self.ports);
        pairs.fold(text.to_owned(), |text, (shown, port)| {
            text.replace(&format!("127.0.0.1:{shown}"), &format!("127.0.0.1:{port}"))
        })
    }

    async fn follow(&mut self, example: &Example) {
        let text = self.here(&example.text);
        match &*example.language {
            "yaml" => self.desk.write("gateway.yaml", &text).unwrap(),
            "nginx" => self.start_proxy(&text).await,
            "sh" => {
                for command in example.commands() {
                    self.run(&self.here(&command)).await;
                }
            }
            other => panic!("{}: {other}", example.place()),
        }
    }

    async fn run(&mut self, command: &str) {
        if command.contains("mcp-gateway serve") {
            let mut replica = Process::start(self.desk.shell(&format!("env {command}"))).unwrap();
            replica.url(SOON).await.unwrap();
            self.replicas.push(replica);
            return;
        }
        let variable = command.strip_prefix("export ");
        let name = variable
            .and_then(|rest| rest.split_once('='))
            .map(|it| it.0);
        match name {
            Some(name) => {
                self.finish(&format!("{command}\nprintf %s \"${name}\""))
                    .await;
                self.desk.export(format!("export {name}='{}'", self.said));
            }
            None => self.finish(command).await,
        }
    }

    async fn finish(&mut self, command: &str) {
        let output = self.desk.shell(command).kill_on_drop(true).output();
        let output = timeout(SOON, output).await.unwrap().unwrap();
        self.said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{}{errors}", self.said);
    }

    async fn start_proxy(&mut self, servers: &str) {
        let folder = self.desk.folder().display().to_string();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"));
        let config = format!(
            "daemon off; master_process off; pid {folder}/nginx.pid;\nerror_log stderr;\n\
             events {{}}\nhttp {{\naccess_log off;\n{}{servers}}}\n",
            temporary.concat()
        );
        self.desk.write("nginx.conf", &config).unwrap();
        let mut command = Command::new(&self.environment.nginx);
        command
            .arg("-c")
            .arg(Path::new(&folder).join("nginx.conf"))
            .args(["-e", "stderr"]);
        let mut proxy = Process::start(command).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[0]));
        proxy.listening(address, SOON).await.unwrap();
        self.proxy = Some(proxy);
    }

    /// Waits until `command` prints `expected`.
    async fn eventually(&mut self, command: &str, expected: &str) {
        let start = Instant::now();
        loop {
            self.finish(command).await;
            if self.said.contains(expected) {
                return;
            }
            assert!(start.elapsed() < SOON, "{command}: {}", self.said);
            sleep(std::time::Duration::from_millis(200)).await;
        }
    }
}

#[tokio::test]
async fn one_of_two_replicas_can_be_stopped() {
    let mut operator = Operator::new().await;
    for example in examples(GUIDE).unwrap() {
        operator.follow(&example).await;
    }
    let call = "mcp-gateway call demo__add --arg a=1 --arg b=2 --url http://127.0.0.1:8080/mcp";
    let call = operator.here(call);
    for stopped in 0..2 {
        for _ in 0..4 {
            operator.finish(&call).await;
            assert!(operator.said.contains('3'), "{}", operator.said);
        }
        if stopped == 0 {
            let mut replica = operator.replicas.remove(0);
            replica.interrupt().unwrap();
            let status = replica.finish(SOON).await.unwrap();
            assert!(status.success(), "{}", replica.stderr());
        }
    }
    // Both journals reach the store: 9 calls, one of them as the guide makes it.
    let count = "mcp-gateway audit list --json --action tools/call --config gateway.yaml | wc -l";
    operator.eventually(count, "9").await;
    operator
        .finish("mcp-gateway audit verify --config gateway.yaml")
        .await;
}
