//! Workspaces: temporary and state folders that the running instances of one owner share.
//!
//! A workspace ends with the last of its instances:
//!
//! 1. The process group of the instance has ended, gracefully or not.
//! 2. The cleanup command runs, for at most five seconds.
//! 3. The temporary folder is removed. Daemons that are still ending may write to it meanwhile, so
//!    the removal is repeated for three seconds.
//!
//! While it lasts, its folders are measured every five seconds, or less often if that takes long.
//! All instances are terminated when one of the folders exceeds its maximum size, or cannot be
//! measured.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mcp_gateway_core::runtime::Process;
use mcp_gateway_core::transport::ServerHandle;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time;

use super::folder::{FolderError, TempFolder};
use super::state::OpenState;
use super::tree;

/// Temporary folder and state folder of running instances.
///
/// It ends with the last instance that uses it. The steps block, so they run on a thread for
/// blocking work: [`IsolatedHandle::stop`] waits for them, a drop does not.
#[derive(Debug)]
pub(super) struct Workspace {
    state: Option<OpenState>,
    /// Maximum size of each folder in bytes.
    max: u64,
    /// Running instances.
    running: Mutex<Vec<Weak<RunningProcess>>>,
    /// Temporary folder; `None` once it has ended.
    remains: Option<Remains>,
}

/// Remains of ended instances: a temporary folder, and daemons.
#[derive(Debug)]
pub(super) struct Remains {
    /// Temporary folder.
    pub(super) temp: TempFolder,
    /// Command that ends daemons.
    pub(super) cleanup: Option<Process>,
}

/// Maximum size of folders.
#[derive(Debug)]
pub(super) struct SizeLimit {
    folders: Vec<PathBuf>,
    /// Maximum size of each in bytes.
    max: u64,
}

/// Running instance of a workspace; `None` once it has been terminated.
#[derive(Debug)]
struct RunningProcess(Mutex<Option<Box<dyn ServerHandle>>>);

/// Handle of an instance. The fields are dropped in this order: first the process ends.
#[derive(Debug)]
pub(super) struct IsolatedHandle {
    process: Arc<RunningProcess>,
    workspace: Arc<Workspace>,
}

impl Workspace {
    /// Creates a workspace without instances, whose folders may have `max` bytes each.
    pub(super) fn new(state: Option<OpenState>, remains: Remains, max: u64) -> Self {
        Self {
            state,
            max,
            running: Mutex::default(),
            remains: Some(remains),
        }
    }

    /// Returns the state folder.
    pub(super) fn state(&self) -> Option<&OpenState> {
        self.state.as_ref()
    }

    /// Returns the temporary folder.
    pub(super) fn temp(&self) -> &Path {
        let remains = self.remains.as_ref();
        remains.map_or_else(|| Path::new(""), |remains| remains.temp.path())
    }

    /// Returns the size limit of the folders.
    pub(super) fn size_limit(&self) -> SizeLimit {
        let state = self.state.as_ref().map(OpenState::path);
        let folders = state.into_iter().chain([self.temp()]);
        SizeLimit {
            folders: folders.map(Path::to_owned).collect(),
            max: self.max,
        }
    }

    /// Terminates all instances at once.
    fn terminate(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for process in running.drain(..).filter_map(|process| process.upgrade()) {
            drop(process.take());
        }
    }

    /// Wraps the handle of an instance.
    pub(super) fn hold(self: Arc<Self>, server: Box<dyn ServerHandle>) -> IsolatedHandle {
        let process = Arc::new(RunningProcess(Mutex::new(Some(server))));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|process| process.strong_count() > 0);
        running.push(Arc::downgrade(&process));
        drop(running);
        IsolatedHandle {
            process,
            workspace: self,
        }
    }

    /// Measures the folders until the workspace has ended, and terminates the instances when one
    /// is too large or cannot be measured.
    pub(super) fn watch(self: &Arc<Self>) -> impl Future<Output = ()> + use<> {
        let (workspace, limit) = (Arc::downgrade(self), Arc::new(self.size_limit()));
        async move {
            let mut effort = Duration::ZERO;
            while workspace.strong_count() > 0 {
                time::sleep(MEASURE_INTERVAL.max(effort * MEASURE_PAUSE)).await;
                let (limit, begun) = (Arc::clone(&limit), Instant::now());
                let checked = spawn_blocking(move || limit.check()).await;
                effort = begun.elapsed();
                if let (Ok(Err(error)), Some(workspace)) = (checked, workspace.upgrade()) {
                    tracing::warn!(%error, "size limit exceeded; terminating the program");
                    workspace.terminate();
                }
            }
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let Some(remains) = self.remains.take() else {
            return;
        };
        // Not on a thread that serves calls. Beyond the runtime, the next start takes over.
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remains.clear())),
            Err(_) => remains.clear(),
        }
    }
}

/// Ends `workspace` if this is its last use. Blocks.
///
/// Of concurrent calls for the last uses, exactly one ends it.
fn end(workspace: Arc<Workspace>) {
    if let Some(mut last) = Arc::into_inner(workspace)
        && let Some(remains) = last.remains.take()
    {
        remains.clear();
    }
}

impl SizeLimit {
    /// Measures the folders. Blocks.
    ///
    /// # Errors
    ///
    /// [`FolderError::TooLarge`], or [`FolderError::Unmeasured`].
    pub(super) fn check(&self) -> Result<(), FolderError> {
        self.folders.iter().try_for_each(|path| {
            let (path, max) = (path.clone(), self.max);
            match tree::disk_usage(&path) {
                Ok(bytes) if bytes <= max => Ok(()),
                Ok(bytes) => Err(FolderError::TooLarge { path, bytes, max }),
                Err(source) => Err(FolderError::Unmeasured { path, source }),
            }
        })
    }
}

impl Remains {
    /// Runs the cleanup command, and removes the temporary folder. Blocks.
    pub(super) fn clear(self) {
        if let Some(cleanup) = &self.cleanup {
            run_cleanup(cleanup);
        }
        // Daemons may write until they have ended.
        let last = Instant::now() + REMOVAL_TIMEOUT;
        while tree::remove(self.temp.path()).is_err() && Instant::now() < last {
            thread::sleep(POLL);
        }
    }
}

/// Runs `cleanup`, and logs a failure.
fn run_cleanup(cleanup: &Process) {
    let mut command = cleanup.to_command();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = match command.stderr(Stdio::null()).spawn() {
        Ok(child) => child,
        Err(error) => {
            tracing::warn!(?cleanup, %error, "failed to start the cleanup command");
            return;
        }
    };
    let last = Instant::now() + CLEANUP_TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                tracing::debug!(?cleanup, %status, "cleanup command exited");
                return;
            }
            Ok(None) if Instant::now() < last => thread::sleep(POLL),
            Ok(None) | Err(_) => {
                tracing::warn!(?cleanup, "cleanup command does not exit");
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
        }
    }
}

impl RunningProcess {
    /// Takes the handle, unless the instance has been terminated.
    fn take(&self) -> Option<Box<dyn ServerHandle>> {
        let mut handle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        handle.take()
    }
}

#[async_trait]
impl ServerHandle for IsolatedHandle {
    async fn stop(self: Box<Self>) {
        let Self { process, workspace } = *self;
        if let Some(server) = process.take() {
            server.stop().await;
        }
        let _ = spawn_blocking(move || end(workspace)).await;
    }
}

/// Minimum pause between measurements, as a multiple of their duration: folders with many files are
/// measured less often.
const MEASURE_PAUSE: u32 = 50;

/// Minimum interval between measurements of the folders.
const MEASURE_INTERVAL: Duration = Duration::from_secs(5);

/// Time for the cleanup command to exit.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for daemons to release the temporary folder.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(3);

/// Interval between attempts.
const POLL: Duration = Duration::from_millis(20);
