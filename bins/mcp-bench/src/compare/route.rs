//! Routes to the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::net::TcpListener;
use tokio::time::sleep;
use url::Url;

use super::child::Children;
use crate::cli::compare::CompareArguments;
use crate::client::LoadClient;
use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::process::{Probe, Scope};
use crate::serve::PATH;
use crate::wire::Call;

/// Time limit for a gateway to respond to its first call.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Interval of attempts to call a starting gateway.
const START_PAUSE: Duration = Duration::from_millis(50);

/// Route to the server.
#[derive(Debug)]
pub(super) struct Route {
    /// Name of the route.
    pub(super) name: String,
    /// Entry point of the route.
    pub(super) endpoint: Arc<Endpoint>,
    /// Call to make.
    pub(super) call: Call,
    /// Process under test.
    pub(super) probe: Option<Probe>,
    /// Set if the process was started for the comparison.
    pub(super) is_ours: bool,
}

/// Starts all routes: the server itself, the bare proxy, and the gateways.
///
/// # Errors
///
/// Fails when something does not start, or does not answer calls.
pub(super) async fn routes(
    arguments: &CompareArguments,
    children: &mut Children,
) -> anyhow::Result<Vec<Route>> {
    let call = arguments.load.call()?;
    let (upstream, backend) = upstream(arguments, children).await?;
    let mut routes = vec![route(arguments, "direct", &upstream, &call, backend)?];
    let (url, probe) = proxy(&upstream, children).await?;
    routes.push(route(arguments, "bare proxy", &url, &call, Some(probe))?);
    let tool = arguments
        .gateway_tool
        .as_deref()
        .unwrap_or(&arguments.load.tool);
    let call = arguments.load.call_of(tool)?;
    for (name, command) in &arguments.gateways {
        let (name, path) = name.split_once('@').unwrap_or((name, PATH));
        let port = free_port().await?;
        let command = command.replace("{upstream}", &upstream);
        let probe = children.shell(name, &command.replace("{port}", &port.to_string()))?;
        let url = format!("http://127.0.0.1:{port}{path}");
        routes.push(route(arguments, name, &url, &call, Some(probe))?);
    }
    for (index, (name, url)) in arguments.gateway_urls.iter().enumerate() {
        let pid = arguments.gateway_pids.get(index);
        let probe = pid.map(|&pid| Probe {
            name: name.clone(),
            pid,
            scope: Scope::Tree,
        });
        let route = route(arguments, name, url, &call, probe)?;
        routes.push(Route {
            is_ours: false,
            ..route
        });
    }
    for route in &routes {
        ready(arguments, route, children).await?;
    }
    Ok(routes)
}

fn route(
    arguments: &CompareArguments,
    name: &str,
    url: &str,
    call: &Call,
    probe: Option<Probe>,
) -> anyhow::Result<Route> {
    let endpoint = Arc::new(arguments.load.endpoint(url)?);
    Ok(Route {
        name: name.to_owned(),
        endpoint,
        call: call.clone(),
        probe,
        is_ours: true,
    })
}

/// Returns the URL of the server, starting it if none was specified.
async fn upstream(
    arguments: &CompareArguments,
    children: &mut Children,
) -> anyhow::Result<(String, Option<Probe>)> {
    if let Some(upstream) = &arguments.upstream {
        return Ok((upstream.clone(), None));
    }
    let answer = &arguments.answer;
    let mut flags = vec![
        format!("--listen={}", arguments.backend_listen),
        format!("--threads={}", arguments.backend_threads),
        format!("--answer={}", answer.answer.name()),
        format!("--tools={}", answer.tools),
        format!("--delay={}us", answer.delay.as_micros()),
    ];
    flags.extend(
        answer
            .result_bytes
            .map(|bytes| format!("--result-bytes={bytes}")),
    );
    let (url, probe) = children.server("backend", &flags).await?;
    Ok((url, Some(probe)))
}

/// Starts a bare proxy and returns the URL of the server behind it.
async fn proxy(upstream: &str, children: &mut Children) -> anyhow::Result<(String, Probe)> {
    let (url, probe) = children
        .server("proxy", &[format!("--upstream={upstream}")])
        .await?;
    let mut url = Url::parse(&url)?;
    let upstream = Url::parse(upstream).context("invalid upstream URL")?;
    url.set_path(upstream.path());
    url.set_query(upstream.query());
    Ok((url.into(), probe))
}

/// Finds a free port.
async fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok(listener.local_addr()?.port())
}

/// Waits until a call through `route` succeeds.
async fn ready(
    arguments: &CompareArguments,
    route: &Route,
    children: &mut Children,
) -> anyhow::Result<()> {
    let name = &route.name;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let Err(failure) = probe_call(arguments, route).await else {
            return Ok(());
        };
        if let Some(pid) = route
            .probe
            .as_ref()
            .filter(|_| route.is_ours)
            .map(|probe| probe.pid)
        {
            let ended = children.ended(pid)?;
            ensure!(
                ended.is_none(),
                "{name} has exited: {}",
                ended.unwrap_or_default()
            );
        }
        if Instant::now() >= deadline {
            let log = children.log(route.probe.as_ref().map_or(0, |probe| probe.pid));
            bail!("{name} does not respond to calls: {}{log}", failure.chain());
        }
        sleep(START_PAUSE).await;
    }
}

/// Makes one call.
async fn probe_call(arguments: &CompareArguments, route: &Route) -> Result<(), Failure> {
    let attempt = async {
        let (endpoint, call) = (&route.endpoint, &route.call);
        let mut caller = LoadClient::open(endpoint, arguments.era, call, 0, None).await?;
        let outcome = caller.call().await;
        let _ = caller.close().await;
        outcome.map(drop)
    };
    tokio::time::timeout(START_LIMIT, attempt)
        .await
        .unwrap_or(Err(Failure::Timeout))
}
