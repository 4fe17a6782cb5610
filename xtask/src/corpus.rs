// SPDX-License-Identifier: Apache-2.0
//! `xtask corpus`: every published definition parses, validates and renders for each of its platforms.

mod plan;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hardpan_definition::{Diagnostic, Includes, Source, parse, parse_info};

/// Largest archive member that is read, in bytes.
const MAX_MEMBER_BYTES: u64 = 4 << 20;
/// Most text that is read, in bytes.
const MAX_TOTAL_BYTES: u64 = 256 << 20;
/// Failures that are printed in full.
const SHOWN_FAILURES: usize = 50;

/// Arguments of `xtask corpus`.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The archive of definitions [default: shared/dhi/definitions.tar.xz beside the repository].
    #[arg(long)]
    archive: Option<PathBuf>,
    /// Print every warning, too.
    #[arg(long)]
    warnings: bool,
    /// Plan the build stages of every image and package definition, too: stages, steps, actions, order.
    #[arg(long)]
    plan: bool,
}

/// What was counted.
#[derive(Debug, Default)]
struct Counts {
    definitions: BTreeMap<&'static str, usize>,
    renderings: usize,
    informations: usize,
    others: usize,
    warnings: BTreeMap<&'static str, usize>,
    failures: Vec<String>,
    /// `None` where nobody asks for them.
    plans: Option<plan::Plans>,
}

/// Runs the command; fails if any definition does.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let archive = match &arguments.archive {
        Some(path) => path.clone(),
        None => shared().join("dhi/definitions.tar.xz"),
    };
    let started = Instant::now();
    let files = read_archive(&archive)?;
    let unpacked = started.elapsed();
    let started = Instant::now();
    let mut out = io::stdout().lock();
    let plans = arguments.plan.then(plan::Plans::new);
    let mut counts = Counts { plans, ..Counts::default() };
    for (path, text) in &files {
        check(path, text, &files, &mut counts, arguments.warnings.then_some(&mut out))?;
    }
    let checked = started.elapsed();
    for failure in counts.failures.iter().take(SHOWN_FAILURES) {
        writeln!(out, "{failure}")?;
    }
    for (kind, count) in &counts.definitions {
        writeln!(out, "{count:>6} {kind} definitions")?;
    }
    writeln!(out, "{:>6} renderings", counts.renderings)?;
    writeln!(out, "{:>6} info.yaml", counts.informations)?;
    writeln!(out, "{:>6} other files, not definitions", counts.others)?;
    for (code, count) in &counts.warnings {
        writeln!(out, "{count:>6} warnings of {code}")?;
    }
    if let Some(plans) = &counts.plans {
        plans.print(&mut out)?;
    }
    writeln!(
        out,
        "unpacked in {:.1} s, checked in {:.1} s",
        unpacked.as_secs_f64(),
        checked.as_secs_f64()
    )?;
    ensure!(counts.failures.is_empty(), "{} files failed", counts.failures.len());
    ensure!(!counts.definitions.is_empty(), "the archive holds no definition");
    Ok(())
}

/// `$HARDPAN_SHARED`, or `shared` beside the repository.
fn shared() -> PathBuf {
    if let Some(path) = std::env::var_os("HARDPAN_SHARED") {
        return PathBuf::from(path);
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = root.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir());
    found.unwrap_or_else(|| root.join("../../shared"))
}

/// All YAML files of a `.tar.xz`, by path.
fn read_archive(path: &Path) -> Result<BTreeMap<String, String>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut archive = tar::Archive::new(liblzma::read::XzDecoder::new(BufReader::new(file)));
    let mut files = BTreeMap::new();
    let mut total_bytes = 0;
    for entry in archive.entries().context("cannot read the archive")? {
        let mut entry = entry.context("cannot read the archive")?;
        let path = entry.path()?.to_string_lossy().into_owned();
        if !entry.header().entry_type().is_file() || !is_yaml(&path) {
            continue;
        }
        let size_bytes = entry.size();
        total_bytes += size_bytes;
        if size_bytes > MAX_MEMBER_BYTES || total_bytes > MAX_TOTAL_BYTES {
            bail!("{path}: {size_bytes} bytes, {total_bytes} in total, are too much");
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).with_context(|| format!("cannot read {path}"))?;
        files.insert(path.trim_start_matches("./").to_owned(), text);
    }
    Ok(files)
}

fn check(
    path: &str,
    text: &str,
    files: &dyn Includes,
    counts: &mut Counts,
    out: Option<&mut impl Write>,
) -> Result<()> {
    let source = Source::new(path, text);
    let (sources, diagnostics) = if path.ends_with("/info.yaml") {
        counts.informations += 1;
        let (_, diagnostics) = parse_info(&source);
        (vec![source], diagnostics)
    } else if text.starts_with("# syntax=") {
        let parsed = parse(&source, files);
        *counts.definitions.entry(kind(path)).or_default() += 1;
        if parsed.is_ok() {
            for &platform in parsed.platforms() {
                match parsed.render(platform) {
                    Ok(definition) => {
                        counts.renderings += 1;
                        let plans = counts.plans.as_mut();
                        let why = plans.and_then(|plans| plans.add(kind(path), &definition));
                        if let Some(why) = why {
                            counts.failures.push(format!("{path}, {platform}: {why}"));
                        }
                    }
                    Err(_) => counts.failures.push(format!("{path}: no rendering for {platform}")),
                }
            }
        }
        (parsed.sources().to_vec(), parsed.diagnostics().to_vec())
    } else {
        counts.others += 1;
        return Ok(());
    };
    let errors: Vec<String> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(|diagnostic| diagnostic.render_plain(&sources))
        .collect();
    if !errors.is_empty() {
        counts.failures.push(errors.join("\n"));
    }
    let warnings: Vec<&Diagnostic> =
        diagnostics.iter().filter(|diagnostic| !diagnostic.is_error()).collect();
    for warning in &warnings {
        *counts.warnings.entry(warning.code.name()).or_default() += 1;
    }
    if let Some(out) = out {
        for warning in warnings {
            writeln!(out, "{}", warning.render_plain(&sources))?;
        }
    }
    Ok(())
}

fn is_yaml(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|kind| kind == "yaml")
}

fn kind(path: &str) -> &'static str {
    match path.split('/').next() {
        Some("image") => "image",
        Some("chart") => "chart",
        Some("package") => "package",
        _ => "other",
    }
}
