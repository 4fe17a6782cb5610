// SPDX-License-Identifier: Apache-2.0
//! How fast hardpan is on this machine, beside mmdebstrap with the same packages and beside the floor,
//! which is hashing the layers.

mod archive;
mod floor;
mod process;
mod report;
pub(crate) mod scan;
mod scan_data;
pub(crate) mod signing;
mod subject;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, bail, ensure};
use hardpan::lock::Lock;

use self::floor::{Floor, floor};
use self::process::{Run, measure};
use self::report::{Figures, Report, Spread};
use self::subject::{SUBJECTS, Subject};

/// The peak of memory of any hardpan command, whatever the image's size.
const MEMORY_BYTES_MAX: u64 = 200 << 20;
/// A warm build may take so many times what hashing its layers takes.
const WARM_FLOORS_MAX: f64 = 3.0;
/// And so long, if its layers have at most [`WARM_SIZE_BYTES`].
const WARM_MILLISECONDS_MAX: f64 = 300.0;
const WARM_SIZE_BYTES: u64 = 60_000_000;
const NO_OP_MILLISECONDS_MAX: f64 = 50.0;
const RESOLVE_MILLISECONDS_MAX: f64 = 50.0;

/// What to measure and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to build: python, nginx, jdk-llvm, libreoffice [default: python and nginx]
    subjects: Vec<String>,
    /// The program [default: built from this source]
    #[arg(long, value_name = "FILE")]
    hardpan: Option<PathBuf>,
    /// How often to run what needs no network
    #[arg(long, value_name = "N", default_value_t = 11)]
    runs: usize,
    /// How often to run what fetches everything
    #[arg(long, value_name = "N", default_value_t = 3)]
    cold_runs: usize,
    /// Leave mmdebstrap out
    #[arg(long)]
    alone: bool,
    /// Where to work; what is there stays [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs the task.
pub(crate) fn run(options: &Arguments) -> anyhow::Result<ExitCode> {
    ensure!(options.runs > 0 && options.cold_runs > 0, "there must be at least one run");
    let subjects = subjects(&options.subjects)?;
    let program = program(options.hardpan.as_deref())?;
    print_each(subjects, options.directory.as_deref(), options.json, |subject, directory| {
        Bench::new(options, &program, directory, subject)?.run()
    })
}

/// Measures each subject in a folder of its own, and prints what came of it.
#[expect(clippy::print_stdout, reason = "this is what the tasks print")]
fn print_each(
    subjects: Vec<&'static Subject>,
    directory: Option<&Path>,
    as_json: bool,
    run: impl Fn(&'static Subject, &Path) -> anyhow::Result<Report>,
) -> anyhow::Result<ExitCode> {
    let temporary;
    let directory = if let Some(directory) = directory {
        directory
    } else {
        temporary = tempfile::tempdir()?;
        temporary.path()
    };
    let mut reports = Vec::new();
    for subject in subjects {
        let own = directory.join(subject.name);
        fs::create_dir_all(&own)?;
        let report = run(subject, &own)?;
        if !as_json {
            println!("{}", report.table());
        }
        reports.push(report);
    }
    if as_json {
        println!("{}", serde_json::to_string_pretty(&reports)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn subjects(names: &[String]) -> anyhow::Result<Vec<&'static Subject>> {
    if names.is_empty() {
        return Ok(SUBJECTS.iter().filter(|subject| !subject.is_big).collect());
    }
    (names.iter())
        .map(|name| {
            let subject = SUBJECTS.iter().find(|subject| subject.name == name);
            subject.with_context(|| {
                let known: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
                format!("{name:?} is none of {}", known.join(", "))
            })
        })
        .collect()
}

/// Returns this machine's platform.
fn platform() -> anyhow::Result<&'static str> {
    Ok(match std::env::consts::ARCH {
        "x86_64" => "linux/amd64",
        "aarch64" => "linux/arm64",
        other => bail!("there is no platform for {other}"),
    })
}

/// Returns the program that is named, or else builds it as its users do.
fn program(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(program) = named {
        return fs::canonicalize(program).context("failed to find the program");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--release", "--locked", "--package", "hardpan-cli"];
    let status = Command::new(cargo).args(arguments).status().context("failed to start cargo")?;
    ensure!(status.success(), "cargo failed");
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec()?;
    Ok(metadata.target_directory.join("release/hardpan").into_std_path_buf())
}

/// One subject and where it is built.
struct Bench<'b> {
    options: &'b Arguments,
    subject: &'b Subject,
    program: &'b Path,
    platform: &'static str,
    directory: PathBuf,
}

impl<'b> Bench<'b> {
    fn new(
        options: &'b Arguments,
        program: &'b Path,
        directory: &Path,
        subject: &'b Subject,
    ) -> anyhow::Result<Self> {
        let platform = platform()?;
        let bench = Self { options, subject, program, platform, directory: directory.to_owned() };
        fs::write(bench.definition(), subject.definition(platform))?;
        Ok(bench)
    }

    fn definition(&self) -> PathBuf {
        self.directory.join("bench.yaml")
    }

    fn lock(&self) -> PathBuf {
        self.directory.join("bench.yaml.lock")
    }

    fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    fn layout(&self) -> PathBuf {
        self.directory.join("layout")
    }

    fn run(&self) -> anyhow::Result<Report> {
        // In turn, so that a slow moment of the network hits both.
        let (mut cold, mut other) = (Vec::new(), Vec::new());
        for _ in 0..self.options.cold_runs {
            remove(&[self.store(), self.layout(), self.lock()])?;
            cold.push(self.build(&[])?);
            if !self.options.alone {
                other.push(self.mmdebstrap()?);
            }
        }
        let floors = (0..3).map(|_| floor(&self.layout())).collect::<Result<Vec<_>, _>>()?;
        let warm = self.repeat(|| {
            let store = self.store();
            remove(&[self.layout(), store.join("layers"), store.join("builds")])?;
            self.build(&["--locked", "--offline"])
        })?;
        let no_op = self.repeat(|| self.build(&["--locked", "--offline"]))?;
        let resolve = self.repeat(|| {
            let mut command = self.hardpan("resolve");
            measure(command.args(["--dry-run", "--offline"]))
        })?;
        self.report(&cold, &other, &floors, [&warm, &no_op, &resolve])
    }

    fn report(
        &self,
        cold: &[Run],
        other: &[Run],
        floors: &[Floor],
        [warm, no_op, resolve]: [&[Run]; 3],
    ) -> anyhow::Result<Report> {
        let Floor { compressed_bytes, raw_bytes, .. } = floors[0];
        let hashing = Spread::of(floors.iter().map(|floor| floor.hashing.as_secs_f64() * 1000.0));
        let sums = Figures {
            what: "sha256 of the layers".to_owned(),
            runs: floors.len(),
            wall_milliseconds: hashing,
            cpu_milliseconds: hashing,
            peak_bytes: None,
            targets: Vec::new(),
        };
        let mut cold = Figures::of("cold build", cold);
        let other = (!other.is_empty()).then(|| Figures::of("mmdebstrap, extracting", other));
        if let Some(other) = &other {
            cold.wall_at_most("wall ≤ mmdebstrap's", other.wall_milliseconds.median);
        }
        let mut warm = Figures::of("warm build", warm);
        warm.wall_at_most(
            format!("wall ≤ {WARM_FLOORS_MAX} × sha256"),
            WARM_FLOORS_MAX * hashing.median,
        );
        if compressed_bytes <= WARM_SIZE_BYTES {
            let name = format!("wall ≤ {WARM_MILLISECONDS_MAX} ms");
            warm.wall_at_most(name, WARM_MILLISECONDS_MAX);
        }
        let mut no_op = Figures::of("no-op build", no_op);
        no_op.wall_at_most(format!("wall ≤ {NO_OP_MILLISECONDS_MAX} ms"), NO_OP_MILLISECONDS_MAX);
        let mut resolve = Figures::of("warm resolve, offline", resolve);
        let name = format!("wall ≤ {RESOLVE_MILLISECONDS_MAX} ms");
        resolve.wall_at_most(name, RESOLVE_MILLISECONDS_MAX);
        for figures in [&mut cold, &mut warm, &mut no_op, &mut resolve] {
            figures.memory_at_most(MEMORY_BYTES_MAX);
        }
        let mut figures = vec![cold];
        figures.extend(other);
        figures.extend([warm, sums, no_op, resolve]);
        Ok(Report {
            name: self.subject.name.to_owned(),
            packages: self.package_names()?.len(),
            compressed_bytes,
            raw_bytes,
            figures,
        })
    }

    /// Runs once unmeasured, to warm the caches, and then as often as asked for.
    fn repeat(&self, mut run: impl FnMut() -> anyhow::Result<Run>) -> anyhow::Result<Vec<Run>> {
        run()?;
        (0..self.options.runs).map(|_| run()).collect()
    }

    fn hardpan(&self, verb: &str) -> Command {
        let mut command = Command::new(self.program);
        command.arg(verb).arg(self.definition()).arg("--quiet").arg("--store").arg(self.store());
        command
    }

    fn build(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        let mut command = self.hardpan("build");
        measure(command.arg("--output").arg(self.layout()).args(arguments))
    }

    /// Lets mmdebstrap fetch and extract what the lock names, and write nothing but the extracted files.
    fn mmdebstrap(&self) -> anyhow::Result<Run> {
        let keys =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/hardpan/keys/debian-13.asc");
        let keys = fs::canonicalize(keys).context("failed to find the archive's keys")?;
        let (debian, security) = mirrors();
        let signed = format!("[signed-by={}]", keys.display());
        let mut command = Command::new("mmdebstrap");
        command
            .args(["--variant=extract", "--format=null", "--quiet"])
            .arg(format!("--include={}", self.package_names()?.join(",")))
            .args(["trixie", "/dev/null"])
            .arg(format!("deb {signed} {debian} trixie main"))
            .arg(format!("deb {signed} {debian} trixie-updates main"))
            .arg(format!("deb {signed} {security} trixie-security main"));
        measure(&mut command)
    }

    fn package_names(&self) -> anyhow::Result<Vec<String>> {
        let lock = Lock::parse(&fs::read_to_string(self.lock())?)?;
        let platform = lock.platforms.get(self.platform).context("the lock lacks the platform")?;
        Ok(platform.packages.iter().map(|package| package.name.clone()).collect())
    }
}

/// Returns where Debian's archives are, as hardpan finds them without a workspace.
fn mirrors() -> (String, String) {
    let mut sources = Vec::new();
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let paths = folder.map(|entry| entry.path()).chain(["/etc/apt/sources.list".into()]);
    sources.extend(paths.filter_map(|path| fs::read_to_string(path).ok()));
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let debian = (std::env::var("HARDPAN_DEBIAN_MIRROR").ok())
        .or_else(|| hardpan::mirror_of("trixie", &sources))
        .unwrap_or_else(|| "http://ftp.debian.org/debian".to_owned());
    let security = (std::env::var("HARDPAN_DEBIAN_SECURITY_MIRROR").ok())
        .or_else(|| hardpan::mirror_of("trixie-security", &sources))
        .unwrap_or_else(|| format!("{}-security", debian.trim_end_matches('/')));
    (debian, security)
}

/// Removes files and directories that are there.
fn remove(paths: &[PathBuf]) -> io::Result<()> {
    for path in paths {
        let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_all_subjects_are_good() {
        let directory = tempfile::tempdir().unwrap();
        for subject in &SUBJECTS {
            let path = directory.path().join("bench.yaml");
            for platform in ["linux/amd64", "linux/arm64"] {
                fs::write(&path, subject.definition(platform)).unwrap();
                let project = hardpan::Project::open(&path, &[]).unwrap();
                assert_eq!(project.definitions.len(), 1, "{}", subject.name);
                assert_eq!(project.parsed.diagnostics(), []);
            }
        }
    }

    #[test]
    fn processes_are_measured() {
        let run = measure(Command::new("sleep").arg("0.5")).unwrap();
        assert!(run.wall_milliseconds >= 500.0 && run.peak_bytes > 0, "{run:?}");
        let error = measure(Command::new("sh").args(["-c", "echo no; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("no\n"), "{error}");
        assert!(measure(&mut Command::new("/nonexistent")).is_err());
    }
}
