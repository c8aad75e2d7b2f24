//! Isolation of the instances of a program.

/// Isolation of the instances of a program: folders, names and ports of their own.
///
/// Instances of different principals share nothing that a placeholder stands for. A program with an
/// isolation has a temporary folder of its own. Its arguments, its working
/// directory, `cleanup` and `env` may contain placeholders; see
/// [`PLACEHOLDERS`](super::PLACEHOLDERS).
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Isolation, Process};
///
/// let mut process = Process::new("server", ["--file=${state}/data.json"]);
/// process.isolation = Some(Isolation::default());
/// assert!(process.uses_state());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Isolation {
    /// Environment variables with placeholders.
    pub env: Vec<(String, String)>,
    /// Set for a home folder and XDG folders in the state folder.
    pub own_home: bool,
    /// Set if all callers share the state folder.
    pub shared_state: bool,
    /// Maximum size of the state folder, and of the temporary folder, in bytes.
    pub max_bytes: u64,
    /// Program and arguments that end what outlives an instance; none if empty.
    pub cleanup: Vec<String>,
}

impl Default for Isolation {
    fn default() -> Self {
        Self {
            env: Vec::new(),
            own_home: false,
            shared_state: false,
            max_bytes: MAX_BYTES,
            cleanup: Vec::new(),
        }
    }
}

/// Default maximum size of a folder in bytes.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
