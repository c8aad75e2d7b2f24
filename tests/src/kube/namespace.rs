//! Namespaces of tests.

use std::{
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, time::sleep};

use super::{KubeError, KubeNode};

/// Time for the account of a namespace.
const DEADLINE: Duration = Duration::from_secs(30);

/// Short beside the time that kubectl takes to start.
const INTERVAL: Duration = Duration::from_millis(100);

/// A namespace of one test. All in it is deleted when it is dropped.
#[derive(Debug)]
pub struct KubeNamespace {
    name: String,
    delete: std::process::Command,
}

impl KubeNamespace {
    /// Creates it, with a name that begins with `prefix`.
    pub(super) async fn create(node: &KubeNode, prefix: &str) -> Result<Self, KubeError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{number}", std::process::id());
        node.run(&["create", "namespace", &name]).await?;
        let mut delete = node.kubectl().into_std();
        delete.args(["delete", "namespace", &name, "--wait=false"]);
        let namespace = Self { name, delete };
        // Pods are refused before there is an account for them.
        let account = ["get", "serviceaccount", "default"];
        let started = Instant::now();
        while let Err(error) = namespace.run(node, &account).await {
            if started.elapsed() > DEADLINE {
                return Err(error);
            }
            sleep(INTERVAL).await;
        }
        Ok(namespace)
    }

    /// Name of the namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `kubectl` in the namespace, and returns its output.
    ///
    /// # Errors
    ///
    /// Fails if it does.
    pub async fn run(&self, node: &KubeNode, args: &[&str]) -> Result<String, KubeError> {
        let mut all = vec!["--namespace", &*self.name];
        all.extend(args);
        node.run(&all).await
    }

    /// Applies a manifest, as YAML or JSON.
    ///
    /// # Errors
    ///
    /// Fails if the API server refuses it.
    pub async fn apply(&self, node: &KubeNode, manifest: &str) -> Result<(), KubeError> {
        let mut command = node.kubectl();
        command.args(["--namespace", &self.name, "apply", "--filename", "-"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let failed = |source| KubeError::Run {
            command: "kubectl apply".to_owned(),
            source,
        };
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(manifest.as_bytes()).await.map_err(failed)?;
        }
        let done = child.wait_with_output().await.map_err(failed)?;
        match done.status.success() {
            true => Ok(()),
            false => Err(KubeError::Failed {
                command: "kubectl apply".to_owned(),
                message: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
            }),
        }
    }
}

impl Drop for KubeNamespace {
    fn drop(&mut self) {
        // It goes on without this process.
        let _ = self
            .delete
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
