//! Watch of the objects of a kind, which outlasts failures.

mod pause;

use std::fmt::Debug;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use futures_util::stream::StreamExt as _;
use kube::Resource;
use kube::api::Api;
use kube::runtime::watcher::{Config, Error, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use self::pause::Pause;

/// Follows the objects of `api` that `config` selects, and lists them again whenever the watch breaks.
///
/// `apply` receives the events. `failed` receives each error, and whether it is the first one in a row;
/// it ends the watch with [`ControlFlow::Break`].
pub(crate) async fn follow<K>(
    api: &Api<K>,
    config: Config,
    mut apply: impl FnMut(Event<K>),
    mut failed: impl FnMut(&Error, bool) -> ControlFlow<()>,
) where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = config.timeout(WATCH_SECONDS);
    let mut pause = Pause::default();
    loop {
        let mut events = pin!(watcher(api.clone(), config.clone()));
        let mut limit = LIST_TIMEOUT;
        // An API server that accepts requests and does not respond would be waited for forever.
        while let Ok(Some(event)) = timeout(limit, events.next()).await {
            match event {
                Ok(event) => {
                    // A list begins also if the one before it has failed.
                    if !matches!(event, Event::Init) {
                        pause.reset();
                    }
                    limit = match &event {
                        Event::Init => LIST_TIMEOUT,
                        Event::InitDone => QUIET,
                        Event::InitApply(_) | Event::Apply(_) | Event::Delete(_) => limit,
                    };
                    apply(event);
                }
                Err(error) => {
                    if failed(&error, pause.is_first()).is_break() {
                        return;
                    }
                    sleep(pause.next()).await;
                }
            }
        }
    }
}

/// Time after which the API server ends a watch, so that lost ones do not stay, in seconds.
const WATCH_SECONDS: u32 = 290;
/// Maximum time of each step of a list.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time without an event after which everything is listed anew: longer than the API server keeps a
/// watch.
const QUIET: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;

    use super::*;
    use crate::reconcile::tests::fake::FakeCluster;

    #[tokio::test(start_paused = true)]
    async fn lists_that_fail_are_tried_less_and_less_often() {
        let cluster = FakeCluster::default();
        cluster.world().unknown.insert("pods".to_owned());
        let pods = Api::<Pod>::namespaced(cluster.client().kube, "mcp");
        let (mut failures, mut firsts) = (0, 0);
        let following = follow(
            &pods,
            Config::default(),
            |_| {},
            |_, is_first| {
                failures += 1;
                firsts += u32::from(is_first);
                ControlFlow::Continue(())
            },
        );
        let _ = timeout(Duration::from_secs(60), following).await;
        // After 0.25, 0.5, 1, 2 and 4 seconds, and then every 8.
        assert_eq!((failures, firsts), (12, 1));
    }
}
