// SPDX-License-Identifier: Apache-2.0
//! What a statement about vulnerabilities says was found: in-toto's vulns predicate, v0.1 and v0.2.

use serde_json::Value;

use crate::predicate::Time;

use super::{FoundVulnerabilities, FoundVulnerability, Severity};

/// What hardpan calls the list of vulnerabilities that are known to be exploited (CISA's KEV), among the sources of a scan.
const EXPLOITED: &str = "kev";
/// The method by which hardpan says how bad something is in this very package.
const OWN_METHOD: &str = "hardpan";

/// Returns what was found; `None` of anything else than such a predicate.
pub(super) fn found(predicate: &Value) -> Option<FoundVulnerabilities> {
    let scanner = predicate.get("scanner")?;
    let results = scanner.get("result")?.as_array()?;
    let all = results.iter().map(one).collect::<Option<Vec<_>>>()?;
    let sources = scanner.get("db").and_then(|db| db.get("sources")).and_then(Value::as_array);
    let knows_exploited = sources.into_iter().flatten().any(|source| source == EXPLOITED);
    Some(FoundVulnerabilities { all, knows_exploited })
}

fn one(result: &Value) -> Option<FoundVulnerability> {
    // The text of v0.1 has it a level deeper than its example, which is what everybody writes.
    let inner = result.get("vulnerability").unwrap_or(result);
    let annotations = [inner, result].into_iter().find_map(|value| value.get("annotations"));
    let annotations = annotations.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let noted =
        |name: &str| annotations.iter().find_map(|one| one.get(name)?.as_str()).map(str::to_owned);
    Some(FoundVulnerability {
        id: inner.get("id")?.as_str()?.to_owned(),
        package: noted("package").unwrap_or_else(|| "a package that is not named".to_owned()),
        severity: severity(inner.get("severity")),
        has_fix: noted("fixedVersion").is_some(),
        published: noted("published").and_then(|day| day_or_time(&day)),
        is_exploited: noted("exploitedSince").is_some(),
    })
}

fn day_or_time(text: &str) -> Option<Time> {
    text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).ok()
}

/// Returns how bad it is: by our own word, or the worst that anybody says.
fn severity(stated: Option<&Value>) -> Severity {
    let scores = match stated {
        Some(Value::Array(scores)) => scores.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let own = scores.iter().filter(|score| score["method"] == OWN_METHOD).find_map(score);
    own.or_else(|| scores.iter().filter_map(score).max()).unwrap_or(Severity::Unknown)
}

fn score(score: &Value) -> Option<Severity> {
    let text = score.get("score")?.as_str()?.to_ascii_lowercase();
    match text.as_str() {
        "negligible" | "none" => return Some(Severity::Negligible),
        "low" => return Some(Severity::Low),
        "medium" => return Some(Severity::Medium),
        "high" => return Some(Severity::High),
        "critical" => return Some(Severity::Critical),
        "unknown" => return Some(Severity::Unknown),
        _ => {}
    }
    let number: f64 = text.parse().ok().filter(|number| (0.0..=10.0).contains(number))?;
    Some(match number {
        ..0.1 => Severity::Negligible,
        ..4.0 => Severity::Low,
        ..7.0 => Severity::Medium,
        ..9.0 => Severity::High,
        _ => Severity::Critical,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn severities_are_read_as_scanners_write_them() {
        let of = |severity: Value| {
            let predicate = json!({"scanner": {"result": [{"id": "CVE-1", "severity": severity}]}});
            found(&predicate).unwrap().all[0].severity
        };
        let said = |method: &str, score: &str| json!({"method": method, "score": score});
        for (severity, expected) in [
            (json!([said("hardpan", "low"), said("cvss_score", "9.8")]), Severity::Low),
            (json!([said("nvd", "medium"), said("cvss_score", "7.5")]), Severity::High),
            (json!([said("cvss_vector", "CVSS:3.1/AV:N")]), Severity::Unknown),
            (said("nvd", "CRITICAL"), Severity::Critical),
            (json!([said("cvss_score", "0.0")]), Severity::Negligible),
            (json!([said("cvss_score", "11")]), Severity::Unknown),
            (json!([]), Severity::Unknown),
            (json!(7), Severity::Unknown),
        ] {
            assert_eq!(of(severity.clone()), expected, "{severity}");
        }
    }

    #[test]
    fn both_shapes_are_read_and_others_are_none() {
        let flat = json!({"id": "CVE-1", "annotations": [{"package": "a", "fixedVersion": "2"}]});
        let deep = json!({"vulnerability": {"id": "CVE-2", "severity": {"method": "nvd", "score": "high"}}});
        let all = found(&json!({"scanner": {"result": [flat, deep]}})).unwrap();
        let lines: Vec<String> = all
            .all
            .iter()
            .map(|one| format!("{} {} {}", one.id, one.package, one.has_fix))
            .collect();
        assert_eq!(lines, ["CVE-1 a true", "CVE-2 a package that is not named false"]);
        for other in [
            json!({}),
            json!([]),
            json!({"scanner": {"result": {}}}),
            json!({"scanner": {"result": [{}]}}),
            json!({"scanner": {"result": [{"id": 1}]}}),
        ] {
            assert!(found(&other).is_none(), "{other}");
        }
        let none = found(&json!({"scanner": {"result": []}})).unwrap();
        assert!(none.all.is_empty() && !none.knows_exploited);
        let dated = json!({"scanner": {"db": {"sources": ["debian-tracker", "kev"]}, "result": [
            {"id": "a", "annotations": [{"published": "2026-01-31", "exploitedSince": "2026-02-01"}]},
            {"id": "b", "annotations": [{"published": "2026-01-31T01:00:00Z"}]},
            {"id": "c", "annotations": [{"published": "soon"}]},
        ]}});
        let dated = found(&dated).unwrap();
        let times: Vec<Option<String>> =
            dated.all.iter().map(|one| one.published.map(|time| time.to_string())).collect();
        assert_eq!(
            times[..2],
            [Some("2026-01-31T00:00:00Z".to_owned()), Some("2026-01-31T01:00:00Z".to_owned())]
        );
        assert!(times[2].is_none() && dated.knows_exploited);
        assert!(dated.all[0].is_exploited && !dated.all[1].is_exploited);
    }
}
