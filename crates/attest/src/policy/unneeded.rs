// SPDX-License-Identifier: Apache-2.0
//! Exceptions that can decide nothing: whoever wrote them believes that something is allowed.

use crate::vulnerability::{is_cve, is_ghsa};

use super::Policy;
use super::contents::is_denied;

/// An exception that no rule of its policy can need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the exception for {id} decides nothing: {why}")]
pub struct UnneededException {
    /// Where its id stands, as a JSON pointer (RFC 6901).
    pub place: String,
    /// What it is for.
    pub id: String,
    /// Why nothing needs it.
    pub why: &'static str,
}

impl Policy {
    /// Returns exceptions that no rule can need. Whether an image needs one of the others is another question.
    pub fn unneeded_exceptions(&self) -> Vec<UnneededException> {
        let of = |(number, id): (usize, &String)| {
            let why = self.why_unneeded(id)?;
            let place = format!("/exceptions/{number}/id");
            Some(UnneededException { place, id: id.clone(), why })
        };
        self.exceptions.iter().map(|one| &one.id).enumerate().filter_map(of).collect()
    }

    fn why_unneeded(&self, id: &str) -> Option<&'static str> {
        if self.audit.as_ref().is_some_and(|rule| rule.forbid.contains(id)) {
            return None;
        }
        if id == "nonroot" {
            return self.nonroot.is_none().then_some("the policy does not ask for `nonroot`");
        }
        let begins = |prefix: &str| {
            id.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        if begins("CVE-") && !is_cve(id) {
            return Some("no CVE is called so; they are called like CVE-2026-12345");
        }
        if begins("GHSA-") && !is_ghsa(id) {
            return Some(
                "no advisory of GitHub is called so; they are called like GHSA-abcd-1234-wxyz",
            );
        }
        if is_cve(id) || is_ghsa(id) {
            let why = "the policy has no rule about vulnerabilities";
            return self.vulnerabilities.is_none().then_some(why);
        }
        // Others who name vulnerabilities have names of all kinds, with a number.
        let is_vulnerability =
            self.vulnerabilities.is_some() && id.contains(|c: char| c.is_ascii_digit());
        let is_license = self.licenses.as_ref().is_some_and(|rule| is_denied(rule, id));
        let is_base = self
            .base
            .as_ref()
            .is_some_and(|rule| !rule.allow.iter().any(|pattern| pattern.matches(id)));
        if is_vulnerability || is_license || is_base {
            return None;
        }
        Some("no rule of the policy denies something of that name")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn exceptions_that_nothing_can_need_are_found() {
        let rules = json!({
            "keys": ["k"], "nonroot": "required", "vulnerabilities": {"deny": ["high"]},
            "licenses": {"deny": ["AGPL-3.0*"]}, "base": {"allow": ["debian"]},
            "audit": {"forbid": ["shell", "cve-free"]},
        });
        for (id, without, expected) in [
            ("CVE-2026-1234", "", None),
            ("CVE-2026-1234", "vulnerabilities", Some("no rule about vulnerabilities")),
            ("GHSA-vwqx-4fm8-6qc9", "", None),
            ("GHSA-vwqx-4fm8-6qc9", "vulnerabilities", Some("no rule about vulnerabilities")),
            ("CVE-1", "", Some("no CVE is called so")),
            ("cve-2026-1234", "", Some("no CVE is called so")),
            ("CVE-2026-1234 ", "", Some("no CVE is called so")),
            ("GHSA-VWQX-4FM8-6QC9", "", Some("no advisory of GitHub is called so")),
            ("GHSA-vwqx-4fm8", "", Some("no advisory of GitHub is called so")),
            ("TEMP-0841257-2BBD36", "base", None),
            ("nonroot", "", None),
            ("nonroot", "nonroot", Some("does not ask for `nonroot`")),
            ("shell", "", None),
            ("cve-free", "", None),
            ("compiler", "base", Some("denies something of that name")),
            ("AGPL-3.0-only", "base", None),
            ("agpl-3.0-only", "base", None),
            ("MIT", "base", Some("denies something of that name")),
            ("registry.example/other:1", "", None),
            ("registry.example/other:é", "base", Some("denies something of that name")),
            (
                "docker.io/library/debian:12",
                "vulnerabilities",
                Some("denies something of that name"),
            ),
        ] {
            let mut policy = rules.clone();
            policy.as_object_mut().unwrap().remove(without);
            policy["exceptions"] = json!([
                {"id": "shell", "until": "2027-01-01", "reason": "r"},
                {"id": format!("{id}"), "until": "2027-01-01", "reason": "r"},
            ]);
            if id == "shell" {
                policy["exceptions"].as_array_mut().unwrap().remove(0);
            }
            let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
            let found = policy.unneeded_exceptions();
            match expected {
                None => assert_eq!(found, [], "{id} without {without:?}"),
                Some(why) => {
                    assert_eq!(found.len(), 1, "{id} without {without:?}: {found:?}");
                    assert_eq!(found[0].place, "/exceptions/1/id");
                    assert!(found[0].to_string().contains(why), "{id}: {}", found[0]);
                }
            }
        }
    }
}
