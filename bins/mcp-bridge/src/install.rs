//! Installation of this program where another container runs it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// Path of the copy, in a folder that exists
    path: PathBuf,
}

/// Copies this program, so that the path always is a whole and executable file.
///
/// # Errors
///
/// Fails if this program cannot be read, or the copy not written.
pub(crate) fn run(args: &InstallArgs) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("cannot find this program")?;
    copy(&program, &args.path).with_context(|| format!("cannot write {}", args.path.display()))
}

fn copy(program: &Path, target: &Path) -> anyhow::Result<()> {
    ensure!(!target.is_dir(), "it is a folder");
    let mut name = target.file_name().context("it has no name")?.to_owned();
    // Two containers of a pod may install at the same time.
    name.push(format!(".{}", std::process::id()));
    let partial = target.with_file_name(name);
    let copied = write(program, &partial).and_then(|()| fs::rename(&partial, target));
    if copied.is_err() {
        let _ = fs::remove_file(&partial);
    }
    Ok(copied?)
}

fn write(program: &Path, partial: &Path) -> io::Result<()> {
    let mut source = File::open(program)?;
    let mut copy = File::create(partial)?;
    io::copy(&mut source, &mut copy)?;
    copy.set_permissions(Permissions::from_mode(0o755))?;
    copy.sync_all()
}
