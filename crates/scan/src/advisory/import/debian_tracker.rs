// SPDX-License-Identifier: Apache-2.0
//! Debian's security tracker as JSON: by source package, vulnerability and codename.
//!
//! Its `status` says whether *some* suite of the release has the fix, and never whether an installed version has it.
//! So a verdict is made of `fixed_version`, and the status only tells open from undetermined.

use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Authority, Batch, Collected, Facts, Place, Rank, Statement};
use crate::advisory::{Decision, DecisionKind, Urgency, Verdict};

const EXPECTED: &str = "the JSON of Debian's security tracker";

/// Adds what the tracker says.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let mut batch = Batch::new("debian-tracker", input.digest(), input.time);
    let bytes = part::unpacked(input.bytes)?;
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let mut failure = None;
    let packages = Packages { batch: &mut batch, failure: &mut failure };
    let read = deserializer.deserialize_map(packages).and_then(|()| deserializer.end());
    if let Some(failure) = failure {
        return Err(failure);
    }
    read.map_err(|source| ImportError::Json { expected: EXPECTED, source })?;
    Ok(collected.take(batch))
}

/// Reads one package after another: all at once would be some gigabyte of values.
struct Packages<'b> {
    batch: &'b mut Batch,
    failure: &'b mut Option<ImportError>,
}

impl<'de> Visitor<'de> for Packages<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a member for each source package")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(package) = map.next_key::<String>()? {
            let vulnerabilities: Map<String, Value> = map.next_value()?;
            if let Err(failure) = read_package(&package, &vulnerabilities, self.batch) {
                let shown = A::Error::custom(&failure);
                *self.failure = Some(failure);
                return Err(shown);
            }
        }
        Ok(())
    }
}

fn read_package(
    package: &str,
    vulnerabilities: &Map<String, Value>,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    if !text::is_package(package) {
        batch.skip("not a package's name", || package.to_owned());
        return Ok(());
    }
    for (id, entry) in vulnerabilities {
        if !text::is_id(id) {
            batch.skip("not a vulnerability's name", || format!("{package} {id}"));
            continue;
        }
        // Packages that are in no release have `[]` there.
        if let Some(releases) = entry["releases"].as_object() {
            for (codename, release) in releases {
                read_release(package, id, codename, release, batch)?;
            }
        } else {
            batch.skip("in no release", || format!("{package} {id}"));
        }
        let summary = entry["description"].as_str().and_then(text::summary);
        let summary = summary.map(|summary| (Authority::Database, summary));
        batch.know(id, Facts { summary, ..Facts::default() })?;
    }
    Ok(())
}

fn read_release(
    package: &str,
    id: &str,
    codename: &str,
    release: &Value,
    batch: &mut Batch,
) -> Result<(), ImportError> {
    let name = || format!("{package} {id} {codename}");
    let is_codename = codename.bytes().all(|byte| byte.is_ascii_lowercase());
    if !is_codename || codename.is_empty() || codename.len() > 32 {
        batch.skip("not a release", name);
        return Ok(());
    }
    let Some(verdict) = verdict(release, &name, batch) else { return Ok(()) };
    let mut statement = Statement::new(Rank::Distribution, verdict);
    let word = release["urgency"].as_str().unwrap_or_default();
    let is_end_of_life = is_end_of_life(word);
    statement.urgency = urgency(word).unwrap_or_else(|| {
        batch.skip("an unknown urgency, taken as none", || format!("{} {word}", name()));
        Urgency::Unstated
    });
    statement.decision = decision(release, is_end_of_life);
    batch.say(&Place::Codename(codename.to_owned()), package, id, statement)
}

fn verdict(
    release: &Value,
    name: &dyn Fn() -> String,
    batch: &mut Batch,
) -> Option<Verdict<'static>> {
    let fixed = release["fixed_version"].as_str();
    let verdict = match (release["status"].as_str(), fixed) {
        (Some("resolved"), Some("0")) => Verdict::NotAffected,
        (Some("resolved" | "open"), Some(version))
            if text::is_deb_version(version) && version != "0" =>
        {
            Verdict::fixed_in(version.to_owned())
        }
        (Some("resolved"), Some(version)) => {
            // Nothing can be compared with it. A finding too many is better than one too few.
            batch.skip("fixed in what is no version, taken as open", || {
                format!("{} {version}", name())
            });
            Verdict::open()
        }
        (Some("resolved"), None) => {
            batch.skip("resolved without a version, taken as undetermined", name);
            Verdict::Undetermined
        }
        (Some("open"), _) => Verdict::open(),
        (Some("undetermined"), _) => Verdict::Undetermined,
        (status, _) => {
            batch
                .skip("an unknown status", || format!("{} {}", name(), status.unwrap_or_default()));
            return None;
        }
    };
    Some(verdict)
}

/// `end-of-life` stands where urgencies do, and is none.
fn is_end_of_life(word: &str) -> bool {
    word.trim_end_matches('*') == "end-of-life"
}

/// Returns what an urgency says. The asterisks say whose it is: one or two mean NVD.
pub(super) fn urgency(word: &str) -> Option<Urgency> {
    Some(match word.trim_end_matches('*') {
        "" | "not yet assigned" | "end-of-life" => Urgency::Unstated,
        "unimportant" => Urgency::Unimportant,
        "low" => Urgency::Low,
        "medium" => Urgency::Medium,
        "high" => Urgency::High,
        _ => return None,
    })
}

fn decision(release: &Value, is_end_of_life: bool) -> Option<Decision<'static>> {
    let is_next = release["next_point_update"] == Value::Bool(true);
    let comment = release["nodsa"].as_str();
    let kind = match (release["nodsa_reason"].as_str(), comment) {
        _ if is_end_of_life => DecisionKind::EndOfLife,
        _ if is_next => DecisionKind::NextPointRelease,
        (Some("ignored"), _) => DecisionKind::Ignored,
        (Some("postponed"), _) => DecisionKind::Postponed,
        (Some(_), _) | (None, Some(_)) => DecisionKind::NoDsa,
        (None, None) => return None,
    };
    Some(Decision { kind, reason: text::reason(comment.unwrap_or_default()).into() })
}
