// SPDX-License-Identifier: Apache-2.0
//! What a definition means on each platform.

mod common;

use std::collections::BTreeMap;

use common::{GOOD, parse_text, parse_with, rendered};
use hardpan_definition::{
    Checksum, Code, Distribution, PathKind, Platform, Scripts, Value, Variant,
};

const HEAD: &str = "# syntax=dhi.io/build:2-debian13\nimage: example.org/demo\n";

#[test]
fn the_complete_definition() {
    let amd64 = rendered(GOOD, Platform::LinuxAmd64);
    assert_eq!(amd64.syntax.distribution, Distribution::Debian { release: 13 });
    assert_eq!(amd64.variant, Variant::Runtime);
    let tags: Vec<&str> = amd64.tags.iter().map(|tag| tag.as_str()).collect();
    assert_eq!(tags, ["1", "1.30", "1.30.2-debian13"]);
    assert_eq!(amd64.vars["MAJOR_MINOR"].value, "1.30");
    assert_eq!(amd64.vars["BASE"].value, "demo-1.30.2");
    assert_eq!(amd64.vars["ARCH"].value, "x86_64");
    let packages: Vec<String> = amd64.contents.packages.iter().map(ToString::to_string).collect();
    assert_eq!(packages, ["!mawk", "base-files", "libc6=2.41-12+deb13u1", "demo-1.30"]);
    assert!(amd64.contents.packages[0].excluded);
    let file = &amd64.contents.files[0];
    assert_eq!(file.url.value, "https://example.org/demo-x86_64.tar.gz");
    assert!(matches!(file.checksum.as_ref().map(|sum| &sum.value), Some(Checksum::Sha256(_))));
    assert_eq!(file.mode, Some(0o755));
    let ports: Vec<String> = amd64.ports.iter().map(ToString::to_string).collect();
    assert_eq!(ports, ["8080/tcp", "4510-4559/udp", "9000/tcp"]);
    assert_eq!(amd64.accounts.run_as_ids().map(|user| (user.uid, user.gid)), Some((65532, 65532)));
    assert_eq!(amd64.environment["SEARCH"].value, "${SEARCH}:/opt");
    assert_eq!(amd64.environment["DEMO_VERSION"].value, "1.30.2");
    assert_eq!(amd64.x_hardpan.scripts, Scripts::Declarative);
    assert_eq!(amd64.x_hardpan.tests.len(), 1);
    assert_eq!(rendered(GOOD, Platform::LinuxArm64).x_hardpan.tests.len(), 2);
    let test = &amd64.x_hardpan.tests[0];
    assert_eq!((test.name.as_str(), test.service, test.exit_code), ("answers", true, 0));
    assert_eq!((test.user.as_deref(), test.timeout), (Some("0:0"), Some(10)));
    assert_eq!(test.writable[0].value, "/var/lib/demo");
    assert_eq!((&test.before[0][..], &test.commands[0][..]), ("demo --init", "demo ask"));
    let ask = test.ask.as_ref().expect("it asks");
    assert_eq!((ask.port, ask.send.as_str()), (8080, "GET / HTTP/1.0\r\n\r\n"));
    assert_eq!(amd64.track.len(), 4);
}

#[test]
fn stages() {
    let definition = rendered(GOOD, Platform::LinuxAmd64);
    let stage = &definition.contents.builds[0];
    assert_eq!(stage.work_dir.as_ref().map(|dir| dir.as_str()), Some("${source.dir}/demo"));
    assert_eq!(stage.environment["LD_LIBRARY_PATH"].value, "/opt/lib:${LD_LIBRARY_PATH}");
    assert_eq!(stage.environment["FLAGS"].value, "--plain");
    assert_eq!(stage.contents.files[0].url.value, "git+https://example.org/demo.git#v1.30.2");
    let compile = &stage.pipeline[0];
    let action = compile.action().expect("an action");
    assert_eq!((action.name, action.version), ("go/build", "v1"));
    assert_eq!(compile.with["strip"].value, Value::Bool(false));
    assert_eq!(compile.with["rel"].value, Value::Number("3".to_owned()));
    assert_eq!(compile.with["output"].as_text(), Some("${target.dir}/usr/bin/demo"));
    let flags = compile.with["ldflags"].as_list().expect("a list");
    assert_eq!(flags[0].as_text(), Some("-X main.version=1.30.2"));
    let check = &stage.pipeline[1];
    assert!(check.privileged && check.action().is_none());
    assert_eq!(
        check.runs.as_ref().map(|runs| runs.as_str()),
        Some("set -eux -o pipefail\necho 1.30.2 ${HOME:-/root} amd64 \"#{ruby}\"\n")
    );
    assert!(stage.outputs[0].diff);
}

#[test]
fn platforms_differ() {
    let amd64 = rendered(GOOD, Platform::LinuxAmd64);
    let arm64 = rendered(GOOD, Platform::LinuxArm64);
    assert_eq!((amd64.contents.files.len(), arm64.contents.files.len()), (1, 0));
    assert_eq!((amd64.contents.builds.len(), arm64.contents.builds.len()), (1, 0));
    assert_eq!(arm64.vars["ARCH"].value, "aarch64");
    let links = |definition: &hardpan_definition::Definition| -> Vec<String> {
        let links = definition.paths.iter().filter(|rule| rule.kind == PathKind::Symlink);
        links.map(|rule| rule.path.value.clone()).collect()
    };
    assert_eq!(links(&amd64), ["/usr/lib/x86_64/libdemo.so", "/var/run"]);
    assert_eq!(links(&arm64), ["/var/run"]);
    let arm_only = |definition: &hardpan_definition::Definition| {
        definition.paths.iter().any(|rule| rule.path.value == "/etc/arm.conf")
    };
    assert!(!arm_only(&amd64) && arm_only(&arm64));
    assert_ne!(amd64.canonical_json(), arm64.canonical_json());
}

#[test]
fn the_canonical_form_depends_on_meaning_only() {
    let plain = rendered(
        &format!("{HEAD}work-dir: /srv\ncontents:\n  packages:\n    - libc6\ncmd: [a, b]\n"),
        Platform::LinuxAmd64,
    );
    let other = rendered(
        &format!(
            "{HEAD}\n# A comment.\ncmd:\n- \"a\"\n- 'b'\ncontents: {{packages: [libc6]}}\nlabels: {{}}\nvariant: runtime\nwork-dir: '/srv'\n"
        ),
        Platform::LinuxAmd64,
    );
    assert_eq!(plain, other);
    assert_eq!(
        plain.canonical_json(),
        concat!(
            r#"{"cmd":["a","b"],"contents":{"packages":[{"name":"libc6"}]},"image":"example.org/demo","#,
            r#""output":"layered","platform":"linux/amd64","platforms":["linux/amd64","linux/arm64"],"#,
            r#""syntax":{"distribution":"debian13","frontend":2},"variant":"runtime","work-dir":"/srv","#,
            r#""x-hardpan":{"scripts":"declarative"}}"#
        )
    );
    assert_eq!(plain.canonical_json(), other.canonical_json());
}

#[test]
fn exceptions_of_controls_are_as_written() {
    let text = format!(
        "{HEAD}x-hardpan:\n  audit:\n    exceptions:\n      - {{control: shell, reason: scripts}}\n      - control: secret\n        \
        path: /etc/key\n        reason: a test key\n        until: 2027-03-31\n"
    );
    let json = rendered(&text, Platform::LinuxAmd64).canonical_json();
    assert!(
        json.contains(
            r#""audit-exceptions":[{"control":"shell","reason":"scripts"},{"control":"secret","path":"/etc/key","reason":"a test key","until":"2027-03-31"}]"#
        ),
        "{json}"
    );
}

#[test]
fn inputs_of_actions_are_kept_verbatim() {
    let stage = |with: &str| {
        let text = format!(
            "{HEAD}contents:\n  builds:\n    - pipeline:\n        - uses: go/build@v1\n          with: {with}\n"
        );
        rendered(&text, Platform::LinuxAmd64).canonical_json()
    };
    assert!(stage("{strip: false}").contains(r#""with":{"strip":false}"#));
    let forms = ["{}", "{strip: false}", "{strip: null}", "{strip: {}}", "{strip: {a: false}}"];
    let distinct: std::collections::BTreeSet<String> = forms.map(stage).into();
    assert_eq!(distinct.len(), forms.len());
}

#[test]
fn platforms_that_are_not_listed() {
    let parsed = parse_text(&format!("{HEAD}platforms: [linux/arm64]\n"));
    assert_eq!(parsed.platforms(), [Platform::LinuxArm64]);
    assert!(parsed.render(Platform::LinuxArm64).is_ok());
    let errors = parsed.render(Platform::LinuxAmd64).expect_err("not listed");
    assert_eq!(errors[0].code, Code::PlatformNotListed);
    assert_eq!(errors[0].locate(parsed.sources()), Some(("test.yaml", 3, 1)));
}

#[test]
fn nothing_is_an_empty_collection() {
    let definition = rendered(
        &format!("{HEAD}tags: null\nvars:\ncontents:\n  packages:\nenvironment: ~\naccounts:\n"),
        Platform::LinuxAmd64,
    );
    assert!(definition.tags.is_empty() && definition.vars.is_empty());
    assert_eq!(definition.platforms, Platform::ALL);
}

#[test]
fn includes_are_merged_before_variables() {
    let files: BTreeMap<String, String> = [
        (
            "base/common.yaml".to_owned(),
            "includes: [base/users.yaml]\nvars:\n  VERSION: \"1\"\n  NAME: common\ncontents:\n  packages:\n    - base-${NAME}\nwork-dir: /common\n"
                .to_owned(),
        ),
        (
            "base/users.yaml".to_owned(),
            "accounts:\n  users:\n    - {name: demo, uid: 1, gid: 0}\n".to_owned(),
        ),
    ]
    .into();
    let text = format!(
        "{HEAD}includes:\n  - base/common.yaml\nvars:\n  VERSION: \"2\"\ncontents:\n  packages:\n    - demo-${{VERSION}}\naccounts:\n  run-as: demo\nwork-dir: /srv\n"
    );
    let parsed = parse_with(&text, &files);
    assert_eq!(parsed.sources().len(), 3);
    let definition = parsed.render(Platform::LinuxAmd64).expect("good");
    let packages: Vec<String> =
        definition.contents.packages.iter().map(ToString::to_string).collect();
    assert_eq!(packages, ["base-common", "demo-2"]);
    assert_eq!(definition.contents.packages[0].span.source, 1);
    assert_eq!(definition.work_dir.as_ref().map(|dir| dir.as_str()), Some("/srv"));
    assert_eq!(definition.accounts.run_as_ids().map(|user| user.uid), Some(1));
}

#[test]
fn built_in_names() {
    let text = format!(
        "{HEAD}variant: dev\nflavor: fpm\nfips-compliant: true\nlabels:\n  a: ${{target.arch}} ${{target.dev}} ${{target.fips}} ${{target.flavor}}\n  b: '#{{ definition.variant + \"-\" + definition.flavor + \"-\" + target.os }}'\n  c: '#{{ target.dev && target.fips }}'\n"
    );
    let definition = rendered(&text, Platform::LinuxArm64);
    assert_eq!(definition.labels["a"], "arm64 true true fpm");
    assert_eq!(definition.labels["b"], "dev-fpm-linux");
    assert_eq!(definition.labels["c"], "true");
}

#[test]
fn run_as() {
    for (accounts, expected) in [
        ("{run-as: root}", Some((Some("root"), 0, 0))),
        (
            "{run-as: '65532', users: [{name: n, uid: 65532, gid: 7}], groups: [{name: g, gid: 7}]}",
            Some((Some("n"), 65532, 7)),
        ),
        ("{run-as: '101', users: [{name: '101', uid: 5, gid: 0}]}", Some((Some("101"), 5, 0))),
        ("{run-as: '4711'}", Some((None, 4711, 4711))),
        ("{root: true}", None),
    ] {
        let definition = rendered(&format!("{HEAD}accounts: {accounts}\n"), Platform::LinuxAmd64);
        let found = definition.accounts.run_as_ids();
        let found = found.as_ref().map(|user| (user.name.as_deref(), user.uid, user.gid));
        assert_eq!(found, expected, "{accounts}");
    }
}
