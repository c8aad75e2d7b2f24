//! Files that change.
//!
//! They are looked at twice a second. That costs nothing to speak of, and unlike notifications of
//! the kernel it works wherever files are: on network drives, in containers that have one file
//! mounted, for editors that put a new file in the place of the old one, and for Kubernetes, which
//! exchanges a symbolic link somewhere above.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::time::{self, Interval, MissedTickBehavior};

/// Watches files.
#[derive(Debug)]
pub(crate) struct Watch {
    files: Vec<PathBuf>,
    interval: Interval,
    /// What the files were like when they were read.
    read: Vec<Stamp>,
    /// What they were like the last time, if that is something else.
    changing: Option<Vec<Stamp>>,
}

/// What changes when the content of a file does; `None` when there is no file.
type Stamp = Option<(u64, u64, u64, SystemTime)>;

impl Watch {
    /// Watches `files`, which have just been read.
    pub(crate) fn new(files: Vec<PathBuf>) -> Self {
        let mut interval = time::interval(PAUSE);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            read: stamps(&files),
            files,
            interval,
            changing: None,
        }
    }

    /// Watches `files` from now on, which have just been read.
    pub(crate) fn replace(&mut self, files: Vec<PathBuf>) {
        self.read = stamps(&files);
        self.files = files;
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
            let files = self.files.clone();
            // A network drive may take its time.
            let Ok(now) = tokio::task::spawn_blocking(move || stamps(&files)).await else {
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

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).ok()?;
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some((metadata.dev(), metadata.ino(), metadata.len(), modified))
    };
    files.iter().map(stamp).collect()
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
        let mut watch = Watch::new(vec![path("data/file")]);
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
}
