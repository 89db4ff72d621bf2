// SPDX-License-Identifier: Apache-2.0
//! Filesystems of the kernel on a file: made, mounted, and taken down when dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testkit::tool;

/// How long an unmount is tried.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(5);

/// A kind of filesystem, how it is made and how it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For reports.
    pub name: &'static str,
    /// The program that makes one, with its arguments.
    make: &'static [&'static str],
    /// For `mount -t`.
    kind: &'static str,
    /// For `mount -o`.
    options: &'static str,
    /// Size of the disk.
    pub size: u64,
}

/// ext4 as it is by default: data is written before the names that lead to it are committed.
pub const EXT4: Kind = Kind {
    name: "ext4",
    make: &["mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"],
    kind: "ext4",
    options: "noatime",
    size: 64 << 20,
};

/// All that are tried. `ext4-writeback` takes away two of ext4's kindnesses: that data comes before
/// names, and that a rename over a file brings its data along.
pub const KINDS: [Kind; 4] = [
    EXT4,
    Kind { name: "ext4-writeback", options: "noatime,data=writeback,noauto_da_alloc", ..EXT4 },
    Kind {
        name: "xfs",
        make: &["mkfs.xfs", "-q", "-f", "-K"],
        kind: "xfs",
        // Copies of one filesystem have one identity.
        options: "noatime,nouuid",
        size: 300 << 20,
    },
    Kind {
        name: "btrfs",
        make: &["mkfs.btrfs", "-q", "-f", "-K"],
        kind: "btrfs",
        options: "noatime",
        size: 256 << 20,
    },
];

impl Kind {
    /// Whether its program is installed.
    pub fn present(&self) -> bool {
        tool::find(self.make[0]).is_some()
    }

    /// Makes a filesystem on a disk.
    pub fn make(&self, disk: &Path) -> Result<()> {
        let mut command = Command::new(self.make[0]);
        command.args(&self.make[1..]).arg(disk);
        run(command).map(drop)
    }
}

/// A mounted filesystem on a loop device on a file.
pub struct Mounted {
    device: String,
    folder: tempfile::TempDir,
    mounted: bool,
}

impl Mounted {
    /// Mounts what is in the file; a filesystem whose power failed replays its journal now.
    pub fn new(kind: Kind, file: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("berth-mount-").tempdir()?;
        let mut setup = Command::new("losetup");
        setup.args(["--find", "--show"]).arg(file);
        let device = run(setup)?.trim().to_owned();
        let mut mounted = Self { device, folder, mounted: false };
        let mut mount = Command::new("mount");
        mount.args(["-t", kind.kind, "-o", kind.options]).arg(&mounted.device).arg(mounted.path());
        run(mount)?;
        mounted.mounted = true;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder in it for a store.
    pub fn store(&self) -> Result<PathBuf> {
        let store = self.path().join("store");
        std::fs::create_dir_all(&store)?;
        Ok(store)
    }

    fn take_down(&self) -> Result<()> {
        if self.mounted {
            // The kernel may still be closing what a process had open that has just ended.
            let unmount = || {
                let mut command = Command::new("umount");
                command.arg(self.path());
                run(command)
            };
            let begin = Instant::now();
            while let Err(cause) = unmount() {
                if begin.elapsed() > UNMOUNT_LIMIT {
                    return Err(cause);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        let mut detach = Command::new("losetup");
        detach.args(["--detach", &self.device]);
        run(detach).map(drop)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(cause) = self.take_down() {
            eprintln!("{cause:#}");
        }
    }
}

fn run(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", error.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
