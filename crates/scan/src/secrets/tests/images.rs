// SPDX-License-Identifier: Apache-2.0
//! Whole images.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::{ContainerConfig, HealthCheck, History, ImageConfig, RootFs};
use md5::{Digest as _, Md5};

use super::*;

fn config(run: ContainerConfig, history: Vec<History>) -> ImageConfig {
    ImageConfig {
        created: None,
        author: None,
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        variant: None,
        config: run,
        rootfs: RootFs { kind: "layers".to_owned(), diff_ids: Vec::new() },
        history,
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[test]
fn deleted_files_are_told_with_their_layers() {
    let token = fill("t = ghp_<a36>\n");
    let layers = [
        tar(&[
            ("app/", b""),
            ("app/one", token.as_bytes()),
            ("app/two", token.as_bytes()),
            ("app/x/three", token.as_bytes()),
        ]),
        tar(&[("app/.wh.one", b""), ("app/four", token.as_bytes()), ("app/five = app/four", b"")]),
        tar(&[("app/x/.wh..wh..opq", b""), ("app/.wh.four", b""), ("app/two", b"nothing")]),
    ];
    let report = scan(&Rules::builtin(), &layers);
    let told: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let text = "a token of GitHub: ghp_… (40 bytes) [github-token]";
    assert_eq!(
        told,
        [
            format!("/app/one:1 (layer 0): {text}, deleted in layer 1"),
            format!("/app/two:1 (layer 0): {text}, deleted in layer 2"),
            format!("/app/x/three:1 (layer 0): {text}, deleted in layer 2"),
            format!("/app/four:1 (layer 1): {text}"),
        ]
    );
    assert!(report.is_complete());
    assert_eq!(report.files, 5);
}

#[test]
fn configurations() {
    let key = fill("<a28>");
    let token = fill("ghp_<a36>");
    let run = ContainerConfig {
        env: vec![
            "PATH=/usr/bin".to_owned(),
            format!("API_KEY={key}"),
            "GPG_KEY=A035C8C19219BA821ECEA86B64E628F8D684696D".to_owned(),
            "DB_PASSWORD_FILE=/run/secrets/db".to_owned(),
            "NO_VALUE".to_owned(),
        ],
        labels: BTreeMap::from([
            ("com.example.note".to_owned(), format!("use {token}")),
            ("org.opencontainers.image.revision".to_owned(), fill("<h40>")),
        ]),
        entrypoint: vec!["/app".to_owned(), format!("--token={key}")],
        cmd: vec!["--help".to_owned()],
        healthcheck: Some(HealthCheck {
            test: vec!["CMD".to_owned(), format!("--token={key}"), "x".to_owned()],
        }),
        shell: vec!["/bin/sh".to_owned(), "-c".to_owned(), format!("T={token}")],
        on_build: vec!["COPY . /app".to_owned(), format!("RUN TOKEN={key} npm ci")],
        ..ContainerConfig::default()
    };
    let history = vec![
        History {
            created_by: Some("RUN apt-get update # buildkit".to_owned()),
            ..History::default()
        },
        History {
            created_by: Some(format!("RUN |1 NPM_TOKEN={key} /bin/sh -c npm ci")),
            ..History::default()
        },
        History { comment: Some(token.clone()), ..History::default() },
    ];
    let rules = Rules::builtin();
    let mut scanner = SecretScanner::new(&rules, SecretOptions::DEFAULT);
    scanner.config(&config(run, history));
    scanner.annotations(&BTreeMap::from([
        ("org.opencontainers.image.revision".to_owned(), fill("<h40>")),
        ("com.example.note".to_owned(), format!("use {token}")),
    ]));
    let report = scanner.finish();
    let places: Vec<String> = report
        .findings
        .iter()
        .map(|finding| format!("{} {}", finding.place, finding.rule))
        .collect();
    assert_eq!(
        places,
        [
            "environment: API_KEY env-assignment",
            "label: com.example.note github-token",
            "annotation: com.example.note github-token",
            "history: entry 1 env-assignment",
            "history: entry 2 github-token",
            "configuration: Entrypoint env-assignment",
            "configuration: Healthcheck env-assignment",
            "configuration: OnBuild env-assignment",
            "configuration: Shell github-token",
        ]
    );
    let json = serde_json::to_string(&report).unwrap();
    assert!(!json.contains(&key) && !json.contains(&token), "{json}");
    assert!(!format!("{report:?}").contains(&key[..8]));
}

#[test]
fn histories_are_shown_without_secrets() {
    let key = fill("<a28>");
    let token = fill("ghp_<a36>");
    let many = fill(&"API_KEY=<a28> ".repeat(150));
    for (instruction, shown) in [
        ("RUN apt-get update && rm -rf /x".to_owned(), "RUN apt-get update && rm -rf /x"),
        (String::new(), ""),
        (format!("RUN export TOKEN={token} && x"), "RUN export TOKEN=ghp_… && x"),
        (format!("RUN login {token}; logout {token}"), "RUN login ghp_…; logout ghp_…"),
        (format!("RUN TOKEN={token} é\0 x {token}"), "RUN TOKEN=ghp_… é  x ghp_…"),
        ("RUN DB_PASSWORD=kD93jf8sLq0Zx71mPw ./setup".to_owned(), "RUN DB_PASSWORD=kD93… ./setup"),
        (many, "…"),
    ] {
        let entry = |created_by, comment| History { created_by, comment, ..History::default() };
        let history = vec![
            entry(Some(instruction.clone()), None),
            entry(None, Some(instruction.clone())),
            entry(None, None),
        ];
        let mut config = config(ContainerConfig::default(), history);
        Rules::builtin().mask_history(&mut config);
        let expected = [
            entry(Some(shown.to_owned()), None),
            entry(None, Some(shown.to_owned())),
            entry(None, None),
        ];
        assert_eq!(config.history, expected, "{instruction}");
    }
    // What a rule for anything finds around the other's is masked, too.
    let mut config = config(
        ContainerConfig::default(),
        vec![History {
            created_by: Some(format!("RUN API_KEY={key}{token}")),
            ..History::default()
        }],
    );
    Rules::builtin().mask_history(&mut config);
    let shown = config.history[0].created_by.as_ref().unwrap();
    assert!(!shown.contains(&key[4..]) && !shown.contains(&token[4..]), "{shown}");
}

#[test]
fn files_of_packages_are_trusted_while_they_are_unchanged() {
    let text = fill("password = ghp_<a36>\n");
    let md5 = md5(&text);
    let file = |path: &'static str| (path, text.as_bytes());
    let sums = format!("{md5}  usr/lib/x/a\n{md5}  lib/x/b\n{}  usr/lib/x/c\n", "0".repeat(32));
    let status = format!("Package: tool\nVersion: 1\nConffiles:\n /etc/tool.conf {md5}\n");
    let apk = "P:tool\nV:1\nF:usr/lib/x\nR:a\nZ:Q1AAECAwQFBgcICQoLDA0ODxAREhM=\n";
    let files = [
        file("usr/lib/x/a"),
        file("usr/lib/x/b"),
        file("usr/lib/x/c"),
        file("etc/tool.conf"),
        file("srv/a"),
    ];
    for (databases, trusted, expected) in [
        (&[][..], 0, "/etc/tool.conf /srv/a /usr/lib/x/a /usr/lib/x/b /usr/lib/x/c"),
        (
            &[
                ("var/lib/dpkg/info/tool:amd64.md5sums", sums.as_bytes()),
                ("var/lib/dpkg/status", status.as_bytes()),
            ],
            3,
            "/srv/a /usr/lib/x/c(tool)",
        ),
        (
            &[
                ("var/lib/dpkg/status.d/tool.md5sums", sums.as_bytes()),
                ("var/lib/dpkg/status.d/tool", status.as_bytes()),
            ],
            3,
            "/srv/a /usr/lib/x/c(tool)",
        ),
        (
            &[("lib/apk/db/installed", apk.as_bytes())],
            0,
            "/etc/tool.conf /srv/a /usr/lib/x/a(tool) /usr/lib/x/b /usr/lib/x/c",
        ),
        (
            &[("opt/tool.md5sums", sums.as_bytes())],
            0,
            "/etc/tool.conf /srv/a /usr/lib/x/a /usr/lib/x/b /usr/lib/x/c",
        ),
    ] {
        // Where the database is does not matter.
        for layers in [
            vec![tar(&[&files[..], databases].concat())],
            vec![tar(&files), tar(databases)],
            vec![tar(databases), tar(&files)],
        ] {
            let report = scan(&Rules::builtin(), &layers);
            assert_eq!(report.trusted_files, trusted);
            let mut found: Vec<String> = (report.findings.iter())
                .map(|finding| {
                    let Place::File { path, .. } = &finding.place else { panic!() };
                    let owner = finding.owner.as_ref().map(|owner| format!("({owner})"));
                    format!("{path}{}", owner.unwrap_or_default())
                })
                .collect();
            found.sort();
            assert_eq!(found.join(" "), expected);
        }
    }
}

#[test]
fn large_files_of_packages() {
    let text = fill("ghp_<a36>\n") + &"x".repeat(9 << 20);
    let md5 = md5(&text);
    let sums = format!("{md5}  usr/big\n");
    for (path, expected) in [("usr/big", 0), ("usr/other", 1)] {
        let layer =
            tar(&[(path, text.as_bytes()), ("var/lib/dpkg/info/a.md5sums", sums.as_bytes())]);
        assert_eq!(scan(&Rules::builtin(), &[layer]).findings.len(), expected, "{path}");
    }
}

#[test]
fn limits_are_told() {
    let token = fill("ghp_<a36> ");
    let rules = Rules::builtin();
    let many: String = (0..50).map(|n| token.replacen("ghp_", &format!("ghp_{n:02}"), 1)).collect();
    let layer = tar(&[("big", &[b'x'; 2000]), ("many", many.as_bytes())]);
    let small = SecretOptions { file_bytes_max: 1999, ..SecretOptions::DEFAULT };
    let report = scan_within(&rules, std::slice::from_ref(&layer), small);
    assert_eq!(report.skipped.len(), 2);
    assert!(!report.is_complete());
    let few = SecretOptions { file_findings_max: 10, ..SecretOptions::DEFAULT };
    let report = scan_within(&rules, std::slice::from_ref(&layer), few);
    assert_eq!((report.findings.len(), report.skipped.len()), (10, 1));
    let few = SecretOptions { findings_max: 3, ..SecretOptions::DEFAULT };
    let report = scan_within(&rules, std::slice::from_ref(&layer), few);
    assert!(report.findings.len() <= 3 && report.is_cut && !report.is_complete());
    let all = scan_within(&rules, std::slice::from_ref(&layer), SecretOptions::DEFAULT);
    assert_eq!((all.findings.len(), all.is_complete()), (50, true));
    for (options, what) in [
        (SecretOptions { entries_max: 1, ..SecretOptions::DEFAULT }, "layer 0 can't be read"),
        (SecretOptions { layer_bytes_max: 100, ..SecretOptions::DEFAULT }, "layer 0 can't be read"),
        (SecretOptions { layers_max: 0, ..SecretOptions::DEFAULT }, "more than 0 layers"),
    ] {
        let error = SecretScanner::new(&rules, options).layer(layer.as_slice()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    let mut scanner = SecretScanner::new(&rules, SecretOptions::DEFAULT);
    assert!(scanner.layer(&layer[..700]).is_err());
    assert!(scanner.layer(&b"no archive at all, and far too short to be one"[..]).is_err());
}

#[test]
fn baselines() {
    let layer = |place: &'static str| tar(&[(place, fill("\n\nx ghp_<a36>").as_bytes())]);
    let rules = Rules::builtin();
    let first = scan(&rules, &[layer("a")]);
    let known: BTreeSet<Fingerprint> =
        first.findings.iter().map(|finding| finding.fingerprint).collect();
    // In another layer it is the same one, in another place it is not.
    let mut again = scan(&rules, &[tar(&[]), layer("a")]);
    assert_eq!((again.remove_known(&known), again.findings.len()), (1, 0));
    let mut moved = scan(&rules, &[layer("b")]);
    assert_eq!((moved.remove_known(&known), moved.findings.len()), (0, 1));
    assert_eq!(scan(&rules, &[layer("a")]), first);
}

#[test]
fn reports_as_json() {
    let layers = [tar(&[("a", fill("\nghp_<a36>").as_bytes())]), tar(&[(".wh.a", b"")])];
    let report = scan(&Rules::builtin(), &layers);
    let mut value = serde_json::to_value(&report).unwrap();
    value["findings"][0]["fingerprint"] = "…".into();
    assert_eq!(
        value,
        serde_json::json!({
            "findings": [{
                "place": {"kind": "file", "layer": 0, "path": "/a", "line": 2},
                "rule": "github-token",
                "description": "a token of GitHub",
                "excerpt": {"start": "ghp_", "lengthBytes": 40},
                "fingerprint": "…",
                "deletedInLayer": 1,
                "count": 1,
            }],
            "files": 1, "bytes": 41, "trustedFiles": 0, "skipped": [], "isCut": false,
        })
    );
}
