//! The life of a gateway: it begins, follows its configuration, and ends in an orderly way.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::thread;

use anyhow::{Context as _, anyhow};
use mcp_gateway_core::{Serve, Workers};
use tokio::net::TcpListener;

use crate::authority::Foundation;
use crate::banner;
use crate::output::complain;
use crate::platform::Platform;
use crate::signals::{Request, Signals};
use crate::source::{Ready, Source};
use crate::watch::{Seen, Watch};
use mcp_gateway_config::file::{Config, Metrics};

/// Serves what `ready` describes, which has come from `source` and its `files`, until the process is
/// asked to end.
///
/// # Errors
///
/// When it cannot begin.
pub(crate) async fn run(source: Source, ready: Ready, files: Vec<Seen>) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("signals cannot be listened to")?;
    let listener = bind(ready.config.network.listen, "--listen").await?;
    let address = listener.local_addr()?;
    let base = banner::base(&ready.config.network, address);
    let foundation = Foundation::lay(&ready.config, &base).await?;
    let platform = Platform::new(&ready.config, &ready.secrets, &foundation)?;
    let metrics = match ready.config.metrics {
        Metrics::Listen(address) => Some(bind(address, "metrics.listen").await?),
        Metrics::Shared | Metrics::Token(_) => None,
    };
    banner::show(&ready, &base, address, &source, &foundation)?;

    let drain = platform.drain().clone();
    let workers = workers(&ready.config)?;
    let mut serve = Serve::new(listener)
        .with_drain_timeout(ready.config.shutdown_timeout)
        .with_workers(workers.clone());
    if let Some(connections) = ready.config.limits.connections {
        serve = serve.with_max_connections(connections);
    }
    if let Some(timeout) = ready.config.limits.idle_timeout {
        serve = serve.with_idle_timeout(timeout);
    }
    let serving = serve.run(platform.front(), async { drain.begun().await });
    let (publishing, maintaining) = (publish(metrics, &platform), foundation.maintain());
    let background = async {
        tokio::join!(publishing, maintaining);
    };
    let following = Following {
        watch: Watch::new(files),
        config: ready.config,
        platform,
        source,
    };
    let (platform, ending) = following.until_end(&mut signals, serving, background).await;
    platform.sessions().close();
    match ending {
        // Programs that run as servers are killed when the runtime is dropped.
        Ending::AtOnce => tracing::warn!("told to end at once"),
        Ending::Finished => tokio::select! {
            () = platform.pool().close() => tracing::info!("ended"),
            () = signals.stop() => tracing::warn!("told to end at once"),
        },
    }
    // What was begun on their threads lives as long as they do.
    drop(workers);
    Ok(())
}

/// The threads that serve connections.
fn workers(config: &Config) -> anyhow::Result<Workers> {
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let count = config.limits.workers.unwrap_or_else(processors);
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
    let front = platform.metrics_front();
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
        if ready.own_token && self.config.auth.tokens != ready.config.auth.tokens {
            tracing::warn!("nothing is said any more about who may call: it is the owner alone");
        }
        match self.platform.apply(&ready.config, &ready.secrets) {
            Ok(servers) => {
                let servers = servers.as_deref().unwrap_or("unchanged");
                tracing::info!(servers, "configuration loaded");
            }
            Err(error) => {
                tracing::error!("the new configuration cannot be used: {error:#}");
                return;
            }
        }
        for key in fixed(&self.config, &ready.config) {
            tracing::warn!(key, "this takes effect only after a restart");
        }
        self.config = ready.config;
    }
}

/// The keys of what has changed from `before` to `after` and cannot change in a process.
fn fixed(before: &Config, after: &Config) -> Vec<&'static str> {
    let address = |config: &Config| match config.metrics {
        Metrics::Listen(address) => Some(address),
        Metrics::Shared | Metrics::Token(_) => None,
    };
    let (old, new) = (&before.limits, &after.limits);
    let changes = [
        ("listen", before.network.listen != after.network.listen),
        ("limits.connections", old.connections != new.connections),
        ("limits.idleTimeout", old.idle_timeout != new.idle_timeout),
        ("limits.parked", old.parked != new.parked),
        ("limits.sessions", old.sessions != new.sessions),
        ("limits.workers", old.workers != new.workers),
        ("log", before.log != after.log),
        ("metrics.listen", address(before) != address(after)),
        (
            "publicUrl",
            after.auth.asks_others() && before.network.public_url != after.network.public_url,
        ),
        (
            "replicaUrl",
            before.network.replica_url != after.network.replica_url,
        ),
        ("store", before.store != after.store),
        ("sessionKey", before.session_key != after.session_key),
        (
            "shutdownTimeout",
            before.shutdown_timeout != after.shutdown_timeout,
        ),
    ];
    let changes = changes.into_iter().filter(|(_, changed)| *changed);
    let changes = changes.map(|(key, _)| key);
    before.auth.fixed(&after.auth).chain(changes).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway_config::file::parse;

    fn fixed_keys(before: &str, after: &str) -> Vec<&'static str> {
        let config = |text: &str| parse(&format!("log: {{ level: info }}\n{text}\n")).unwrap();
        fixed(&config(before), &config(after))
    }

    #[test]
    fn what_cannot_change_in_a_process_is_known() {
        let issuer = "auth: { issuers: [{ issuer: https://a.example }] }";
        for (before, after, expected) in [
            (
                "auth: { oauth: {} }",
                "auth: { oauth: { registration: off } }",
                &[][..],
            ),
            (
                "auth: { oauth: {} }",
                "auth: { oauth: {}, forward: [{ name: a, url: https://a.example }] }",
                &[],
            ),
            (
                "auth: { oauth: {} }",
                "auth: { oauth: { accessTokenLifetime: 5m, rateLimits: { register: 1 } } }",
                &["auth.oauth.accessTokenLifetime", "auth.oauth.rateLimits"],
            ),
            (
                "auth: { oauth: {} }",
                "auth: { login: { local: true } }",
                &["auth.login"],
            ),
            (
                "auth: { anonymous: true }",
                "auth: { oauth: {} }",
                &["auth.oauth"],
            ),
            ("auth: { anonymous: true }", issuer, &["auth.issuers"]),
            (
                issuer,
                "auth: { issuers: [{ issuer: https://b.example }] }",
                &[],
            ),
            (
                issuer,
                "auth: { issuers: [{ issuer: https://a.example }], allowedNetworks: [10.0.0.0/8] }",
                &["auth.allowedNetworks"],
            ),
            ("", "publicUrl: https://gw.example", &[]),
            (
                "auth: { oauth: {} }",
                "auth: { oauth: {}, trustedProxies: [10.0.0.0/8] }\npublicUrl: https://gw.example",
                &["auth.trustedProxies", "publicUrl"],
            ),
        ] {
            assert_eq!(fixed_keys(before, after), expected, "{before} -> {after}");
        }
    }
}
