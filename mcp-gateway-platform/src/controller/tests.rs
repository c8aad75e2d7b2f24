mod hidden;
mod overtaken;

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::spec::{self, Process, ServerRuntime, ServerSpec, StaticSpec};

fn controller(spec: &DynamicSpec) -> Controller {
    let spec = PlatformSpec::new(StaticSpec::default(), spec.clone());
    let services = Services::at("http://localhost".parse().unwrap());
    Controller::new(&spec, Builtins::new(), &services).unwrap()
}

/// A server that is a program, with the prefix.
fn server(name: &str, prefix: &str) -> ServerSpec {
    let mut server = ServerSpec::new(name, ServerRuntime::Process(Process::new("x", [""; 0])));
    server.prefix = prefix.into();
    server
}

fn over(servers: [ServerSpec; 2]) -> DynamicSpec {
    let mut spec = DynamicSpec::default();
    spec.add_servers(servers);
    spec
}

#[tokio::test]
async fn a_gateway_stays_when_only_its_servers_change() {
    let mut before = DynamicSpec::default();
    before.add_servers([server("a", "a")]);
    let mut controller = controller(&before);
    let routing = Arc::clone(&controller.gateways[0].parts.routing);
    assert_eq!(&*controller.routes.load().default, "default");

    let mut after = over([server("a", "x"), server("b", "b")]);
    let rollout = controller.apply(&after).unwrap();
    assert_eq!(rollout.to_string(), "added: b; changed: a");
    assert!(Arc::ptr_eq(&routing, &controller.gateways[0].parts.routing));
    assert_eq!(controller.pool().names().len(), 2);

    let traits = controller.gateways[0].traits.clone();
    after.hosts = vec!["mcp.example.com".to_owned()];
    assert!(!controller.apply(&after).unwrap().has_servers());
    assert_ne!(traits, controller.gateways[0].traits);
    // The streams of the replaced gateway follow its router.
    assert!(Arc::ptr_eq(&routing, &controller.gateways[0].parts.routing));
}

#[tokio::test]
async fn gateways_come_and_go() {
    let before = DynamicSpec {
        gateways: vec![spec::GatewaySpec::new("a"), spec::GatewaySpec::new("b")],
        ..DynamicSpec::default()
    };
    let mut controller = controller(&before);
    let next = DynamicSpec {
        gateways: vec![spec::GatewaySpec::new("c"), spec::GatewaySpec::new("b")],
        default_gateway: 1,
        ..DynamicSpec::default()
    };
    controller.apply(&next).unwrap();
    let routes = controller.routes.load();
    let mut names: Vec<_> = routes.gateways.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!((names, &*routes.default), (vec!["b", "c"], "b"));
}

#[test]
fn the_host_of_the_public_url_is_allowed() {
    let base = "https://MCP.example.com/".parse().unwrap();
    let guard = guard(&DynamicSpec::default(), &base);
    let check = |host: &str| {
        let request = http::Request::get("/mcp").header("host", host);
        guard.check(&request.body(()).unwrap().into_parts().0)
    };
    assert!(check("mcp.example.com").is_ok());
    assert!(check("other.example.com").is_err());
}

/// Observable identities of the running state.
fn identities(controller: &Controller) -> Vec<usize> {
    let id = |pointer: *const ()| pointer as usize;
    let mut names = controller.pool().names();
    names.sort_unstable();
    let servers = names
        .iter()
        .map(|name| controller.pool().get(name).unwrap());
    let servers = servers.map(|server| id(Arc::as_ptr(&server).cast()));
    let gateways = controller.gateways.iter();
    let gateways = gateways.map(|gateway| id(Arc::as_ptr(&gateway.parts.access).cast()));
    let routes = id(Arc::as_ptr(&controller.routes.load_full()).cast());
    servers.chain(gateways).chain([routes]).collect()
}

/// Returns the number of resources and the credential of the server `a`.
async fn published(controller: &Controller) -> (u16, String) {
    let path = "/.well-known/oauth-protected-resource/v1/mcp/second";
    let request = http::Request::get(path).body(axum::body::Body::empty());
    let router = controller.protected.router();
    let metadata = router.oneshot(request.unwrap()).await.unwrap();
    let mut servers = controller.servers.members().iter();
    let server = servers.find(|server| **server.name() == *"a");
    let credential = server.and_then(|server| server.credentials().configured());
    let credential = credential.map(|credential| {
        let headers = credential.headers().iter();
        let values = headers.map(|(_, value)| value.to_str().unwrap().to_owned());
        values.collect::<String>()
    });
    (metadata.status().as_u16(), credential.unwrap_or_default())
}

#[tokio::test]
async fn a_failed_apply_changes_nothing() {
    let remote = |header: &str| {
        let mut remote = spec::Remote::new("https://a.example/mcp".parse().unwrap());
        remote
            .headers
            .push((http::header::ACCEPT_LANGUAGE, header.parse().unwrap()));
        ServerSpec::new("a", ServerRuntime::Remote(remote))
    };
    let mut before = DynamicSpec::default();
    before.add_servers([remote("de")]);
    let mut controller = controller(&before);
    let state = (identities(&controller), published(&controller).await);
    assert_eq!(state.1.0, 404);

    // Each change would be visible: another credential, one server and one gateway more.
    let mut valid = DynamicSpec::default();
    valid.add_servers([remote("fr"), server("b", "b")]);
    valid.gateways.push(spec::GatewaySpec::new("second"));
    let unknown_server = {
        let mut spec = valid.clone();
        spec.add_servers([ServerSpec::new(
            "c",
            ServerRuntime::Builtin("missing".into()),
        )]);
        spec
    };
    let duplicate_resource = {
        let mut spec = valid.clone();
        let url = "http://localhost/mcp".parse().unwrap();
        spec.auth.forward = vec![spec::Forward::new("x", url)];
        spec
    };
    // The first gateway is valid, and would be replaced.
    let conflicting_prefixes = {
        let mut spec = valid.clone();
        spec.add_servers([server("c", "b")]);
        let mut second = spec::GatewaySpec::new("second");
        second.servers = vec!["b".into(), "c".into()];
        spec.gateways = vec![spec::GatewaySpec::new("default"), second];
        spec.gateways[0].page_size = Some(1);
        spec
    };
    // Nobody could connect an account.
    let accounts_without_login = {
        let mut remote = spec::Remote::new("https://c.example/mcp".parse().unwrap());
        remote.auth = Some(spec::RemoteAuth::OAuth(spec::RemoteOAuth::default()));
        let mut spec = valid.clone();
        spec.add_servers([ServerSpec::new("c", ServerRuntime::Remote(remote))]);
        spec
    };
    for (fault, spec) in [
        ("accounts without login", accounts_without_login),
        ("unknown server", unknown_server),
        ("duplicate resource", duplicate_resource),
        ("conflicting prefixes", conflicting_prefixes),
    ] {
        assert!(controller.apply(&spec).is_err(), "{fault}");
        let after = (identities(&controller), published(&controller).await);
        assert_eq!(after, state, "{fault}");
    }
    assert!(controller.apply(&valid).is_ok());
    let after = (identities(&controller), published(&controller).await);
    assert_eq!(after.1.0, 200);
    assert_ne!(after.1.1, state.1.1);
}

#[tokio::test]
async fn messages_reach_a_channel_whose_gateway_was_built_anew() {
    let mut spec = DynamicSpec::default();
    spec.auth.anonymous = spec::Anonymous::Local;
    spec.add_servers([server("a", "a")]);
    let mut controller = controller(&spec);
    let send = async |controller: &Controller, request: http::request::Builder, body: &str| {
        let request = request.header("host", "localhost").body(body.to_owned());
        let front = controller.front();
        front.oneshot(request.unwrap()).await.unwrap()
    };
    let open = http::Request::get("/mcp").header("accept", "text/event-stream");
    let mut stream = send(&controller, open, "").await.into_body();
    let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let first = String::from_utf8(first.to_vec()).unwrap();
    let endpoint = first.lines().find_map(|line| line.strip_prefix("data: "));
    let endpoint = endpoint.unwrap().to_owned();

    spec.gateways[0].page_size = Some(1);
    spec.gateways.push(spec::GatewaySpec::new("other"));
    controller.apply(&spec).unwrap();
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let name = endpoint.rsplit_once('?').unwrap().1;
    for (path, status) in [(&*endpoint, 202), (&*format!("/v1/mcp/other?{name}"), 404)] {
        let post = http::Request::post(path).header("content-type", "application/json");
        let answer = send(&controller, post, ping).await;
        assert_eq!(answer.status(), status, "{path}");
    }
}
