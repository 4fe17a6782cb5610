// SPDX-License-Identifier: Apache-2.0
//! What a signed build states: every input, and nothing of the machine that built.

use std::collections::BTreeSet;
use std::fs;

use hardpan_testkit::deb::deb;
use hardpan_testkit::fixture::{DEFINITION, Fixture, packages};
use hardpan_testkit::oci::{Layer, OciImage, Tar};
use hardpan_tree::Digest;
use serde_json::Value;

use crate::stages::{busybox_bytes, busybox_package, files_below};
use crate::support::{Ran, build_command, hardpan, run, skip};

const DATA: &[u8] = b"some data\n";
const SECRET: &str = "hunter2-and-more";

/// A definition that uses everything that can be an input.
const TEXT: &str = "\
# syntax=dhi.io/build:2-debian13
image: example/app
variant: runtime
tags: ['1']
platforms: [linux/amd64]
includes: [common.yaml]
accounts: {run-as: '65532'}
contents:
  repositories: ['deb https://elsewhere.example/debian trixie main']
  packages: [base-files, app-under-another-name, unwanted]
  artifacts:
    - name: elsewhere.example/taken:1
      includes: [opt/taken/**]
  files:
    - url: https://downloads.example/data
      checksum: sha256:CHECKSUM
      path: /opt/data
  builds:
    - name: make
      shell: /usr/bin/busybox sh
      contents:
        packages: [busybox]
        files:
          - url: https://downloads.example/source
            checksum: sha256:CHECKSUM
            path: source
      pipeline:
        - name: work
          secrets: [{id: token, env: TOKEN}]
          runs: |
            test ${#TOKEN} -gt 13
            /usr/bin/busybox mkdir -p /opt/made
            echo made >/opt/made/file
      outputs:
        - {source: /opt/made, target: /opt/made}
paths:
  - {type: file, path: /etc/local.conf, source: files/local.conf}
entrypoint: [/usr/bin/app]
";

/// Rules that come into the build, and some that don't. PLACE is where this machine has things.
const RULES: &str = "
[registries]
layouts = [\"images\"]
[[archives.substitute]]
from = \"https://elsewhere.example/*\"
to = \"debian\"
pins = \"relax\"
[[archives.substitute]]
from = \"https://never.example/*\"
to = \"debian\"
[[packages.substitute]]
from = \"app-under-another-name\"
to = \"app\"
[[packages.substitute]]
from = \"unwanted\"
drop = true
[[packages.substitute]]
from = \"never-named\"
drop = true
[[images.substitute]]
from = \"elsewhere.example/taken:*\"
to = \"images.example/ours:*\"
[[downloads.override]]
from = \"https://downloads.example/*\"
to = \"PLACE*\"
[[paths.add]]
package = \"app\"
type = \"file\"
path = \"/opt/added\"
content = \"added\"
[[paths.add]]
package = \"not-there\"
type = \"file\"
path = \"/opt/never\"
[[paths.alias]]
from = \"/usr/bin/second-name\"
to = \"/usr/bin/app\"
[[paths.alias]]
from = \"/usr/bin/never\"
to = \"/usr/bin/not-there\"
";

fn fixture(test: &str) -> Option<Fixture> {
    if !cfg!(target_arch = "x86_64") {
        skip(test, "it runs x86-64 programs");
        return None;
    }
    let Some(busybox) = busybox_bytes() else {
        skip(test, "there is no static busybox");
        return None;
    };
    let mut all = packages();
    all.push(busybox_package("amd64", &busybox));
    all.push(deb("unwanted", "1-1").architecture("amd64"));
    let fixture = Fixture::with(&all);
    for name in ["canary-downloads/data", "canary-downloads/source"] {
        fixture.server.set_file(name, DATA.to_vec());
    }
    let checksum = Digest::of(DATA).to_hex();
    fixture.write(&format!("catalog/{DEFINITION}"), TEXT.replace("CHECKSUM", &checksum));
    let folder = DEFINITION.rsplit_once('/').map_or("", |(folder, _)| folder);
    for place in [format!("catalog/{folder}/common.yaml"), "catalog/common.yaml".to_owned()] {
        fixture.write(&place, "labels: {of: an-include}\n");
    }
    for place in
        [format!("catalog/{folder}/files/local.conf"), "catalog/files/local.conf".to_owned()]
    {
        fixture.write(&place, "local = yes\n");
    }
    let tar = Tar::default().directory("opt/taken").file("opt/taken/file", b"taken\n").end();
    OciImage::new("amd64", &[Layer::gzip(&tar)], &[])
        .write_layout(&fixture.path("catalog/images"), "images.example/ours:1");
    let url = fixture.server.url("");
    let workspace = fixture.workspace_text(&url)
        + &RULES.replace("PLACE", &fixture.server.url("canary-downloads/"));
    fixture.write("catalog/hardpan.toml", workspace);
    fixture.write("token", SECRET);
    let mut keygen = hardpan(&fixture, &["keygen", "k"]);
    keygen.env("HARDPAN_PASSWORD", "");
    run(keygen).expect(0, &[]);
    Some(fixture)
}

fn build_signed(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let secret = format!("id=token,src={}", fixture.path("token").display());
    let mut command = build_command(fixture, &["--sign", "--key", "k.key", "--secret", &secret]);
    command.args(arguments).env("HARDPAN_PASSWORD", "");
    run(command)
}

/// Returns a predicate that is attested of the platform or of the index.
fn predicate(fixture: &Fixture, kind: &str) -> String {
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let arguments =
        ["attest", "get", "--type", kind, "--platform", "linux/amd64", "--key", "k.pub", out];
    run(hardpan(fixture, &arguments)).expect(0, &[]).stdout
}

#[test]
fn provenance_names_every_input_and_nothing_of_the_machine() {
    let Some(fixture) = fixture("provenance_names_every_input_and_nothing_of_the_machine") else {
        return;
    };
    build_signed(&fixture, &[]).expect(0, &["built"]);
    let text = predicate(&fixture, "provenance");
    let provenance: Value = serde_json::from_str(&text).unwrap();
    let lock: Value = serde_json::from_str(&fs::read_to_string(fixture.lock()).unwrap()).unwrap();
    // Whatever digest the lock has is an input.
    let dependencies = provenance["buildDefinition"]["resolvedDependencies"].to_string();
    let digests = digests(&lock["platforms"]);
    assert!(digests.len() > 5, "{lock:#}");
    for digest in &digests {
        assert!(
            dependencies.contains(digest),
            "{digest} is in the lock and not in\n{provenance:#}"
        );
    }
    for input in ["common.yaml", "local.conf", "hardpan.toml", ".lock", "busybox", "libc6"] {
        assert!(text.contains(input), "{input} is not in\n{provenance:#}");
    }
    for archive in lock["archives"].as_array().unwrap() {
        let release = archive["release"].as_str().unwrap().trim_start_matches("sha256:");
        assert!(dependencies.contains(release), "{archive}");
    }
    // The secret by its id.
    assert!(text.contains("\"token\""), "{text}");
    let rules = find(&provenance, "rules").unwrap();
    let rule = |rule: &Value| format!("{} {}", rule["table"].as_str().unwrap(), rule["values"]);
    let rules: Vec<String> = rules.as_array().unwrap().iter().map(rule).collect();
    let content = Digest::of(b"added");
    assert_eq!(
        rules,
        [
            r#"archives.substitute {"from":"https://elsewhere.example/*","pins":"relax","to":"debian"}"#.to_owned(),
            r#"images.substitute {"from":"elsewhere.example/taken:*","to":"images.example/ours:*"}"#.to_owned(),
            r#"packages.substitute {"drop":"true","from":"unwanted"}"#.to_owned(),
            r#"packages.substitute {"from":"app-under-another-name","to":"app"}"#.to_owned(),
            format!(
                r#"paths.add {{"content":"{content}","gid":"0","package":"app","path":"/opt/added","type":"file","uid":"0"}}"#
            ),
            r#"paths.alias {"from":"/usr/bin/second-name","to":"/usr/bin/app"}"#.to_owned(),
        ]
    );
    // Nothing of the machine: neither the secret, nor where mirrors and folders are.
    let host = fixture.server.url("").replace("http://", "");
    let host = host.trim_end_matches('/').to_owned();
    let folder = fixture.path("").display().to_string();
    let canaries = [SECRET.to_owned(), "canary-downloads".to_owned(), host, folder];
    let statements =
        ["provenance", "spdx", "cyclonedx", "sources"].map(|kind| predicate(&fixture, kind));
    let mut places: Vec<(String, Vec<u8>)> =
        statements.into_iter().map(|text| (text.chars().take(60).collect(), text.into())).collect();
    // Blobs of the layout, too: what is attached in other forms, and the image's own documents.
    for path in files_below(&fixture.path("out")) {
        places.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    for (place, bytes) in &places {
        for canary in canaries.iter().map(|canary| canary.trim_end_matches('/')) {
            let has = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!has, "{canary} is in {place}");
        }
    }
}

/// Returns all values of `sha256`, `manifest` and the like.
fn digests(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut pending = vec![value];
    while let Some(value) = pending.pop() {
        match value {
            Value::Array(items) => pending.extend(items),
            Value::Object(fields) => {
                let is_digest = |key: &str| ["sha256", "manifest"].contains(&key);
                let own = fields.iter().filter(|(key, _)| is_digest(key));
                found.extend(own.filter_map(|(_, value)| {
                    Some(value.as_str()?.trim_start_matches("sha256:").to_owned())
                }));
                pending.extend(fields.values());
            }
            _ => {}
        }
    }
    found
}

fn find<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(fields) => {
            fields.get(key).or_else(|| fields.values().find_map(|value| find(value, key)))
        }
        Value::Array(items) => items.iter().find_map(|value| find(value, key)),
        _ => None,
    }
}

#[test]
fn files_have_owners_and_statements_are_the_same_each_time() {
    let Some(fixture) = fixture("files_have_owners_and_statements_are_the_same_each_time") else {
        return;
    };
    build_signed(&fixture, &["--threads", "1"]).expect(0, &["built"]);
    let kinds = ["spdx", "cyclonedx", "sources", "provenance"];
    let first = kinds.map(|kind| predicate(&fixture, kind));
    // From the store, from a new build, with other threads, and where the store has forgotten.
    for forgotten in [&[][..], &["stated"], &["stated", "builds"]] {
        for name in forgotten {
            fs::remove_dir_all(fixture.path("store").join(name)).unwrap();
        }
        build_signed(&fixture, &["--threads", "4"]).expect(0, &[]);
        assert!(kinds.map(|kind| predicate(&fixture, kind)) == first, "{forgotten:?}");
    }
    let spdx: Value = serde_json::from_str(&first[0]).unwrap();
    let list = |key: &str| spdx[key].as_array().unwrap();
    let name_of = |id: &Value| {
        let mut all = list("packages").iter().chain(list("files"));
        let found = all.find(|one| one["SPDXID"] == *id).unwrap();
        found["name"].as_str().or(found["fileName"].as_str()).unwrap().to_owned()
    };
    let owner = |path: &str| {
        let file = list("files").iter().find(|file| file["fileName"] == *path).unwrap();
        let contains = list("relationships").iter().find(|one| {
            one["relationshipType"] == "CONTAINS" && one["relatedSpdxElement"] == file["SPDXID"]
        });
        name_of(&contains.unwrap()["spdxElementId"])
    };
    for (path, expected) in [
        ("./usr/bin/app", "app"),
        ("./etc/app.conf", "app"),
        ("./usr/share/app/data-again.bin", "app-data"),
        ("./opt/made/file", "make"),
        ("./opt/taken/file", "images.example/ours"),
        ("./opt/data", "data"),
        ("./etc/local.conf", "definition"),
        ("./var/lib/dpkg/status", "finishers"),
    ] {
        assert_eq!(owner(path), expected, "{path}");
    }
}
