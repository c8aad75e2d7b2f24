//! Backend of a program whose instances are isolated.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use mcp_gateway_core::Credential;
use mcp_gateway_core::runtime::Process;
use mcp_gateway_core::transport::Transport;
use mcp_gateway_core::upstream::{
    Instance, InstanceKey, InstanceOwner, RuntimeBackend, SessionPolicy, UpstreamError,
};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::folder::{FolderError, OwnerRecord, TempFolder, create_private};
use super::program::Program;
use super::state::{OpenState, StateRoot};
use super::values::Values;
use super::workspace::{Remains, Workspace};
use crate::spec::Isolation;

/// Backend that starts a program in the workspace of its owner.
///
/// The owner is that of the [`Instance`], or its session if each session has a process. Starts are
/// serialized until the workspace is open, so that concurrent ones share it.
///
/// # Cancel safety
///
/// Dropping the future of a connection attempt ends its workspace, unless another instance uses it.
#[derive(Debug)]
pub(crate) struct IsolatedProcess {
    /// Description of the instances, which blocking tasks share.
    plan: Arc<Plan>,
    /// Sharing of processes.
    sessions: SessionPolicy,
    /// Open workspaces.
    ///
    /// The references are weak: a workspace ends with its last instance, not with the backend.
    workspaces: Mutex<HashMap<WorkspaceKey, Weak<Workspace>>>,
}

/// Instances that share a workspace.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum WorkspaceKey {
    /// All instances of an owner.
    Owner(InstanceOwner),
    /// The instances of one session.
    Session(Arc<str>),
}

/// Description of the instances.
#[derive(Debug)]
struct Plan {
    /// Program to run.
    program: Program,
    /// Folders, variables and limits of each instance.
    isolation: Isolation,
    /// Folder of the state of all owners.
    states: StateRoot,
}

impl IsolatedProcess {
    /// Creates the backend of `program`, and ends what its instances have left when the gateway was
    /// killed.
    pub(crate) fn new(program: Program, sessions: SessionPolicy, states: StateRoot) -> Self {
        let isolation = program.spec.isolation.clone().unwrap_or_default();
        let plan = Arc::new(Plan {
            program,
            isolation,
            states,
        });
        if let Ok(runtime) = Handle::try_current() {
            let plan = Arc::clone(&plan);
            runtime.spawn_blocking(move || plan.sweep());
        }
        Self {
            plan,
            sessions,
            workspaces: Mutex::default(),
        }
    }

    /// Returns the open workspace of `instance`, or opens one.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if the workspace cannot be opened; the next attempt starts anew.
    async fn workspace(&self, instance: &Instance) -> Result<Arc<Workspace>, FolderError> {
        let key = match (self.sessions, instance.key()) {
            (SessionPolicy::PerSession, InstanceKey::Session(session)) => {
                WorkspaceKey::Session(Arc::clone(session))
            }
            _ => WorkspaceKey::Owner(instance.owner().clone()),
        };
        let mut workspaces = self.workspaces.lock().await;
        if let Some(workspace) = workspaces.get(&key).and_then(Weak::upgrade) {
            return Ok(workspace);
        }
        let (plan, owner) = (Arc::clone(&self.plan), instance.owner().clone());
        let opened = spawn_blocking(move || plan.open(owner));
        let failed = |error| FolderError::io(Path::new("workspace"))(io::Error::other(error));
        let workspace = Arc::new(opened.await.map_err(failed)??);
        workspaces.retain(|_, open| open.strong_count() > 0);
        workspaces.insert(key, Arc::downgrade(&workspace));
        #[expect(clippy::disallowed_methods, reason = "it ends with the workspace")]
        tokio::spawn(workspace.watch());
        Ok(workspace)
    }
}

#[async_trait]
impl RuntimeBackend for IsolatedProcess {
    /// Starts the program in its workspace, which lasts until the process has ended.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the workspace cannot be opened, no port is free, or the program does
    /// not start.
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        let workspace = self.workspace(instance).await;
        let workspace = workspace.map_err(UpstreamError::connect)?;
        let port = free_port().map_err(UpstreamError::connect)?;
        let mut values = Plan::values(workspace.state(), workspace.temp(), port);
        values.inputs = instance.credential().clone();
        let process = self.plan.process(&values, workspace.state());
        Ok(match process.connect(instance).await? {
            Transport::Stdio(stdio) => {
                Transport::Stdio(stdio.with_wrapped_handle(|handle| workspace.hold(handle)))
            }
            http @ Transport::Http(_) => http,
        })
    }
}

impl Plan {
    /// Opens a workspace of `owner`. Blocks.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if a folder cannot be created, is not private, or is too large already.
    fn open(&self, owner: InstanceOwner) -> Result<Workspace, FolderError> {
        let record = OwnerRecord {
            gateway: Some(self.states.gateway()),
            server: Some(Arc::clone(&self.program.server)),
            owner,
        };
        let state = self.open_state(&record)?;
        let temp = TempFolder::create(&record)?;
        for folder in [TEMP, RUNTIME] {
            create_private(&temp.path().join(folder))?;
        }
        let remains = self.remains(temp, state.as_ref());
        let workspace = Workspace::new(state, remains, self.isolation.max_bytes);
        workspace.size_limit().check()?;
        Ok(workspace)
    }

    /// Opens the state folder of the owner in `record`, if instances have one.
    fn open_state(&self, record: &OwnerRecord) -> Result<Option<OpenState>, FolderError> {
        if !self.program.spec.uses_state() {
            return Ok(None);
        }
        let mut record = record.clone();
        record.gateway = None;
        if self.isolation.shared_state {
            record.owner = InstanceOwner::AllCallers;
        }
        self.states.open(&record).map(Some)
    }

    /// Ends what instances of this gateway have left when it was killed. Blocks.
    ///
    /// Other gateways of the same user clean up after themselves. The cleanup command is the current one, run with the temporary folder of the instance that
    /// has ended.
    fn sweep(&self) {
        let gateway = Some(self.states.gateway());
        let is_mine = |record: &OwnerRecord| {
            let server = record.server.as_ref();
            record.gateway == gateway && server.is_none_or(|server| *server == self.program.server)
        };
        for (temp, record) in TempFolder::orphans(is_mine) {
            let path = temp.path().display();
            tracing::info!(server = %self.program.server, %path, "removing the remains of an ended gateway");
            let state = self.open_state(&record).ok().flatten();
            self.remains(temp, state.as_ref()).clear();
        }
    }

    /// Returns what instances in the temporary folder `temp` leave behind.
    fn remains(&self, temp: TempFolder, state: Option<&OpenState>) -> Remains {
        let values = Self::values(state, temp.path(), 0);
        let cleanup = self.isolation.cleanup.split_first();
        let cleanup = cleanup.map(|(command, args)| {
            let args = args.iter().filter_map(|text| values.expand(text));
            let command = values.expand(command).unwrap_or_default();
            self.environment(&command, &values, state).with_args(args)
        });
        Remains { temp, cleanup }
    }

    /// Returns the values of placeholders.
    fn values(state: Option<&OpenState>, temp: &Path, port: u16) -> Values {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let id = temp.file_name().map(Path::new);
        Values {
            state: state.map(|state| text(&state.files())).unwrap_or_default(),
            temp: text(&temp.join(TEMP)),
            port: port.to_string(),
            id: id.map(text).unwrap_or_default(),
            inputs: Credential::none(),
        }
    }

    /// Returns the backend of an instance.
    fn process(&self, values: &Values, state: Option<&OpenState>) -> Process {
        let spec = &self.program.spec;
        let process = self.environment(&spec.command, values, state);
        let process = process.with_args(spec.args.iter().filter_map(|text| values.expand(text)));
        let directory = spec.directory.as_deref().map(Path::to_string_lossy);
        match directory.and_then(|directory| values.expand(&directory)) {
            Some(directory) => process.with_directory(directory),
            None => process,
        }
    }

    /// Returns a backend that runs `command` in the environment of an instance.
    fn environment(&self, command: &str, values: &Values, state: Option<&OpenState>) -> Process {
        let temp = Path::new(&values.temp);
        // The variables of the spec are set later, and win.
        let mut own = vec![("TMPDIR", temp.to_owned())];
        if let Some(home) = state
            .filter(|_| self.isolation.own_home)
            .map(OpenState::home)
        {
            let folders = XDG_FOLDERS.map(|(name, path)| (name, home.join(path)));
            own.extend(folders.into_iter().chain(common_caches()));
            own.push(("XDG_RUNTIME_DIR", temp.with_file_name(RUNTIME)));
            own.push(("HOME", home));
        }
        let process = self.program.process(command, own);
        let variables = self.isolation.env.iter();
        variables.fold(process, |process, (name, value)| {
            match values.expand(value) {
                Some(value) => process.with_env(name, value),
                None => process,
            }
        })
    }
}

/// Returns the folders of downloads, which instances with a home of their own share.
fn common_caches() -> impl Iterator<Item = (&'static str, PathBuf)> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    CACHES.into_iter().filter_map(move |(name, path)| {
        let known = std::env::var_os(name).map(PathBuf::from);
        Some((name, known.or_else(|| Some(home.as_ref()?.join(path)))?))
    })
}

/// Returns a port that no program listens on.
///
/// The port is not reserved: another program can bind it before the started one does.
fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Name of the folder for temporary files.
const TEMP: &str = "tmp";

/// Name of the folder for sockets.
const RUNTIME: &str = "run";

/// Variables of the XDG folders, and their paths below the home folder.
const XDG_FOLDERS: [(&str, &str); 4] = [
    ("XDG_CACHE_HOME", ".cache"),
    ("XDG_CONFIG_HOME", ".config"),
    ("XDG_DATA_HOME", ".local/share"),
    ("XDG_STATE_HOME", ".local/state"),
];

/// Variables of the folders with downloaded packages and browsers, and their defaults below the home
/// folder. A copy for each caller would be downloaded for each caller.
const CACHES: [(&str, &str); 4] = [
    ("PLAYWRIGHT_BROWSERS_PATH", ".cache/ms-playwright"),
    ("UV_CACHE_DIR", ".cache/uv"),
    ("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"),
    ("npm_config_cache", ".npm"),
];

#[cfg(test)]
mod tests;
