use std::time::Duration;

use http::{HeaderValue, header};
use mcp_gateway_tests::fixture::Fragment;
use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Steps};
use mcp_gateway_tests::wire::Wire;
use tokio::process::Command;

use super::client::Era;

const DEADLINE: Duration = Duration::from_secs(60);

/// Content that the gateway must forward unparsed: unknown members, their order, numbers that
/// no binary64 can hold, and escapes that could be written in another way.
const ARGUMENTS: &str = r#""arguments":{"zulu":12345678901234567890123,"alpha":1.0e400,"mike":"caf\u00e9 \/","empty":{ }}"#;
const PARAM: &str = r#""x-vendor":[1.00,{"zulu":-0,"alpha":-0.0}]"#;
const META: &str = r#""example.com/zulu":{"zulu":1E400,"alpha":12345678901234567890123}"#;

/// Content that the SDK of the fixture can read.
const FINITE: &str = r#""example.com/zulu":1"#;

const RESULT: [&str; 4] = [
    r#""content":[{"type":"text","text":"caf\u00e9 \/","x-vendor":[1.00,-0]}]"#,
    r#""x-vendor":{"zulu":12345678901234567890123,"alpha":1.0e400,"mike":[{},[ ]]}"#,
    r#""structuredContent":{"zulu":12345678901234567890123,"alpha":1.0e400,"mike":null,"empty":""}"#,
    r#""_meta":{"example.com/zulu":1E5,"example.com/alpha":{"zulu":0.10,"alpha":1e-400}}"#,
];

/// A client that writes bytes and looks at bytes.
struct Client {
    wire: Wire,
    era: Era,
    session: String,
}

impl Client {
    async fn connect(url: &str, era: Era) -> Self {
        let token = HeaderValue::from_static("Bearer alice");
        let wire = Wire::new(url).with_header(header::AUTHORIZATION, token);
        let mut client = Self {
            wire,
            era,
            session: String::new(),
        };
        if era == Era::Legacy {
            let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bytes","version":"1"}}}"#;
            let reply = client.wire.post(body, &[]).await.unwrap();
            let session = reply.headers["mcp-session-id"].to_str().unwrap();
            client.session = session.to_owned();
            let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
            client.post(body, &[]).await;
        }
        client
    }

    /// The text of the answer to a message.
    async fn post(&self, body: &str, headers: &[(&str, &str)]) -> String {
        let own = match self.era {
            Era::Legacy => [
                ("mcp-protocol-version", "2025-11-25"),
                ("mcp-session-id", &self.session),
            ]
            .to_vec(),
            Era::Modern => [&[("mcp-protocol-version", "2026-07-28")], headers].concat(),
        };
        let reply = self.wire.post(body.to_owned(), &own).await.unwrap();
        (*reply.messages().last().unwrap()).to_owned()
    }

    /// The text of the answer to a request with `params` and `meta`, beside what the era wants.
    async fn ask(&self, (method, name): (&str, &str), params: &str, meta: &str) -> String {
        let context = match self.era {
            Era::Legacy => "",
            Era::Modern => {
                r#","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bytes","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}"#
            }
        };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}"_meta":{{{meta}{context}}}}}}}"#
        );
        let mut headers = vec![("mcp-method", method)];
        headers.extend((!name.is_empty()).then_some(("mcp-name", name)));
        self.post(&body, &headers).await
    }
}

/// The result of the tool `lie`.
fn result(era: Era) -> String {
    let members = RESULT.join(",");
    match era {
        Era::Legacy => format!("{{{members}}}"),
        Era::Modern => format!(r#"{{"resultType":"complete",{members}}}"#),
    }
}

fn lie(era: Era) -> impl Fn(&ReceivedRequest) -> Steps {
    move |asked| {
        // Not parsed, because of the numbers in it.
        let (_, rest) = asked.text.split_once("\"id\":").unwrap();
        let (id, _) = rest.split_once([',', '}']).unwrap();
        let result = result(era);
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
        script::response("200 OK", "Content-Type: application/json\r\n", &body)
    }
}

/// Every era of clients with every era of servers.
fn cells() -> impl Iterator<Item = (Era, Era)> {
    let pairs = |client| Era::ALL.into_iter().map(move |server| (client, server));
    Era::ALL.into_iter().flat_map(pairs)
}

#[tokio::test]
async fn calls_and_results_pass_byte_for_byte() {
    for (era, of_server) in cells() {
        let server = match of_server {
            Era::Legacy => Scripted::legacy(lie(of_server)).await.unwrap(),
            Era::Modern => Scripted::modern(lie(of_server)).await.unwrap(),
        };
        let gateway = Backends::only(&server.url).start().await;
        let client = Client::connect(&gateway.url, era).await;
        let params = format!(r#""name":"lie",{ARGUMENTS},{PARAM},"#);
        let answer = client.ask(("tools/call", "lie"), &params, META).await;

        let cell = format!("{era:?} client, {of_server:?} server");
        if era == of_server {
            let whole = format!(r#""result":{}"#, result(era));
            assert!(answer.contains(&whole), "{cell}: {answer}");
        }
        for member in RESULT {
            assert!(answer.contains(member), "{cell}: {member} in {answer}");
        }
        let asked = server.asked();
        let asked = asked
            .iter()
            .find(|asked| asked.text.contains("\"lie\""))
            .unwrap();
        for member in [ARGUMENTS, PARAM, META] {
            assert!(
                asked.text.contains(member),
                "{cell}: {member} in {}",
                asked.text
            );
        }
        gateway.stop().await;
    }
}

#[tokio::test]
async fn what_vendors_add_to_tools_passes_byte_for_byte() {
    for (era, of_server) in cells() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
        command.args([
            "--http",
            "127.0.0.1:0",
            "--extreme",
            "--era",
            of_server.name(),
        ]);
        let mut process = Process::start(command).unwrap();
        let gateway = Backends::only(&process.url(DEADLINE).await.unwrap());
        let gateway = gateway.start().await;
        let client = Client::connect(&gateway.url, era).await;

        let list = client.ask(("tools/list", ""), "", FINITE).await;
        let call = client
            .ask(
                ("tools/call", "vendor"),
                r#""name":"vendor","arguments":{},"#,
                FINITE,
            )
            .await;
        for fragment in Fragment::ALL {
            let text = match fragment {
                Fragment::BlockMeta | Fragment::Result | Fragment::ResultMeta => &call,
                _ => &list,
            };
            let cell = format!("{era:?} client, {of_server:?} server");
            assert!(
                text.contains(fragment.json(true)),
                "{cell}: {fragment:?} in {text}"
            );
        }
        gateway.stop().await;
    }
}
