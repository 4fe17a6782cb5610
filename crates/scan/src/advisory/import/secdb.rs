// SPDX-License-Identifier: Apache-2.0
//! Alpine's secdb, and Wolfi's in the same form: in which version of an origin which vulnerabilities are fixed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Batch, Collected, Place, Rank, Statement, is_less};
use crate::advisory::{Order, Space, Verdict};

const EXPECTED: &str = "a secdb";

/// Adds one file of Alpine's: of a release and a repository.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let database = parse(&input)?;
    let release = database["distroversion"].as_str().unwrap_or_default();
    let number = release.strip_prefix('v').unwrap_or(release);
    let Ok(space @ Space::Alpine(_)) = format!("alpine:{number}").parse() else {
        let reason =
            format!("its distroversion is {:?}", release.chars().take(80).collect::<String>());
        return Err(ImportError::NotThat { expected: EXPECTED, reason });
    };
    let repository = database["reponame"].as_str().unwrap_or_default();
    if !matches!(repository, "main" | "community" | "testing") {
        let reason =
            format!("its reponame is {:?}", repository.chars().take(80).collect::<String>());
        return Err(ImportError::NotThat { expected: EXPECTED, reason });
    }
    let name = format!("alpine-secdb:{release}/{repository}");
    read(&input, &database, name, &space, collected)
}

/// Adds Wolfi's, which has no release.
pub fn import_wolfi<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let database = parse(&input)?;
    if database.get("distroversion").is_some() {
        let reason = "it has a distroversion, so it is Alpine's".to_owned();
        return Err(ImportError::NotThat { expected: "Wolfi's secdb", reason });
    }
    read(&input, &database, "wolfi-secdb".to_owned(), &Space::Wolfi, collected)
}

fn parse(input: &Input<'_>) -> Result<Value, ImportError> {
    let bytes = part::unpacked(input.bytes)?;
    serde_json::from_slice(&bytes)
        .map_err(|source| ImportError::Json { expected: EXPECTED, source })
}

fn read(
    input: &Input<'_>,
    database: &Value,
    name: String,
    space: &Space,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let mut batch = Batch::new(name, input.digest(), input.time);
    let Some(packages) = database["packages"].as_array() else {
        let reason = "it has no list of packages".to_owned();
        return Err(ImportError::NotThat { expected: EXPECTED, reason });
    };
    // An origin may stand there twice.
    let mut fixes: BTreeMap<(&str, String), Fix> = BTreeMap::new();
    for package in packages {
        let package = &package["pkg"];
        let name = package["name"].as_str().unwrap_or_default();
        if !text::is_package(name) {
            batch.skip("not a package's name", || name.to_owned());
            continue;
        }
        // `{}`, `[]` and `null` all mean that there are none.
        for (version, entries) in package["secfixes"].as_object().into_iter().flatten() {
            read_version(name, version, entries, &mut fixes, &mut batch);
        }
    }
    let place = Place::Space(space.clone());
    for ((package, id), fix) in fixes {
        let verdict = fix.version.map_or(Verdict::NotAffected, Verdict::fixed_in);
        let mut statement = Statement::new(Rank::Distribution, verdict);
        statement.aliases = fix.aliases;
        batch.say(&place, package, &id, statement)?;
    }
    Ok(collected.take(batch))
}

/// In which version a vulnerability is fixed; `None` if it never was there.
#[derive(Default)]
struct Fix {
    version: Option<String>,
    aliases: BTreeSet<String>,
}

fn read_version<'d>(
    package: &'d str,
    version: &'d str,
    entries: &'d Value,
    fixes: &mut BTreeMap<(&'d str, String), Fix>,
    batch: &mut Batch,
) {
    if !text::is_version(version) || !version.starts_with(|first: char| first.is_ascii_digit()) {
        batch.skip("not a version", || format!("{package} {version:?}"));
        return;
    }
    for entry in entries.as_array().into_iter().flatten() {
        let Some(entry) = entry.as_str() else {
            batch.skip("not a text", || format!("{package} {version}"));
            continue;
        };
        let ids = ids(entry);
        if ids.is_empty() {
            batch.skip("no vulnerability's name in it", || format!("{package} {version} {entry}"));
        }
        let (cves, others): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| text::is_cve(id));
        // What stands beside a CVE is another name of it.
        let (ids, aliases) = if cves.is_empty() { (others, Vec::new()) } else { (cves, others) };
        for id in ids {
            let fix = fixes.entry((package, id)).or_default();
            fix.aliases.extend(aliases.iter().cloned());
            // All fixes must be there, so the last one counts. 0 means that it never was affected, and any fix says more.
            let is_later = |known: &String| is_less(Order::Apk, known, version);
            if version != "0" && fix.version.as_ref().is_none_or(is_later) {
                fix.version = Some(version.to_owned());
            }
        }
    }
}

/// Returns the names in an entry: `CVE-2017-12122 TALOS-2017-0488`, `CVE-2017-16808 (AoE)`, `CVE_2019-2426`.
fn ids(entry: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for word in entry.split([' ', '\t', ',', ';']) {
        let word = word.replacen("CVE_", "CVE-", 1);
        if let Some((cve, _)) = text::leading_cve(&word) {
            ids.insert(cve.to_owned());
            continue;
        }
        let is_other = word.split_once('-').is_some_and(|(prefix, rest)| {
            let is_prefix =
                prefix.len() >= 2 && prefix.bytes().all(|byte| byte.is_ascii_uppercase());
            is_prefix && prefix != "CVE" && rest.len() >= 2 && text::is_id(&word)
        });
        if is_other {
            ids.insert(word);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_entries() {
        for (entry, expected) in [
            ("CVE-2020-1234", vec!["CVE-2020-1234"]),
            ("CVE-2017-12122 TALOS-2017-0488", vec!["CVE-2017-12122", "TALOS-2017-0488"]),
            ("CVE-2017-16808 (AoE)", vec!["CVE-2017-16808"]),
            (
                "CVE-2018-10103 (SMB - partially fixed, but SMB printing disabled)",
                vec!["CVE-2018-10103"],
            ),
            ("CVE_2019-2426", vec!["CVE-2019-2426"]),
            ("CVE-2019-19451.patch", vec!["CVE-2019-19451"]),
            ("CVE-2017-17434-1", vec!["CVE-2017-17434"]),
            ("XSA-155", vec!["XSA-155"]),
            ("GHSA-vwqx-4fm8-6qc9", vec!["GHSA-vwqx-4fm8-6qc9"]),
            ("CVE-2019", vec![]),
            ("", vec![]),
            ("see-below", vec![]),
            ("fixed upstream", vec![]),
        ] {
            assert_eq!(
                ids(entry).iter().map(String::as_str).collect::<Vec<_>>(),
                expected,
                "{entry}"
            );
        }
    }
}
