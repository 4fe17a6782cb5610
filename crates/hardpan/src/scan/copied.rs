// SPDX-License-Identifier: Apache-2.0
//! Documents of VEX whose statements become a part of another document.

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{Product, Status, VexRead, VexStatement};
use hardpan_scan::report::Warning;
use hardpan_scan::vex::{Refusal, VexSource, is_in_future};

use super::ScanError;
use super::statements::{first_of, left_out, reasons, warning};
use crate::error::Error;

/// Documents without what no scan would take of them.
#[derive(Debug, Clone, Default)]
pub struct CopiedVex {
    /// The documents.
    pub documents: Vec<VexRead>,
    /// What is not copied, and why.
    pub warnings: Vec<Warning>,
}

/// Returns documents as they can become a part of another: without the statements that can't be used, that are dated into the
/// future, and that say "fixed" without a version. What a scan refuses must not go on under another author.
///
/// # Errors
/// If a document has statements, and none can be used.
pub fn copied_vex(sources: Vec<VexSource>, now: Time) -> Result<CopiedVex, Error> {
    let mut copied = CopiedVex::default();
    for source in sources {
        let mut told: Vec<Warning> = left_out(&source).into_iter().collect();
        let VexSource { name, mut document, .. } = source;
        let (mut kept, mut refusals) = (Vec::new(), Vec::new());
        for statement in std::mem::take(&mut document.statements) {
            let vulnerability = statement.vulnerability.name.clone();
            let (statement, refusal) = usable(statement, now);
            if let Some(why) = refusal {
                let text = format!("{name}: {vulnerability}: a statement is left out: {why}");
                told.push(warning(text));
                refusals.push(format!("{vulnerability}: {why}"));
            }
            kept.extend(statement);
        }
        if kept.is_empty() && !told.is_empty() {
            let count = refusals.len();
            let unread = (document.left_out > 0).then(|| reasons(&document));
            let refused = (count > 0).then(|| first_of(refusals.into_iter(), count));
            let reasons: Vec<String> = unread.into_iter().chain(refused).collect();
            return Err(ScanError::NothingUsed { name, reasons: reasons.join("; ") }.into());
        }
        copied.warnings.extend(told);
        document.statements = kept;
        document.time = document.time.filter(|time| !is_in_future(*time, now));
        copied.documents.push(document);
    }
    Ok(copied)
}

/// Returns what of a statement can be used, and why not all.
fn usable(mut statement: VexStatement, now: Time) -> (Option<VexStatement>, Option<Refusal>) {
    if is_in_future(statement.time, now) {
        let why = Refusal::InFuture(statement.time);
        return (None, Some(why));
    }
    if statement.status != Status::Fixed {
        return (Some(statement), None);
    }
    let versioned = statement.products.iter().filter_map(Product::versioned).collect();
    let before = std::mem::replace(&mut statement.products, versioned);
    let why = (before != statement.products).then_some(Refusal::FixedWithoutVersion);
    ((!statement.products.is_empty()).then_some(statement), why)
}

#[cfg(test)]
mod tests {
    use hardpan_attest::predicate::vex::{Trust, from_value};
    use serde_json::{Value, json};

    use super::*;

    fn source(statements: &Value) -> VexSource {
        let document = from_value(&json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": statements,
        }));
        let document = document.unwrap();
        VexSource { name: "a.json".into(), trust: Trust::User, is_signed: true, document }
    }

    fn said(status: &str, products: &Value, time: &str) -> Value {
        json!({"vulnerability": {"name": "CVE-1"}, "status": status, "products": products,
               "timestamp": time, "action_statement": "wait", "impact_statement": "never called"})
    }

    #[test]
    fn only_what_a_scan_takes_is_copied_and_the_rest_is_told() {
        let now = "2026-01-10T00:00:00Z".parse().unwrap();
        let (a, any) = ("pkg:deb/debian/a@1", "pkg:deb/debian/a");
        let digest = format!("pkg:oci/app@sha256:{}", "0".repeat(64));
        let part =
            |whole: &str, part: &str| json!([{"@id": whole, "subcomponents": [{"@id": part}]}]);
        let day = "2026-01-01T00:00:00Z";
        for (statement, count, expected) in [
            (said("fixed", &json!([{"@id": a}]), day), 1, ""),
            (
                said("fixed", &json!([{"@id": any}]), day),
                0,
                "CVE-1: a statement is left out: it says",
            ),
            (said("fixed", &json!([{"@id": any}, {"@id": a}]), day), 1, "without saying in which"),
            (said("fixed", &part("pkg:oci/app", any), day), 0, "without saying in which"),
            (said("fixed", &part("pkg:oci/app", a), day), 1, ""),
            (said("fixed", &part(&digest, any), day), 1, ""),
            (said("fixed", &json!([{"@id": "https://a.example/p"}]), day), 1, ""),
            (said("not_affected", &json!([{"@id": any}]), day), 1, ""),
            (
                said("not_affected", &json!([{"@id": a}]), "2099-01-01T00:00:00Z"),
                0,
                "in the future",
            ),
            (said("affected", &json!([{"@id": a}]), "2026-01-12T00:00:00Z"), 0, "in the future"),
            (said("affected", &json!([{"@id": a}]), "2026-01-10T20:00:00Z"), 1, ""),
        ] {
            let good = said("affected", &json!([{"@id": "pkg:npm/b@1"}]), day);
            let copied = copied_vex(vec![source(&json!([statement, good]))], now).unwrap();
            let told: Vec<&str> = copied.warnings.iter().map(|it| it.text.as_str()).collect();
            assert_eq!(copied.documents[0].statements.len(), count + 1, "{statement}");
            assert!(told.join("\n").contains(expected), "{statement}: {told:?}");
            assert_eq!(told.is_empty(), expected.is_empty(), "{statement}: {told:?}");
        }
    }

    #[test]
    fn a_document_of_which_nothing_can_be_used_is_refused() {
        let good = said("affected", &json!([{"@id": "pkg:npm/b@1"}]), "2026-01-01T00:00:00Z");
        let mut bad = good.clone();
        bad["status"] = "fine".into();
        let copy =
            |statements: &Value| copied_vex(vec![source(statements)], Time::from_seconds(1 << 31));
        let error = copy(&json!([bad])).unwrap_err().to_string();
        assert!(error.contains("a.json") && error.contains("its status is \"fine\""), "{error}");
        let copied = copy(&json!([bad, good, bad, bad, bad])).unwrap();
        assert_eq!(copied.documents[0].statements.len(), 1);
        let text = &copied.warnings[0].text;
        assert!(text.starts_with("a.json: 4 statements are left out: CVE-1: its status"), "{text}");
        assert!(text.ends_with("; and 1 more"), "{text}");
        // What can be read and may not be copied is no better.
        let mut ahead = good.clone();
        ahead["timestamp"] = "2099-01-01T00:00:00Z".into();
        let error = copy(&json!([bad, ahead])).unwrap_err().to_string();
        assert!(error.contains("\"fine\"; CVE-1: it is of 2099"), "{error}");
        assert!(copy(&json!([ahead])).is_err());
        assert_eq!(copy(&json!([ahead, good])).unwrap().documents[0].statements.len(), 1);
        // A document without statements has none that can't be used.
        assert_eq!(copy(&json!([])).unwrap().warnings, []);
    }
}
