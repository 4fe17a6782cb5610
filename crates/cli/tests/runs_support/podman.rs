// SPDX-License-Identifier: Apache-2.0
//! A podman with all of its state in a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::catalog::Built;
use super::tools::{Outcome, attempt, find, is_root, remove, skip};

/// How containers are confined in every test: nothing that a hardened image should need.
const CONFINED: [&str; 6] = [
    "--rm",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--tmpfs=/tmp",
];

pub(crate) struct Podman {
    directory: PathBuf,
    counter: AtomicU32,
    /// Loading an image fails if another one goes that has the same layers.
    images: Mutex<()>,
}

impl Podman {
    /// Starts afresh, or says why podman is of no use here.
    pub(crate) fn new(directory: &Path) -> Option<Self> {
        let podman = Self {
            directory: directory.to_owned(),
            counter: AtomicU32::new(0),
            images: Mutex::default(),
        };
        if directory.exists() {
            // A run that was interrupted may have left containers with mounts.
            attempt(podman.command().args(["rm", "--all", "--force", "--time=0"]));
            attempt(podman.command().args(["volume", "prune", "--force"]));
            attempt(podman.command().args(["rmi", "--all", "--force"]));
            remove(directory);
        }
        fs::create_dir_all(directory).unwrap();
        // Small machines: no network, limits that need no privilege, and the runtime that also knows
        // version 1 of control groups. Locks in files, for the kernel's are shared by all podmans.
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
             netns = \"none\"\ncgroups = \"enabled\"\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n\
             lock_type = \"file\"\nvolume_path = \"{}\"\n",
            directory.join("volumes").display(),
        );
        fs::write(directory.join("containers.conf"), settings).unwrap();
        let info = attempt(podman.command().arg("info"));
        if info.code == Some(0) {
            return Some(podman);
        }
        skip(&format!("podman does not work here: {info}"));
        None
    }

    pub(crate) fn command(&self) -> Command {
        let driver = if is_root() { "overlay" } else { "vfs" };
        let mut command = Command::new(find("podman").unwrap());
        command
            .env("CONTAINERS_CONF", self.directory.join("containers.conf"))
            .env("XDG_RUNTIME_DIR", &self.directory)
            .arg("--root")
            .arg(self.directory.join("storage"))
            .arg("--runroot")
            .arg(self.directory.join("run"))
            .arg("--tmpdir")
            .arg(self.directory.join("tmp"))
            .args(["--storage-driver", driver]);
        command
    }

    /// Loads an archive and compares what podman sees with what the build said.
    pub(crate) fn load(&self, archive: &Path, built: &Built) {
        let _guard = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        attempt(self.command().args(["load", "--quiet", "--input"]).arg(archive)).ok();
        let format = "{{.Id}} {{.User}}";
        let seen =
            attempt(self.command().args(["image", "inspect", "--format", format, &built.name]))
                .ok();
        assert_eq!(seen.trim(), format!("{} {}", built.image_id, built.user));
    }

    /// Returns `podman run` with everything confined and no network, up to but without the image.
    pub(crate) fn confined(&self) -> Command {
        let mut command = self.command();
        command.arg("run").args(CONFINED).arg("--network=none");
        command
    }

    /// The same in the network of a container.
    pub(crate) fn beside(&self, container: &Container<'_>) -> Command {
        let mut command = self.command();
        command.arg("run").args(CONFINED).arg(format!("--network=container:{}", container.name));
        command
    }

    /// Starts a confined container without network in the background.
    pub(crate) fn start(
        &self,
        options: &[&str],
        image: &Built,
        arguments: &[&str],
    ) -> Container<'_> {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let name = format!("c{number}-{}", std::process::id());
        // With `--rm` its log would go when it dies.
        attempt(
            self.command()
                .args(["run", "--detach", "--network=none", "--log-driver=k8s-file"])
                .args(&CONFINED[1..])
                .arg(format!("--name={name}"))
                .args(options)
                .arg(&image.name)
                .args(arguments),
        )
        .ok();
        Container { podman: self, name }
    }

    /// Copies a directory out of an image.
    pub(crate) fn copy_out(&self, image: &Built, path: &str, target: &Path) {
        let create = ["create", "--network=none", &image.name, "/none"];
        let id = attempt(self.command().args(create)).ok();
        let source = format!("{}:{path}", id.trim());
        let copied = attempt(self.command().args(["cp", &source]).arg(target));
        attempt(self.command().args(["rm", "--force", id.trim()])).ok();
        copied.ok();
    }

    pub(crate) fn forget(&self, image: &Built) {
        let _guard = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        attempt(self.command().args(["rmi", "--force", &image.image_id])).ok();
    }
}

/// A container in the background; it ends with this value.
pub(crate) struct Container<'p> {
    podman: &'p Podman,
    pub(crate) name: String,
}

impl Container<'_> {
    /// Runs a program of the image in the container.
    pub(crate) fn exec(&self, arguments: &[&str]) -> Outcome {
        attempt(self.podman.command().args(["exec", &self.name]).args(arguments))
    }

    /// Repeats something until it succeeds, for at most a minute.
    #[track_caller]
    pub(crate) fn wait_for(&self, mut probe: impl FnMut() -> Outcome) -> String {
        let mut last = None;
        for _ in 0..240 {
            let outcome = probe();
            if outcome.code == Some(0) {
                return outcome.output;
            }
            last = Some(outcome);
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        panic!("{}\n{}", last.map_or_else(String::new, |last| last.to_string()), self.log())
    }

    pub(crate) fn log(&self) -> String {
        let log = attempt(self.podman.command().args(["logs", &self.name]));
        log.output + &log.errors
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            super::tools::tell(&self.log());
        }
        attempt(self.podman.command().args(["rm", "--force", "--volumes", "--time=0", &self.name]));
    }
}
