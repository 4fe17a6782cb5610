// SPDX-License-Identifier: Apache-2.0
//! `hardpan test`

use std::fs;

use hardpan_testkit::fixture::Fixture;

use crate::containers::{fixture, with_definition};
use crate::keys::{build_signed, keygen, signing};
use crate::rootless::as_ordinary_user;
use crate::support::{Ran, hardpan, run, skip};

const PUBLISHED: &str = "\
tests:
  - name: says
    commands:
      - busybox-app echo 'two  words'
      - busybox-app id
    exit-code: 0
    output: \"two  words\\nuid=65532(nonroot)\"
  - name: fails as it should
    commands:
      - busybox-app false
    exit-code: 1
  - name: docker
    commands:
      - docker run --rm -e WORD=hello --entrypoint busybox-app ${DHI_TEST_IMAGE} env
    exit-code: 0
    output: WORD=hello
";

const OWN: &str = "\
x-hardpan:
  tests:
    - name: serves
      service: true
      ask:
        port: 8080
        send: \"GET /page HTTP/1.0\\r\\n\\r\\n\"
      output: the page
    - name: keeps what it writes
      user: '0:0'
      directory: app/tests
      environment:
        WORD: value
      writable:
        - /srv/data
      before:
        - busybox-app sh -c 'echo first; cat word > /srv/data/a; echo $WORD >> /srv/data/a'
      service: true
      commands:
        - busybox-app cat /srv/data/a
      output: \"of the catalog\\nvalue\"
";

fn with_tests(test: &str, texts: &[&str]) -> Option<Fixture> {
    let fixture = fixture(test)?;
    let text = fs::read_to_string(fixture.definition()).unwrap();
    fs::write(fixture.definition(), text + &texts.concat()).unwrap();
    fixture.write("catalog/app/tests/word", "of the catalog\n");
    Some(fixture)
}

fn test(fixture: &Fixture, arguments: &[&str]) -> Ran {
    with_definition(fixture, "test", arguments)
}

#[test]
fn tests_that_pass() {
    let Some(fixture) = with_tests("tests_that_pass", &[PUBLISHED, OWN]) else { return };
    let ran = test(&fixture, &[]).expect(
        0,
        &["passed   image configuration", "passed   says", "passed   fails as it should"],
    );
    let ran =
        ran.expect(0, &["passed   docker", "passed   serves", "passed   keeps what it writes"]);
    let ran = ran.expect(0, &["passed example/app:1 linux/amd64: 6 passed, 0 failed, 0 skipped"]);
    assert_eq!(ran.stderr, "");
    // The image stands where a build would have put it.
    assert!(fixture.path("work/out/app/index.json").exists());
    let quiet = test(&fixture, &["--quiet"]);
    assert_eq!((quiet.code, quiet.stdout.as_str(), quiet.stderr.as_str()), (0, "", ""), "{quiet}");
}

#[test]
fn tests_of_a_layout() {
    let Some(fixture) = with_tests("tests_of_a_layout", &[PUBLISHED]) else { return };
    with_definition(&fixture, "build", &["--output", "layout"]).expect(0, &[]);
    run(hardpan(&fixture, &["test", "layout"]))
        .expect(0, &["no tests: only the image's configuration", "1 passed, 0 failed"]);
    let definition = fixture.definition();
    let tests = ["test", "layout", "--tests", definition.to_str().unwrap()];
    run(hardpan(&fixture, &tests)).expect(0, &["4 passed, 0 failed"]);
}

#[test]
fn tests_are_chosen_by_name() {
    let Some(fixture) = with_tests("tests_are_chosen_by_name", &[PUBLISHED]) else { return };
    let ran = test(&fixture, &["--filter", "says"]).expect(0, &["passed   says", "2 passed"]);
    assert!(!ran.stdout.contains("docker"), "{ran}");
    test(&fixture, &["--filter", "sasy"])
        .expect(2, &["no test has \"sasy\"", "did you mean says?"]);
}

#[test]
fn tests_that_fail_say_why() {
    let cases = [
        ("busybox-app false", "", "`busybox-app false` ended with exit code 1, not 0"),
        ("busybox-app echo a", "output: b", "the output has no \"b\" in it"),
        ("busybox-app sleep 30", "timeout: 1", "was not done after 1 s"),
        ("busybox-app yes", "", "printed more than"),
        ("busybox-app sh -c 'kill -9 $$'", "", "was killed by signal 9"),
        ("bash --version", "", "the image has no program \"bash\""),
        ("busybox-app echo a | cat", "", "needs a shell, and the image has none"),
        ("busybox-app echo 'a", "", "the quote ' is never closed"),
        ("busybox-app touch /srv/new", "", "Read-only file system"),
        ("busybox-app nc -w 1 192.0.2.1 80", "", "ended with exit code 1"),
        ("docker run --privileged ${DHI_TEST_IMAGE} id", "", "the option --privileged"),
        ("docker run --network host ${DHI_TEST_IMAGE} id", "", "allow that with --network"),
        ("docker run -v ../x:/x ${DHI_TEST_IMAGE} id", "", "the volume ../x"),
        ("busybox-app true", "directory: app/nothing", "the folder app/nothing"),
    ];
    let Some(fixture) = with_tests("tests_that_fail_say_why", &[]) else { return };
    let base = fs::read_to_string(fixture.definition()).unwrap();
    let mut tests = "tests:\n".to_owned();
    for (number, (command, extra, _)) in cases.iter().enumerate() {
        let command = serde_json::to_string(command).unwrap();
        tests.extend([
            format!("  - name: case {number:02}\n    exit-code: 0\n    commands: [{command}]\n"),
            if extra.is_empty() { String::new() } else { format!("    {extra}\n") },
        ]);
    }
    fs::write(fixture.definition(), base + &tests).unwrap();
    let ran = test(&fixture, &["--json"]);
    assert_eq!(ran.code, 1, "{ran}");
    let document = ran.json();
    let results = document["results"]["tests"].as_array().unwrap();
    for (number, (command, _, expected)) in cases.iter().enumerate() {
        let result = &results[number + 1];
        let said = format!("{} {}", result["message"], result["stdout"]);
        let said = said.replace("\\\"", "\"");
        assert_eq!(result["status"], "failed", "{command}: {result}");
        assert!(said.contains(expected), "{command}: {said}");
    }
    assert_eq!(document["results"]["summary"]["failed"], cases.len());
}

#[test]
fn services_that_fail_say_why() {
    let own = "\
x-hardpan:
  tests:
    - name: wrong answer
      service: true
      timeout: 10
      ask:
        port: 8080
        send: \"GET /none HTTP/1.0\\r\\n\\r\\n\"
      output: the page
    - name: wrong port
      service: true
      timeout: 2
      ask:
        port: 8081
    - name: bad start
      service: true
      user: '65532'
      before:
        - busybox-app false
      ask:
        port: 8080
";
    let Some(fixture) = with_tests("services_that_fail_say_why", &[own]) else { return };
    test(&fixture, &[]).expect(
        1,
        &[
            "the answer of port 8080 is another, after 10 s",
            "404 Not Found",
            "port 8081 does not answer",
            "`busybox-app false` ended with exit code 1, not 0",
            "failed example/app:1 linux/amd64: 1 passed, 3 failed, 0 skipped",
        ],
    );
    fixture.edit("  - httpd\n", "  - nothing-such\n");
    test(&fixture, &["--filter", "wrong port"])
        .expect(1, &["the image's own program ended with exit code 127", "applet not found"]);
}

#[test]
fn results_are_written() {
    let Some(fixture) = with_tests("results_are_written", &[PUBLISHED]) else { return };
    test(&fixture, &["--ctrf", "results/ctrf.json"]).expect(0, &[]);
    let text = fs::read_to_string(fixture.path("work/results/ctrf.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(written["reportFormat"], "CTRF");
    assert_eq!(written["results"]["tool"]["name"], "hardpan");
    assert_eq!(written["results"]["summary"]["passed"], 4);
    assert_eq!(written["results"]["tests"][1]["name"], "says");
    assert_eq!(written["results"]["tests"][1]["suite"][1], "linux/amd64");
}

/// Returns a predicate of the image in a layout, by `k`.
fn attested(fixture: &Fixture, layout: &str, kind: &str) -> serde_json::Value {
    run(hardpan(
        fixture,
        &["attest", "get", layout, "--type", kind, "--key", "k.pub", "--statement"],
    ))
    .json()
}

#[test]
fn results_are_signed_beside_the_image() {
    let Some(fixture) = with_tests("results_are_signed", &[PUBLISHED]) else { return };
    build_signed(&fixture, &[]).expect(0, &[]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let definition = fixture.definition();
    let definition = definition.to_str().unwrap();
    let sign = ["test", out, "--tests", definition, "--sign", "--key", "k.key", "--filter", "says"];
    run(signing(&fixture, &sign)).expect(0, &["passed   says", "signed the results are attached"]);
    let ctrf = attested(&fixture, out, "https://scout.docker.com/tests/v0.1");
    assert_eq!(ctrf["predicate"]["results"]["summary"]["passed"], 2);
    let manifest = ctrf["predicate"]["results"]["extra"]["images"][0]["manifest"].clone();
    let subject = ctrf["subject"][0]["digest"]["sha256"].as_str().unwrap();
    assert_eq!(manifest, format!("sha256:{subject}"));
    let result = attested(&fixture, out, "test-result");
    assert_eq!(result["predicate"]["result"], "PASSED");
    assert_eq!(
        result["predicate"]["configuration"][0]["digest"]["sha256"].as_str().unwrap().len(),
        64
    );
    let list = run(hardpan(&fixture, &["attest", "list", out, "--key", "k.pub"]));
    for form in ["Sigstore bundle", "attestation of cosign 2"] {
        let of_form =
            list.stdout.lines().filter(|line| line.starts_with("  test") && line.contains(form));
        assert_eq!(of_form.count(), 2, "{list}");
    }
    // The rest is still there, and all of it is signed.
    let verify = ["verify", out, "--key", "k.pub", "--require", "spdx", "--require", "test-result"];
    run(hardpan(&fixture, &verify)).expect(0, &["verified"]);
}

#[test]
fn failures_are_signed_as_what_they_are() {
    let failing =
        "tests:\n  - name: no\n    exit-code: 0\n    commands:\n      - busybox-app false\n";
    let Some(fixture) = with_tests("failures_are_signed", &[failing]) else { return };
    keygen(&fixture, "k");
    let definition = fixture.definition();
    let sign = ["test", definition.to_str().unwrap(), "--sign", "--key", "k.key"];
    run(signing(&fixture, &sign)).expect(1, &["failed   no"]);
    let result = attested(&fixture, "out/app", "test-result");
    assert_eq!(result["predicate"]["result"], "FAILED");
    // A policy that asks for tests does not take it.
    build_signed(&fixture, &["--tests", "missing.json"]).expect(2, &["can't read missing.json"]);
    test(&fixture, &["--ctrf", "ctrf.json"]).expect(1, &[]);
    build_signed(&fixture, &["--tests", "ctrf.json"]).expect(0, &["tests"]);
    fixture.write("work/policy.yaml", "keys: [k.pub]\nrequire:\n  - predicate: test-result\n");
    let out = fixture.path("out");
    let verify = ["verify", out.to_str().unwrap(), "--key", "k.pub", "--policy", "policy.yaml"];
    run(hardpan(&fixture, &verify)).expect(1, &["require test-result", "it says FAILED"]);
}

#[test]
fn reports_of_other_images_are_refused() {
    let Some(fixture) = with_tests("reports_of_other_images", &[PUBLISHED]) else { return };
    test(&fixture, &["--ctrf", "ctrf.json"]).expect(0, &[]);
    build_signed(&fixture, &["--tests", "ctrf.json"]).expect(0, &["test"]);
    let text = fs::read_to_string(fixture.path("work/ctrf.json")).unwrap();
    let mut other: serde_json::Value = serde_json::from_str(&text).unwrap();
    other["results"]["extra"]["images"][0]["manifest"] =
        format!("sha256:{}", "0".repeat(64)).into();
    fixture.write("work/other.json", other.to_string());
    other["results"]["summary"]["passed"] = 99.into();
    fixture.write("work/wrong.json", other.to_string());
    fixture.write("work/text.json", "no JSON");
    for (file, expected) in [
        ("other.json", "which is no platform of this image"),
        ("wrong.json", "is no report of tests"),
        ("text.json", "is not JSON"),
    ] {
        build_signed(&fixture, &["--tests", file]).expect(2, &[expected]);
    }
    let layout = fixture.path("out");
    let sign = ["test", layout.to_str().unwrap(), "--sign"];
    run(signing(&fixture, &sign)).expect(2, &["--key"]);
    let sign = ["test", layout.to_str().unwrap(), "--sign", "--key", "missing.key"];
    run(signing(&fixture, &sign)).expect(2, &["missing.key"]);
}

#[test]
fn as_an_ordinary_user() {
    let Some(fixture) = with_tests("as_an_ordinary_user", &[PUBLISHED, OWN]) else { return };
    with_definition(&fixture, "build", &["--output", "layout"]).expect(0, &[]);
    let Some(mut command) = as_ordinary_user(&fixture, "nobody") else {
        return skip("as_an_ordinary_user", "it takes root and setpriv(1) to become somebody else");
    };
    command.arg("test").arg(fixture.path("work/layout")).arg("--tests").arg(fixture.definition());
    run(command).expect(0, &["6 passed, 0 failed, 0 skipped"]);
}
