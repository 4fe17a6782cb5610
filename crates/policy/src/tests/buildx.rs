// SPDX-License-Identifier: Apache-2.0
//! What buildx's policies are written with. The policy that buildx itself has is run unchanged where it is there.

use serde_json::{Value, json};

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

/// A signature of Docker's builder on GitHub, as buildx shows it.
fn signature(repository: &str, reference: &str) -> Value {
    json!({
        "kind": "docker-github-builder", "type": "bundle-v0.3",
        "timestamps": [{"type": "rekor", "uri": "https://log.example", "timestamp": "2024-01-01T00:00:00Z"}],
        "signer": {
            "certificateIssuer": "CN=sigstore-intermediate,O=sigstore.dev",
            "issuer": "https://token.actions.githubusercontent.com",
            "sourceRepositoryURI": format!("https://github.com/{repository}"),
            "sourceRepositoryRef": reference,
            "runnerEnvironment": "github-hosted",
        },
    })
}

fn of(repository: &str, tag: &str, signatures: &[Value]) -> Value {
    json!({"image": {
        "ref": format!("{repository}:{tag}"), "fullRepo": repository, "tag": tag, "signatures": signatures,
    }})
}

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

/// Docker's policy is not in this repository: HARDPAN_TEST_BUILDX_POLICY names a folder with buildx's files
/// `policy/default.rego` and `policy/builtins.rego`.
#[test]
#[ignore = "needs files of buildx's source in HARDPAN_TEST_BUILDX_POLICY"]
fn the_policy_of_buildx_is_run_unchanged() {
    let folder = std::env::var_os("HARDPAN_TEST_BUILDX_POLICY").unwrap();
    let read = |name: &str| {
        module(name, &std::fs::read_to_string(std::path::Path::new(&folder).join(name)).unwrap())
    };
    let (policy, helpers) = (read("default.rego"), read("builtins.rego"));
    // With our helpers, and with buildx's own beside them.
    let both = [vec![policy.clone()], vec![policy, helpers]];
    let needs = "is not allowed by default policy: a verified docker-github-builder signature";
    let kit = |tag: &str| (format!("refs/tags/dockerfile/{tag}"), "moby/buildkit");
    let (front, next) = ("docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream");
    let mut cases: Vec<(Value, bool)> = vec![
        (json!({"http": {"url": "https://a.example/a"}}), true),
        (of("docker.io/library/alpine", "latest", &[]), true),
        (json!({"image": {"fullRepo": front, "ref": "a", "isCanonical": true}}), true),
        (of(front, "1.20.0", &[]), true),
        (
            of(front, "1.21.0", &[signature("docker/dockerfile", "refs/tags/dockerfile/1.21.0")]),
            false,
        ),
        (of(front, "1.21.0", &[signature("moby/buildkit", "refs/tags/1.21.0")]), false),
        (of(next, "master", &[signature("moby/buildkit", "refs/heads/master")]), true),
    ];
    for tag in ["1.21.0", "1.21", "1", "2", "latest", "labs", "master", "1-labs", "1.21.0-labs"] {
        cases.push((of(front, tag, &[]), false));
        cases.push((of(next, tag, &[]), false));
    }
    for (tag, signed, expected) in [
        ("1.21.0", "1.21.0", true),
        ("1.21", "1.21.0", true),
        ("1", "1.30.2", true),
        ("latest", "1.30.0", true),
        ("1.21.0-labs", "1.21.0-labs", true),
        ("1.21-labs", "1.21.0-labs", true),
        ("1-labs", "1.21.0-labs", true),
        ("labs", "1.21.0-labs", true),
        ("1-labs", "1.21.0", false),
        ("1.21.0-labs", "1.22.0-labs", false),
        ("1.21.0", "1.22.0", false),
        ("1.22", "1.23.0", false),
    ] {
        let (reference, repository) = kit(signed);
        cases.push((of(front, tag, &[signature(repository, &reference)]), expected));
    }
    for modules in &both {
        for (input, expected) in &cases {
            let found = reasons(modules, input);
            assert_eq!(found.is_empty(), *expected, "{input}: {found:?}");
            assert!(found.iter().all(|reason| reason.contains(needs)), "{found:?}");
        }
    }
    println!("{} inputs, each with 2 sets of helpers", cases.len());
}
