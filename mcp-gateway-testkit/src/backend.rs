//! Contract of [`RuntimeBackend`].

use mcp_gateway_core::transport::Transport;
use mcp_gateway_core::upstream::{Instance, InstanceKey, InstanceOwner, RuntimeBackend};

use crate::cancel::poll_once;

/// Checks that `backend` connects to its server, which has to be able to run.
///
/// 1. A connection that is given up early leaves the backend usable.
/// 2. The server can be reached again while and after a link exists.
/// 3. Each kind of [`InstanceKey`] can be reached.
/// 4. A remote server is reached over HTTP.
///
/// The end of a process whose connection was given up is left to the implementation's own tests.
/// Call it in a Tokio runtime.
pub async fn contract(backend: &dyn RuntimeBackend) {
    let ada = || InstanceOwner::Principal("ada".into());
    let instances = [
        Instance::shared(),
        Instance::new(InstanceKey::Principal("ada".into()), ada()),
        Instance::new(InstanceKey::Session("1".into()), ada()),
    ];
    for instance in &instances {
        poll_once(backend.connect(instance)).await;
        let first = connect(backend, instance).await;
        let second = connect(backend, instance).await;
        drop(first);
        let third = connect(backend, instance).await;
        for link in [second, third] {
            let http = matches!(link, Transport::Http(_));
            assert!(http || !backend.is_remote(), "a remote server speaks HTTP");
        }
    }
}

async fn connect(backend: &dyn RuntimeBackend, instance: &Instance) -> Transport {
    match backend.connect(instance).await {
        Ok(link) => link,
        Err(error) => panic!("{instance:?} cannot be reached: {error}"),
    }
}
