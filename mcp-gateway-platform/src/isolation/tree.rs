//! Trees of files that programs have written: their size, and their removal.
//!
//! A program runs as the user of the gateway, and may have denied that user the access to a folder.
//! The access is restored where it is needed. Symbolic links are not followed.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// Returns the disk space of the files below `path` in bytes. Entries that vanish meanwhile do not
/// count.
///
/// # Errors
///
/// If a part cannot be measured: it belongs to another user, or is nested too deeply.
pub(super) fn disk_usage(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    walk(path, READ, |found| bytes += found.blocks() * BLOCK)?;
    Ok(bytes)
}

/// Removes the folder at `path` with everything in it.
///
/// # Errors
///
/// If a part cannot be removed, or there is no such folder.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            walk(path, READ | WRITE, |_| {})?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

/// Restores the access of this user to its folder at `path`, which is not a link.
pub(super) fn restore_access(path: &Path) -> io::Result<()> {
    give_access(path, &fs::symlink_metadata(path)?, READ | WRITE)
}

/// Visits everything below `path`, after giving this user `access` to each folder.
fn walk(path: &Path, access: u32, mut visit: impl FnMut(&Metadata)) -> io::Result<()> {
    let mut folders = Vec::new();
    if let Some(found) = existing(fs::symlink_metadata(path))? {
        folders.push((path.to_owned(), found));
    }
    while let Some((folder, found)) = folders.pop() {
        let read = give_access(&folder, &found, access).and_then(|()| fs::read_dir(&folder));
        for entry in existing(read)?.into_iter().flatten() {
            let entry = entry?;
            let Some(found) = existing(entry.metadata())? else {
                continue;
            };
            visit(&found);
            if found.is_dir() {
                folders.push((entry.path(), found));
            }
        }
    }
    Ok(())
}

/// Gives this user `access` to the folder `found` at `path`, if it belongs to this user.
///
/// Whoever replaces the folder by a link meanwhile is a program of this user, which can change the
/// same permissions itself.
fn give_access(path: &Path, found: &Metadata, access: u32) -> io::Result<()> {
    let is_mine = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    match is_mine && found.mode() & access != access {
        true => fs::set_permissions(path, Permissions::from_mode(found.mode() | access)),
        false => Ok(()),
    }
}

/// Converts the absence of an entry to `None`.
fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns `true` for the errors of entries that have been removed or replaced.
fn is_absent(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Permission of the owner to list a folder and to reach what is in it.
const READ: u32 = 0o500;

/// Permission of the owner to add and remove entries.
const WRITE: u32 = 0o200;

/// Unit of the block count of a file in bytes.
const BLOCK: u64 = 512;

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::{chown, symlink};
    use std::path::PathBuf;
    use std::thread;

    use rustix::process::{Gid, Uid, geteuid};
    use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

    use super::*;

    /// User and group without privileges.
    const NOBODY: u32 = 65534;

    /// Runs `test` without privileges, in a folder of the user that runs it.
    ///
    /// The superuser may read everything, so that the permissions of folders mean nothing to it.
    pub(in super::super) fn unprivileged(test: impl FnOnce(&Path) + Send) {
        let mut random = [0; 6];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        let name = format!("unprivileged-{}", super::super::folder::hex(&random));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let is_root = geteuid().is_root();
        if is_root {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        // Credentials belong to a thread, and the new ones end with it.
        thread::scope(|scope| {
            let run = scope.spawn(|| {
                if is_root {
                    let group = Gid::from_raw(NOBODY);
                    set_thread_res_gid(group, group, group).unwrap();
                    let user = Uid::from_raw(NOBODY);
                    set_thread_res_uid(user, user, user).unwrap();
                }
                assert!(!geteuid().is_root());
                test(&folder);
            });
            run.join().unwrap();
        });
        fs::remove_dir_all(&folder).unwrap();
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    /// Creates a file of 64 KiB in the new folder `path`.
    fn folder_with_a_file(path: PathBuf) -> PathBuf {
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("file"), [1; 64 * 1024]).unwrap();
        path
    }

    #[test]
    fn a9_a_folder_without_permissions_is_measured_and_removed() {
        unprivileged(|temp| {
            let top = temp.join("top");
            let inner = folder_with_a_file(top.join("outer/inner"));
            let size = disk_usage(&top).unwrap();
            assert!(size >= 64 * 1024);
            for hidden in [0o000, 0o100, 0o300, 0o400] {
                set_mode(&inner, hidden);
                set_mode(&top.join("outer"), hidden);
                assert_eq!(disk_usage(&top).unwrap(), size, "{hidden:o}");
            }
            // A folder that can be measured stays as the program wants it.
            set_mode(&inner, 0o500);
            assert_eq!(disk_usage(&top).unwrap(), size);
            assert_eq!(mode(&inner), 0o500);
            for hidden in [0o000, 0o500] {
                set_mode(&inner, hidden);
                set_mode(&top, hidden);
                remove(&top).unwrap();
                assert!(!top.exists(), "{hidden:o}");
                folder_with_a_file(top.join("outer/inner"));
            }
        });
    }

    #[test]
    fn a8_links_are_neither_measured_nor_changed() {
        unprivileged(|temp| {
            let victim = folder_with_a_file(temp.join("victim"));
            set_mode(&victim, 0o000);
            let top = temp.join("top");
            fs::create_dir(&top).unwrap();
            symlink(&victim, top.join("link")).unwrap();
            assert!(disk_usage(&top).unwrap() < 64 * 1024);
            set_mode(&top, 0o000);
            remove(&top).unwrap();
            assert_eq!(mode(&victim), 0o000);
            set_mode(&victim, 0o700);
            assert!(victim.join("file").exists());
        });
    }

    #[test]
    fn a9_what_cannot_be_measured_is_an_error() {
        unprivileged(|temp| {
            // Longer than any path.
            let name = "x".repeat(200);
            let mut folder = fs::canonicalize(temp).unwrap();
            let top = folder.join(&name);
            let mut handle = rustix::fs::open(
                &folder,
                rustix::fs::OFlags::DIRECTORY,
                rustix::fs::Mode::empty(),
            )
            .unwrap();
            for _ in 0..30 {
                rustix::fs::mkdirat(&handle, &name, rustix::fs::Mode::RWXU).unwrap();
                handle = rustix::fs::openat(
                    &handle,
                    &name,
                    rustix::fs::OFlags::DIRECTORY,
                    rustix::fs::Mode::empty(),
                )
                .unwrap();
                folder.push(&name);
            }
            assert!(disk_usage(&top).is_err());
            remove(&top).unwrap();
            assert_eq!(disk_usage(&top).unwrap(), 0, "it does not exist");
        });
    }
}
