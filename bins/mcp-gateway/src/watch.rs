//! Files that change.
//!
//! They are looked at twice a second. That costs nothing to speak of, and unlike notifications of
//! the kernel it works wherever files are: on network drives, in containers that have one file
//! mounted, for editors that put a new file in the place of the old one, and for Kubernetes, which
//! exchanges a symbolic link somewhere above.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::{self, Interval, MissedTickBehavior};

/// Watches files.
#[derive(Debug)]
pub(crate) struct Watch {
    interval: Interval,
    /// The files as they were before they were read.
    read: Vec<Seen>,
    /// What they were like the last time, if that is something else.
    changing: Option<Vec<Seen>>,
}

/// A file as it was at some moment.
///
/// It is looked at before the file is read, so that no change is missed that comes in between.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    path: PathBuf,
    /// What changes when the content of a file does; `None` when there is no file.
    stamp: Option<(u64, u64, u64, SystemTime)>,
}

impl Seen {
    /// The file as it is now.
    pub(crate) fn now(path: &Path) -> Self {
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

impl Watch {
    /// Watches the files that were read when they were as `read` says.
    pub(crate) fn new(read: Vec<Seen>) -> Self {
        let mut interval = time::interval(PAUSE);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            read,
            changing: None,
        }
    }

    /// Watches other files from now on.
    pub(crate) fn replace(&mut self, read: Vec<Seen>) {
        self.read = read;
        self.changing = None;
    }

    /// Waits until a file has changed, and has then not changed for a while: editors write in
    /// several steps.
    ///
    /// # Cancel safety
    ///
    /// No change is lost when the future is dropped.
    pub(crate) async fn changed(&mut self) {
        loop {
            self.interval.tick().await;
            let read = self.read.clone();
            let look = move || read.iter().map(|seen| Seen::now(&seen.path)).collect();
            // A network drive may take its time.
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

    async fn changes(watch: &mut Watch) -> bool {
        time::timeout(Duration::from_secs(3), watch.changed())
            .await
            .is_ok()
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
        let seen = Seen::now(&path("data/file"));
        let mut watch = Watch::new(vec![seen]);
        assert!(!changes(&mut watch).await, "nothing has happened");

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
        assert!(!changes(&mut watch).await, "and still gone");
    }

    #[tokio::test]
    async fn a_change_while_a_file_is_read_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a").unwrap();
        let before = Seen::now(&path);
        fs::write(&path, "ab").unwrap();
        assert!(changes(&mut Watch::new(vec![before])).await);
    }
}
