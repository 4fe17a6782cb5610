// SPDX-License-Identifier: Apache-2.0
//! `xtask bench-signing`: signing, attesting and publishing an image, beside cosign and crane doing the same on the
//! same registry in the same run.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::process::measure;
use super::report::Spread;

/// hardpan may take so much of the time of the others.
const SHARE_MAX: f64 = 0.2;
/// How long a registry may take to start.
const START_MAX: Duration = Duration::from_secs(20);
/// How many statements are added, so that each manifest has eight at least.
const MORE_STATEMENTS: usize = 7;
/// The image: two platforms, 38 MB.
const DEFINITION: &str = "python/debian-13/3.13.yaml";

/// What to measure with.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A folder with cosign3, crane and docker-registry
    #[arg(long, value_name = "DIR", env = "HARDPAN_TEST_CLIENTS")]
    clients: PathBuf,
    /// The program [default: built from this source]
    #[arg(long, value_name = "FILE")]
    hardpan: Option<PathBuf>,
    /// How often
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
}

/// Runs the task.
#[expect(clippy::print_stdout, reason = "this is what the task prints")]
pub(crate) fn run(options: &Arguments) -> anyhow::Result<ExitCode> {
    ensure!(options.runs > 0, "there must be at least one run");
    let program = super::program(options.hardpan.as_deref())?;
    let folder = tempfile::tempdir()?;
    let bench =
        Signing { program, clients: fs::canonicalize(&options.clients)?, folder: folder.path() };
    bench.prepare()?;
    let registry = Registry::start(&bench)?;
    let (mut ours, mut theirs, mut statements) = (Vec::new(), Vec::new(), 0);
    for number in 0..options.runs {
        ours.push(bench.ours(&registry.name(&format!("ours{number}")))?);
        let (milliseconds, count) = bench.theirs(&registry.name(&format!("theirs{number}")))?;
        theirs.push(milliseconds);
        statements = count;
    }
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    let share = ours.median / theirs.median;
    println!("3 manifests, {statements} signatures and attestations, {} runs", options.runs);
    println!("hardpan publish --key           {:>8.0} ms (least {:.0})", ours.median, ours.min);
    println!("crane push, cosign sign, attest {:>8.0} ms (least {:.0})", theirs.median, theirs.min);
    let verdict = if share <= SHARE_MAX { "met" } else { "missed" };
    println!("{share:.2} of their time; target {SHARE_MAX}: {verdict}");
    Ok(ExitCode::SUCCESS)
}

struct Signing<'b> {
    program: PathBuf,
    clients: PathBuf,
    folder: &'b Path,
}

impl Signing<'_> {
    fn hardpan(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder).env("HARDPAN_PASSWORD", "bench");
        command
    }

    fn client(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.clients.join(name));
        command.args(arguments).current_dir(self.folder).env("COSIGN_PASSWORD", "bench");
        command
    }

    /// Makes the image, a key, and what cosign needs to be left alone by public services.
    fn prepare(&self) -> anyhow::Result<()> {
        let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("../catalog");
        let copy =
            Command::new("cp").arg("-r").arg(catalog).arg(self.folder.join("catalog")).status()?;
        ensure!(copy.success(), "failed to copy the catalog");
        measure(&mut self.hardpan(&["keygen", "k"]))?;
        measure(&mut self.build())?;
        let config = ["signing-config", "create", "--out", "signing.json"];
        measure(&mut self.client("cosign3", &config))?;
        fs::write(self.folder.join("more.json"), "{\"checked\": true}")?;
        for number in 0..MORE_STATEMENTS {
            let kind = format!("https://example.org/check/v{number}");
            let add = [
                "attest",
                "add",
                "image",
                "--type",
                &kind,
                "--predicate",
                "more.json",
                "--key",
                "k.key",
            ];
            measure(&mut self.hardpan(&add))?;
        }
        Ok(())
    }

    fn build(&self) -> Command {
        let definition = format!("catalog/{DEFINITION}");
        self.hardpan(&["build", &definition, "-o", "image", "--sign", "--key", "k.key"])
    }

    /// Publishes the image, which signs it and every statement under its new name; in milliseconds.
    fn ours(&self, repository: &str) -> anyhow::Result<f64> {
        let to = format!("{repository}:1");
        let published = measure(&mut self.hardpan(&["publish", "image", &to, "--key", "k.key"]))?;
        Ok(published.wall_milliseconds)
    }

    /// Pushes the same image, and has cosign sign it and the same statements, each once for each manifest.
    fn theirs(&self, repository: &str) -> anyhow::Result<(f64, usize)> {
        let listed =
            self.hardpan(&["attest", "list", "image", "--key", "k.pub", "--json"]).output()?;
        let listed: Value =
            serde_json::from_slice(&listed.stdout).context("no list of attestations")?;
        let subjects = listed["subjects"].as_array().context("no subjects")?;
        let index = subjects[0]["digest"].as_str().context("no digest")?;
        let to = format!("{repository}:1");
        let layout = self.folder.join("plain");
        let copy = ["copy", "image", "./plain"];
        if !layout.exists() {
            measure(&mut self.hardpan(&copy))?;
        }
        let mut total = 0.0;
        let mut count = 0;
        let push = ["push", "--insecure", "--index", "plain", &to];
        total += measure(&mut self.client("crane", &push))
            .or_else(|_| {
                // Without `--index` crane takes a layout's first image only.
                measure(&mut self.hardpan(&["copy", "plain", &to]))
            })?
            .wall_milliseconds;
        for subject in subjects {
            let digest = subject["digest"].as_str().unwrap_or(index);
            let image = format!("{repository}@{digest}");
            let mut common = vec!["--key", "k.key", "--signing-config", "signing.json", "-y"];
            common.push("--allow-insecure-registry");
            let sign: Vec<&str> = ["sign"]
                .into_iter()
                .chain(common.iter().copied())
                .chain([image.as_str()])
                .collect();
            total += measure(&mut self.client("cosign3", &sign))?.wall_milliseconds;
            count += 1;
            for kind in kinds(subject) {
                let platform = subject["platform"].as_str();
                let mut get = vec!["attest", "get", "image", "--type", &kind, "--key", "k.pub"];
                get.extend(platform.iter().flat_map(|platform| ["--platform", *platform]));
                let predicate = self.hardpan(&get).output()?;
                fs::write(self.folder.join("predicate.json"), predicate.stdout)?;
                let mut attest = vec!["attest"];
                attest.extend(common.iter().copied());
                attest.extend(["--type", &kind, "--predicate", "predicate.json", &image]);
                total += measure(&mut self.client("cosign3", &attest))?.wall_milliseconds;
                count += 1;
            }
        }
        Ok((total, count))
    }
}

/// Returns the kinds of statements about a subject, each once.
fn kinds(subject: &Value) -> std::collections::BTreeSet<String> {
    let evidence = subject["evidence"].as_array().map_or(&[][..], Vec::as_slice);
    evidence.iter().filter_map(|one| one["predicate-type"].as_str()).map(str::to_owned).collect()
}

/// A registry on the loopback, which ends with this value.
struct Registry {
    child: Child,
    port: u16,
}

impl Registry {
    fn start(bench: &Signing<'_>) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let root = bench.folder.join("registry");
        let text = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n\
             log: {{level: error}}\n",
            root.display()
        );
        fs::write(bench.folder.join("registry.yml"), text)?;
        let mut command = bench.client("docker-registry", &["serve", "registry.yml"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let registry = Self { child, port };
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begun.elapsed() < START_MAX, "the registry did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(registry)
    }

    fn name(&self, repository: &str) -> String {
        format!("127.0.0.1:{}/{repository}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It is ours, and may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
