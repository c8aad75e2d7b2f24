//! Startup, hot reload and graceful shutdown.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
#[cfg(feature = "code-mode")]
use mcp_gateway_code::Sandbox;
use mcp_gateway_core::{Serve, Workers};
use mcp_gateway_platform::Platform;
use mcp_gateway_platform::orchestrator::Orchestrator;
use mcp_gateway_platform::spec::PlatformSpec;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use crate::banner;
use crate::builtins::{NAMES, builtins};
use crate::cluster;
#[cfg(feature = "console")]
use crate::guides::ConnectGuides;
use crate::objects::Objects;
use crate::output::eprint_line;
use crate::signals::{SignalAction, Signals};
use crate::source::{ConfigSource, ResolvedConfig};
use crate::traces::{self, TraceRecorder};
use crate::watch::{FileStamp, FileWatcher};
use mcp_gateway_config::file::{Config, Serving};
use mcp_gateway_config::library::Entry;
use mcp_gateway_config::stored::StoredEntries;

/// Serves the configuration `ready` of `source` until the process receives a signal to terminate, and
/// reloads it when `files` change.
///
/// # Errors
///
/// Fails if the gateway cannot start.
pub(crate) async fn run(
    source: ConfigSource,
    ready: ResolvedConfig,
    files: Vec<FileStamp>,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot register signal handlers")?;
    let listener = bind(ready.config.serving.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let mut spec = ready.config.platform.clone();
    let (orchestrator, objects) = connect(&mut spec).await?;
    let base = spec.fixed.base_url(address);
    let builder = Platform::builder(spec, address)
        .with_builtins(builtins())
        .with_registry(Arc::new(StoredEntries::new(NAMES)))
        .with_library(Entry::all().iter().map(Entry::to_registry));
    #[cfg(feature = "code-mode")]
    let builder = builder.with_script_runner(Arc::new(Sandbox::of_this_program(["run-script"])?));
    #[cfg(feature = "console")]
    let builder = builder.with_client_guides(Arc::new(ConnectGuides { base: base.clone() }));
    let recorder = traces::start(ready.config.serving.traces.as_ref())?;
    let builder = match &recorder {
        Some(recorder) => builder.with_span_recorder(Arc::clone(recorder) as _),
        None => builder,
    };
    let builder = match orchestrator {
        Some(orchestrator) => builder.with_orchestrator(orchestrator),
        None => builder,
    };
    let platform = builder.start().await?;
    let serving = &ready.config.serving;
    let metrics = bind_metrics(serving.metrics).await?;
    banner::show(&ready, &base, address, &source, &platform)?;

    let workers = workers(serving)?;
    let mut serve = Serve::new(listener)
        .with_drain_timeout(serving.shutdown_timeout)
        .with_workers(workers.clone());
    if let Some(connections) = serving.connections {
        serve = serve.with_max_connections(connections);
    }
    if let Some(timeout) = serving.idle_timeout {
        serve = serve.with_idle_timeout(timeout);
    }
    let serving = platform.serve(serve);
    let background = publish(metrics, &platform);
    let following = Supervisor {
        watch: FileWatcher::new(files),
        config: ready.config,
        platform,
        source,
        objects,
    };
    let (platform, ending) = following.until_end(&mut signals, serving, background).await;
    match ending {
        // Child processes are killed when the runtime is dropped.
        ShutdownOutcome::Forced => tracing::warn!("forced shutdown"),
        ShutdownOutcome::Drained => tokio::select! {
            () = close(&platform, recorder.as_deref()) => tracing::info!("shutdown complete"),
            () = signals.stop() => tracing::warn!("forced shutdown"),
        },
    }
    // Tasks on worker threads live as long as the workers.
    drop(workers);
    Ok(())
}

/// Binds the address of the metrics, if they have one of their own.
async fn bind_metrics(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    match address {
        Some(address) => bind(address, "metrics.listen").await.map(Some),
        None => Ok(None),
    }
}

/// Closes the platform, and then sends the last spans.
async fn close(platform: &Platform, recorder: Option<&TraceRecorder>) {
    platform.close().await;
    if let Some(recorder) = recorder {
        recorder.close().await;
    }
}

/// Connects to the cluster of `spec`, if it has one, and adds the servers and gateways that its objects
/// define.
async fn connect(
    spec: &mut PlatformSpec,
) -> anyhow::Result<(Option<Arc<dyn Orchestrator>>, Option<Objects>)> {
    let Some(cluster) = &spec.fixed.cluster else {
        return Ok((None, None));
    };
    let (orchestrator, mut objects) = cluster::connect(cluster).await?;
    if let Some(objects) = &mut objects {
        objects.listed().await?;
        *spec = objects.add_to(spec).await;
    }
    Ok((Some(orchestrator), objects))
}

/// Starts the threads that serve connections.
fn workers(serving: &Serving) -> anyhow::Result<Workers> {
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let count = serving.workers.unwrap_or_else(processors);
    Workers::start(count).context("cannot start worker threads")
}

/// Outcome of the shutdown.
enum ShutdownOutcome {
    /// A second signal interrupted in-flight calls.
    Forced,
    /// In-flight calls finished, or the shutdown timeout elapsed.
    Drained,
}

/// Serves metrics on a separate address, if configured.
fn publish(listener: Option<TcpListener>, platform: &Platform) -> impl Future<Output = ()> + use<> {
    let serving = listener.map(|listener| platform.serve_metrics(Serve::new(listener)));
    async move {
        match serving {
            Some(serving) => serving.await,
            None => pending().await,
        }
    }
}

/// Running gateway with hot reload.
struct Supervisor {
    config: Config,
    platform: Platform,
    source: ConfigSource,
    watch: FileWatcher,
    /// Objects of the cluster that define servers and gateways.
    objects: Option<Objects>,
}

impl Supervisor {
    /// Runs until shutdown; returns the platform to close.
    async fn until_end(
        mut self,
        signals: &mut Signals,
        serving: impl Future<Output = ()>,
        background: impl Future<Output = ()>,
    ) -> (Platform, ShutdownOutcome) {
        let (mut serving, mut background) = (pin!(serving), pin!(background));
        let mut reports = interval(REPORT);
        reports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reload = tokio::select! {
                () = &mut serving => return (self.platform, ShutdownOutcome::Drained),
                () = &mut background => false,
                () = self.watch.changed() => true,
                () = changed(&mut self.objects) => {
                    if !self.platform.drain().is_draining() {
                        self.apply_objects().await;
                    }
                    false
                }
                _ = reports.tick(), if self.objects.is_some() => {
                    if let Some(objects) = &mut self.objects {
                        objects.report(&self.platform);
                    }
                    false
                }
                request = signals.next() => match request {
                    SignalAction::Reload => true,
                    SignalAction::Stop if self.platform.drain().is_draining() => {
                        return (self.platform, ShutdownOutcome::Forced);
                    }
                    SignalAction::Stop => {
                        tracing::info!("shutting down");
                        self.platform.drain().start();
                        false
                    }
                },
            };
            if reload && !self.platform.drain().is_draining() {
                self.reload().await;
            }
        }
    }

    /// Applies changed objects.
    async fn apply_objects(&mut self) {
        let spec = with_objects(&self.config.platform, &mut self.objects).await;
        match self.platform.apply(&spec) {
            Ok(rollout) => tracing::info!(servers = %rollout, "objects of the cluster loaded"),
            Err(error) => {
                let error = anyhow!(error);
                tracing::error!("cannot apply the objects of the cluster: {error:#}");
            }
        }
    }

    fn has_other_tokens(&self, other: &Config) -> bool {
        let tokens = |config: &Config| config.platform.dynamic.auth.tokens.clone();
        tokens(&self.config) != tokens(other)
    }

    /// Reloads the configuration. An invalid one changes nothing.
    async fn reload(&mut self) {
        let source = self.source.clone();
        // Slow file systems must not block calls.
        let Ok(attempt) = tokio::task::spawn_blocking(move || source.load()).await else {
            return;
        };
        // An invalid configuration may become valid when a missing file is created.
        self.watch.replace(attempt.files);
        let ready = match attempt.result {
            Ok(ready) => ready,
            Err(findings) => {
                let problems = findings.len();
                tracing::error!(problems, "invalid configuration; keeping the previous one");
                findings.lines().for_each(eprint_line);
                return;
            }
        };
        ready.warnings.lines().for_each(eprint_line);
        if ready.uses_owner_token && self.has_other_tokens(&ready.config) {
            tracing::warn!("no `auth` configured; only the owner token is accepted");
        }
        let spec = with_objects(&ready.config.platform, &mut self.objects).await;
        let rollout = match self.platform.apply(&spec) {
            Ok(rollout) => rollout,
            Err(error) => {
                let error = anyhow!(error);
                tracing::error!("cannot apply the configuration: {error:#}");
                return;
            }
        };
        tracing::info!(servers = %rollout, "configuration loaded");
        let serving = self.config.serving.restart_keys(&ready.config.serving);
        for key in rollout.restart.into_iter().chain(serving) {
            tracing::warn!(key, "restart required for this key to take effect");
        }
        self.config = ready.config;
    }
}

/// Returns `spec`, with the servers and gateways of `objects`.
async fn with_objects(spec: &PlatformSpec, objects: &mut Option<Objects>) -> PlatformSpec {
    match objects {
        Some(objects) => objects.add_to(spec).await,
        None => spec.clone(),
    }
}

/// Waits until `objects` have changed; forever without any.
async fn changed(objects: &mut Option<Objects>) {
    match objects {
        Some(objects) => objects.changed().await,
        None => pending().await,
    }
}

/// Interval in which objects learn what has become of them.
const REPORT: Duration = Duration::from_secs(1);

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => anyhow!(
                "{address} is already in use; choose another address with {option}, or port 0 for \
             any free port"
            ),
            _ => anyhow!(error).context(format!("cannot listen on {address}")),
        })
}
