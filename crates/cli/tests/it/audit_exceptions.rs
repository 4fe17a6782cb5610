// SPDX-License-Identifier: Apache-2.0
//! Findings that somebody accepts beside the image: `hardpan attest accept`, `[[audit.exceptions]]` of hardpan.toml.

use hardpan_testkit::fixture::Fixture;
use hardpan_tree::Digest;
use serde_json::{Value, json};

use crate::audit::{audit, config, layout, outcome, write};
use crate::keys::{keygen, signing};
use crate::support::{Ran, run};

/// Makes an image of others, in a layout to which things can be added.
fn image(fixture: &Fixture) {
    layout(fixture, &json!({}));
    bring(fixture, "busybox", "image");
}

fn bring(fixture: &Fixture, from: &str, to: &str) {
    let place = fixture.path(format!("work/{to}"));
    if place.exists() {
        std::fs::remove_dir_all(place).unwrap();
    }
    run(signing(fixture, &["copy", from, &format!("./{to}")])).expect(0, &[]);
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    image(&fixture);
    keygen(&fixture, "reviewer");
    keygen(&fixture, "other");
    fixture
}

fn accept(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let first = ["attest", "accept", "image", "--key", "reviewer.key"];
    run(signing(fixture, &[&first[..], arguments].concat()))
}

const SHELL: [&str; 6] =
    ["--control", "shell", "--path", "/bin/busybox", "--reason", "backup hooks"];

#[test]
fn what_is_attested_counts_by_a_trusted_key() {
    let fixture = world();
    let until = ["--until", "2099-03-31"];
    accept(&fixture, &[&SHELL[..], &until].concat()).expect(0, &["added audit-exceptions"]);
    // Nobody is trusted, or somebody else.
    assert_eq!(outcome(&audit(&fixture, &["image", "--json"]), "shell"), "fail");
    let by_other = audit(&fixture, &["image", "--json", "--key", "other.pub"]);
    assert_eq!(outcome(&by_other, "shell"), "fail");
    let warned = by_other.json()["warnings"].to_string();
    assert!(warned.contains("attached exceptions do not count"), "{warned}");
    let by_key = ["image", "--key", "reviewer.pub"];
    let ran = audit(&fixture, &[&by_key[..], &["--json"]].concat());
    assert_eq!(outcome(&ran, "shell"), "excepted");
    assert!(!ran.json()["warnings"].to_string().contains("exception"), "{ran}");
    // Every report says whose word that is.
    for form in ["table", "json", "html", "markdown", "sarif", "junit", "xccdf"] {
        let ran = audit(&fixture, &[&by_key[..], &["-o", form, "--fail-on", "never"]].concat());
        ran.expect(0, &["an attestation by reviewer.pub", "backup hooks"]);
    }
    let get = ["attest", "get", "image", "--type", "audit-exceptions", "--key", "reviewer.pub"];
    let predicate = run(signing(&fixture, &get)).expect(0, &[]).json();
    let expected = json!({"exceptions": [{
        "control": "shell", "path": "/bin/busybox", "reason": "backup hooks", "until": "2099-03-31",
    }]});
    assert_eq!(predicate, expected);
}

#[test]
fn an_end_is_an_end_and_several_count_together() {
    let fixture = world();
    accept(&fixture, &[&SHELL[..], &["--until", "2001-01-01"]].concat()).expect(0, &[]);
    let by_key = ["image", "--key", "reviewer.pub"];
    audit(&fixture, &by_key)
        .expect(1, &["shell at /bin/busybox (an attestation by reviewer.pub) ended on 2001-01-01"]);
    audit(&fixture, &["image", "--write-baseline", "known.json"]).expect(0, &[]);
    accept(&fixture, &["--baseline", "known.json"]).expect(0, &["added"]);
    let ran = audit(&fixture, &by_key);
    ran.expect(0, &["ACCEPTED shell", "by an attestation by reviewer.pub", "hardened"]);
    // One that can't be understood excepts nothing.
    for bad in [
        json!({"exceptions": []}),
        json!({"exceptions": [{"control": "shell"}]}),
        json!({"exceptions": [{"control": "shell", "reason": "r", "only-if": "x"}]}),
        json!({"exceptions": [{"control": "shell", "reason": "r"}], "images": ["a"]}),
    ] {
        image(&fixture);
        fixture.write("work/bad.json", bad.to_string());
        let add = ["attest", "add", "image", "--type", "audit-exceptions"];
        let more = ["--predicate", "bad.json", "--key", "reviewer.key"];
        run(signing(&fixture, &[&add[..], &more].concat())).expect(0, &[]);
        let said = ["an attestation by reviewer.pub excepts nothing", "FAIL shell"];
        audit(&fixture, &by_key).expect(1, &said);
    }
}

/// Says of another image what is attached to the first.
fn move_attestations(fixture: &Fixture, from: &str, to: &str) {
    let read = |path: &str| -> Value {
        serde_json::from_slice(&std::fs::read(fixture.path(path)).unwrap()).unwrap()
    };
    let blob = |layout: &str, digest: &str| {
        format!("work/{layout}/blobs/sha256/{}", digest.trim_start_matches("sha256:"))
    };
    let mut index = read(&format!("work/{to}/index.json"));
    let image = index["manifests"][0].clone();
    for entry in read(&format!("work/{from}/index.json"))["manifests"].as_array().unwrap() {
        let mut manifest = read(&blob(from, entry["digest"].as_str().unwrap()));
        if manifest["subject"].is_null() {
            continue;
        }
        manifest["subject"]["digest"] = image["digest"].clone();
        manifest["subject"]["size"] = image["size"].clone();
        let bytes = manifest.to_string();
        let digest = Digest::of(bytes.as_bytes()).to_string();
        fixture.write(&blob(to, &digest), &bytes);
        for part in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let digest = part["digest"].as_str().unwrap();
            let bytes = std::fs::read(fixture.path(blob(from, digest))).unwrap();
            fixture.write(&blob(to, digest), bytes);
        }
        let mut entry = entry.clone();
        entry["digest"] = digest.into();
        entry["size"] = bytes.len().into();
        index["manifests"].as_array_mut().unwrap().push(entry);
    }
    fixture.write(&format!("work/{to}/index.json"), index.to_string());
}

#[test]
fn what_is_attested_of_one_image_is_nothing_of_another() {
    let fixture = world();
    accept(&fixture, &SHELL).expect(0, &[]);
    let layers: Vec<_> =
        crate::audit::busybox().iter().map(|tar| hardpan_testkit::oci::Layer::gzip(tar)).collect();
    write(&fixture, "foreign", config(&json!({"another": "image"})), &layers);
    bring(&fixture, "foreign", "victim");
    move_attestations(&fixture, "image", "victim");
    let ran = audit(&fixture, &["victim", "--json", "--key", "reviewer.pub"]);
    assert_eq!(outcome(&ran, "shell"), "fail");
    let warned = ran.json()["warnings"].to_string();
    assert!(warned.contains("attached exceptions do not count"), "{warned}");
}

#[test]
fn a_workspace_accepts_for_all_of_its_images() {
    let fixture = world();
    let exception = "control = \"shell\"\npath = \"/bin/busybox\"\nreason = \"hooks\"\n";
    let file = |text: &str| fixture.write("work/hardpan.toml", text);
    file(&format!("[[audit.exceptions]]\n{exception}until = 2099-01-01\n"));
    let ran = audit(&fixture, &["image", "--json"]);
    assert_eq!(outcome(&ran, "shell"), "excepted", "{ran}");
    audit(&fixture, &["image", "--fail-on", "never"])
        .expect(0, &["accepted until 2099-01-01 by hardpan.toml: hooks"]);
    // What is stated goes by it, too.
    let attest = ["attest", "audit", "image", "--key", "reviewer.key"];
    run(signing(&fixture, &attest)).expect(0, &["attested audit"]);
    let get = ["attest", "get", "image", "--type", "audit", "--key", "reviewer.pub"];
    let predicate = run(signing(&fixture, &get)).expect(0, &[]).json();
    let controls = predicate["controls"].as_array().unwrap();
    let shell = controls.iter().find(|control| control["id"] == "shell").unwrap();
    assert_eq!(shell["result"], "excepted", "{shell}");
    file(&format!("[[audit.exceptions]]\n{exception}until = 2001-01-01\n"));
    audit(&fixture, &["image"]).expect(1, &["(hardpan.toml) ended on 2001-01-01"]);
    for (from, to, says) in
        [("shell", "shel", "shel"), ("\"/bin", "\"bin", "begin with /"), ("hooks", "", "no reason")]
    {
        file(&format!("[[audit.exceptions]]\n{}", exception.replace(from, to)));
        audit(&fixture, &["image"]).expect(2, &["hardpan.toml", says]);
    }
}

#[test]
fn what_can_t_be_accepted_is_refused() {
    let fixture = world();
    fixture.write("work/empty.json", r#"{"format": "hardpan-audit-baseline/v1", "findings": []}"#);
    for (arguments, says) in [
        (&["--control", "shell"][..], "--reason"),
        (&["--reason", "r"], "--control"),
        (&["--control", "shel", "--reason", "r"], "did you mean shell"),
        (&["--control", "shell", "--reason", " "], "no reason"),
        (&["--control", "shell", "--reason", "r", "--path", "bin/sh"], "begin with /"),
        (&["--control", "shell", "--reason", "r", "--path", "/../sh"], "/../sh"),
        (&["--control", "shell", "--reason", "r", "--until", "soon"], "not a day"),
        (&["--control", "shell", "--reason", "r", "--baseline", "empty.json"], "cannot be used"),
        (&["--baseline", "empty.json"], "accepts nothing"),
        (&["--baseline", "none.json"], "none.json"),
        (&["--control", "shell", "--reason", "r", "--platform", "linux/arm64"], "linux/arm64"),
    ] {
        let ran = accept(&fixture, arguments);
        let both = format!("{}{}", ran.stdout, ran.stderr);
        assert!(ran.code != 0 && both.contains(says), "{arguments:?}: {says:?}: {ran}");
    }
    let list = run(signing(&fixture, &["attest", "list", "image", "--key", "reviewer.pub"]));
    assert!(!list.stdout.contains("audit-exceptions"), "{list}");
}
