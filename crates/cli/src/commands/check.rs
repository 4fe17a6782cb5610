// SPDX-License-Identifier: Apache-2.0
//! `hardpan check`

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hardpan::action::Actions;
use hardpan::definition::{Diagnostic, Parsed, Severity, Source};
use hardpan::image_test::{CheckedStructureFile, check_structure_files};
use hardpan::{CatalogRoot, Error, ProjectError};
use serde_json::json;

use crate::args::{Check, Common};
use crate::diagnostics;
use crate::text::{BAD, GOOD, WARNING, count, note, say, styled};

/// How deep folders are searched.
const DEPTH_MAX: usize = 32;

/// Checks definitions.
pub(crate) fn run(common: &Common, command: &Check) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in &command.paths {
        let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
        if metadata.is_dir() {
            collect(path, 0, &mut files)?;
        } else {
            files.push(path.clone());
        }
    }
    let (mut errors, mut warnings, mut checked) = (0, 0, 0);
    let mut report = Vec::new();
    let mut results = Vec::new();
    let mut included = BTreeSet::new();
    for file in &files {
        let result = check(file)?;
        included.extend(result.included.iter().cloned());
        results.push((file, result));
    }
    let mut named = BTreeMap::new();
    for (_, result) in &mut results {
        named.extend(std::mem::take(&mut result.named).into_iter().map(|it| (it.path.clone(), it)));
    }
    // What others include is no definition of its own, and was checked as a part of those; structure tests are none either.
    results.retain(|(file, _)| {
        let is_other = |file: PathBuf| included.contains(&file) || named.contains_key(&file);
        command.paths.contains(file) || !fs::canonicalize(file).is_ok_and(is_other)
    });
    let results = results.into_iter().map(|(_, checked)| (checked.diagnostics, checked.sources));
    let named = named.into_values().map(|file| (file.diagnostics, vec![file.source]));
    for (found, sources) in results.chain(named) {
        checked += 1;
        errors += found.iter().filter(|diagnostic| diagnostic.is_error()).count();
        warnings += found.iter().filter(|d| d.severity == Severity::Warning).count();
        for diagnostic in &found {
            if common.json {
                report.push(diagnostics::to_json(diagnostic, &sources));
            } else {
                note!("{}\n", diagnostics::draw(diagnostic, &sources));
            }
        }
    }
    if common.json {
        let value = json!({
            "checked": checked, "errors": errors, "warnings": warnings, "diagnostics": report,
        });
        say!("{value}");
    } else if !common.quiet {
        let style = if errors > 0 {
            BAD
        } else if warnings > 0 {
            WARNING
        } else {
            GOOD
        };
        say!(
            "{} {}: {}, {}",
            styled(style, "checked"),
            count(checked, "file"),
            count(errors, "error"),
            count(warnings, "warning"),
        );
    }
    let is_bad = errors > 0 || (command.strict && warnings > 0);
    Ok(ExitCode::from(if is_bad { 2 } else { 0 }))
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    ProjectError::Read { path: path.to_path_buf(), source }.into()
}

/// Finds the YAML files of a folder, sorted; links are not followed.
fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let fail = |source| unreadable(folder, source);
    if depth > DEPTH_MAX {
        return Err(fail(io::Error::other("folders are nested too deep")).into());
    }
    let entries = fs::read_dir(folder).map_err(fail)?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(fail)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(fail)?;
        let path = entry.path();
        if kind.is_dir() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                collect(&path, depth + 1, files)?;
            }
        } else if kind.is_file()
            && path.extension().is_some_and(|end| end == "yaml" || end == "yml")
        {
            files.push(path);
        }
    }
    Ok(())
}

/// What was found in one file.
struct Checked {
    diagnostics: Vec<Diagnostic>,
    sources: Vec<Source>,
    /// The files that it includes.
    included: Vec<PathBuf>,
    /// The structure tests that it names.
    named: Vec<CheckedStructureFile>,
}

impl Checked {
    fn of(diagnostics: Vec<Diagnostic>, sources: Vec<Source>) -> Self {
        Self { diagnostics, sources, included: Vec::new(), named: Vec::new() }
    }
}

/// Checks one file.
fn check(path: &Path) -> anyhow::Result<Checked> {
    let limit_bytes = hardpan::definition::MAX_SOURCE_BYTES as u64;
    let text = hardpan::read_text(path, limit_bytes).map_err(Error::from)?;
    let source = Source::new(path.to_string_lossy(), text);
    if path.file_name().is_some_and(|name| name == "info.yaml") {
        let (_, diagnostics) = hardpan::definition::parse_info(&source);
        return Ok(Checked::of(diagnostics, vec![source]));
    }
    let root = CatalogRoot::of(path);
    let parsed = hardpan::definition::parse(&source, &root);
    let sources = parsed.sources().to_vec();
    let included = sources.iter().skip(1).filter_map(|source| root.locate(&source.name).ok());
    let included = included.collect();
    let mut checked = Checked::of(parsed.diagnostics().to_vec(), sources);
    checked.included = included;
    if parsed.is_ok() {
        checked.diagnostics.extend(check_all_stages(&parsed, &root)?);
        checked.diagnostics.extend(check_all_exceptions(&parsed));
        check_structure_tests(&parsed, &root, &mut checked);
    }
    Ok(checked)
}

/// Checks the structure tests that the definition names on any platform.
fn check_structure_tests(parsed: &Parsed, root: &CatalogRoot, checked: &mut Checked) {
    let rendered = parsed.platforms().iter().filter_map(|platform| parsed.render(*platform).ok());
    for definition in rendered {
        let (files, missing) = check_structure_files(&definition, root);
        for diagnostic in missing {
            if !checked.diagnostics.contains(&diagnostic) {
                checked.diagnostics.push(diagnostic);
            }
        }
        checked.named.extend(files);
    }
}

/// Checks the exceptions of the audit on every platform; what holds for several is said once.
fn check_all_exceptions(parsed: &Parsed) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let rendered = parsed.platforms().iter().filter_map(|platform| parsed.render(*platform).ok());
    for diagnostic in rendered.flat_map(|definition| hardpan::audit::check_exceptions(&definition))
    {
        if !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }
    found
}

/// Checks the build stages on every platform; what holds for several is said once.
fn check_all_stages(parsed: &Parsed, root: &CatalogRoot) -> anyhow::Result<Vec<Diagnostic>> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut actions = None;
    for &platform in parsed.platforms() {
        // A rendering that fails has said why.
        let Ok(definition) = parsed.render(platform) else { continue };
        if definition.contents.builds.is_empty() {
            continue;
        }
        if actions.is_none() {
            let (workspace, _) = hardpan::read_workspace(root).map_err(Error::from)?;
            let loaded = Actions::load(root, &workspace.actions.paths);
            actions = Some(loaded.map_err(|error| Error::from(Box::new(error)))?);
        }
        let Some(actions) = &actions else { continue };
        for diagnostic in hardpan::check_stages(&definition, actions) {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    }
    Ok(found)
}
