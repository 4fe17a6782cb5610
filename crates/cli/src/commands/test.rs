// SPDX-License-Identifier: Apache-2.0
//! `hardpan test`

use std::process::ExitCode;
use std::time::SystemTime;

use hardpan::definition::{Definition, Platform};
use hardpan::image_test::{
    StructureFile, TestCase, TestOptions, TestOutcome, TestReport, TestStatus, ctrf, junit,
    write_ctrf, write_junit,
};
use hardpan::{Error, Event, Location, Observer, Project};

use super::image::{layout_of, open_named, ready};
use crate::args::{Common, Test};
use crate::failure::Usage;
use crate::keys;
use crate::machine;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, WARNING, note, say, styled};

/// The exit code where a test failed.
const EXIT_NO: u8 = 1;

/// Tests an image.
pub(crate) fn run(common: &Common, command: &Test) -> anyhow::Result<ExitCode> {
    let opened = open_named(common, &command.image)?;
    let signer = if command.sign {
        if opened.unpacked.is_some() {
            return Err(Usage("results are attached in a layout, and this is an archive").into());
        }
        keys::refuse_index(&command.signing)?;
        let layout = layout_of(&opened, &command.image);
        let signer = keys::open_signing(common, &command.signing, &opened.machine, Some(&layout))?;
        Some(signer.ok_or(keys::NO_KEY)?)
    } else {
        None
    };
    let other = match &command.tests {
        Some(path) => Some(Project::open(path, &[]).map_err(Error::from)?),
        None => None,
    };
    let tested = other.as_ref().or(opened.project.as_ref());
    let named = tested.map(|project| StructureFile::of_project(project, &machine::caller_variable));
    let named = named.transpose()?.unwrap_or_default();
    let files = command.config.iter();
    let files = files.map(|path| StructureFile::open(path, &machine::caller_variable));
    let files: Vec<StructureFile> = files.collect::<Result<_, _>>()?;
    let progress = Progress::new(common);
    let is_shown = !common.json && !common.quiet;
    let lines = Lines { progress: &progress, is_shown };
    let image = ready(&opened, &command.image, &lines);
    let result = image.and_then(|image| {
        let definition = tested.map(|project| of_platform(project, image.platform()));
        let mut cases = definition.map_or_else(Vec::new, TestCase::of);
        let is_named = |file: &&StructureFile| definition.is_some_and(|it| file.is_named_by(it));
        let files: Vec<&StructureFile> = named.iter().filter(is_named).chain(&files).collect();
        cases.extend(files.iter().flat_map(|file| file.cases()).cloned());
        let cases = TestCase::filter(cases, &command.filter).map_err(Error::from)?;
        let options = TestOptions {
            catalog: tested.map(|project| &project.root),
            with_network: command.network,
            clock: &SystemTime::now,
        };
        let session = opened.machine.session(&lines);
        let report = session.test_image(&image, &cases, &options)?;
        let document = ctrf(std::slice::from_ref(&report), env!("CARGO_PKG_VERSION"));
        // No test runs any more, and none could see the key.
        if let Some(signer) = &signer {
            let sign = keys::request(&command.signing, &**signer)?;
            let place = Location::Layout(layout_of(&opened, &command.image));
            let definition = tested.and_then(|project| {
                let source = project.parsed.sources().first()?;
                Some((project.name_in_catalog(), source.text.clone()))
            });
            let definition = definition.as_ref().map(|(name, text)| (name.as_str(), &**text));
            let files = files.iter().map(|file| (file.name(), file.text()));
            let files: Vec<_> = definition.into_iter().chain(files).collect();
            session.attest_tests(&place, report.manifest, &document, &files, sign)?;
        }
        Ok((cases.len(), report, document))
    });
    progress.clear();
    let (count, report, document) = result?;
    let is_good = report.is_good();
    if let Some(path) = &command.ctrf {
        write_ctrf(path, &document)?;
    }
    if let Some(path) = &command.junit {
        write_junit(path, &junit(std::slice::from_ref(&report)))?;
    }
    if common.json {
        say!("{document}");
    } else {
        if count == 0 && !common.quiet {
            note!(
                "{} no tests: only the image's configuration was looked at",
                styled(WARNING, "warning:")
            );
        }
        summary(common, &report);
        if signer.is_some() && !common.quiet {
            say!("{} the results are attached to the image", styled(GOOD, "signed"));
        }
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_NO) })
}

/// Returns a definition as it is for a platform.
fn of_platform<'p>(project: &'p Project, platform: &str) -> &'p Definition {
    let own = platform.parse::<Platform>().ok();
    let definition = own.and_then(|platform| project.definitions.get(&platform));
    definition.map_or_else(|| project.any_definition(), AsRef::as_ref)
}

/// Prints a line for each test when it is done.
struct Lines<'p> {
    progress: &'p Progress,
    is_shown: bool,
}

impl Observer for Lines<'_> {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Tested { outcome, .. } if self.is_shown => {
                self.progress.beside(|| line(outcome));
            }
            event => self.progress.event(event),
        }
    }
}

fn line(outcome: &TestOutcome) {
    let style = match outcome.status {
        TestStatus::Passed => GOOD,
        TestStatus::Skipped => DIM,
        _ => BAD,
    };
    let status = styled(style, &format!("{:<7}", outcome.status.name()));
    let time = styled(DIM, &format!("{:.2} s", outcome.duration.as_secs_f64()));
    say!("{status}  {}  {time}", outcome.name);
    if !outcome.message.is_empty() {
        say!("         {}", outcome.message);
    }
    for line in &outcome.output {
        say!("         {} {line}", styled(DIM, "|"));
    }
}

fn summary(common: &Common, report: &TestReport) {
    if common.quiet && report.is_good() {
        return;
    }
    let style = if report.is_good() { GOOD } else { BAD };
    let verdict = styled(style, if report.is_good() { "passed" } else { "failed" });
    say!(
        "{verdict} {} {}: {} passed, {} failed, {} skipped",
        report.image,
        report.platform,
        report.count(TestStatus::Passed),
        report.count(TestStatus::Failed),
        report.count(TestStatus::Skipped),
    );
}
