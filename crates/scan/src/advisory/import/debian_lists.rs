// SPDX-License-Identifier: Apache-2.0
//! The list files that Debian's security team writes: `CVE/list`, `DSA/list` and `DLA/list`.
//!
//! They say what each release's fix is; which packages a release has, and in which version, its suites say. From both comes
//! what the tracker's JSON has: a release's own note counts above the one without a release, which is sid's; notes of
//! announcements are copied to the CVEs that they name; and a fix that no suite of a release has is none yet.

mod entry;
mod suites;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;

use self::entry::{Entry, Fix, Note, NoteKind};
use self::suites::{Versions, versions};
use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{
    Authority, Batch, Collected, Facts, Place, Rank, Statement, is_less,
};
use crate::advisory::{Decision, Order, Urgency, Verdict};

/// The files.
#[derive(Debug, Clone)]
pub struct Lists<'a> {
    /// `data/CVE/list`.
    pub cve: Input<'a>,
    /// `data/DSA/list`. Without it every fix of a stable release is unknown.
    pub dsa: Input<'a>,
    /// `data/DLA/list`. Without it those of long-term support are.
    pub dla: Input<'a>,
    /// The releases that are wanted.
    pub releases: Vec<ListedRelease<'a>>,
}

/// A release that is wanted of the lists.
#[derive(Debug, Clone)]
pub struct ListedRelease<'a> {
    /// `trixie`, `sid`.
    pub codename: String,
    /// The `Sources` of its suites: its own, security, and LTS. Of none nobody knows what it has, so there are records about
    /// every package, and a fix may be one that the release does not have.
    pub sources: Vec<Input<'a>>,
}

/// Adds what the lists say. Newer releases are known from distro-info, if that was imported before.
pub fn import(lists: &Lists<'_>, collected: &mut Collected) -> Result<Imported, ImportError> {
    let codenames = collected.codenames();
    for release in &lists.releases {
        super::check_release(&release.codename, codenames.clone())?;
    }
    let mut digests = vec![lists.cve.digest(), lists.dsa.digest(), lists.dla.digest()];
    for release in &lists.releases {
        digests.push(Digest::of(release.codename.as_bytes()));
        digests.extend(release.sources.iter().map(Input::digest));
    }
    let time = [lists.cve.time, lists.dsa.time, lists.dla.time].into_iter().flatten().max();
    let mut batch = Batch::new("debian-lists", part::digest_of_all(digests), time);
    let [cve, dsa, dla] = [lists.cve, lists.dsa, lists.dla].map(|input| part::text(input.bytes));
    let (cve, dsa, dla) = (cve?, dsa?, dla?);
    let mut issues = Issues::default();
    for record in entry::records(&cve, entry::cve_header, &codenames, &mut batch)? {
        issues.add(record, &mut batch)?;
    }
    let mut newest = None;
    for (list, prefix) in [(&dsa, "DSA-"), (&dla, "DLA-")] {
        let header = |line: &str| entry::announcement_header(line, prefix);
        for record in entry::records(list, header, &codenames, &mut batch)? {
            newest = newest.max(record.day);
            issues.announce(&record, &mut batch);
        }
    }
    // No file says when it was made. It was not before the last announcement.
    if batch.time().is_none() {
        batch.set_time(newest.map(|day| i64::from(day) * 86_400));
    }
    for (id, announcement) in issues.unknown() {
        batch.skip("an announcement that is in no list", || format!("{id} {announcement}"));
    }
    for release in &lists.releases {
        let known =
            if release.sources.is_empty() { None } else { Some(versions(&release.sources)?) };
        say(&issues, &release.codename, known.as_ref(), &mut batch)?;
    }
    Ok(collected.take(batch))
}

/// Notes about one package, by release; sid's under an empty name.
type Notes = BTreeMap<String, Noted>;

/// What is noted of a package in a release.
#[derive(Debug, Clone, Default)]
struct Noted {
    /// `None` if only a decision is.
    fix: Option<(Fix, Urgency)>,
    decision: Option<Decision<'static>>,
    announcements: BTreeSet<String>,
}

/// All vulnerabilities, by name.
#[derive(Default)]
struct Issues {
    notes: BTreeMap<String, BTreeMap<String, Notes>>,
    /// Announcements that CVEs name, and those that there are.
    named: BTreeSet<(String, String)>,
    announced: BTreeSet<String>,
}

impl Issues {
    fn add(&mut self, record: Entry, batch: &mut Batch) -> Result<(), ImportError> {
        let summary = text::summary(&record.description).map(|line| (Authority::Database, line));
        let facts = Facts { summary, is_rejected: record.is_rejected, ..Facts::default() };
        batch.know(&record.id, facts)?;
        for name in &record.names {
            if name.starts_with("DSA-") || name.starts_with("DLA-") {
                self.named.insert((record.id.clone(), name.clone()));
            }
        }
        if record.is_rejected {
            return Ok(());
        }
        for note in record.notes {
            let packages = self.notes.entry(record.id.clone()).or_default();
            let noted = packages.entry(note.package).or_default().entry(note.release).or_default();
            match note.kind {
                NoteKind::Decision(decision) => noted.decision = Some(decision),
                NoteKind::Fix { fix, urgency, decision } => {
                    noted.decision = decision.or_else(|| noted.decision.take());
                    noted.fix = Some(match noted.fix.take() {
                        // Two notes of one release are one: the worst of both.
                        Some((known, worse)) => (known.worse(fix), worse.max(urgency)),
                        None => (fix, urgency),
                    });
                }
            }
        }
        Ok(())
    }

    /// Copies the notes of an announcement to the CVEs that it names, or takes it for a vulnerability of its own.
    fn announce(&mut self, record: &Entry, batch: &mut Batch) {
        self.announced.insert(record.id.clone());
        let mut targets: Vec<&str> =
            record.names.iter().map(String::as_str).filter(|name| text::is_cve(name)).collect();
        if targets.is_empty() && record.description.contains("regression update") {
            // It corrects the update before, and no vulnerability.
            batch.skip("a correction of an update", || record.id.clone());
        } else if targets.is_empty() {
            targets.push(&record.id);
        }
        for target in targets {
            for note in &record.notes {
                self.copy(target, &record.id, note);
            }
        }
    }

    fn copy(&mut self, target: &str, announcement: &str, note: &Note) {
        let NoteKind::Fix { fix, urgency, .. } = &note.kind else { return };
        let packages = self.notes.entry(target.to_owned()).or_default();
        let releases = packages.entry(note.package.clone()).or_default();
        let noted = releases.entry(note.release.clone()).or_default();
        let is_definitive = match (noted.fix.as_ref().map(|(known, _)| known), fix) {
            // Whoever says that it is not fixed knows more.
            (Some(Fix::Open), _) => false,
            (Some(Fix::In(known)), Fix::In(version)) => is_less(Order::Deb, known, version),
            (None, _) | (_, Fix::Open | Fix::In(_)) => true,
            (_, Fix::Never | Fix::Unknown) => false,
        };
        if is_definitive {
            noted.fix = Some((fix.clone(), *urgency));
        }
        if target != announcement {
            noted.announcements.insert(announcement.to_owned());
        }
    }

    /// Returns announcements that CVEs name, and that are in no list: then fixes are missing.
    fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        let named = self.named.iter().map(|(id, name)| (id.as_str(), name.as_str()));
        // `DSA-1234` stands for `DSA-1234-1`.
        named.filter(|(_, name)| {
            let first = format!("{name}-1");
            !self.announced.contains(*name) && !self.announced.contains(&first)
        })
    }
}

/// Adds what holds in one release.
fn say(
    issues: &Issues,
    codename: &str,
    known: Option<&Versions>,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    let place = Place::Codename(codename.to_owned());
    for (id, packages) in &issues.notes {
        for (package, notes) in packages {
            let version = known.and_then(|known| known.get(package));
            if known.is_some() && version.is_none() {
                continue;
            }
            let own = notes.get(codename);
            let unqualified = notes.get("");
            // A release's note counts; sid has none of its own.
            let fix = [own, unqualified].into_iter().flatten().find_map(|noted| noted.fix.clone());
            let Some((fix, urgency)) = fix else { continue };
            let verdict = match fix {
                Fix::Never => Verdict::NotAffected,
                Fix::Unknown => Verdict::Undetermined,
                Fix::In(fixed)
                    if version.is_none_or(|newest| !is_less(Order::Deb, newest, &fixed)) =>
                {
                    Verdict::fixed_in(fixed)
                }
                // The release does not have that version.
                Fix::In(_) | Fix::Open => Verdict::open(),
            };
            let mut statement = Statement::new(Rank::DistributionLists, verdict);
            statement.urgency = urgency;
            statement.decision = own.and_then(|noted| noted.decision.clone());
            if let Some(own) = own {
                statement.announcements.clone_from(&own.announcements);
            }
            batch.say(&place, package, id, statement)?;
        }
    }
    Ok(())
}
