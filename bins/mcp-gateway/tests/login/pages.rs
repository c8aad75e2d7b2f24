//! The pages that users see, in a browser without scripts.

use std::path::PathBuf;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::root;
use mcp_gateway_tests::process::Process;
use tokio::process::Command;

use super::harness::{Gateway, SOON, Visitor, program};

/// A gateway behind something that ends TLS, with every way to log in.
const PUBLIC: &str = "
publicUrl: https://mcp.example.com
auth:
  login:
    local: true
    github: { clientId: gateway, clientSecret: { env: SECRET }, organizations: [example] }
    oidc:
      - { name: example, label: Example Accounts, issuer: https://accounts.example.com, clientId: gateway }
servers:
  - { name: demo, builtin: demo }
  - { name: notes, remote: { url: https://notes.example.com/mcp, auth: { oauth: {} } } }
gateways: [{ name: engineering }]
";

/// The folder for pictures of the pages, below that of the repository.
///
/// The documentation shows them, and a change of the pages is followed by
/// `MCP_GATEWAY_SCREENSHOTS=docs/images cargo test -p mcp-gateway-server --test login pages::`.
const PICTURES: &str = "MCP_GATEWAY_SCREENSHOTS";

#[tokio::test]
async fn pages_are_for_everybody() {
    let environment = Environment::installed().await.unwrap();
    let gateway = Gateway::start(PUBLIC).await;
    let visitor = Visitor::new(&environment, &gateway);
    let certificate = rcgen::generate_simple_self_signed(["mcp.example.com".to_owned()]).unwrap();
    let mut command = Command::new(&environment.node);
    command
        .arg(program("pages.mjs"))
        .args(["https://mcp.example.com", &gateway.listener])
        .args(std::env::var_os(PICTURES).map(|folder| root().join(PathBuf::from(folder))))
        .env("TLS_CERTIFICATE", certificate.cert.pem())
        .env("TLS_KEY", certificate.signing_key.serialize_pem());
    visitor.equip(&mut command);
    let mut process = Process::start(command).unwrap();
    let status = process.finish(SOON).await.unwrap();
    let lines = process.rest();
    assert!(status.success(), "{lines:#?}\n{}", process.stderr());
    println!("{}", lines.join("\n"));
    assert_eq!(lines.len(), 8);
}
