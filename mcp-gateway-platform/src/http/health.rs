//! Health, status and metrics of the platform.

use std::sync::Arc;

use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use mcp_gateway_auth::users::Role;
use mcp_gateway_core::auth::{AuthVerifier, Principal};
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::jsonrpc::code::METHOD_NOT_FOUND;
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::upstream::LintCounts;
use mcp_gateway_core::{Drain, Error, Problem};
use serde_json::{Value, json};

use super::path::{Health, ManagementPath};
use super::router::RouteTable;
use crate::reload::verifier::ReloadableVerifier;
use crate::status::ServerStatus;
use crate::telemetry::{Format, Metrics};

/// Answers what is asked about the gateway itself.
#[derive(Debug)]
pub(crate) struct ManagementEndpoints {
    /// Verifier of callers, who may present a token for any gateway.
    pub(crate) access: Arc<ReloadableVerifier>,
    /// Verifier of administrators, who see why servers fail.
    pub(crate) admin_access: Arc<ReloadableVerifier>,
    /// Switch for a graceful shutdown, common to all gateways.
    pub(crate) drain: Drain,
    /// Metrics of all gateways.
    pub(crate) metrics: Arc<Metrics>,
    /// Client sessions of all gateways.
    pub(crate) sessions: Sessions,
}

impl ManagementEndpoints {
    /// Handles a request for the management endpoint `operation`, or for an unknown path.
    pub(super) async fn handle(
        &self,
        request: &Parts,
        operation: ManagementPath,
        site: &RouteTable,
    ) -> Response<Body> {
        let is_read = request.method == Method::GET || request.method == Method::HEAD;
        if operation != ManagementPath::Nothing && !is_read {
            return method_not_allowed();
        }
        let answered = match operation {
            ManagementPath::Health(health) => Ok(self.health(health)),
            ManagementPath::Metrics => self.metrics(request, site).await,
            ManagementPath::Nothing => self.not_found(request, site).await,
            ManagementPath::Servers => self.servers(request, site).await,
        };
        answered.unwrap_or_else(|error| error_response(&error))
    }

    /// Returns the health, without authentication, because the probes of an orchestrator have no
    /// token.
    ///
    /// A draining process is live but not ready: it must receive no new requests, but not be
    /// restarted.
    fn health(&self, health: Health) -> Response<Body> {
        match health {
            Health::Ready if self.drain.is_draining() => {
                text(StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
            }
            Health::Live | Health::Ready => text(StatusCode::OK, "ok\n"),
        }
    }

    /// Returns the metrics to scrapers with a token of the metrics, and to callers who may see all
    /// gateways: the names of restricted gateways are label values.
    ///
    /// Other callers receive 404. So does everyone if the metrics have a separate address.
    ///
    /// # Errors
    ///
    /// [`Error`] if the host guard rejects the request, or neither the tokens of the metrics nor the
    /// verifier of callers accept it.
    async fn metrics(&self, request: &Parts, site: &RouteTable) -> Result<Response<Body>, Error> {
        let Some(tokens) = &site.metrics_tokens else {
            return Ok(not_found(request));
        };
        site.guard.check(request)?;
        if tokens.verify(request).await.is_err() {
            let caller = self.caller(request, site).await?;
            if !site.may_see_all(&caller) {
                let principal = caller.subject();
                tracing::info!(principal, "metrics denied: restricted gateways");
                return Ok(not_found(request));
            }
        }
        Ok(self.rendered(&request.headers, site))
    }

    /// Renders the metrics without authentication, in the format that the scraper prefers.
    pub(super) fn rendered(&self, headers: &HeaderMap, site: &RouteTable) -> Response<Body> {
        let (format, sessions) = (Format::accepted(headers), self.sessions.count());
        let text = self.metrics.render(format, &site.status(), sessions);
        respond(StatusCode::OK, format.media_type(), text)
    }

    /// Returns 404 for an unknown path.
    ///
    /// # Errors
    ///
    /// [`Error`] if the path is below that of gateways, and its caller is not authenticated.
    async fn not_found(&self, request: &Parts, site: &RouteTable) -> Result<Response<Body>, Error> {
        if request.uri.path().starts_with("/v1/mcp/") {
            // Only callers may find out which gateways exist.
            self.check_caller(request, site).await?;
        }
        Ok(not_found(request))
    }

    /// Returns the status of the servers that the caller may see.
    ///
    /// Only administrators receive the errors of servers, which contain commands, paths and
    /// addresses.
    ///
    /// # Errors
    ///
    /// [`Error`] if the caller is not authenticated.
    async fn servers(&self, request: &Parts, site: &RouteTable) -> Result<Response<Body>, Error> {
        self.check_caller(request, site).await?;
        let has_details = self.is_administrator(request).await;
        let mut servers = Vec::new();
        for server in site.status() {
            if is_visible(&server.name, request, site).await {
                servers.push(describe(&server, has_details));
            }
        }
        let mut response = document(StatusCode::OK, &json!({ "servers": servers }));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Returns `true` if the sender of `request` may use the admin API.
    async fn is_administrator(&self, request: &Parts) -> bool {
        let caller = self.admin_access.verify(request).await;
        caller.is_ok_and(|caller| Role::Admin.is_held_by(&caller))
    }

    async fn check_caller(&self, request: &Parts, site: &RouteTable) -> Result<(), Error> {
        self.caller(request, site).await?;
        Ok(())
    }

    /// Authenticates the caller of `request`.
    ///
    /// # Errors
    ///
    /// [`Error`] if the host guard or the verifier rejects the request.
    pub(super) async fn caller(
        &self,
        request: &Parts,
        site: &RouteTable,
    ) -> Result<Principal, Error> {
        site.guard.check(request)?;
        Ok(self.access.verify(request).await?)
    }
}

/// Returns `true` unless only restricted gateways have the server `name`, and none of them is open to
/// the caller of `request`.
async fn is_visible(name: &str, request: &Parts, site: &RouteTable) -> bool {
    let Some(gateways) = site.confined.get(name) else {
        return true;
    };
    for gateway in gateways {
        if gateway.verify(request).await.is_ok() {
            return true;
        }
    }
    false
}

/// Returns the status of a server as JSON, with the cause of its failure if it `has_details`.
fn describe(server: &ServerStatus, has_details: bool) -> Value {
    let mut description = json!({
        "name": &*server.name,
        "status": server.state(),
        "conversations": server.conversations,
    });
    if let Some(failure) = server.failure.as_ref().filter(|_| has_details) {
        description["error"] = failure.as_str().into();
    }
    if let Some(deployment) = &server.deployment {
        description["deployment"] = deployment.state.as_str().into();
    }
    if server.lint != LintCounts::default() {
        description["defectiveTools"] = json!({
            "adapted": server.lint.adapted,
            "reported": server.lint.reported,
            "heldBack": server.lint.held_back,
        });
    }
    description
}

/// Returns the response for an unknown path.
///
/// MCP clients receive a JSON-RPC error, because those that show what a 404 contains show nothing
/// else.
pub(super) fn not_found(request: &Parts) -> Response<Body> {
    let path = request.uri.path();
    let message = format!(
        "Not found: {path}. The default gateway is at /mcp, others are at /v1/mcp/{{name}}; \
         /livez, /readyz, /health/servers and /metrics are the management endpoints."
    );
    let error = match is_mcp(request) {
        true => json!({
            "jsonrpc": "2.0",
            // The body is not read, because its sender is not authenticated.
            "id": null,
            "error": {
                "code": METHOD_NOT_FOUND,
                "message": message,
                "data": { "reason": NOT_FOUND },
            },
        }),
        false => json!({ "error": { "reason": NOT_FOUND, "message": message } }),
    };
    document(StatusCode::NOT_FOUND, &error)
}

/// Returns `true` if `request` looks like a JSON-RPC message, or like the request for the stream of
/// HTTP+SSE.
fn is_mcp(request: &Parts) -> bool {
    match request.method {
        Method::POST => has(&request.headers, CONTENT_TYPE, "application/json"),
        Method::GET => has(&request.headers, ACCEPT, EVENT_STREAM),
        _ => false,
    }
}

/// Returns `true` if `request` is that of a browser for a page.
pub(super) fn is_browser<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    request.method() == Method::GET
        && has(headers, ACCEPT, "text/html")
        && !has(headers, ACCEPT, EVENT_STREAM)
}

/// Returns `true` if `header` has `media_type`.
fn has(headers: &HeaderMap, header: HeaderName, media_type: &str) -> bool {
    let value = headers.get(header).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.contains(media_type))
}

/// Media type of a stream of events.
const EVENT_STREAM: &str = "text/event-stream";

/// Reason of the error for an unknown path.
const NOT_FOUND: &str = "not_found";

/// Returns 405 with the allowed methods.
fn method_not_allowed() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET\n");
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Returns the response for a rejected request.
pub(super) fn error_response(error: &Error) -> Response<Body> {
    let problem = Problem::from(error);
    let body = json!({
        "error": { "reason": problem.reason, "message": &*problem.error.message },
    });
    with_type(
        problem.to_response(Body::full(format!("{body}\n"))),
        "application/json",
    )
}

fn document(status: StatusCode, value: &Value) -> Response<Body> {
    respond(status, "application/json", format!("{value}\n"))
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", text)
}

fn respond(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<bytes::Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = status;
    with_type(response, media_type)
}

fn with_type(mut response: Response<Body>, media_type: &'static str) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use http::Request;
    use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
    use http_body_util::BodyExt;
    use mcp_gateway_auth::{Landing, StaticTokens};
    use mcp_gateway_core::Sealer;
    use mcp_gateway_core::auth::Principal;
    use tower_service::Service as _;

    use super::*;
    use crate::http::router::{HttpRouter, MetricsService};
    use crate::reload::verifier::VerifierFactory;
    use crate::spec::{Auth, Secret, Token};

    const CALLER: &str = "Bearer token-of-alice";
    const SCRAPER: &str = "Bearer token-of-prometheus";

    struct Stage {
        front: HttpRouter,
        metrics: MetricsService,
        drain: Drain,
    }

    fn stage(metrics_tokens: Option<StaticTokens>) -> Stage {
        let auth = Auth {
            tokens: vec![Token::new("alice", Secret::new("token-of-alice"))],
            ..Auth::default()
        };
        let drain = Drain::new();
        let mut issuers = VerifierFactory::new(None, None);
        let operations = Arc::new(ManagementEndpoints {
            access: ReloadableVerifier::new(issuers.rules(&auth, None, &[])),
            admin_access: ReloadableVerifier::new(issuers.admin_rules(&auth)),
            drain: drain.clone(),
            metrics: Metrics::new(),
            sessions: Sessions::new(Arc::new(Sealer::random().unwrap())),
        });
        let site = Arc::new(ArcSwap::from_pointee(RouteTable {
            metrics_tokens,
            ..RouteTable::default()
        }));
        Stage {
            front: HttpRouter::new(Arc::clone(&site), Arc::clone(&operations)),
            metrics: MetricsService::new(site, operations),
            drain,
        }
    }

    fn with_scraper() -> Stage {
        let tokens = StaticTokens::new();
        stage(Some(
            tokens.with_token("token-of-prometheus", Principal::new("metrics")),
        ))
    }

    fn request(method: &str, path: &str, authorization: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost");
        if !authorization.is_empty() {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(Body::empty()).unwrap()
    }

    async fn get(stage: &mut Stage, path: &str, authorization: &str) -> (u16, String) {
        let response = stage
            .front
            .call(request("GET", path, authorization))
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.into()).unwrap())
    }

    #[tokio::test]
    async fn everybody_may_know_that_the_process_lives() {
        let mut stage = with_scraper();
        for path in ["/livez", "/readyz", "/healthz"] {
            assert_eq!(
                get(&mut stage, path, "").await,
                (200, "ok\n".to_owned()),
                "{path}"
            );
        }
        stage.drain.start();
        assert_eq!(get(&mut stage, "/readyz", "").await.0, 503);
        assert_eq!(get(&mut stage, "/livez", "").await.0, 200);
    }

    #[tokio::test]
    async fn the_rest_is_for_callers() {
        let mut stage = with_scraper();
        for (path, authorization, expected) in [
            ("/health/servers", "", 401),
            ("/health/servers", SCRAPER, 401),
            ("/health/servers", CALLER, 200),
            ("/metrics", "", 401),
            ("/metrics", "Bearer wrong", 401),
            ("/metrics", SCRAPER, 200),
            ("/metrics", CALLER, 200),
            ("/v1/mcp/unknown", "", 401),
            ("/v1/mcp/unknown", CALLER, 404),
            ("/unknown", "", 404),
        ] {
            let (status, body) = get(&mut stage, path, authorization).await;
            assert_eq!(status, expected, "{path} {authorization} {body}");
        }
        let refused = stage
            .front
            .call(request("GET", "/metrics", ""))
            .await
            .unwrap();
        assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer");
        let refused = stage
            .front
            .call(request("POST", "/metrics", CALLER))
            .await
            .unwrap();
        assert_eq!(refused.status(), 405);
    }

    #[tokio::test]
    async fn clients_at_an_unknown_path_receive_a_json_rpc_error() {
        let mut stage = with_scraper();
        let json = ("content-type", "application/json; charset=utf-8");
        for (method, path, header, is_mcp) in [
            ("POST", "/", json, true),
            ("POST", "/mcp/x", json, true),
            ("POST", "/v1/mcp/unknown", json, true),
            ("GET", "/sse", ("accept", "text/event-stream"), true),
            ("GET", "/", ("accept", "text/html"), false),
            ("POST", "/", ("content-type", "text/plain"), false),
        ] {
            let mut request = request(method, path, CALLER);
            let value = HeaderValue::from_static(header.1);
            request.headers_mut().insert(header.0, value);
            let response = stage.front.call(request).await.unwrap();
            assert_eq!(response.status(), 404, "{method} {path}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let message = body["error"]["message"].as_str().unwrap();
            assert!(message.contains("The default gateway is at /mcp"));
            assert_eq!(body["jsonrpc"] == "2.0", is_mcp, "{body}");
            assert_eq!(body["error"]["code"] == -32601, is_mcp, "{body}");
        }
    }

    #[tokio::test]
    async fn only_browsers_see_pages_at_the_landing_paths() {
        let base = "https://gw.example.com/".to_owned();
        for (landing, status, text) in [
            (Landing::Account, 303, ""),
            (
                Landing::Description { base },
                200,
                "https://gw.example.com/mcp",
            ),
        ] {
            let front = with_scraper().front.with_landing(landing);
            let respond = async |method, path, accept: &'static str| {
                let mut request = request(method, path, "");
                let headers = request.headers_mut();
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
                let response = front.clone().call(request).await.unwrap();
                let status = response.status().as_u16();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                (status, String::from_utf8(body.to_vec()).unwrap())
            };
            let html = "text/html,application/xhtml+xml,*/*;q=0.8";
            for path in ["/", "/account", "/login"] {
                let (seen, body) = respond("GET", path, html).await;
                assert_eq!(seen, status, "{path}");
                assert!(body.contains(text), "{body}");
                assert_eq!(respond("GET", path, "*/*").await.0, 404, "{path}");
                assert_eq!(respond("POST", path, html).await.0, 404, "{path}");
                let stream = "text/event-stream, text/html";
                assert_eq!(respond("GET", path, stream).await.0, 404, "{path}");
            }
            assert_eq!(respond("GET", "/other", html).await.0, 404);
        }
    }

    #[tokio::test]
    async fn a_page_that_rebinds_a_name_learns_nothing() {
        let mut stage = with_scraper();
        for (path, authorization) in [("/health/servers", CALLER), ("/metrics", SCRAPER)] {
            let mut request = request("GET", path, authorization);
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_static("evil.example"));
            let response = stage.front.call(request).await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
        }
    }

    #[tokio::test]
    async fn metrics_can_have_an_address_of_their_own() {
        let mut stage = stage(None);
        assert_eq!(get(&mut stage, "/metrics", CALLER).await.0, 404);
        let response = stage
            .metrics
            .call(request("GET", "/metrics", ""))
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let response = stage
            .metrics
            .call(request("GET", "/mcp", ""))
            .await
            .unwrap();
        assert_eq!(response.status(), 404);
    }
}
