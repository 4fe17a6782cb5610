// SPDX-License-Identifier: Apache-2.0
//! Actions run on a Debian 13 root of real packages: an overlay over it for each test, without network, in
//! namespaces that util-linux sets up.

#[path = "../../../package/tests/scripts_support/mod.rs"]
mod scripts_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use hardpan::action::{ACTION_DIRECTORY, Actions, Directories, Expanded};
use hardpan::definition::{Distribution, NoIncludes, Platform, Source, Step, parse};
use scripts_support::Apt;

/// What the root has: what actions need, and what stages that use them list themselves.
const PACKAGES: [&str; 35] = [
    "bash",
    "binutils",
    "busybox",
    "bzip2",
    "coreutils",
    "cosign",
    "dash",
    "debhelper",
    "diffutils",
    "dpkg",
    "dpkg-dev",
    "findutils",
    "gcc",
    "git",
    "golang-go",
    "gpg",
    "gpg-agent",
    "grep",
    "gzip",
    "jq",
    "libc-bin",
    "libc6-dev",
    "make",
    "mawk",
    "npm",
    "openssl",
    "patch",
    "perl-base",
    "python3",
    "sed",
    "tar",
    "unzip",
    "xmlstarlet",
    "xz-utils",
    "yarnpkg",
];

/// The epoch of the stages.
pub(crate) const EPOCH: &str = "1750000000";

/// Sets the namespaces up: `$1` is the root, `$2` the scratch directory, `$3` a cache, then comes the command.
const ENTER: &str = r#"
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/overlay,userxattr" "$2/root"
mount --rbind /dev "$2/root/dev"
mount -t proc proc "$2/root/proc"
mount --bind "$3" "$2/root/var/cache/go"
root="$2/root"
shift 3
exec chroot "$root" "$@"
"#;

/// Returns the root, which is made once and kept below the build directory; `None` with a note on standard error
/// where it can't be made.
fn root() -> Option<&'static Path> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let root = ROOT.get_or_init(|| match make_root() {
        Ok(root) => Some(root),
        Err(reason) => {
            eprintln!("skipped: actions on a Debian root because {reason}");
            None
        }
    });
    root.as_deref()
}

fn make_root() -> Result<PathBuf, String> {
    let namespaces = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "true"])
        .output();
    if !namespaces.is_ok_and(|output| output.status.success()) {
        return Err("this machine does not let unshare make namespaces".to_owned());
    }
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actions-root");
    let wanted = PACKAGES.join("\n");
    let complete = root.with_extension("complete");
    if fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
        return Ok(root);
    }
    let apt = Apt::new("actions-apt")?;
    let packages: BTreeSet<String> = apt.closure(&PACKAGES)?;
    let debs = apt.fetch(&packages)?;
    fill_root(&root, &debs).map_err(|error| error.to_string())?;
    fs::write(complete, wanted).map_err(|error| error.to_string())?;
    Ok(root)
}

/// Unpacks the packages that the root lacks.
fn fill_root(root: &Path, debs: &BTreeMap<String, PathBuf>) -> std::io::Result<()> {
    let unpacked = root.join("unpacked");
    if !root.exists() {
        for folder in ["bin", "sbin", "lib", "lib64"] {
            fs::create_dir_all(root.join("usr").join(folder))?;
            symlink(format!("usr/{folder}"), root.join(folder))?;
        }
        for folder in ["dev", "proc", "tmp", "root", "etc", "unpacked", "var/cache/go"] {
            fs::create_dir_all(root.join(folder))?;
        }
        // What scripts of the packages would have done.
        symlink("mawk", root.join("usr/bin/awk"))?;
        for folder in ["info", "updates"] {
            fs::create_dir_all(root.join("var/lib/dpkg").join(folder))?;
        }
        fs::write(root.join("var/lib/dpkg/status"), "")?;
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        fs::write(root.join("etc/group"), "root:x:0:\n")?;
    }
    for (name, deb) in debs {
        if !unpacked.join(name).exists() {
            let status = Command::new("dpkg-deb").arg("-x").arg(deb).arg(root).status()?;
            assert!(status.success(), "{} can't be unpacked", deb.display());
            fs::write(unpacked.join(name), "")?;
        }
    }
    Ok(())
}

/// Returns the programs of packages and of what they depend on; kept below the build directory.
fn programs(packages: &BTreeSet<String>) -> BTreeSet<String> {
    static LOCK: Mutex<()> = Mutex::new(());
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let key = packages.iter().map(String::as_str).collect::<Vec<_>>().join("+");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("actions-apt/programs-{key}"));
    if let Ok(text) = fs::read_to_string(&kept) {
        return text.lines().map(str::to_owned).collect();
    }
    let apt = Apt::new("actions-apt").unwrap();
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let closure = apt.closure(&names).unwrap();
    let mut found = BTreeSet::new();
    for deb in apt.fetch(&closure).unwrap().values() {
        let listing = scripts_support::list(deb);
        let paths = listing.keys().filter_map(|path| path.rsplit_once('/'));
        found.extend(
            paths
                .filter(|(folder, _)| folder.ends_with("/bin") || folder.ends_with("/sbin"))
                .map(|(_, name)| name.to_owned()),
        );
    }
    if closure.contains("mawk") {
        found.insert("awk".to_owned());
    }
    if closure.contains("dash") {
        found.insert("sh".to_owned());
    }
    let lines: Vec<&str> = found.iter().map(String::as_str).collect();
    fs::write(kept, lines.join("\n")).unwrap();
    found
}

/// Returns the files of a Debian source package; they are kept below the build directory.
pub(crate) fn source_package(name: &str) -> Option<Vec<PathBuf>> {
    static LOCK: Mutex<()> = Mutex::new(());
    root()?;
    let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let apt = Apt::new("actions-apt").unwrap();
    let folder = apt.root.join(format!("source-{name}"));
    if !folder.exists() {
        let binary = fs::read_to_string(&apt.sources).unwrap();
        let sources = apt.root.join("sources-deb-src.list");
        fs::write(&sources, binary.replace("deb [", "deb-src [")).unwrap();
        let fresh = folder.with_extension("new");
        // Debian 12's apt does not make the second one itself.
        fs::create_dir_all(fresh.join("lists/partial")).unwrap();
        for arguments in [vec!["update"], vec!["source", "--download-only", name]] {
            let output = Command::new("apt-get")
                .arg("-q")
                .args(["-o", &format!("Dir::Etc::sourcelist={}", sources.display())])
                .args(["-o", &format!("Dir::State::Lists={}", fresh.join("lists").display())])
                .args(&arguments)
                .env("APT_CONFIG", apt.root.join("apt.conf"))
                .current_dir(&fresh)
                .output()
                .unwrap();
            if !output.status.success() {
                let reason = String::from_utf8_lossy(&output.stderr);
                eprintln!("skipped: a source package because apt-get says {reason}");
                return None;
            }
        }
        fs::remove_dir_all(fresh.join("lists")).unwrap();
        fs::rename(fresh, &folder).unwrap();
    }
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    Some(entries.collect())
}

/// A stage that steps run in, one after the other.
#[derive(Debug)]
pub(crate) struct Stage {
    scratch: tempfile::TempDir,
    actions: Actions,
    /// Environment of the stage.
    pub(crate) environment: BTreeMap<String, String>,
    /// Packages of the stage besides what its actions ask for.
    pub(crate) packages: Vec<&'static str>,
    /// Scripts that stand in for programs, by name.
    pub(crate) stand_ins: BTreeMap<&'static str, &'static str>,
    source: String,
    distribution: Distribution,
}

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) is_ok: bool,
    /// What it printed.
    pub(crate) log: String,
}

impl Outcome {
    /// Panics unless the step did what it should.
    pub(crate) fn ok(self) -> String {
        assert!(self.is_ok, "{}", self.log);
        self.log
    }

    /// Panics unless the step failed and said this.
    pub(crate) fn fails(self, text: &str) {
        assert!(!self.is_ok, "did not fail:\n{}", self.log);
        assert!(self.log.contains(text), "does not say {text:?}:\n{}", self.log);
    }
}

impl Stage {
    /// An empty stage; `None` where there is no root.
    pub(crate) fn new() -> Option<Self> {
        Self::with_source("/work/source")
    }

    /// A stage whose sources are at another place.
    pub(crate) fn with_source(source: &str) -> Option<Self> {
        root()?;
        let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for folder in ["upper", "overlay", "root"] {
            fs::create_dir(scratch.path().join(folder)).unwrap();
        }
        // What go compiled once need not be compiled for each test.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("actions-go-cache");
        fs::create_dir_all(cache).unwrap();
        let stage = Self {
            scratch,
            actions: Actions::built_in(),
            environment: BTreeMap::new(),
            packages: Vec::new(),
            stand_ins: BTreeMap::new(),
            source: source.to_owned(),
            distribution: Distribution::Debian { release: 13 },
        };
        fs::create_dir_all(stage.path(source)).unwrap();
        fs::create_dir_all(stage.path("/work/target")).unwrap();
        fs::create_dir_all(stage.path("/root")).unwrap();
        Some(stage)
    }

    /// An empty stage as Alpine's: its shell and nearly all of its programs are busybox's, and its actions are those for
    /// Alpine. What they ask for besides are Debian's programs.
    pub(crate) fn alpine() -> Option<Self> {
        let stage = Self::new()?;
        Some(Self { distribution: Distribution::Alpine { major: 3, minor: 24 }, ..stage })
    }

    /// Where a path that a step wrote is on this machine.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join("upper").join(path.trim_start_matches('/'))
    }

    /// Writes a file; a relative path is below the sources.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(&self.absolute(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file that a step wrote.
    pub(crate) fn read(&self, path: &str) -> String {
        let bytes = self.bytes(path);
        String::from_utf8(bytes).unwrap()
    }

    /// Reads a file that a step wrote.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let path = self.path(&self.absolute(path));
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.source) }
    }

    /// Runs a script in the stage, with all programs that there are.
    pub(crate) fn sh(&self, script: &str) -> Outcome {
        let path = BTreeMap::from([("PATH".to_owned(), "/usr/sbin:/usr/bin".to_owned())]);
        self.execute(script, &path, None)
    }

    /// Makes the folder that an action has as its `PATH`: programs of what it asks for, and no others.
    fn offer(&self, expanded: &Expanded) {
        let folder = self.path("/run/programs");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        if self.distribution.is_alpine() {
            self.offer_busybox(expanded);
        } else {
            self.offer_packages(expanded);
        }
        for (name, script) in &self.stand_ins {
            let path = folder.join(name);
            let _ = fs::remove_file(&path);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Makes the folder of busybox's programs, and of those that an action asks for in other packages.
    fn offer_busybox(&self, expanded: &Expanded) {
        let folder = self.path("/run/programs");
        let applets = self.sh("busybox --list").ok();
        for applet in applets.lines() {
            symlink("/usr/bin/busybox", folder.join(applet)).unwrap();
        }
        let others = expanded.packages.iter().filter(|need| need.packages != ["busybox"]);
        for command in others.map(|need| need.command.as_str()) {
            let place = format!("usr/bin/{command}");
            if self.stand_ins.contains_key(command) {
                continue;
            }
            assert!(root().unwrap().join(&place).symlink_metadata().is_ok(), "no {command}");
            let _ = fs::remove_file(folder.join(command));
            symlink(format!("/{place}"), folder.join(command)).unwrap();
        }
    }

    /// Makes the folder of the programs of Debian's packages.
    fn offer_packages(&self, expanded: &Expanded) {
        let mut packages: BTreeSet<String> =
            self.packages.iter().map(|name| (*name).to_owned()).collect();
        packages.extend(expanded.packages.iter().flat_map(|need| need.packages.clone()));
        let folder = self.path("/run/programs");
        let programs = programs(&packages);
        for need in &expanded.packages {
            // Debian's yarn has another name, which the action knows.
            let is_there = programs.contains(&need.command) || need.command == "yarn";
            assert!(is_there, "no {} in {packages:?}", need.command);
        }
        for name in programs {
            let place = ["/usr/bin", "/usr/sbin"]
                .map(|folder| format!("{folder}/{name}"))
                .into_iter()
                .find(|path| root().unwrap().join(&path[1..]).symlink_metadata().is_ok());
            if let Some(place) = place {
                symlink(place, folder.join(name)).unwrap();
            }
        }
    }

    fn execute(
        &self,
        script: &str,
        environment: &BTreeMap<String, String>,
        work_dir: Option<&str>,
    ) -> Outcome {
        let folder = work_dir.unwrap_or(&self.source);
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork"])
            .args(["sh", "-c", ENTER, "enter"])
            .arg(root().unwrap())
            .arg(self.scratch.path())
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("actions-go-cache"))
            .args([
                "/usr/bin/env",
                "-i",
                "GOCACHE=/var/cache/go",
                "TMPDIR=/tmp",
                "PATH=/run/programs",
                "HOME=/root",
            ])
            .arg(format!("SOURCE_DATE_EPOCH={EPOCH}"));
        for (name, value) in self.environment.iter().chain(environment) {
            command.arg(format!("{name}={value}"));
        }
        // The script is a file, since its text may be long.
        let file = self.path("/run/hardpan/script");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, script).unwrap();
        let run = "cd \"$1\" && exec sh /run/hardpan/script 2>&1";
        command.args(["/usr/bin/sh", "-c", run, "sh", folder]);
        let output = command.output().unwrap();
        let mut log = String::from_utf8_lossy(&output.stdout).into_owned();
        log.push_str(&String::from_utf8_lossy(&output.stderr));
        Outcome { is_ok: output.status.success(), log }
    }

    /// Expands a step that is written in YAML.
    pub(crate) fn expand(&self, step: &str) -> Expanded {
        let directories =
            Directories { source: &self.source, target: "/work/target", action: ACTION_DIRECTORY };
        let step = step
            .replace("${source.dir}", directories.source)
            .replace("${target.dir}", directories.target);
        let expanded = self.actions.expand(&read_step(&step), self.distribution, &directories);
        expanded.unwrap_or_else(|error| panic!("{error}")).expect("a step with an action")
    }

    /// Runs a step that is written in YAML.
    pub(crate) fn run(&self, step: &str) -> Outcome {
        self.run_expanded(&self.expand(step))
    }

    /// Runs only the first script of a step that is written in YAML.
    pub(crate) fn run_first(&self, step: &str) -> Outcome {
        let mut expanded = self.expand(step);
        expanded.steps.truncate(1);
        self.run_expanded(&expanded)
    }

    fn run_expanded(&self, expanded: &Expanded) -> Outcome {
        self.offer(expanded);
        let place = self.path(ACTION_DIRECTORY);
        let _ = fs::remove_dir_all(&place);
        for (name, text) in &expanded.files {
            let path = place.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut log = String::new();
        for step in &expanded.steps {
            let outcome = self.execute(&step.runs, &step.environment, step.work_dir.as_deref());
            log.push_str(&outcome.log);
            if !outcome.is_ok {
                return Outcome { is_ok: false, log };
            }
        }
        Outcome { is_ok: true, log }
    }
}

/// Returns lines of YAML as what a step has under a key.
pub(crate) fn indented(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        lines.push_str("  ");
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}

/// Reads a step of a pipeline that is written in YAML.
pub(crate) fn read_step(step: &str) -> Step {
    let mut text = String::from(
        "# syntax=dhi.io/build:2-debian13\nimage: example.org/x\ncontents:\n  builds:\n    - name: x\n      pipeline:\n        - name: x\n",
    );
    for line in step.lines() {
        text.push_str("          ");
        text.push_str(line);
        text.push('\n');
    }
    let parsed = parse(&Source::new("step.yaml", text), &NoIncludes);
    let definition = parsed.render(Platform::LinuxAmd64).unwrap_or_else(|_| {
        let found: Vec<String> =
            parsed.diagnostics().iter().map(|found| found.render_plain(parsed.sources())).collect();
        panic!("{}", found.join("\n"))
    });
    definition.contents.builds[0].pipeline[0].value.clone()
}
