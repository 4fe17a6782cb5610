// SPDX-License-Identifier: Apache-2.0
//! `xtask bench-scan`: scanning and auditing images, SBOMs of them, and one with a hundred thousand components, beside
//! Syft, which only lists packages, and beside the floor, which is decompressing and hashing the layers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};
use hardpan::lock::{Lock, LockedPackage};
use hardpan_image::Layout;
use hardpan_tree::Digest;
use serde_json::json;

use super::archive;
use super::floor::floor;
use super::process::{Run, measure};
use super::report::{Figures, Report};
use super::scan_data;
use super::subject::Subject;

/// What is scanned where nobody says.
const SUBJECTS: [&str; 2] = ["python", "jdk-llvm"];
/// What times of images are for, in bytes of their layers' tar archives: others may take as much more or less.
const IMAGE_BYTES: f64 = 100e6;
/// Processor time of a scan of what `docker save` writes, whose layers are not compressed.
const SCAN_CPU_MILLISECONDS_MAX: f64 = 150.0;
/// Processor time of a scan, in floors: the rest is for listing and matching.
const SCAN_FLOORS_MAX: f64 = 1.3;
const SCAN_MEMORY_BYTES_MAX: u64 = 60 << 20;
/// Time of a scan of an image of 1.3 GB, and so of each 100 MB of larger ones, in milliseconds.
const SCAN_MILLISECONDS_MAX: f64 = 3000.0 / 13.0;
const SBOM_MILLISECONDS_MAX: f64 = 50.0;
const OPEN_MILLISECONDS_MAX: f64 = 5.0;
const ROWS_MILLISECONDS_MAX: f64 = 1000.0;
const AUDIT_MILLISECONDS_MAX: f64 = 500.0;
const AUDIT_MEMORY_BYTES_MAX: u64 = 100 << 20;
/// What larger images may take in memory while they are audited.
const AUDIT_LARGE_MEMORY_BYTES_MAX: u64 = 200 << 20;
/// Components of the SBOM of many images.
const ROWS: usize = 100_000;

/// What to measure and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What to scan: python, nginx, jdk-llvm, libreoffice [default: python and jdk-llvm]
    subjects: Vec<String>,
    /// The program [default: built from this source]
    #[arg(long, value_name = "FILE")]
    hardpan: Option<PathBuf>,
    /// Syft, which is left out without it
    #[arg(long, value_name = "FILE", env = "HARDPAN_TEST_SYFT")]
    syft: Option<PathBuf>,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// Where to work; what is there stays [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs the task.
pub(crate) fn run(options: &Arguments) -> anyhow::Result<ExitCode> {
    ensure!(options.runs > 0, "there must be at least one run");
    let defaults: Vec<String> = SUBJECTS.map(str::to_owned).to_vec();
    let names = if options.subjects.is_empty() { &defaults } else { &options.subjects };
    let subjects = super::subjects(names)?;
    let program = super::program(options.hardpan.as_deref())?;
    super::print_each(subjects, options.directory.as_deref(), options.json, |subject, directory| {
        Scanning { options, subject, program: &program, directory }.run()
    })
}

/// One subject and where it is.
struct Scanning<'b> {
    options: &'b Arguments,
    subject: &'b Subject,
    program: &'b Path,
    directory: &'b Path,
}

impl Scanning<'_> {
    fn run(&self) -> anyhow::Result<Report> {
        let packages = self.prepare()?;
        let floor = floor(&self.path("layout"))?;
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^53 bytes")]
        let share = floor.raw_bytes as f64 / IMAGE_BYTES;
        let reading = (floor.reading + floor.hashing).as_secs_f64() * 1000.0;

        let mut image = self.figures("scan of the image", &["scan", "layout"])?;
        image.cpu_at_most(format!("CPU ≤ {SCAN_FLOORS_MAX} × floor"), SCAN_FLOORS_MAX * reading);
        image.wall_at_most("wall ≤ 3 s for 1.3 GB", SCAN_MILLISECONDS_MAX * share);
        image.memory_at_most(SCAN_MEMORY_BYTES_MAX);
        let mut archive = self.figures("scan of its archive", &["scan", "image.tar"])?;
        let name = format!("CPU ≤ {SCAN_CPU_MILLISECONDS_MAX} ms for 100 MB");
        archive.cpu_at_most(name, SCAN_CPU_MILLISECONDS_MAX * share);
        archive.memory_at_most(SCAN_MEMORY_BYTES_MAX);
        let mut sbom = self.figures("scan of its SBOM", &["scan", "image.cdx.json"])?;
        sbom.wall_at_most(format!("wall ≤ {SBOM_MILLISECONDS_MAX} ms"), SBOM_MILLISECONDS_MAX);
        let start = self.repeated("start", || measure(&mut self.command(&["--version"])))?;
        let mut open = self.figures("database opened", &["db", "status"])?;
        let limit = start.wall_milliseconds.median + OPEN_MILLISECONDS_MAX;
        open.wall_at_most(format!("wall ≤ start + {OPEN_MILLISECONDS_MAX} ms"), limit);
        let mut rows = self.figures("scan of 100,000 rows", &["scan", "rows.cdx.json"])?;
        rows.wall_at_most(format!("wall ≤ {ROWS_MILLISECONDS_MAX} ms"), ROWS_MILLISECONDS_MAX);
        let mut audit = self.figures("audit", &["audit", "layout", "--fail-on", "never"])?;
        let name = format!("wall ≤ {AUDIT_MILLISECONDS_MAX} ms for 100 MB");
        audit.wall_at_most(name, AUDIT_MILLISECONDS_MAX * share);
        let is_small = share < 2.0;
        audit.memory_at_most(if is_small {
            AUDIT_MEMORY_BYTES_MAX
        } else {
            AUDIT_LARGE_MEMORY_BYTES_MAX
        });
        let mut figures = vec![Figures::alone("decompress and hash", reading), image];
        figures.extend(self.syft()?);
        figures.extend([archive, sbom, start, open, rows, audit]);
        Ok(Report {
            name: self.subject.name.to_owned(),
            packages: packages.len(),
            compressed_bytes: floor.compressed_bytes,
            raw_bytes: floor.raw_bytes,
            figures,
        })
    }

    /// Builds the image, and makes its SBOM, the database and the SBOM of many images.
    fn prepare(&self) -> anyhow::Result<Vec<LockedPackage>> {
        let platform = super::platform()?;
        fs::write(self.path("bench.yaml"), self.subject.definition(platform))?;
        if !self.path("layout").exists() {
            let build =
                ["build", "bench.yaml", "--output", "layout", "--store", "store", "--quiet"];
            measure(&mut self.command(&build))?;
        }
        archive::save(&self.path("layout"), &self.path("image.tar"))?;
        let lock = Lock::parse(&fs::read_to_string(self.path("bench.yaml.lock"))?)?;
        let platform = lock.platforms.get(platform).context("the lock lacks the platform")?;
        let packages = platform.packages.clone();
        fs::write(self.path("tracker.json"), scan_data::tracker(&packages))?;
        fs::write(self.path("rows.cdx.json"), scan_data::sbom(&packages, ROWS))?;
        let build = ["db", "build", "--debian-tracker", "tracker.json", "-o", "all.hpdb"];
        measure(&mut self.command(&build))?;
        measure(&mut self.command(&[
            "db",
            "import",
            "all.hpdb",
            "--store",
            "store",
            "--allow-unsigned",
        ]))?;
        let sbom = self.command(&["sbom", "layout", "-o", "cyclonedx"]).output()?;
        ensure!(sbom.status.success(), "hardpan sbom: {}", String::from_utf8_lossy(&sbom.stderr));
        fs::write(self.path("image.cdx.json"), sbom.stdout)?;
        Ok(packages)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(arguments).current_dir(self.directory);
        command
    }

    /// Runs a command once unmeasured, to warm the caches, and then as often as asked for.
    fn figures(&self, what: &str, arguments: &[&str]) -> anyhow::Result<Figures> {
        let run = || measure(self.command(arguments).args(["--store", "store"]));
        self.repeated(what, run)
    }

    fn repeated(
        &self,
        what: &str,
        run: impl Fn() -> anyhow::Result<Run>,
    ) -> anyhow::Result<Figures> {
        run()?;
        let runs: Vec<Run> = (0..self.options.runs).map(|_| run()).collect::<Result<_, _>>()?;
        Ok(Figures::of(what, &runs))
    }

    /// Has Syft list the image's packages.
    fn syft(&self) -> anyhow::Result<Option<Figures>> {
        let Some(syft) = &self.options.syft else { return Ok(None) };
        let syft = fs::canonicalize(syft).context("failed to find syft")?;
        self.plain()?;
        let run = || {
            let mut command = Command::new(&syft);
            command.args(["scan", "oci-dir:plain", "-o", "json", "-q"]);
            command.env("SYFT_CHECK_FOR_APP_UPDATE", "false").current_dir(self.directory);
            measure(&mut command)
        };
        self.repeated("syft, listing packages", run).map(Some)
    }

    /// Makes a layout of the same image whose index names the manifest itself: Syft reads no other.
    fn plain(&self) -> anyhow::Result<()> {
        let plain = self.path("plain");
        fs::create_dir_all(plain.join("blobs"))?;
        let image = (Layout::open(&self.path("layout"))?.images()?.into_iter().next())
            .context("the layout has no image")?;
        let manifest = image.manifest.bytes();
        let digest = Digest::of(manifest);
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest,
                "size": manifest.len(),
            }],
        });
        fs::write(plain.join("index.json"), index.to_string())?;
        fs::copy(self.path("layout/oci-layout"), plain.join("oci-layout"))?;
        let blobs = plain.join("blobs/sha256");
        if !blobs.exists() {
            std::os::unix::fs::symlink("../../layout/blobs/sha256", blobs)?;
        }
        Ok(())
    }
}
