// SPDX-License-Identifier: Apache-2.0
//! Which level of SLSA's build track is proven, and why not a higher one.

use std::error::Error as _;

use crate::predicate::provenance::{self, BUILD_TYPE};
use crate::predicate::{PredicateError, uri};

use super::evaluate::statements;
use super::{AllowedBuilder, Evidence, Policy, StatementEvidence};

/// What is said where nothing is proven.
const NOTHING: &str = "nothing proves how it was built";
/// How many steps a reason names.
const STEPS_NAMED_MAX: usize = 5;

/// A level of SLSA's build track.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct BuildLevel {
    /// 0 to 3.
    pub level: u8,
    /// What proves it.
    pub proof: String,
    /// Why not a higher one; empty for the highest.
    pub missing: Vec<String>,
}

/// Returns the level that signed provenance proves, as far as the policy believes its builder.
///
/// Provenance says what a builder wants to be believed. That the builder is a hosted one, and that a build can't
/// get at its key, is known to whoever wrote the policy alone: without [`AllowedBuilder::level`] it is level 1.
pub fn build_level(policy: &Policy, evidence: &Evidence) -> BuildLevel {
    let uris = [uri::PROVENANCE, uri::PROVENANCE_V0_2];
    let all_keys = evidence.statements.iter().map(|one| one.key.clone()).collect();
    let found = statements(evidence, &uris, &all_keys);
    let best = found.map(|one| of_provenance(policy, one)).max_by_key(|level| level.level);
    best.unwrap_or_else(|| BuildLevel {
        level: 0,
        proof: NOTHING.to_owned(),
        missing: vec!["no trusted key signed how the image was built".to_owned()],
    })
}

/// What provenance says of itself, as far as levels depend on it.
struct Said {
    builder: String,
    /// Why it is not worth more than the first level.
    doubt: Option<String>,
    /// Why it is not worth more than the second.
    open: Option<String>,
}

fn of_provenance(policy: &Policy, one: &StatementEvidence) -> BuildLevel {
    let key = &one.key;
    let level = |level, proof: String, missing: String| {
        let missing = if missing.is_empty() { Vec::new() } else { vec![missing] };
        BuildLevel { level, proof, missing }
    };
    let said = match read(one) {
        Ok(said) => said,
        Err(error) => {
            return level(0, NOTHING.to_owned(), format!("provenance by {key}: {error}"));
        }
    };
    let id = &said.builder;
    let proof = format!("provenance by {key} names the builder {id}");
    if let Some(doubt) = said.doubt {
        return level(1, proof, doubt);
    }
    let allowed = (policy.builders.iter())
        .filter(|allowed| allowed.id == *id && policy.keys_for(&allowed.keys).contains(key));
    let Some(allowed) = allowed.max_by_key(|allowed| allowed.level) else {
        let reason = if policy.builders.is_empty() {
            format!("no policy says what the builder {id} is")
        } else {
            format!("the policy has no builder {id} that {key} signs for")
        };
        return level(1, proof, reason);
    };
    match believed(allowed) {
        0 | 1 => level(
            1,
            proof,
            format!("the policy does not say that {id} is a hosted builder (`level: 2`)"),
        ),
        2 => level(
            2,
            proof,
            format!(
                "the policy does not say that builds can't get at the key of {id} (`level: 3`)"
            ),
        ),
        _ => match said.open {
            Some(open) => level(2, proof, open),
            None => level(3, proof, String::new()),
        },
    }
}

fn believed(builder: &AllowedBuilder) -> u8 {
    builder.level.unwrap_or(1)
}

/// Returns what is wrong, with its cause.
fn told(error: &PredicateError) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn read(one: &StatementEvidence) -> Result<Said, String> {
    let value = &one.statement.predicate;
    if one.statement.predicate_type == uri::PROVENANCE_V0_2 {
        let old = provenance::v0_2::Provenance::from_value(value);
        let old = old.map_err(|error| told(&error))?;
        let open = "provenance of SLSA 0.2 does not say what steps of the build were allowed";
        return Ok(Said { builder: old.builder.id, doubt: None, open: Some(open.to_owned()) });
    }
    let new = provenance::Provenance::from_value(value).map_err(|error| told(&error))?;
    let builder = new.run_details.builder.id.clone();
    // What parameters of other build types mean is theirs to say, and the policy's to know.
    if new.build_definition.build_type != BUILD_TYPE {
        return Ok(Said { builder, doubt: None, open: None });
    }
    let inputs = match new.rebuild_inputs() {
        Ok(inputs) => inputs,
        Err(error) => return Ok(Said { builder, doubt: Some(told(&error)), open: None }),
    };
    let steps = inputs.stages.iter().flat_map(|stage| {
        let steps = stage.steps.iter().filter(|step| step.network);
        steps.map(move |step| format!("{}/{}", stage.stage, step.name))
    });
    let steps: std::collections::BTreeSet<String> = steps.collect();
    let named: Vec<&str> = steps.iter().map(String::as_str).take(STEPS_NAMED_MAX).collect();
    let more = if steps.len() > STEPS_NAMED_MAX { ", …" } else { "" };
    let open = (!steps.is_empty()).then(|| {
        format!(
            "steps had the network, and could reach what listens there: {}{more}",
            named.join(", ")
        )
    });
    Ok(Said { builder, doubt: None, open })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hardpan_tree::Digest;
    use serde_json::{Value, json};

    use super::super::SignatureEvidence;
    use super::*;
    use crate::predicate::provenance::tests::record;
    use crate::{Statement, Subject};

    const CI: &str = "https://ci.example/builder@v1";

    /// Provenance of hardpan's, with or without a step that had the network.
    fn ours(network: bool) -> Value {
        let mut record = record();
        for step in record.stages.iter_mut().flat_map(|stage| &mut stage.steps) {
            step.network &= network;
        }
        serde_json::to_value(provenance::Provenance::of(&record).unwrap()).unwrap()
    }

    fn of_others() -> Value {
        json!({
            "buildDefinition": {"buildType": "https://other.example/v1", "externalParameters": {}},
            "runDetails": {"builder": {"id": CI}},
        })
    }

    fn evidence(kind: &str, predicate: &Value, about: &[u8]) -> Evidence {
        let statement =
            Statement::new(vec![Subject::new("a", Digest::of(about))], kind, predicate).unwrap();
        Evidence {
            digests: BTreeSet::from([Digest::of(b"image")]),
            name: None,
            created: None,
            user: None,
            bases: BTreeSet::new(),
            signatures: vec![SignatureEvidence { key: "k".into(), digest: Digest::of(b"image") }],
            statements: vec![StatementEvidence { key: "k".into(), statement }],
            vulnerabilities: None,
        }
    }

    fn policy(builder: &Value) -> Policy {
        Policy::parse(json!({"keys": ["k"], "builders": [builder]}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_level_is_what_provenance_and_policy_prove_together() {
        let v1 = uri::PROVENANCE;
        let contradicting = {
            let mut value = ours(false);
            value["buildDefinition"]["externalParameters"]["more"] = json!(1);
            value
        };
        let old = json!({"builder": {"id": CI}, "buildType": "https://hardpan.dev/build/v1"});
        let of = |level: u8| json!({"id": CI, "level": level});
        for (summary, kind, predicate, builder, level, missing) in [
            ("all of it", v1, ours(false), of(3), 3, ""),
            ("somebody else's builder", v1, of_others(), of(3), 3, ""),
            (
                "the network",
                v1,
                ours(true),
                of(3),
                2,
                "had the network, and could reach what listens there: build/fetch",
            ),
            ("the older form", uri::PROVENANCE_V0_2, old, of(3), 2, "SLSA 0.2"),
            ("a hosted builder", v1, ours(false), of(2), 2, "can't get at the key"),
            ("level 1", v1, ours(false), of(1), 1, "hosted"),
            ("no level", v1, ours(false), json!({"id": CI}), 1, "hosted"),
            (
                "another builder",
                v1,
                ours(false),
                json!({"id": "https://b.example", "level": 3}),
                1,
                "has no builder",
            ),
            (
                "another key",
                v1,
                ours(false),
                json!({"id": CI, "level": 3, "keys": ["other"]}),
                1,
                "that k signs for",
            ),
            ("unknown parameters", v1, contradicting, of(3), 1, "more"),
            ("no provenance", uri::SPDX, json!({}), of(3), 0, "no trusted key"),
            ("nonsense", v1, json!({}), of(3), 0, "malformed"),
        ] {
            let found = build_level(&policy(&builder), &evidence(kind, &predicate, b"image"));
            assert_eq!(found.level, level, "{summary}: {found:?}");
            assert!(found.missing.join("\n").contains(missing), "{summary}: {found:?}");
            assert_eq!(found.missing.is_empty(), missing.is_empty(), "{summary}");
        }
        let other = evidence(v1, &ours(false), b"another image");
        assert_eq!(build_level(&policy(&of(3)), &other).level, 0);
        let nothing = build_level(&Policy::default(), &evidence(v1, &ours(false), b"image"));
        assert!(nothing.level == 1 && nothing.missing[0].contains("no policy"), "{nothing:?}");
    }

    #[test]
    fn levels_that_there_are_not_are_refused() {
        for level in [json!(0), json!(4), json!(-1), json!("2"), json!(2.5)] {
            let policy = json!({"keys": ["k"], "builders": [{"id": CI, "level": level}]});
            assert!(Policy::parse(policy.to_string().as_bytes()).is_err(), "{level}");
        }
    }
}
