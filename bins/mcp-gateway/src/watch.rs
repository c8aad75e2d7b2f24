//! Detection of changed files.
//!
//! Files are polled twice a second. Unlike kernel notifications, polling works everywhere: on network
//! drives, for single files mounted into containers, for editors that replace a file, and for
//! Kubernetes, which replaces a symbolic link in the path. Its cost is negligible.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{self, Interval, MissedTickBehavior};

/// Watcher of a set of files.
#[derive(Debug)]
pub(crate) struct FileWatcher {
    interval: Interval,
    /// State of the files before they were read.
    read: Vec<FileStamp>,
    /// State of the files at the last poll, if they have changed.
    changing: Option<Vec<FileStamp>>,
}

/// State of a file at one point in time.
///
/// It is taken before the file is read, so that a change during the read is not missed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FileStamp {
    path: PathBuf,
    /// Device, inode, size and modification time; `None` if the file does not exist.
    stamp: Option<(u64, u64, u64, SystemTime)>,
}

impl FileStamp {
    /// Reads the current state of a file.
    pub(crate) fn read(path: &Path) -> Self {
        let stamp = fs::metadata(path).ok().map(|metadata| {
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            (metadata.dev(), metadata.ino(), metadata.len(), modified)
        });
        Self {
            path: path.to_owned(),
            stamp,
        }
    }
}

impl FileWatcher {
    /// Watches the files that were read in the states `read`.
    pub(crate) fn new(read: Vec<FileStamp>) -> Self {
        let mut interval = time::interval(PAUSE);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            read,
            changing: None,
        }
    }

    /// Replaces the watched files.
    pub(crate) fn replace(&mut self, read: Vec<FileStamp>) {
        self.read = read;
        self.changing = None;
    }

    /// Waits until a file has changed, and has then been stable for one poll: editors write in
    /// several steps.
    ///
    /// # Cancel safety
    ///
    /// No change is lost when the future is dropped.
    pub(crate) async fn changed(&mut self) {
        loop {
            self.interval.tick().await;
            let read = self.read.clone();
            let look = move || {
                read.iter()
                    .map(|seen| FileStamp::read(&seen.path))
                    .collect()
            };
            // A network drive may be slow.
            let Ok(now) = tokio::task::spawn_blocking::<_, Vec<_>>(look).await else {
                continue;
            };
            if now == self.read {
                self.changing = None;
            } else if self.changing.as_ref() == Some(&now) {
                self.read = now;
                self.changing = None;
                return;
            } else {
                self.changing = Some(now);
            }
        }
    }
}

const PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns `true` if the files change.
    async fn changes(watch: &mut FileWatcher) -> bool {
        time::timeout(Duration::from_secs(60), watch.changed())
            .await
            .is_ok()
    }

    /// Returns `true` if the files stay the same for some intervals.
    async fn stays(watch: &mut FileWatcher) -> bool {
        time::timeout(6 * PAUSE, watch.changed()).await.is_err()
    }

    #[tokio::test]
    async fn files_change_in_many_ways() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("one")).unwrap();
        fs::create_dir(path("two")).unwrap();
        fs::write(path("one/file"), "a").unwrap();
        fs::write(path("two/file"), "a").unwrap();
        symlink(path("one"), path("data")).unwrap();
        let seen = FileStamp::read(&path("data/file"));
        let mut watch = FileWatcher::new(vec![seen]);
        assert!(stays(&mut watch).await, "nothing has happened");

        fs::write(path("one/file"), "ab").unwrap();
        assert!(changes(&mut watch).await, "written");

        fs::write(path("one/new"), "cd").unwrap();
        fs::rename(path("one/new"), path("one/file")).unwrap();
        assert!(changes(&mut watch).await, "renamed into its place");

        symlink(path("two"), path("next")).unwrap();
        fs::rename(path("next"), path("data")).unwrap();
        assert!(changes(&mut watch).await, "another one by a link above it");

        fs::remove_file(path("two/file")).unwrap();
        assert!(changes(&mut watch).await, "gone");
        assert!(stays(&mut watch).await, "and still gone");
    }

    #[tokio::test]
    async fn a_change_while_a_file_is_read_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a").unwrap();
        let before = FileStamp::read(&path);
        fs::write(&path, "ab").unwrap();
        assert!(changes(&mut FileWatcher::new(vec![before])).await);
    }
}
