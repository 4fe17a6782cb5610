// SPDX-License-Identifier: Apache-2.0
//! One good definition, broken in many ways: the code, the line, the column and a part of the message.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{GOOD, parse_text, parse_with};
use hardpan_definition::{Code, Diagnostic, Parsed, Severity};

/// Replaces `from` by `to` in the good definition. The place is where `at` begins in the changed text.
struct Case {
    name: &'static str,
    from: &'static str,
    to: &'static str,
    code: Code,
    at: &'static str,
    message: &'static str,
}

const fn case(
    name: &'static str,
    from: &'static str,
    to: &'static str,
    code: Code,
    at: &'static str,
    message: &'static str,
) -> Case {
    Case { name, from, to, code, at, message }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Line 1 and YAML.
    case("no syntax line", "# syntax=dhi.io/build:2-debian13\n", "", Code::BadSyntaxLine, "\nname: Example", "line 1 must be"),
    case("frontend version", "build:2-", "build:7-", Code::BadSyntaxLine, "7-debian", "unknown frontend version `7`"),
    case("distribution", "2-debian13", "2-debian10", Code::BadSyntaxLine, "debian10", "unsupported distribution"),
    case("bad yaml", "cmd:\n  - --help", "cmd: [--help", Code::BadYaml, ":\n  - 8080", ""),
    case("tab", "work-dir: /srv", "work-dir:\n\t/srv", Code::BadYaml, "/srv\nstop", "tabs"),
    case("tag", "stop-signal: SIGQUIT", "stop-signal: !x SIGQUIT", Code::BadYaml, "SIGQUIT", "tags have no meaning"),
    case("duplicate key", "work-dir: /srv", "work-dir: /srv\nwork-dir: /opt", Code::DuplicateKey, "work-dir: /opt", "stands here twice"),
    case("duplicate nested key", "MAJOR_MINOR:", "VERSION: 1\n  MAJOR_MINOR:", Code::DuplicateKey, "VERSION: 1.30.2", "`VERSION`"),
    // Keys.
    case("unknown key", "entitlement: public", "entitlment: public", Code::UnknownKey, "entitlment", "unknown key `entitlment`"),
    case("unknown key in contents", "  keyring:", "  keyrings:", Code::UnknownKey, "keyrings:\n", "in `contents`"),
    case("unknown key in a stage", "      pipeline:", "      pipelines:", Code::UnknownKey, "pipelines", "build stage"),
    case("unknown key in a step", "          privileged: true", "          privilege: true", Code::UnknownKey, "privilege: true", "in a step"),
    case("unknown key in a path", "    recursive: true", "    recurse: true", Code::UnknownKey, "recurse:", "in a path"),
    case("unknown key in x-hardpan", "  scripts: declarative", "  script: declarative", Code::UnknownKey, "script: decl", "`x-hardpan`"),
    case("unknown key in a test of ours", "      service: true", "      services: true", Code::UnknownKey, "services: true", "in a test"),
    case("unknown key in ask", "        port: 8080", "        host: a\n        port: 8080", Code::UnknownKey, "host: a", "`ask`"),
    case("a test of ours without a name", "    - name: answers\n      directory", "    - directory", Code::MissingKey, "directory: demo", "`name`"),
    case("a test of ours that asks nothing", "      commands:\n        - demo ask\n      ask:\n        port: 8080\n        send: \"GET / HTTP/1.0\\r\\n\\r\\n\"\n", "", Code::MissingKey, "name: answers", "neither `commands` nor `ask`"),
    case("ask without a service", "      service: true\n", "", Code::MissingKey, "name: answers", "needs `service: true`"),
    case("ask without a port", "        port: 8080\n", "", Code::MissingKey, "ask:", "`port`"),
    case("a port that is none", "        port: 8080", "        port: 80800", Code::UnknownValue, "80800", "out of range"),
    case("port 0", "        port: 8080", "        port: 0", Code::BadPort, "port: 0", "port 0"),
    case("a relative path that is writable", "        - /var/lib/demo", "        - var/lib/demo", Code::BadPath, "var/lib/demo", "not absolute"),
    case("a directory above the catalog", "      directory: demo/tests", "      directory: ../tests", Code::BadPath, "../tests", ".."),
    case("unknown top-level extension", "x-hardpan:\n", "x-other: 1\nx-hardpan:\n", Code::UnknownKey, "x-other", "x-other"),
    case("unknown key in a disabled entry", "    path: /etc/arm.conf", "    path: /etc/arm.conf\n    owner: 0", Code::UnknownKey, "owner: 0", "owner"),
    case("misplaced key", "cmd:\n", "users: []\ncmd:\n", Code::UnknownKey, "users: []", "unknown key `users`"),
    // Types and missing values.
    case("word for a switch", "  scripts: declarative", "  pyc: sometimes", Code::WrongType, "sometimes", "must be true or false"),
    case("document outside of the catalog", "  scripts: declarative", "  vex:\n    - ../a.json", Code::BadPath, "../a.json", ".."),
    case("structure tests outside of the catalog", "  scripts: declarative", "  structure-tests:\n    - ../a.yaml", Code::BadPath, "../a.yaml", ".."),
    case("one file for a list", "  scripts: declarative", "  structure-tests: a.yaml", Code::WrongType, "a.yaml", "must be a list"),
    case("misplaced structure tests", "image: example.org/demo", "structure-tests: [a.yaml]\nimage: example.org/demo", Code::UnknownKey, "structure-tests: [a", "unknown key `structure-tests`"),
    case("one document for a list", "  scripts: declarative", "  vex: a.json", Code::WrongType, "a.json", "must be a list"),
    case("exceptions right in audit", "  scripts: declarative", "  audit:\n    - control: shell", Code::WrongType, "- control", "must be a mapping"),
    case("one exception for a list", "  scripts: declarative", "  audit:\n    exceptions:\n      control: shell", Code::WrongType, "control: shell", "must be a list"),
    case("exception without a control", "  scripts: declarative", "  audit:\n    exceptions:\n      - reason: x", Code::MissingKey, "reason: x", "`control`"),
    case("exception without a reason", "  scripts: declarative", "  audit:\n    exceptions:\n      - control: shell", Code::MissingKey, "control: shell", "`reason`"),
    case("exception with an empty reason", "  scripts: declarative", "  audit:\n    exceptions:\n      - control: shell\n        reason: ' '", Code::EmptyValue, "' '", "needs a reason"),
    case("exception with a relative path", "  scripts: declarative", "  audit:\n    exceptions:\n      - control: shell\n        reason: x\n        path: bin/sh", Code::BadPath, "bin/sh", "not absolute"),
    case("exception without a day", "  scripts: declarative", "  audit:\n    exceptions:\n      - control: shell\n        reason: x\n        until: soon", Code::BadDate, "soon", "not a date"),
    case("unknown key in an exception", "  scripts: declarative", "  audit:\n    exceptions:\n      - control: shell\n        reason: x\n        paths: []", Code::UnknownKey, "paths: []", "an exception"),
    case("misplaced documents", "image: example.org/demo", "vex: [a.json]\nimage: example.org/demo", Code::UnknownKey, "vex: [a", "unknown key `vex`"),
    case("misplaced switch", "image: example.org/demo", "pyc: false\nimage: example.org/demo", Code::UnknownKey, "pyc: false", "unknown key `pyc`"),
    case("string for a list", "cmd:\n  - --help", "cmd: --help", Code::WrongType, "--help", "must be a list"),
    case("list for a string", "image: example.org/demo", "image: [example.org/demo]", Code::WrongType, "[example.org", "found a list"),
    case("mapping for a string", "stop-signal: SIGQUIT", "stop-signal: {a: b}", Code::WrongType, "{a: b}", "found a mapping"),
    case("list for a mapping", "annotations:\n  org.opencontainers.image.description: A demo", "annotations: [a]", Code::WrongType, "[a]", "must be a mapping"),
    case("string for a boolean", "  root: false", "  root: no", Code::WrongType, "no\n  run-as: demo", "true or false"),
    case("string for an integer", "    exit-code: 0", "    exit-code: zero", Code::WrongType, "zero", "integer"),
    case("quoted integer", "    exit-code: 0", "    exit-code: \"0\"", Code::WrongType, "\"0\"", "in quotes"),
    case("null for a string", "stop-signal: SIGQUIT", "work-dir2: x\nstop-signal: ~", Code::WrongType, "~", "found nothing"),
    case("no image", "image: example.org/demo\n", "", Code::MissingKey, "# syntax", "has no `image`"),
    case("empty image", "image: example.org/demo", "image:", Code::MissingKey, "image:\nvariant", "is empty"),
    case("user without uid", "      uid: 65532\n      gid: 65532\n      mode", "      gid: 65532\n      mode", Code::MissingKey, "name: demo\n      gid: 65532\n      mode", "has no `uid`"),
    case("path without type", "  - type: emptyfile\n    path: /etc/empty", "  - path: /etc/empty", Code::MissingKey, "path: /etc/empty", "has no `type`"),
    case("file without url", "    - url: https://example.org/demo-${ARCH}.tar.gz\n      checksum", "    - checksum", Code::MissingKey, "checksum: sha256", "has no `url`"),
    case("step without work", "        - name: compile\n          uses: go/build@v1\n          with:\n            output: ${target.dir}/usr/bin/demo\n            strip: false\n            rel: 3\n            ldflags:\n              - -X main.version=${VERSION}\n", "        - name: compile\n", Code::MissingKey, "name: compile\n        - name: check", "needs `runs` or `uses`"),
    case("test without exit code", "    exit-code: 0\n", "", Code::MissingKey, "name: runs", "`exit-code`"),
    case("track without type", "  - type: debian_package\n    package", "  - package", Code::MissingKey, "package: pkg:deb", "`type`"),
    case("no platform", "platforms:\n  - linux/amd64\n  - linux/arm64\ncompression", "platforms: []\ncompression", Code::EmptyValue, "platforms: []", "no platform"),
    // Words of a set.
    case("variant", "variant: runtime", "variant: runtine", Code::UnknownValue, "runtine", "`runtine`"),
    case("compression", "compression: gzip", "compression: xz", Code::UnknownValue, "xz\n", "compression"),
    case("output", "output: squashed", "output: flat", Code::UnknownValue, "flat", "output"),
    case("entitlement", "entitlement: public", "entitlement: all", Code::UnknownValue, "all\n", "entitlement"),
    case("path type", "type: emptyfile", "type: empty", Code::UnknownValue, "empty\n", "path type"),
    case("cache sharing", "sharing: locked", "sharing: lock", Code::UnknownValue, "lock\n", "sharing"),
    case("track type", "type: github_release", "type: github", Code::UnknownValue, "github\n", "track type"),
    case("scripts", "scripts: declarative", "scripts: sendbox", Code::UnknownValue, "sendbox", "scripts"),
    case("exit code out of range", "    timeout: 60", "    timeout: -60", Code::UnknownValue, "-60", "out of range"),
    // Values with a grammar.
    case("platform", "  - linux/arm64\ncompression", "  - linux/arm46\ncompression", Code::BadPlatform, "linux/arm46", "unknown platform"),
    case("platform of a file", "        - linux/amd64\n      secret-id", "        - amd64\n      secret-id", Code::BadPlatform, "amd64\n      secret-id", "unknown platform"),
    case("mode", "mode: \"0755\"\n    recursive", "mode: \"0855\"\n    recursive", Code::BadMode, "\"0855\"", "not a file mode"),
    case("mode too large", "mode: \"0644\"", "mode: \"17777\"", Code::BadMode, "\"17777\"", "above 7777"),
    case("uid out of range", "uid: 65532\n      gid: 65532\n      mode", "uid: 4294967295\n      gid: 65532\n      mode", Code::BadId, "4294967295", "not an id"),
    case("negative gid", "      gid: 65532\n      members", "      gid: -1\n      members", Code::BadId, "-1\n", "not an id"),
    case("port", "8080/tcp", "80800/tcp", Code::BadPort, "80800", "from 1 to 65535"),
    case("port protocol", "8080/tcp", "8080/http", Code::BadPort, "8080/http", "protocol"),
    case("port range", "4510-4559", "4559-4510", Code::BadPort, "4559-4510", "backwards"),
    case("purl", "purl: pkg:generic/demo@1.30", "purl: generic/demo@1.30", Code::BadPurl, "generic/demo@1.30\n            license", "pkg:"),
    case("purl of a mapping", "    demo: pkg:generic/demo@1.30", "    demo: pkg:generic", Code::BadPurl, "pkg:generic\n", "no name"),
    case("purl of a track", "package: pkg:deb/debian/demo", "package: pkg:apk/demo", Code::BadPurl, "pkg:apk/demo", "pkg:deb/"),
    case("checksum", "checksum: sha256:0123456789abcdef0123", "checksum: sha256:0123", Code::BadChecksum, "sha256:0123456789abcdef0123456789abcdef0123456789ab", "64 hexadecimal"),
    case("checksum algorithm", "checksum: sha256:", "checksum: md5:", Code::BadChecksum, "md5:", "not a checksum"),
    case("checksum of git", "checksum: 0123456789abcdef0123456789abcdef01234567", "checksum: https://example.org/sums", Code::BadChecksum, "https://example.org/sums", "by its commit"),
    case("url scheme", "url: https://example.org/demo-", "url: ftp://example.org/demo-", Code::BadUrl, "ftp://", "scheme"),
    case("url of the dates", "https://example.org/dates", "example.org/dates", Code::BadUrl, "example.org/dates", "not a URL"),
    case("git url without a reference", "demo.git#v${VERSION}", "demo.git", Code::BadUrl, "git+https", "commit, tag or branch"),
    case("key url", "https://example.org/key.asc", "file:///key.asc", Code::BadUrl, "file:///", "scheme"),
    case("environment name", "  DEMO_VERSION:", "  1DEMO:", Code::BadEnvironmentName, "1DEMO", "`1DEMO`"),
    case("environment name of a secret", "env: TOKEN", "env: TO=KEN", Code::BadEnvironmentName, "TO=KEN", "`TO=KEN`"),
    case("variable name", "  MAJOR_MINOR:", "  MAJOR.MINOR:", Code::BadVariableName, "MAJOR.MINOR:", "`MAJOR.MINOR`"),
    case("tag grammar", "  - \"1\"\n", "  - \"1 2\"\n", Code::BadTag, "\"1 2\"", "not a valid tag"),
    case("tag too long", "  - \"1\"\n", "  - \"1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n", Code::BadTag, "\"1aaaa", "characters"),
    case("suffix", "suffix: -compat", "suffix: /compat", Code::BadTag, "/compat", "part of a tag"),
    case("image name", "image: example.org/demo", "image: example.org/Demo", Code::BadImageReference, "example.org/Demo", "not a valid image name"),
    case("image with a tag", "image: example.org/demo", "image: example.org/demo:1", Code::BadImageReference, "example.org/demo:1", "has a tag"),
    case("artifact digest", "tools@sha256:0123", "tools@sha256:zz", Code::BadImageReference, "example.org/tools@sha256:zz", "not a digest"),
    case("stage without digest", "builder:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "builder:1", Code::BadImageReference, "example.org/builder:1", "not pinned"),
    case("relative path", "    path: /etc/empty", "    path: etc/empty", Code::BadPath, "etc/empty", "not absolute"),
    case("path with ..", "    path: /etc/empty", "    path: /etc/../empty", Code::BadPath, "/etc/../empty", "`..`"),
    case("stage path in the image", "    path: /etc/empty", "    path: ${source.dir}/empty", Code::BadPath, "${source.dir}/empty", "build stage"),
    case("absolute source", "source: image/demo/arm.conf\n    platforms:\n      - linux/arm64", "source: /demo/arm.conf", Code::BadPath, "/demo/arm.conf", "absolute"),
    case("escaping source", "source: image/demo/patch", "source: ../../patch", Code::BadPath, "../../patch", "`..`"),
    case("escaping test folder", "directory: image/demo/tests", "directory: ../tests", Code::BadPath, "../tests", "`..`"),
    case("work-dir", "work-dir: /srv", "work-dir: srv", Code::BadPath, "srv\nstop", "not absolute"),
    case("glob", "        - opt/**", "        - ../opt/**", Code::BadPath, "../opt", "`..`"),
    case("archive", "deb [signed-by=/usr/share/keyrings/demo.gpg] https://example.org/debian trixie main", "https://example.org/debian", Code::BadRepository, "https://example.org/debian\n", "does not begin with `deb`"),
    case("unsigned archive", "[signed-by=/usr/share/keyrings/demo.gpg]", "[trusted=yes]", Code::BadRepository, "deb [trusted", "signatures off"),
    case("empty package", "    - '!mawk'", "    - ''", Code::BadPackage, "''", "without a name"),
    case("package name", "    - base-files", "    - Base_Files", Code::BadPackage, "Base_Files", "not a package name"),
    case("exclusion with a version", "    - '!mawk'", "    - '!mawk=1'", Code::BadPackage, "'!mawk=1'", "has a version"),
    case("version pin", "libc6=2.41-12+deb13u1", "libc6=v2.41", Code::BadPackageVersion, "libc6=v2.41", "begin with a digit"),
    case("account name", "    - name: demo\n      uid", "    - name: de mo\n      uid", Code::BadAccountName, "de mo", "not an account name"),
    case("date", "\"2027-01-31\"", "\"2027-02-31\"", Code::BadDate, "\"2027-02-31\"", "not a date"),
    case("signal", "stop-signal: SIGQUIT", "stop-signal: SIGSTOPP", Code::BadSignal, "SIGSTOPP", "not a signal"),
    case("os-release line", "pretty-name: Demo 13", "pretty-name: \"Demo\\n13\"", Code::BadText, "\"Demo\\n13\"", "os-release"),
    case("id-like", "id-like: debian linux", "id-like: Debian", Code::BadText, "Debian\n", "distribution ids"),
    case("NUL in an argument", "  - --help", "  - \"a\\0b\"", Code::BadText, "\"a\\0b\"", "NUL"),
    // Accounts.
    case("run-as nobody", "  run-as: demo", "  run-as: dmeo", Code::UnknownUser, "dmeo", "not among `users`"),
    case("run-as unknown number", "  run-as: demo", "  run-as: \"1234\"", Code::UnknownUser, "\"1234\"", "uid 1234"),
    case("duplicate user", "  groups:\n", "    - name: demo\n      uid: 1\n      gid: 0\n  groups:\n", Code::Duplicate, "demo\n      uid: 1\n", "declared twice"),
    case("duplicate uid", "  groups:\n", "    - name: two\n      uid: 65532\n      gid: 0\n  groups:\n", Code::Duplicate, "two", "same uid 65532"),
    case("duplicate group", "os-release:\n  name", "    - name: demo\n      gid: 7\nos-release:\n  name", Code::Duplicate, "demo\n      gid: 7\n", "declared twice"),
    case("duplicate tag", "  - 1.30\n", "  - 1.30\n  - \"1.30\"\n", Code::Duplicate, "\"1.30\"", "stands here twice"),
    case("gid without group", "      gid: 65532\n      mode", "      gid: 100\n      mode", Code::UnknownGroup, "demo\n      uid: 65532\n      gid: 100", "no group has the gid 100"),
    case("unknown member", "        - demo\n", "        - ghost\n", Code::UnknownUser, "ghost", "no declared user"),
    // Neighbours.
    case("content and source", "    mode: \"0644\"", "    source: image/demo/x", Code::Conflict, "content: |\n      home", "either `source` or `content`"),
    case("content of a link", "    source: ../libdemo.so.1", "    source: ../libdemo.so.1\n    content: x", Code::Conflict, "content: x", "no meaning for a symlink"),
    case("recursive file", "    mode: \"0644\"", "    recursive: true", Code::Conflict, "recursive: true\n  - type: emptyfile", "no meaning for a file"),
    case("link without target", "    source: ../libdemo.so.1\n", "", Code::MissingKey, "type: symlink\n    path: /usr/lib", "has no `source`"),
    case("with without uses", "          uses: go/build@v1\n", "          runs: x\n", Code::Conflict, "with:", "without `uses`"),
    case("duplicate path", "    path: /etc/empty", "    path: /etc/demo.conf", Code::DuplicatePath, "/etc/demo.conf\n  - type: delete", "stands here twice"),
    // Variables and expressions.
    case("undefined in a package", "demo-${MAJOR_MINOR}", "demo-${MAJOR_MINR}", Code::UndefinedVariable, "MAJOR_MINR}", "`MAJOR_MINR`"),
    case("undefined in a tag", "${VERSION}-debian13", "${VERSON}-debian13", Code::UndefinedVariable, "VERSON}", "`VERSON`"),
    case("undefined in a URL", "demo-${ARCH}.tar.gz", "demo-${ACRH}.tar.gz", Code::UndefinedVariable, "ACRH}", "`ACRH`"),
    case("undefined through a variable", "  BASE: demo-${VERSION}", "  BASE: demo-${VERSIO}", Code::UndefinedVariable, "VERSIO}", "`VERSIO`"),
    case("unterminated", "${VERSION}-debian13", "${VERSION-debian13", Code::Unterminated, "${VERSION-debian13", "without its `}`"),
    case("unterminated expression", "\"aarch64\" }'", "\"aarch64\" '", Code::Unterminated, "#{ target.arch == \"amd64\" ?", "without its `}`"),
    case("bad variable name", "${VERSION}-debian13", "${VERSION%.*}-debian13", Code::BadVariableName, "VERSION%.*", "no variable name"),
    case("cycle", "  BASE: demo-${VERSION}", "  BASE: ${LOOP}\n  LOOP: ${BASE}", Code::CyclicVariable, "${LOOP}", "refers to itself"),
    case("regex", "([0-9]+\\.[0-9]+).*$}", "([0-9]+\\.[0-9]+.*$}", Code::BadRegex, "^v?([0-9]+", "does not compile"),
    case("regex of a track", "    match: ^v1\\.", "    match: ^v1(", Code::BadRegex, "^v1(", "does not compile"),
    case("regex mismatch", "^v?([0-9]+\\.[0-9]+).*$", "^v([a-z]+)$", Code::RegexMismatch, "^v([a-z]+)$", "does not match `1.30.2`"),
    case("bad expression", "target.arch == \"amd64\" ? \"x86_64\"", "target.arch = \"amd64\" ? \"x86_64\"", Code::BadExpression, "= \"amd64\" ? \"x86_64\"", "unexpected `=`"),
    case("unknown name", "target.arch == \"amd64\" ? \"x86_64\"", "target.arhc == \"amd64\" ? \"x86_64\"", Code::UnknownName, "target.arhc", "`target.arhc`"),
    case("expression type", "target.arch == \"amd64\" ? \"x86_64\"", "target.arch ? \"x86_64\"", Code::ExpressionType, "target.arch ? ", "needs a boolean"),
    case("bad if", "if: target.arch == \"amd64\" || target.dev", "if: target.arch == \"amd64\" ||", Code::BadExpression, "\n      work-dir: ${source.dir}/demo", "expected a value"),
    case("if with a string", "'#{ target.arch != \"arm64\" }'", "'#{ target.arch }'", Code::ExpressionType, " target.arch }'", "`if` needs a boolean"),
    case("unquoted string in if", "if: target.arch == \"amd64\" ||", "if: target.arch == amd64 ||", Code::UnknownName, "amd64 ||", "`amd64`"),
];

fn describe(parsed: &Parsed) -> Vec<String> {
    let render = |diagnostic: &Diagnostic| diagnostic.render_plain(parsed.sources());
    parsed.diagnostics().iter().map(render).collect()
}

#[test]
fn the_good_one_is_good() {
    let parsed = parse_text(GOOD);
    assert_eq!(describe(&parsed), Vec::<String>::new());
}

#[test]
fn every_break_is_diagnosed_at_its_place() {
    let mut failures = Vec::new();
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for case in CASES {
        assert!(names.insert(case.name), "two cases are named {}", case.name);
        assert!(GOOD.contains(case.from), "{}: the definition has no {:?}", case.name, case.from);
        let text = GOOD.replacen(case.from, case.to, 1);
        let place = text.find(case.at).unwrap_or_else(|| panic!("{}: no {:?}", case.name, case.at));
        let expected = hardpan_definition::line_column(&text, place);
        let parsed = parse_text(&text);
        let hit = parsed.diagnostics().iter().any(|diagnostic| {
            let found = diagnostic.locate(parsed.sources()).map(|(_, line, column)| (line, column));
            diagnostic.code == case.code
                && found == Some(expected)
                && diagnostic.message.contains(case.message)
        });
        if !hit {
            let (line, column) = expected;
            failures.push(format!(
                "{}: expected {} at {line}:{column} with {:?}, found\n    {}",
                case.name,
                case.code,
                case.message,
                describe(&parsed).join("\n    ")
            ));
        }
        codes.insert(case.code);
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    assert!(names.len() >= 100, "{} cases", names.len());
    assert!(codes.len() >= 40, "{} codes", codes.len());
}

#[test]
fn several_problems_at_once() {
    let mut text = GOOD.to_owned();
    for (from, to) in [
        ("build:2-debian13", "build:2-debian10"),
        ("variant: runtime", "variant: runtine"),
        ("entitlement:", "entitlment:"),
        ("libc6=2.41", "libc6=v2.41"),
        ("8080/tcp", "80800/tcp"),
        ("cmd:\n  - --help", "cmd: --help"),
        ("work-dir: /srv", "work-dir: srv"),
    ] {
        text = text.replacen(from, to, 1);
    }
    let parsed = parse_text(&text);
    let found: Vec<(Code, usize)> = parsed
        .diagnostics()
        .iter()
        .map(|diagnostic| (diagnostic.code, diagnostic.locate(parsed.sources()).expect("place").1))
        .collect();
    let codes: Vec<Code> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(
        codes,
        [
            Code::BadSyntaxLine,
            Code::UnknownValue,
            Code::UnknownKey,
            Code::BadPackageVersion,
            Code::BadPath,
            Code::WrongType,
            Code::BadPort,
        ],
        "{:#?}",
        describe(&parsed)
    );
    assert!(found.windows(2).all(|pair| pair[0].1 < pair[1].1), "sorted by place");
    assert!(parsed.render(hardpan_definition::Platform::LinuxAmd64).is_err());
}

#[test]
fn suggestions() {
    for (from, to, help) in [
        ("  packages:\n    - '!mawk'", "  packges:\n    - '!mawk'", "did you mean `packages`?"),
        ("cmd:\n", "packages: []\ncmd:\n", "`packages` belongs under `contents`"),
        ("demo-${MAJOR_MINOR}", "demo-${MAJOR_MINR}", "did you mean `MAJOR_MINOR`?"),
        ("run-as: demo", "run-as: dmeo", "did you mean `demo`?"),
        ("checksum: sha256:", "checksum: ", "write `sha256:0123"),
        ("  root: false", "  root: no", "write `false`"),
        (
            "target.arch == \"amd64\" ||",
            "target.arch == amd64 ||",
            "a string is written in quotes: `\"amd64\"`",
        ),
    ] {
        let parsed = parse_text(&GOOD.replacen(from, to, 1));
        let helps: Vec<_> =
            parsed.diagnostics().iter().filter_map(|diagnostic| diagnostic.help.clone()).collect();
        assert!(helps.iter().any(|text| text.starts_with(help)), "{to}: {helps:?}");
    }
}

#[test]
fn problems_of_includes_point_into_the_right_file() {
    let text = GOOD.replacen(
        "name: Example",
        "includes:\n  - base.yaml\n  - absent.yaml\nname: Example",
        1,
    );
    let files: BTreeMap<String, String> = [(
        "base.yaml".to_owned(),
        "vars:\n  EXTRA: x\ncontents:\n  packges: []\n  packages:\n    - Bad\n".to_owned(),
    )]
    .into();
    let parsed = parse_with(&text, &files);
    let found: Vec<(Code, String)> = parsed
        .diagnostics()
        .iter()
        .map(|diagnostic| {
            let (name, line, column) = diagnostic.locate(parsed.sources()).expect("place");
            (diagnostic.code, format!("{name}:{line}:{column}"))
        })
        .collect();
    assert_eq!(
        found,
        [
            (Code::BadInclude, "test.yaml:5:5".to_owned()),
            (Code::UnknownKey, "base.yaml:4:3".to_owned()),
            (Code::BadPackage, "base.yaml:6:7".to_owned()),
        ]
    );
}

#[test]
fn warnings_do_not_refuse() {
    let text = GOOD.replacen("  - 1.30\n", "  - 1.30\n  - \"1.30\"\n", 1).replacen(
        "      gid: 65532\n      mode",
        "      gid: 100\n      mode",
        1,
    );
    let parsed = parse_text(&text);
    assert!(parsed.is_ok());
    assert_eq!(parsed.diagnostics().len(), 2, "{:?}", describe(&parsed));
    assert!(parsed.diagnostics().iter().all(|found| found.severity == Severity::Warning));
    assert!(parsed.render(hardpan_definition::Platform::LinuxAmd64).is_ok());
}

#[test]
fn downloads_that_may_change_are_warned_of() {
    const CHECKED: &str = "    - url: https://example.org/demo-${ARCH}.tar.gz\n      checksum: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n";
    let list = "\n      checksum: http://example.org/SHA256SUMS";
    for (url, checksum, message) in [
        ("https://example.org/x", "", Some("a download without a checksum")),
        ("http://example.org/x", "", Some("neither encrypted nor checked")),
        ("http://example.org/x", list, Some("neither this download nor its checksum file")),
        ("git+https://example.org/x#main", "", Some("a branch or tag can move")),
        ("https://example.org/x", list, None),
        ("http://example.org/x", "\n      checksum: https://example.org/SHA256SUMS", None),
        ("git+https://example.org/x#0123456789abcdef0123456789abcdef01234567", "", None),
        ("file:vendor/x", "", None),
    ] {
        let text = GOOD.replacen(CHECKED, &format!("    - url: {url}{checksum}\n"), 1);
        assert_ne!(text, GOOD);
        let parsed = parse_text(&text);
        assert!(parsed.is_ok(), "{url}: {:?}", describe(&parsed));
        let found: Vec<&Diagnostic> = parsed.diagnostics().iter().collect();
        assert_eq!(found.len(), usize::from(message.is_some()), "{url}: {:?}", describe(&parsed));
        for found in found {
            assert_eq!(found.code, Code::UnpinnedDownload, "{url}");
            assert!(found.message.contains(message.unwrap_or_default()), "{}", found.message);
        }
    }
}

#[test]
fn a_disabled_entry_is_checked_for_its_structure_only() {
    let disabled = "  - type: file\n    if: \"false\"\n    path: relative\n    mode: wrong\n    colour: red\n  - type: emptyfile";
    let parsed = parse_text(&GOOD.replacen("  - type: emptyfile", disabled, 1));
    let codes: Vec<Code> = parsed.diagnostics().iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::UnknownKey], "{:?}", describe(&parsed));
}

#[test]
fn diagnostics_are_data() {
    let parsed = parse_text("# syntax=dhi.io/build:2-debian13\nimage: a\nvariant: x\n");
    let json = serde_json::to_value(parsed.diagnostics()).expect("serialises");
    assert_eq!(json[0]["code"], "unknown-value");
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(json[0]["labels"][0]["span"]["start"], 51);
    assert_eq!(
        parsed.diagnostics()[0].render_plain(parsed.sources()),
        "test.yaml:3:10: error[unknown-value]: unknown variant `x`\n  help: known are dev, runtime, helm"
    );
}
