// SPDX-License-Identifier: Apache-2.0
//! `hardpan db`

use std::path::Path;
use std::process::ExitCode;

use hardpan::Error;
use hardpan::advisories::{
    AdvisoryData, AdvisorySource, Feed, FeedKind, GatheredAdvisories, PublishAdvisories,
    ReceiveOptions, Received, SourceAge, bundle_path, sign_advisories, source_ages, write_bundle,
};
use hardpan::scan::advisory::import::FUTURE;
use serde_json::{Value, json};

use super::place;
use crate::args::Common;
use crate::args::scan::{Db, DbBuild, DbCommand, Feeds, Receive};
use crate::failure::{Named, Usage};
use crate::keys::{self, Place};
use crate::machine::Machine;
use crate::progress::Progress;
use crate::text::{BAD, DIM, GOOD, HELP, WARNING, count, note, say, size, styled};

/// The exit code where a source is too old.
const TOO_OLD: u8 = 1;

/// Looks after the advisory database.
pub(crate) fn run(common: &Common, command: &Db) -> anyhow::Result<ExitCode> {
    match &command.command {
        DbCommand::Build(command) => build(common, command),
        DbCommand::Update { from, receive } => {
            let machine = place::machine(common)?;
            let configured = machine.workspace().scan.advisories.clone();
            let from = from.clone().or(configured).ok_or(Usage(
                "where does the database come from? name an image, a URL or a file, or `advisories` in [scan] of hardpan.toml",
            ))?;
            update(common, &machine, &source(&from)?, receive)
        }
        DbCommand::Import { file, receive } => {
            update(common, &place::machine(common)?, &AdvisorySource::File(file.clone()), receive)
        }
        DbCommand::Export { file } => export(common, file),
        DbCommand::Status { db, max_age } => status(common, db.as_deref(), *max_age),
        DbCommand::Publish { file, to, previous } => publish(common, file, to, previous),
        DbCommand::Remove => {
            let machine = place::machine(common)?;
            let progress = Progress::new(common);
            let was_there = machine.session(&progress).remove_advisories()?;
            if common.json {
                say!("{}", json!({"removed": was_there}));
            } else if !common.quiet && was_there {
                say!("{} the advisory database", styled(GOOD, "removed"));
            } else if !common.quiet {
                say!("there was no advisory database");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns where a database is: a URL, a file that is there or looks like a path, or else a name in a registry.
fn source(text: &str) -> anyhow::Result<AdvisorySource> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Ok(AdvisorySource::Url(text.to_owned()));
    }
    let path = Path::new(text);
    if path.exists()
        || text.starts_with(['/', '.'])
        || path.extension().is_some_and(|end| end == "hpdb")
    {
        return Ok(AdvisorySource::File(path.to_owned()));
    }
    let name = text.parse().map_err(|source| Error::ImageName { name: text.to_owned(), source })?;
    Ok(AdvisorySource::Registry(name))
}

/// Returns the feeds that are named, each with its kind.
fn feeds(feeds: &Feeds) -> anyhow::Result<Vec<Feed>> {
    let mut all = Vec::new();
    for (kind, from) in [
        (FeedKind::DebianTracker, &feeds.debian_tracker),
        (FeedKind::AlpineSecdb, &feeds.alpine_secdb),
        (FeedKind::Wolfi, &feeds.wolfi),
        (FeedKind::Osv, &feeds.osv),
        (FeedKind::Kev, &feeds.kev),
        (FeedKind::Epss, &feeds.epss),
        (FeedKind::Cve, &feeds.cve),
        (FeedKind::Nvd, &feeds.nvd),
        (FeedKind::DistroInfo, &feeds.distro_info),
    ] {
        all.extend(from.iter().map(|from| Feed { kind: kind.clone(), from: from.clone() }));
    }
    for folder in &feeds.debian_lists {
        let releases = feeds.debian_sources.iter().map(|text| match text.split_once('=') {
            Some((codename, from)) => (codename.to_owned(), Some(from.to_owned())),
            None => (text.clone(), None),
        });
        let kind = FeedKind::DebianLists { releases: releases.collect() };
        all.push(Feed { kind, from: folder.display().to_string() });
    }
    for text in &feeds.security_support {
        let Some((release, from)) = text.split_once('=') else {
            let message =
                format!("--security-support {text:?} does not say which release it is of");
            let help = Some("write it as RELEASE=FILE: 12=security-support-limited".to_owned());
            return Err(Named { message, help }.into());
        };
        let kind = FeedKind::SecuritySupport { release: release.to_owned() };
        all.push(Feed { kind, from: from.to_owned() });
    }
    if all.is_empty() {
        return Err(Usage(
            "a database of what? name at least one feed; see `hardpan db build --help`",
        )
        .into());
    }
    Ok(all)
}

fn build(common: &Common, command: &DbBuild) -> anyhow::Result<ExitCode> {
    let feeds = feeds(&command.feeds)?;
    let machine = place::machine(common)?;
    let key = command.key.as_ref().map(|name| {
        let place = Place { common, folder: Path::new(""), layout: None };
        keys::open_key(&place, name)
    });
    let key = key.transpose()?;
    let progress = Progress::new(common);
    let made = machine.session(&progress).gather_advisories(&feeds);
    progress.clear();
    let made = made?;
    let bundle = key.as_ref().map(|signer| sign_advisories(&made.bytes, signer.as_ref()));
    write_bundle(&command.output, bundle.transpose()?.as_deref())?;
    hardpan::write_file(&command.output, &made.bytes)?;
    print_built(common, command, &made, key.is_some());
    Ok(ExitCode::SUCCESS)
}

fn print_built(common: &Common, command: &DbBuild, made: &GatheredAdvisories, is_signed: bool) {
    if common.json {
        let feeds: Vec<Value> = (made.imported.iter())
            .map(|(from, given)| {
                let skipped = given.skipped.iter().map(|(reason, skipped)| {
                    json!({"reason": reason, "count": skipped.count, "examples": skipped.examples})
                });
                json!({
                    "from": from, "source": given.source, "records": given.records,
                    "skipped": skipped.collect::<Vec<_>>(), "duplicate": given.was_here,
                })
            })
            .collect();
        let value = json!({
            "file": command.output, "bytes": made.bytes.len(), "signed": is_signed, "feeds": feeds,
            "unplaced": made.unplaced, "untimed": made.untimed,
        });
        say!("{value}");
        return;
    }
    if common.quiet {
        return;
    }
    warn_of_feeds(made);
    // What is there twice is in the database once.
    let counted = || made.imported.iter().filter(|(_, given)| !given.was_here);
    let records: usize = counted().map(|(_, given)| given.records as usize).sum();
    // Beside the results: the database itself may go to the standard output.
    note!(
        "{} {} ({}): {} of {}",
        styled(GOOD, "wrote"),
        command.output.display(),
        size(made.bytes.len() as u64),
        count(records, "record"),
        count(counted().count(), "source"),
    );
    if !is_signed {
        note!(
            "  {} it is not signed, so other machines won't take it: sign it with --key",
            styled(HELP, "help:")
        );
    }
}

fn warn_of_feeds(made: &GatheredAdvisories) {
    for (from, given) in &made.imported {
        if given.was_here {
            note!("{} {from} was there already, and counts once", styled(WARNING, "warning:"));
        }
        if given.records == 0 {
            let source = &given.source;
            note!("{} there is nothing of {source} in {from}", styled(WARNING, "warning:"));
        }
        for (reason, skipped) in &given.skipped {
            let examples = skipped.examples.first().map_or("", String::as_str);
            let skipped = count(skipped.count as usize, "record");
            // These are in it, and only the age of the source does not go by them.
            let fate = if *reason == FUTURE { "without its time" } else { "left out" };
            note!(
                "{} {}: {skipped} {fate}, {reason} {}",
                styled(WARNING, "warning:"),
                given.source,
                styled(DIM, &format!("({examples})"))
            );
        }
    }
    for name in &made.untimed {
        note!(
            "{} nobody says when the data of {name} was made: machines that had it with a time refuse it, and scans can't tell its age; fetch it into a file (`curl -R -O`), which keeps the time",
            styled(WARNING, "warning:")
        );
    }
    for (codename, records) in &made.unplaced {
        let records = count(*records as usize, "record");
        note!(
            "{} {records} of {codename} are not in it: nobody says which release that is, and --distro-info FILE may",
            styled(WARNING, "warning:")
        );
    }
}

fn update(
    common: &Common,
    machine: &Machine,
    from: &AdvisorySource,
    receive: &Receive,
) -> anyhow::Result<ExitCode> {
    let trusted = if receive.allow_unsigned {
        keys::optional_trusted(&receive.keys, machine)?
    } else {
        keys::trusted(&receive.keys, machine)?
    };
    let options = ReceiveOptions {
        rules: trusted.rules(),
        allow_unsigned: receive.allow_unsigned,
        allow_older: receive.allow_older,
    };
    let progress = Progress::new(common);
    let received = machine.session(&progress).update_advisories(from, options);
    progress.clear();
    let received = received?;
    if common.json {
        say!("{}", serde_json::to_string(&received)?);
    } else if !common.quiet {
        print_received(&received);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_received(received: &Received) {
    let Received { origin, size_bytes, transferred_bytes, is_unchanged, lost_sources, .. } =
        received;
    for name in lost_sources {
        note!("{} it has nothing of {name}, which the one before had", styled(WARNING, "warning:"));
    }
    let verb = if *is_unchanged { "unchanged" } else { "updated" };
    let signer = match &origin.signed_by {
        Some(name) => format!("signed by {name}"),
        None => styled(WARNING, "signed by nobody"),
    };
    let moved = match *transferred_bytes {
        0 => String::new(),
        bytes => format!(", {} fetched", size(bytes)),
    };
    say!("{} from {} ({}{moved}), {signer}", styled(GOOD, verb), origin.from, size(*size_bytes));
}

fn export(common: &Common, file: &Path) -> anyhow::Result<ExitCode> {
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let data = machine.session(&progress).export_advisories(file)?;
    if common.json {
        say!("{}", json!({"file": file, "digest": data.digest(), "bytes": data.bytes().len()}));
    } else if !common.quiet {
        note!("{} {} ({})", styled(GOOD, "wrote"), file.display(), size(data.bytes().len() as u64));
    }
    Ok(ExitCode::SUCCESS)
}

fn status(common: &Common, db: Option<&Path>, max_age: Option<u32>) -> anyhow::Result<ExitCode> {
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let session = machine.session(&progress);
    let data = match db {
        Some(path) => AdvisoryData::read(path)?,
        None => session.advisories()?,
    };
    let ages = source_ages(&data.database(), session.now_seconds());
    let is_old = |age: &SourceAge| {
        max_age.is_some_and(|max| age.age_days.is_none_or(|days| days > u64::from(max)))
    };
    let has_old = ages.iter().any(is_old);
    if common.json {
        let value = json!({
            "digest": data.digest(), "bytes": data.bytes().len(), "from": data.origin.from,
            "signed-by": data.origin.signed_by, "sources": ages, "too-old": has_old,
        });
        say!("{value}");
    } else {
        print_status(&data, &ages, is_old);
    }
    Ok(ExitCode::from(if has_old { TOO_OLD } else { 0 }))
}

fn print_status(data: &AdvisoryData, ages: &[SourceAge], is_old: impl Fn(&SourceAge) -> bool) {
    let width = ages.iter().map(|age| age.name.chars().count()).max().unwrap_or(0).min(40);
    for age in ages {
        let text = match age.age_days {
            None if age.is_future => {
                format!("of the future: {}", age.time.as_deref().unwrap_or_default())
            }
            Some(0) => "today".to_owned(),
            Some(days) => {
                format!("{} old", count(usize::try_from(days).unwrap_or(usize::MAX), "day"))
            }
            None => "of unknown age".to_owned(),
        };
        let text = if is_old(age) || age.is_future { styled(BAD, &text) } else { text };
        let records = format!("{:>9} records", age.records);
        say!("{:<width$}  {records}  {text}", age.name);
    }
    let signer = match &data.origin.signed_by {
        Some(name) => format!("signed by {name}"),
        None => "no signature was looked at".to_owned(),
    };
    let bytes = size(data.bytes().len() as u64);
    say!(
        "{}",
        styled(DIM, &format!("{} ({bytes}), from {}, {signer}", data.digest(), data.origin.from))
    );
}

fn publish(
    common: &Common,
    file: &Path,
    to: &str,
    previous: &[std::path::PathBuf],
) -> anyhow::Result<ExitCode> {
    let wrap = |source| Error::ImageName { name: to.to_owned(), source };
    let data = AdvisoryData::read(file)?;
    let beside = bundle_path(file);
    if !beside.is_file() {
        let message = format!("there is no {}, so nobody would take it", beside.display());
        let help = Some("`hardpan db build --key KEY` signs what it makes".to_owned());
        return Err(Named { message, help }.into());
    }
    let bundle = keys::read_small(&beside)?;
    let previous = previous.iter().map(|path| AdvisoryData::read(path));
    let previous = previous.collect::<Result<Vec<_>, _>>()?;
    let machine = place::machine(common)?;
    let progress = Progress::new(common);
    let to = to.parse().map_err(wrap)?;
    let request = PublishAdvisories { data: &data, bundle: &bundle, previous: &previous, to };
    let published = machine.session(&progress).publish_advisories(&request);
    progress.clear();
    let published = published?;
    if common.json {
        say!("{}", serde_json::to_string(&published)?);
    } else if !common.quiet {
        say!(
            "{} {} ({} compressed, {})",
            styled(GOOD, "published"),
            request.to,
            size(published.compressed_bytes),
            count(published.delta_bytes.len(), "difference"),
        );
    }
    Ok(ExitCode::SUCCESS)
}
