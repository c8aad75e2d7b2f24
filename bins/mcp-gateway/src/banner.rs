//! Startup message.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use crate::output::print_text;
use crate::source::{ConfigSource, ResolvedConfig, TOKEN_VARIABLE};
use mcp_gateway_config::connect::GatewayEndpoint;
use mcp_gateway_platform::Platform;
use mcp_gateway_platform::spec::{Anonymous, PlatformSpec};

/// Prints the URLs of the gateway, and instructions for connecting clients.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn show(
    ready: &ResolvedConfig,
    base: &str,
    address: SocketAddr,
    source: &ConfigSource,
    platform: &Platform,
) -> io::Result<()> {
    let spec = &ready.config.platform;
    let gateways = &spec.dynamic.gateways;
    let mut lines = vec![
        format!("mcp-gateway {} is ready", env!("CARGO_PKG_VERSION")),
        String::new(),
        format!("  endpoint  {base}/mcp"),
    ];
    if gateways.len() > 1 {
        lines.extend(
            gateways
                .iter()
                .map(|gateway| format!("            {base}/v1/mcp/{}", gateway.name)),
        );
    }
    if spec.fixed.public_url.is_some() {
        lines.push(format!("  listens   {address}"));
    }
    lines.push(format!("  servers   {}", servers(spec)));
    if let Some(place) = platform.state_location() {
        lines.push(format!("  state     {place}"));
    }
    let has_login = spec.fixed.auth.oauth.is_some();
    if has_login {
        lines.push(format!("  login     {base}/api/auth/account"));
    }
    if let Some(account) = platform.first_account() {
        let (name, password) = (account.name, account.password.expose());
        lines.push(format!("            user {name}, password {password}"));
        lines.push("            (shown only once)".to_owned());
    }
    if cfg!(feature = "console") {
        lines.push(format!("  console   {base}/console"));
    }
    let mut servers = spec.dynamic.servers.iter();
    if has_login && servers.any(|server| server.transport.auth().is_some()) {
        lines.push(format!("  accounts  {base}/connect"));
    }
    if !ready.uses_owner_token {
        lines.push(format!("  callers   {}", callers(spec)));
    }
    if has_login {
        lines.extend(login_lines(base));
    } else if spec.dynamic.auth.anonymous == Anonymous::Never {
        lines.extend(no_login_lines(base));
    }
    match (ready.uses_owner_token, source.token_is_new) {
        (true, true) => lines.extend(new_token(source, base)),
        (true, false) => lines.extend([
            format!("  token     the value of {TOKEN_VARIABLE}"),
            TOKEN_CALLER.to_owned(),
        ]),
        (false, _) => {}
    }
    print_text(lines.join("\n"))
}

/// Formats instructions for clients with a login.
fn login_lines(base: &str) -> Vec<String> {
    let mut lines = vec![
        String::new(),
        "Paste the endpoint into your client; it opens a browser to log in:".to_owned(),
        String::new(),
    ];
    if let Ok(endpoint) = GatewayEndpoint::new(base, None, None) {
        lines.push(format!("  {}  # Claude Code", endpoint.claude_code()));
        lines.push(format!("  {}", endpoint.claude_code_login()));
        lines.push(format!("  {}  # Codex", endpoint.codex()));
    }
    lines.push(format!(
        "  {} login {base}  # test the login here",
        program()
    ));
    lines.push(String::new());
    lines
}

/// Formats instructions for clients of a gateway whose `auth` has no login.
fn no_login_lines(base: &str) -> Vec<String> {
    vec![
        "  login     none: the configuration has `auth` without `oauth`; `oauth: {}` adds it"
            .to_owned(),
        String::new(),
        "Clients need a token, for example from a variable:".to_owned(),
        String::new(),
        format!("  export {TOKEN_VARIABLE}=TOKEN"),
        format!("  {} connect --url {base}  # instructions", program()),
    ]
}

fn servers(spec: &PlatformSpec) -> String {
    abbreviated_list(spec.dynamic.servers.iter().map(|server| &*server.name))
}

fn callers(spec: &PlatformSpec) -> String {
    let (auth, oauth) = (&spec.dynamic.auth, &spec.fixed.auth.oauth);
    match auth.anonymous {
        Anonymous::Everywhere => "everyone, without a token".to_owned(),
        Anonymous::Local => "everyone on this machine, without a token".to_owned(),
        _ => {
            // A caller may have several tokens.
            let names: BTreeSet<_> = auth.tokens.iter().map(|token| &*token.name).collect();
            let users = oauth.as_ref().map(|_| "users who log in");
            let issuers = auth.issuers.iter().map(|issuer| &*issuer.issuer);
            abbreviated_list(users.into_iter().chain(names).chain(issuers))
        }
    }
}

/// Joins the names, abbreviating a long list.
fn abbreviated_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=MAX_NAMES => names.join(", "),
        more => format!(
            "{} and {} more",
            names[..MAX_NAMES].join(", "),
            more - MAX_NAMES
        ),
    }
}

/// Formats the generated owner token and instructions for it.
fn new_token(source: &ConfigSource, base: &str) -> Vec<String> {
    let program = program();
    let secret = source.token.secret.expose();
    let mut lines = vec![
        "For clients that cannot log in:".to_owned(),
        String::new(),
        format!("  token     {secret}"),
        format!("            (valid for this run; set {TOKEN_VARIABLE} to choose one)"),
        TOKEN_CALLER.to_owned(),
        String::new(),
        format!("  export {TOKEN_VARIABLE}={secret}"),
    ];
    if let Ok(endpoint) = GatewayEndpoint::new(base, None, Some(TOKEN_VARIABLE.to_owned())) {
        lines.push(format!(
            "  {program} tools --url {}  # list the tools",
            endpoint.url
        ));
    }
    let others = "Claude Desktop, Cursor, VS Code, Copilot CLI, Open WebUI, n8n, curl";
    lines.push(format!("  {program} connect --url {base}  # {others}"));
    lines
}

/// Returns the path by which this program was started, because it may not be on `PATH`.
fn program() -> String {
    let called = std::env::args_os().next();
    let called = called.and_then(|called| called.into_string().ok());
    let plain =
        |called: &String| !called.contains(|c: char| c.is_whitespace() || "'\"$".contains(c));
    called
        .filter(plain)
        .unwrap_or_else(|| "mcp-gateway".to_owned())
}

/// Note on the caller of the owner token.
const TOKEN_CALLER: &str =
    "            (a caller of its own: it shares no state or accounts with users who log in)";

/// Number of names in an abbreviated list.
const MAX_NAMES: usize = 8;
