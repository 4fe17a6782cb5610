// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy`: images against policies in YAML and Rego, tests of policies, and policies for others.

use std::time::Instant;

use hardpan_testkit::fixture::Fixture;
use serde_json::{Value, json};

use crate::keys::{build_signed, keygen, signing};
use crate::support::{Ran, hardpan, run};

const BUILDER: &str = "https://ci.example/builder";

fn signed() -> Fixture {
    let fixture = Fixture::new();
    build_signed(&fixture, &["--builder-id", BUILDER]).expect(0, &[]);
    fixture
}

fn eval(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let out = fixture.path("out");
    let first = ["policy", "eval", out.to_str().unwrap(), "--key", "k.pub"];
    run(signing(fixture, &[&first[..], arguments].concat()))
}

/// Writes a policy and holds the image against it.
fn with_policy(fixture: &Fixture, name: &str, text: &str) -> Ran {
    fixture.write(&format!("work/{name}"), text);
    eval(fixture, &["--policy", name])
}

fn attest(fixture: &Fixture, kind: &str, predicate: &Value, key: &str) {
    fixture.write("work/predicate.json", predicate.to_string());
    let out = fixture.path("out");
    let add =
        ["attest", "add", out.to_str().unwrap(), "--type", kind, "--predicate", "predicate.json"];
    run(signing(fixture, &[&add[..], &["--key", key]].concat())).expect(0, &[]);
}

fn audit(grade: &str, shells: &[&str]) -> Value {
    json!({
        "tool": {"name": "hardpan", "version": "0.1.0"}, "time": "2026-11-01T00:00:00Z",
        "profile": "runtime", "hardened": shells.is_empty(), "grade": grade, "points": 90,
        "traits": {
            "user": "65532", "uid": 65532, "shell": shells, "packageManager": [],
            "languagePackageManager": [], "compiler": [], "debugger": [], "networkTool": [],
            "setuid": 0, "capabilities": 0, "worldWritable": 0,
        },
        "controls": [{"id": "shell", "severity": "warn", "result": "pass", "findings": 0}],
        "surface": {"executables": 1, "elf": 1, "packages": 1, "bytes": 1, "files": 1, "setuid": 0, "interpreters": 0},
    })
}

#[test]
fn rules_about_contents_hold_or_say_why_not() {
    let fixture = signed();
    let policy = |rules: &str| format!("keys: [k.pub]\n{rules}\n");
    for (rules, code, expected) in [
        ("provenance: {min-level: 1}", 0, "SLSA level: 1: provenance by k.pub"),
        ("provenance: {min-level: 2}", 1, "fails  linux/amd64: SLSA level: 1, and not 2"),
        ("base: {allow: [debian]}", 0, "base: made of no other image, by provenance"),
        ("licenses: {deny: ['AGPL-3.0*'], unknown: allow}", 0, "none that is denied"),
        ("licenses: {deny: ['*']}", 1, "fails  linux/amd64: licenses"),
        ("audit: {min-grade: B}", 1, "nobody audited it"),
        ("vulnerabilities: {deny: [critical]}", 1, "nobody looked for vulnerabilities"),
        ("images: [registry.example/other]", 0, "signed by k.pub"),
        ("nonroot: required", 0, "nonroot: user"),
    ] {
        let ran = with_policy(&fixture, "policy.yaml", &policy(rules));
        assert_eq!(ran.code, code, "{rules}: {ran}");
        assert!(ran.stdout.contains(expected), "{rules}: {ran}");
        // `verify` holds it against the same.
        let out = fixture.path("out");
        let verify = ["verify", out.to_str().unwrap(), "--key", "k.pub", "--policy", "policy.yaml"];
        assert_eq!(run(signing(&fixture, &verify)).code, code, "{rules}");
    }
}

#[test]
fn audits_and_scans_count_by_key_and_exceptions_are_shown() {
    let fixture = signed();
    keygen(&fixture, "stranger");
    let rule = "keys: [k.pub]\naudit: {min-grade: B, forbid: [shell]}\n";
    attest(&fixture, "audit", &audit("A", &[]), "stranger.key");
    with_policy(&fixture, "p.yaml", rule).expect(1, &["nobody audited it"]);
    attest(&fixture, "audit", &audit("A", &["/bin/sh"]), "k.key");
    with_policy(&fixture, "p.yaml", rule).expect(1, &["shell: /bin/sh"]);
    let with = |until: &str| {
        format!("{rule}exceptions: [{{id: shell, until: {until}, reason: debugging}}]\n")
    };
    with_policy(&fixture, "p.yaml", &with("2999-01-01"))
        .expect(0, &["exception for shell until 2999-01-01: debugging", "allowed"]);
    with_policy(&fixture, "p.yaml", &with("2001-01-01"))
        .expect(1, &["exception for shell ended on 2001-01-01: debugging"]);
    let value = {
        fixture.write("work/p.yaml", with("2999-01-01"));
        eval(&fixture, &["--policy", "p.yaml", "--json"]).json()
    };
    assert_eq!(value["allowed"], true);
    let used = &value["policy"][0]["rules"][1]["exceptions"][0];
    assert_eq!((&used["id"], &used["has-ended"]), (&json!("shell"), &json!(false)));

    let scan = json!({"scanner": {
        "uri": "https://hardpan.dev", "version": "1",
        "db": {"version": "1", "lastUpdate": "2026-11-01T00:00:00Z", "sources": ["kev"]},
        "result": [{"id": "CVE-2026-1", "severity": [{"method": "hardpan", "score": "high"}],
            "annotations": [{"package": "libc6", "fixedVersion": "2", "exploitedSince": "2026-01-01"}]}],
    }, "metadata": {}});
    attest(&fixture, "https://in-toto.io/attestation/vulns/v0.1", &scan, "k.key");
    with_policy(&fixture, "p.yaml", "keys: [k.pub]\nvulnerabilities: {kev: deny}\n")
        .expect(1, &["1: CVE-2026-1 in libc6, exploited"]);
    with_policy(
        &fixture,
        "p.yaml",
        "keys: [k.pub]\nvulnerabilities: {deny: [critical], fixable-only: true}\n",
    )
    .expect(0, &["none that counts, of 1"]);
    // Rego sees the same.
    let rego = "package docker\n\nimport rego.v1\n\nproblems contains \"a shell\" if count(input.image.audit.traits.shell) > 0\n\n\
        problems contains one.id if {\n\tsome one in input.image.vulnerabilities\n\tone.exploited\n\tone.severity == \"high\"\n}\n\n\
        decision := {\"allow\": count(problems) == 0, \"deny_msg\": [it | some it in problems]}\n";
    with_policy(&fixture, "p.rego", rego)
        .expect(1, &["p.rego data.docker.decision: CVE-2026-1; a shell"]);
}

#[test]
fn rego_decides_and_denies_by_default() {
    let fixture = signed();
    fixture.write("work/rules/lib/users.rego", "package lib.users\n\nroot contains \"0\"\n");
    fixture.write(
        "work/rules/main.rego",
        "package team\n\nimport data.lib.users\n\ndeny contains \"it runs as root\" if input.image.user in users.root\n\n\
         deny contains \"nobody signed it\" if not input.image.signatures\n\n\
         deny contains msg if {\n\tallowed := load_json(\"builders.json\")\n\tid := input.image.provenance.builderID\n\tnot id in allowed\n\tmsg := sprintf(\"built by %s\", [id])\n}\n",
    );
    fixture.write("work/rules/main_test.rego", "package team\n\nallow := false\n");
    fixture.write("work/rules/builders.json", json!([BUILDER]).to_string());
    eval(&fixture, &["--policy", "rules"]).expect(
        0,
        &["holds  linux/amd64: rules data.team.deny: allowed", "every policy allows it"],
    );
    fixture.write("work/rules/builders.json", "[]");
    eval(&fixture, &["--policy", "rules"]).expect(1, &[&format!("built by {BUILDER}"), "denied"]);
    for (text, code, expected) in [
        (
            "package docker\nallow if input.image.platform == \"linux/amd64\"",
            1,
            "data.docker.allow is undefined for this image",
        ),
        ("package docker\nallow if startswith(input.image.platform, \"linux/\")", 0, "allowed"),
        ("package docker\ndecision := {\"allow\": false, \"deny_msg\": [\"never\"]}", 1, "never"),
        ("package docker\nx := 1", 2, "no package has a rule named decision, allow or deny"),
        ("package docker\nallow {", 2, "p.rego is no policy in Rego"),
        (
            "package docker\nallow if http.send({\"url\": \"https://a.example\"})",
            2,
            "http.send is not there",
        ),
        (
            "package docker\nallow if load_json(\"../out/index.json\")",
            2,
            "not below the policy's folder",
        ),
        (
            "package docker\nallow if load_json(\"/etc/hostname\")",
            2,
            "not below the policy's folder",
        ),
        ("package docker\nallow if load_json(\"nothing.json\")", 2, "nothing.json"),
    ] {
        let ran = with_policy(&fixture, "p.rego", text);
        assert!(ran.code == code && ran.to_string().contains(expected), "{text}: {ran}");
    }
    // A link leads out of the folder.
    std::os::unix::fs::symlink(fixture.path("out/index.json"), fixture.path("work/link.json"))
        .unwrap();
    with_policy(&fixture, "p.rego", "package docker\nallow if load_json(\"link.json\")")
        .expect(2, &[]);
    // All have to allow it.
    fixture.write("work/good.yaml", "keys: [k.pub]\n");
    fixture.write("work/bad.rego", "package a\ndeny contains \"never\"\n");
    eval(&fixture, &["--policy", "good.yaml"]).expect(0, &[]);
    let both = eval(&fixture, &["--policy", "good.yaml", "--policy", "bad.rego"]);
    both.expect(
        1,
        &["holds  linux/amd64: signature", "fails  linux/amd64: bad.rego data.a.deny: never"],
    );
    let out = fixture.path("out");
    let verify = [
        "verify",
        out.to_str().unwrap(),
        "--key",
        "k.pub",
        "--policy",
        "good.yaml",
        "--policy",
        "bad.rego",
    ];
    run(signing(&fixture, &verify)).expect(1, &["bad.rego data.a.deny: never"]);
}

#[test]
fn the_input_is_buildx_s_and_more() {
    let fixture = signed();
    let inputs = eval(&fixture, &["--print"]);
    assert_eq!(inputs.code, 0, "{inputs}");
    let image = &inputs.json()["linux/amd64"]["image"];
    for (field, expected) in [
        ("platform", json!("linux/amd64")),
        ("os", json!("linux")),
        ("arch", json!("amd64")),
        ("hasProvenance", json!(true)),
    ] {
        assert_eq!(image[field], expected, "{field}");
    }
    assert!(image["checksum"].as_str().unwrap().starts_with("sha256:"));
    assert_ne!(image["checksum"], image["manifest"], "the index, and the platform");
    assert_eq!(image["provenance"]["builderID"], BUILDER);
    assert_eq!(image["provenance"]["signedBy"], "k.pub");
    let kinds: Vec<&str> = image["signatures"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["type"].as_str())
        .collect();
    assert!(kinds.contains(&"bundle-v0.3") && kinds.contains(&"simplesigning-v1"), "{kinds:?}");
    assert!(image["signatures"].as_array().unwrap().iter().all(|it| it["kind"] == "self-signed"));
    let packages = image["packages"].as_array().unwrap();
    assert!(
        packages
            .iter()
            .any(|one| one["purl"].as_str().is_some_and(|purl| purl.starts_with("pkg:deb/")))
    );
    assert!(
        image["sbom"]["predicate"].is_object()
            && image["attestations"].as_array().unwrap().len() >= 4
    );
    assert!(
        image.get("vulnerabilities").is_none()
            && image.get("audit").is_none()
            && image.get("ref").is_none()
    );
    // By a key that nobody trusts nothing is proven, and nothing is there.
    keygen(&fixture, "stranger");
    let out = fixture.path("out");
    let print = ["policy", "eval", out.to_str().unwrap(), "--key", "stranger.pub", "--print"];
    let image = &run(signing(&fixture, &print)).json()["linux/amd64"]["image"];
    for field in ["signatures", "provenance", "hasProvenance", "sbom", "packages", "attestations"] {
        assert!(image.get(field).is_none(), "{field}");
    }
}

#[test]
fn hostile_policies_end_themselves_alone() {
    let fixture = signed();
    let doubled: Vec<String> =
        (1..40).map(|n| format!("\ts{n} := concat(\"\", [s{}, s{}])\n", n - 1, n - 1)).collect();
    let doubled = doubled.concat();
    for (text, expected) in [
        ("package a\nallow if {\n\tcount(numbers.range(1, 100000000000)) > 5\n}".to_owned(), "needs more than the 1024 MiB of memory"),
        (format!("package a\nallow if {{\n\ts0 := \"0123456789abcdef\"\n{doubled}\tcount(s39) > 0\n}}"), "needs more than the 1024 MiB of memory"),
        ("package a\nf(x) := f(x + 1)\nallow if f(1)".to_owned(), "depends on itself"),
        (
            "package a\nallow if {\n\tsome a in numbers.range(1, 3000)\n\tsome b in numbers.range(1, 3000)\n\tsome c in numbers.range(1, 3000)\n\ta + b + c < 0\n}".to_owned(),
            "took longer than 10 seconds",
        ),
        (format!("package a\nallow if {}1{}", "[".repeat(30), "]".repeat(30)), "brackets nest deeper"),
    ] {
        let start = Instant::now();
        let ran = with_policy(&fixture, "p.rego", &text);
        assert!(ran.code == 2 && ran.stderr.contains(expected), "{text}: {ran}");
        assert!(start.elapsed().as_secs() < 120, "{text}");
    }
    let deep = format!("keys: {}k.pub{}\n", "[".repeat(5_000), "]".repeat(5_000));
    with_policy(&fixture, "deep.yaml", &deep).expect(2, &["more than 48 levels", "deep.yaml:1:"]);
    let many: Vec<String> = (0..40_000)
        .map(|n| format!("  - {{id: CVE-{n}, until: 2999-01-01, reason: r}}\n"))
        .collect();
    let many = many.concat();
    let ran = with_policy(&fixture, "many.yaml", &format!("keys: [k.pub]\nexceptions:\n{many}"));
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

const TESTED: &str = "package docker

default allow := false

allow if input.image.user == \"65532\"

decision := {\"allow\": allow}
";

const TESTS: &str = "package docker

test_users_are_allowed if decision.allow with input as {\"image\": {\"user\": \"65532\"}}

test_root_is_allowed if {
	x := 1
	decision.allow with input as {\"image\": {\"user\": \"0\"}}
	x == 1
}

todo_test_groups if false
";

#[test]
fn tests_of_policies_run_and_name_their_lines() {
    let fixture = Fixture::new();
    fixture.write("work/rules/p.rego", TESTED);
    fixture.write("work/rules/p_test.rego", TESTS);
    let test =
        |arguments: &[&str]| run(hardpan(&fixture, &[&["policy", "test"], arguments].concat()));
    test(&["rules"])
        .expect(1, &["pass  rules/p_test.rego:3: data.docker.test_users_are_allowed"])
        .expect(
            1,
            &[
                "FAIL  rules/p_test.rego:5: data.docker.test_root_is_allowed",
                "it came to rules/p_test.rego:7",
            ],
        )
        .expect(
            1,
            &[
                "todo  rules/p_test.rego:11: data.docker.todo_test_groups",
                "1 test passed, 1 failed, 1 skipped",
            ],
        );
    test(&["rules", "--filter", "users"]).expect(0, &["1 test passed"]);
    test(&["rules/p_test.rego", "--filter", "users"]).expect(0, &["1 test passed"]);
    let value = test(&["rules", "--json"]).json();
    assert_eq!(
        (&value["passed"], &value["failed"], &value["skipped"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(value["tests"][1]["failed-at"], 7);
    for (arguments, code, expected) in [
        (&["rules", "--filter", "nothing"][..], 2, "no test has"),
        (&["nothing"], 2, "nothing"),
        (&["rules/p.rego", "--filter", "zzz"], 2, "rules/p.rego has no test"),
    ] {
        test(arguments).expect(code, &[expected]);
    }
    fixture.write("work/empty/readme.md", "");
    test(&["empty"]).expect(2, &["without a file that ends with .rego"]);
    fixture.write("work/broken/p_test.rego", "package a\ntest_a {\n");
    test(&["broken"]).expect(2, &["is no policy in Rego"]);
}

#[test]
fn policies_are_written_for_others() {
    let fixture = Fixture::new();
    keygen(&fixture, "k");
    fixture.write(
        "work/Team Policy.yaml",
        "images: [registry.example/team/*]\nkeys: [k.pub]\nnonroot: required\nmax-age-days: 30\nlicenses: {deny: [MIT]}\n",
    );
    let export = |arguments: &[&str]| {
        run(hardpan(
            &fixture,
            &[&["policy", "export", "Team Policy.yaml", "--to"], arguments].concat(),
        ))
    };
    let pem = std::fs::read_to_string(fixture.path("work/k.pub")).unwrap();
    let line = pem.lines().nth(1).unwrap();
    for (target, kind) in [
        ("kyverno", "kind: \"ClusterPolicy\""),
        ("policy-controller", "kind: \"ClusterImagePolicy\""),
        ("gatekeeper", "kind: \"ConstraintTemplate\""),
    ] {
        export(&[target])
            .expect(2, &["can't express: ", "licenses (", "`--partial` leaves that out"]);
        let ran = export(&[target, "--partial"]);
        assert!(ran.code == 0 && ran.stdout.contains(kind) && ran.stdout.contains(line), "{ran}");
        assert!(ran.stdout.contains("# dropped: licenses: "), "{ran}");
        assert!(ran.stderr.contains("dropped: licenses: "), "{ran}");
        assert!(ran.stdout.contains("team-policy"), "{ran}");
    }
    let rego = export(&["buildx", "--partial", "--name", "team"]);
    assert!(rego.code == 0 && rego.stderr.contains("dropped: keys"), "{rego}");
    fixture.write("work/rules/Dockerfile.rego", &rego.stdout);
    fixture.write(
        "work/rules/Dockerfile_test.rego",
        "package docker\n\ntest_root_is_denied if not decision.allow with input as {\"image\": {\"ref\": \"a\", \"user\": \"0\"}}\n\n\
         test_others_are_allowed if decision.allow with input as {\"http\": {}}\n",
    );
    run(hardpan(&fixture, &["policy", "test", "rules"])).expect(0, &["2 tests passed"]);
    let value = export(&["kyverno", "--partial", "--json"]).json();
    assert!(value["remarks"].as_array().unwrap().iter().any(|it| it["kind"] == "dropped"));
    std::fs::remove_file(fixture.path("work/k.pub")).unwrap();
    export(&["kyverno", "--partial"]).expect(
        2,
        &["the key k.pub, which is not there", "paths from the working directory, /", "`--key`"],
    );
    export(&["opa"]).expect(2, &["opa"]);
    run(hardpan(&fixture, &["policy", "export", "nothing.yaml", "--to", "kyverno"]))
        .expect(2, &["nothing.yaml"]);
}

#[test]
fn summaries_say_what_was_decided() {
    let fixture = signed();
    keygen(&fixture, "auditor");
    fixture.write("work/p.rego", "package docker\nallow := true\n");
    fixture.write("work/p.yaml", "keys: [k.pub]\n");
    let read = || -> Value {
        serde_json::from_slice(&std::fs::read(fixture.path("work/vsa.json")).unwrap()).unwrap()
    };
    let both = ["--policy", "p.yaml", "--policy", "p.rego", "--vsa", "vsa.json"];
    eval(&fixture, &both).expect(0, &["allowed"]);
    let summary = read();
    assert_eq!(summary["predicate"]["verificationResult"], "PASSED");
    assert_eq!(summary["predicate"]["policy"]["uri"], "p.yaml, p.rego");
    eval(&fixture, &[&both[..], &["--sign-key", "auditor.key", "--attach-vsa"]].concat())
        .expect(0, &[]);
    assert!(read()["dsseEnvelope"].is_object());
    with_policy(&fixture, "next.yaml", "keys: [auditor.pub]\nrequire: [{predicate: vsa}]\n")
        .expect(1, &[]);
    let out = fixture.path("out");
    fixture.write(
        "work/next.yaml",
        "keys: [k.pub]\nrequire: [{predicate: vsa, keys: [auditor.pub]}]\n",
    );
    let next = [
        "policy",
        "eval",
        out.to_str().unwrap(),
        "--key",
        "k.pub",
        "--key",
        "auditor.pub",
        "--policy",
        "next.yaml",
    ];
    run(signing(&fixture, &next)).expect(0, &["require vsa"]);
    fixture.write("work/p.rego", "package docker\nallow := false\n");
    eval(&fixture, &both).expect(1, &["denied"]);
    assert_eq!(read()["predicate"]["verificationResult"], "FAILED");
    for (arguments, code) in [
        (&["--vsa", "v.json"][..], 2),
        (&[], 2),
        (&["--policy", "p.yaml", "--attach-vsa"], 2),
        (&["--policy", "p.yaml", "--print"], 2),
        (&["--policy", "missing.yaml"], 2),
        (&["--policy", "missing.rego"], 2),
    ] {
        let ran = eval(&fixture, arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran}");
    }
}
