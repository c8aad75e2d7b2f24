//! The life of a gateway: it begins, follows its configuration, and ends in an orderly way.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::thread;

use anyhow::{Context as _, anyhow};
use mcp_gateway_core::{Serve, Workers};
use mcp_gateway_platform::Platform;
use tokio::net::TcpListener;

use crate::banner;
use crate::builtins::builtins;
use crate::output::complain;
use crate::signals::{Request, Signals};
use crate::source::{Ready, Source};
use crate::watch::{Seen, Watch};
use mcp_gateway_config::file::{Config, Serving};

/// Serves what `ready` describes, which has come from `source` and its `files`, until the process is
/// asked to end.
///
/// # Errors
///
/// When it cannot begin.
pub(crate) async fn run(source: Source, ready: Ready, files: Vec<Seen>) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let listener = bind(ready.config.serving.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let spec = &ready.config.platform;
    let base = spec.fixed.base_url(address);
    let platform = Platform::builder(spec.clone())
        .with_builtins(builtins())
        .with_address(address)
        .start()
        .await?;
    let serving = &ready.config.serving;
    let metrics = match serving.metrics {
        Some(address) => Some(bind(address, "metrics.listen").await?),
        None => None,
    };
    banner::show(&ready, &base, address, &source, &platform)?;

    let drain = platform.drain().clone();
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
    let serving = serve.run(platform.service(), async { drain.begun().await });
    let background = publish(metrics, &platform);
    let following = Following {
        watch: Watch::new(files),
        config: ready.config,
        platform,
        source,
    };
    let (platform, ending) = following.until_end(&mut signals, serving, background).await;
    match ending {
        // Programs that run as servers are killed when the runtime is dropped.
        Ending::AtOnce => tracing::warn!("told to end at once"),
        Ending::Finished => tokio::select! {
            () = platform.close() => tracing::info!("ended"),
            () = signals.stop() => tracing::warn!("told to end at once"),
        },
    }
    // What was begun on their threads lives as long as they do.
    drop(workers);
    Ok(())
}

/// The threads that serve connections.
fn workers(serving: &Serving) -> anyhow::Result<Workers> {
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let count = serving.workers.unwrap_or_else(processors);
    Workers::start(count).context("the threads that serve connections cannot be started")
}

/// How the life of a gateway ended.
enum Ending {
    /// Nobody wanted to wait for what was going on.
    AtOnce,
    /// Calls have finished, or their time was over.
    Finished,
}

/// Serves metrics at an address of their own, if there is one.
fn publish(listener: Option<TcpListener>, platform: &Platform) -> impl Future<Output = ()> + use<> {
    let front = platform.metrics_service();
    async move {
        match listener {
            Some(listener) => Serve::new(listener).run(front, pending()).await,
            None => pending().await,
        }
    }
}

/// A gateway that follows its configuration.
struct Following {
    config: Config,
    platform: Platform,
    source: Source,
    watch: Watch,
}

impl Following {
    /// Returns what is left to be ended.
    async fn until_end(
        mut self,
        signals: &mut Signals,
        serving: impl Future<Output = ()>,
        background: impl Future<Output = ()>,
    ) -> (Platform, Ending) {
        let (mut serving, mut background) = (pin!(serving), pin!(background));
        loop {
            let reload = tokio::select! {
                () = &mut serving => return (self.platform, Ending::Finished),
                () = &mut background => false,
                () = self.watch.changed() => true,
                request = signals.next() => match request {
                    Request::Reload => true,
                    Request::Stop if self.platform.drain().has_begun() => {
                        return (self.platform, Ending::AtOnce);
                    }
                    Request::Stop => {
                        tracing::info!("shutting down");
                        self.platform.drain().begin();
                        false
                    }
                },
            };
            if reload && !self.platform.drain().has_begun() {
                self.reload().await;
            }
        }
    }

    fn has_other_tokens(&self, other: &Config) -> bool {
        let tokens = |config: &Config| config.platform.dynamic.auth.tokens.clone();
        tokens(&self.config) != tokens(other)
    }

    /// Reads the configuration again, and becomes what it describes. A wrong one changes nothing.
    async fn reload(&mut self) {
        let source = self.source.clone();
        // Files may be slow, and must not hold up calls.
        let Ok(attempt) = tokio::task::spawn_blocking(move || source.load()).await else {
            return;
        };
        // A wrong configuration may become right by a file that is not there yet.
        self.watch.replace(attempt.files);
        let ready = match attempt.result {
            Ok(ready) => ready,
            Err(findings) => {
                let problems = findings.len();
                tracing::error!(
                    problems,
                    "the new configuration is wrong; the old one stays"
                );
                findings.lines().for_each(complain);
                return;
            }
        };
        ready.warnings.lines().for_each(complain);
        if ready.own_token && self.has_other_tokens(&ready.config) {
            tracing::warn!("nothing is said any more about who may call: it is the owner alone");
        }
        let rollout = match self.platform.apply(&ready.config.platform) {
            Ok(rollout) => rollout,
            Err(error) => {
                let error = anyhow!(error);
                tracing::error!("the new configuration cannot be used: {error:#}");
                return;
            }
        };
        tracing::info!(servers = %rollout, "configuration loaded");
        let serving = self.config.serving.restart_keys(&ready.config.serving);
        for key in rollout.restart.into_iter().chain(serving) {
            tracing::warn!(key, "this takes effect only after a restart");
        }
        self.config = ready.config;
    }
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => anyhow!(
                "{address} is in use already: choose another address with {option}; port 0 is any \
             that is free"
            ),
            _ => anyhow!(error).context(format!("{address} cannot be listened at")),
        })
}
