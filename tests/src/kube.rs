//! A Kubernetes of one node for tests.
//!
//! All runs of tests on a machine share it: `tests/kube/lend.sh` starts it for the first, and ends it
//! after the last. A node that somebody has started with `tests/kube/up.sh` is used instead, and stays.
//! Tests that need it have names that begin with `kube_`, so that they can be left out.

mod namespace;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use tokio::process::Command;

pub use self::namespace::KubeNamespace;
use crate::environment::Environment;

/// Error of the node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeError {
    /// A command could not be run.
    #[error("{command}: {source}")]
    Run {
        /// The command.
        command: String,
        /// Cause.
        source: io::Error,
    },
    /// A command has failed.
    #[error("{command} failed: {message}")]
    Failed {
        /// The command.
        command: String,
        /// The end of its standard error.
        message: String,
    },
    /// The lock of the node cannot be taken.
    #[error("{LOCK}: {0}")]
    Lock(#[source] io::Error),
}

/// Lock of the node: shared by tests that use it, exclusive for those that break it.
const LOCK: &str = "/run/mcp-gateway-kube.lock";

/// A running node, with all rights on it.
#[derive(Debug)]
pub struct KubeNode {
    state: PathBuf,
    /// `true` if components may be stopped.
    exclusive: bool,
    /// Released by the system when the test ends, however it does.
    _lock: File,
}

impl KubeNode {
    /// The node, together with other tests.
    ///
    /// # Errors
    ///
    /// Fails if it does not start, or is not installed.
    pub async fn shared() -> Result<Self, KubeError> {
        Self::lend(false).await
    }

    /// The node, without any other test, so that its components may be stopped. They run again after
    /// it has been dropped.
    ///
    /// # Errors
    ///
    /// As [`shared`](Self::shared).
    pub async fn exclusive() -> Result<Self, KubeError> {
        Self::lend(true).await
    }

    async fn lend(exclusive: bool) -> Result<Self, KubeError> {
        let mut lend = Command::new(script_of("lend.sh"));
        let lent = output(lend.arg(parent_id().to_string())).await?;
        let state = String::from_utf8_lossy(&lent.stdout).trim().into();
        let locking = tokio::task::spawn_blocking(move || lock(exclusive));
        let locked = locking.await.map_err(io::Error::from).flatten();
        let node = Self {
            state,
            exclusive,
            _lock: locked.map_err(KubeError::Lock)?,
        };
        // A test that was killed leaves its faults behind.
        node.control(&["heal"]).await?;
        Ok(node)
    }

    /// Configuration of clients with all rights.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("admin.kubeconfig")
    }

    /// The command `kubectl` with all rights.
    #[must_use]
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(self.state.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig());
        command
    }

    /// Runs `kubectl`, and returns its output.
    ///
    /// # Errors
    ///
    /// Fails if it does.
    pub async fn run(&self, args: &[&str]) -> Result<String, KubeError> {
        let done = output(self.kubectl().args(args)).await?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Acts on the node as `tests/kube/ctl.sh` does: `["stop", "kubelet"]`.
    ///
    /// # Errors
    ///
    /// Fails if that fails.
    ///
    /// # Panics
    ///
    /// Panics if a component is to be stopped while other tests use it.
    pub async fn control(&self, args: &[&str]) -> Result<(), KubeError> {
        let is_fault = !matches!(args, ["exec" | "heal" | "import" | "status", ..]);
        assert!(self.exclusive || !is_fault, "take KubeNode::exclusive()");
        output(Command::from(self.controller()).args(args)).await?;
        Ok(())
    }

    fn controller(&self) -> std::process::Command {
        let mut command = std::process::Command::new(script_of("ctl.sh"));
        command.env("MCP_GATEWAY_KUBE_STATE", &self.state);
        command
    }

    /// Adds an image with Node and a npm `package` of the environment, whose entrypoint is the file
    /// `script` of the package. Returns the path of that file in the image; Node is `/usr/bin/node`.
    ///
    /// # Errors
    ///
    /// Fails if the package is not installed, or the node does not take the image.
    pub async fn add_npm_image(
        &self,
        tag: &str,
        environment: &Environment,
        (package, script): (&str, &str),
    ) -> Result<String, KubeError> {
        let folder = temporary()?;
        let archive = folder.path().join("image.tar");
        let mut image = Command::new(script_of("npm-image.py"));
        image.arg(&archive).arg(tag);
        image.arg(&environment.node).arg(&environment.node_modules);
        output(image.args([package, script])).await?;
        self.control(&["import", &archive.to_string_lossy()])
            .await?;
        Ok(format!("/app/node_modules/{package}/{script}"))
    }

    /// Adds an image with `programs`, pairs of a path in the image and one here, and the shared
    /// libraries that they need. The first is its entrypoint.
    ///
    /// # Errors
    ///
    /// Fails if a program cannot be read, or the node does not take the image.
    pub async fn add_image(&self, tag: &str, programs: &[(&str, &Path)]) -> Result<(), KubeError> {
        let folder = temporary()?;
        let archive = folder.path().join("image.tar");
        let mut image = Command::new(script_of("program-image.sh"));
        image.arg(&archive).arg(tag);
        for (target, source) in programs {
            image.arg(format!("{target}={}", source.display()));
        }
        output(&mut image).await?;
        self.control(&["import", &archive.to_string_lossy()]).await
    }

    /// Creates a namespace, which is deleted when it is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the node does not create it within half a minute.
    pub async fn namespace(&self, name: &str) -> Result<KubeNamespace, KubeError> {
        KubeNamespace::create(self, name).await
    }
}

impl Drop for KubeNode {
    fn drop(&mut self) {
        if self.exclusive {
            // Before the lock is released.
            let _ = self.controller().arg("heal").output();
        }
    }
}

fn script_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("kube")
        .join(name)
}

fn temporary() -> Result<tempfile::TempDir, KubeError> {
    tempfile::tempdir().map_err(|source| KubeError::Run {
        command: "mkdir".to_owned(),
        source,
    })
}

fn lock(exclusive: bool) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(LOCK)?;
    match exclusive {
        true => file.lock()?,
        false => file.lock_shared()?,
    }
    Ok(file)
}

/// Output of a command that succeeds.
async fn output(command: &mut Command) -> Result<Output, KubeError> {
    let name = command_name(command);
    let done = match command.stdin(Stdio::null()).output().await {
        Ok(done) => done,
        Err(source) => {
            return Err(KubeError::Run {
                command: name,
                source,
            });
        }
    };
    match done.status.success() {
        true => Ok(done),
        false => Err(KubeError::Failed {
            command: name,
            message: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        }),
    }
}

fn command_name(command: &Command) -> String {
    let program = Path::new(command.as_std().get_program());
    let name = program.file_name().unwrap_or_default();
    let args = command.as_std().get_args().map(|arg| arg.to_string_lossy());
    let args: Vec<_> = args.collect();
    format!("{} {}", name.display(), args.join(" "))
}
