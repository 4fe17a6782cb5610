// SPDX-License-Identifier: Apache-2.0
//! What buildx's policies are written with. The policy that buildx itself has is run by the example `buildx_default`: its
//! text is not in this repository.

use serde_json::{Value, json};

use super::buildx_inputs::{of, signature};
use super::{module, settings};
use crate::{Module, decide};

/// A policy with all that buildx's own uses: rules with several bodies, functions with patterns for arguments, raw strings,
/// submatches of regular expressions, sets made by several rules, comprehensions, and its helpers.
const ALIKE: &str = r#"package docker

is_tool if {
	input.image
	input.image.fullRepo == "registry.example/tool"
}

is_tool if input.image.fullRepo == "registry.example/tool-next"

moving(tag) if tag == "latest"
moving(tag) if tag in {"edge", "nightly"}
moving(tag) if regex.match(`^stable-\d+(?:-slim)?$`, tag)

version(tag) := [major, minor] if {
	m := regex.find_all_string_submatch_n(`^(\d+)\.(\d+)(?:\.\d+)?$`, tag, 1)
	count(m) == 1
	major := to_number(m[0][1])
	minor := to_number(m[0][2])
}

version(tag) := [major, 999] if {
	m := regex.find_all_string_submatch_n(`^(\d+)$`, tag, 1)
	count(m) == 1
	major := to_number(m[0][1])
}

at_least(tag, major, _) if version(tag)[0] > major

at_least(tag, major, minor) if {
	v := version(tag)
	v[0] == major
	v[1] >= minor
}

needs_signature(tag) if moving(tag)
needs_signature(tag) if at_least(tag, 2, 5)

problems contains msg if {
	is_tool
	tag := input.image.tag
	tag != ""
	needs_signature(tag)
	not signed_well(tag)
	msg := sprintf("%s needs a signature for %s", [input.image.ref, tag])
}

signed_well(tag) if {
	some signature in input.image.signatures
	docker_github_builder_signature(signature, "team/tool")
	ref := trim_prefix(signature.signer.sourceRepositoryRef, "refs/tags/")
	ref != signature.signer.sourceRepositoryRef
	trim_suffix(ref, "-slim") == trim_suffix(
		tag,
		"-slim",
	)
}

decision := {
	"allow": count(problems) == 0,
	"deny_msg": [msg | some msg in problems],
}
"#;

/// Returns why a policy denies something; nothing if it allows it.
fn reasons(modules: &[Module], input: &Value) -> Vec<String> {
    let decided = decide(modules, input, &settings()).unwrap();
    assert_eq!(decided.len(), 1);
    assert_eq!(decided[0].allow, decided[0].reasons.is_empty(), "{decided:?}");
    decided[0].reasons.clone()
}

#[test]
fn policies_like_buildx_s_own_are_run() {
    let tool = "registry.example/tool";
    let modules = [module("default.rego", ALIKE)];
    for (input, expected) in [
        (json!({"http": {"url": "https://a.example"}}), None),
        (of("registry.example/other", "latest", &[]), None),
        (of(tool, "2.4", &[]), None),
        (of(tool, "word", &[]), None),
        (of(tool, "2.5", &[]), Some("for 2.5")),
        (of(tool, "3", &[]), Some("for 3")),
        (of(tool, "stable-2-slim", &[]), Some("for stable-2-slim")),
        (of("registry.example/tool-next", "edge", &[]), Some("for edge")),
        (of(tool, "2.5.1", &[signature("team/tool", "refs/tags/2.5.1")]), None),
        (of(tool, "2.5.1", &[signature("team/tool", "refs/heads/2.5.1")]), Some("for 2.5.1")),
        (of(tool, "2.5.1", &[signature("other/tool", "refs/tags/2.5.1")]), Some("for 2.5.1")),
    ] {
        let found = reasons(&modules, &input);
        match expected {
            None => assert!(found.is_empty(), "{input}: {found:?}"),
            Some(text) => assert!(found[0].ends_with(text), "{input}: {found:?}"),
        }
    }
}

#[test]
fn the_helpers_ask_for_every_part_of_a_signature() {
    let modules = [module(
        "p.rego",
        "package docker\nallow if docker_github_builder_tag(input.image, \"a/b\", \"1\")",
    )];
    let allows = |signature: &Value, has_provenance: bool| {
        let input = json!({"image": {"hasProvenance": has_provenance, "signatures": [signature]}});
        decide(&modules, &input, &settings()).unwrap()[0].allow
    };
    let good = signature("a/b", "refs/tags/1");
    assert!(allows(&good, true) && !allows(&good, false));
    for (pointer, value) in [
        ("/kind", json!("self-signed")),
        ("/type", json!("simplesigning-v1")),
        ("/timestamps", json!([])),
        ("/signer/certificateIssuer", json!("CN=other")),
        ("/signer/issuer", json!("https://accounts.example")),
        ("/signer/sourceRepositoryURI", json!("https://github.com/a/c")),
        ("/signer/runnerEnvironment", json!("self-hosted")),
        ("/signer/sourceRepositoryRef", json!("refs/heads/1")),
        ("/signer", json!(null)),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert!(!allows(&bad, true), "{pointer}");
    }
}
