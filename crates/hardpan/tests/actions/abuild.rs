// SPDX-License-Identifier: Apache-2.0
//! What abuild/* writes into APKBUILDs, on a stage whose shell and programs are busybox's.

use std::collections::BTreeMap;

use crate::support::{Outcome, Stage, indented};

/// An APKBUILD with all that is hard to edit: several lines, quotes, comments, functions, conditions, a here-document.
const APKBUILD: &str = r#"# Maintainer: A. Packager <packager@example.org>
pkgname=py3-tool
_pkgname=${pkgname#py3-}
pkgver=1.0.0 # as upstream says
pkgrel=3
pkgdesc="a \"tool\" in 'Python'"
url="https://example.org/"
arch="noarch"
license="MIT"
depends="
	python3
	py3-other
	"
depends="$depends more"
makedepends="py3-gpep517 $(echo "a b" )"
checkdepends='py3-pytest
	py3-mock'
subpackages="$pkgname-pyc $pkgname-doc::noarch $pkgname-fish-completion tool-helper:_helper:noarch"
source="$pkgname-$pkgver.tar.gz::https://example.org/$pkgver.tar.gz
	fix.patch"
provides="py-tool=$pkgver-r$pkgrel" # for old ones
builddir="$srcdir/$_pkgname-$pkgver"

prepare() { default_prepare; } # as ever

build() {
	cat <<-EOF
pkgver=of-a-document
	EOF
pkgrel=of-a-function
}

check()
{
	false
}

_helper() {
	provides="of-the-function"
	pkgdesc="helper"
}

doc() { pkgdesc="doc"; }

pyc() {
	pkgdesc="pyc of $pkgname"
}

fishcomp() {
	pkgdesc="fish"
}

sha512sums="
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  py3-tool-1.0.0.tar.gz
bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  fix.patch
"
"#;

/// The aport's folder in the stage.
pub(crate) const APORT: &str = "aports/main/py3-tool";

/// A stage with the aport.
pub(crate) fn aport() -> Option<Stage> {
    let stage = Stage::alpine()?;
    stage.write(&format!("{APORT}/APKBUILD"), APKBUILD);
    stage.write(&format!("{APORT}/fix.patch"), "a patch\n");
    stage.write("/var/cache/distfiles/py3-tool-1.0.0.tar.gz", "sources\n");
    Some(stage)
}

pub(crate) fn run(stage: &Stage, action: &str, with: &str) -> Outcome {
    run_in(stage, APORT, action, with)
}

pub(crate) fn run_in(stage: &Stage, folder: &str, action: &str, with: &str) -> Outcome {
    // A stage makes working directories that are not there.
    stage.write(&format!("{folder}/.made"), "");
    let mut step = format!("uses: abuild/{action}@v1\nwork-dir: ${{source.dir}}/{folder}\n");
    if !with.is_empty() {
        step.push_str("with:\n");
        step.push_str(&indented(with));
    }
    stage.run(&step)
}

/// Reads an APKBUILD with three shells, which have to agree, and returns what a script prints then.
fn read(stage: &Stage, folder: &str, script: &str) -> String {
    let script = format!(
        "cd {folder} && startdir=$PWD && srcdir=$startdir/src && CARCH=x86_64 && set -e && . ./APKBUILD\n{script}"
    );
    stage.write("/run/read", script);
    let printed =
        ["busybox sh", "dash", "bash"].map(|shell| stage.sh(&format!("{shell} /run/read")).ok());
    assert!(printed.iter().all(|other| *other == printed[0]), "{printed:?}");
    printed[0].clone()
}

/// Reads variables of an APKBUILD.
fn variables(stage: &Stage, folder: &str, names: &[&str]) -> BTreeMap<String, String> {
    let script: Vec<String> = names
        .iter()
        .map(|name| format!("echo {name}=${{{name}-nothing}} | tr -s '\\t' ' '\n"))
        .collect();
    // Without quotes, so that blanks of any kind become one.
    let printed = read(stage, folder, &format!("set -f\n{}", script.concat()));
    let pairs = printed.lines().map(|line| line.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[track_caller]
fn assert_variables(stage: &Stage, folder: &str, expected: &[(&str, &str)]) {
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(variables(stage, folder, &names), expected);
}

fn sha512(stage: &Stage, path: &str) -> String {
    stage.sh(&format!("sha512sum <{path} | cut -d ' ' -f 1")).ok().trim().to_owned()
}

#[test]
fn a_bump_replaces_assignments_where_they_stand() {
    let Some(stage) = aport() else { return };
    let with = r"name: py3.10-tool
depends: python-3.10  py3.10-other
provides: py3-tool=$pkgver-r${pkgrel}
provider_priority: 310
replaces: py3-tool
replaces_priority: 310
rel: 7";
    run(&stage, "bump", with).ok();
    let text = stage.read(&format!("{APORT}/APKBUILD"));
    let changed: Vec<&str> =
        text.lines().filter(|line| !APKBUILD.lines().any(|old| old == *line)).collect();
    let expected = [
        "pkgname=py3.10-tool",
        "pkgrel=7",
        "depends=\"python-3.10 py3.10-other\"",
        "provides=\"py3-tool=$pkgver-r${pkgrel}\" # for old ones",
        "provider_priority=310",
        "replaces_priority=310",
        "replaces=\"py3-tool\"",
    ];
    assert_eq!(changed, expected);
    let gone: Vec<&str> =
        APKBUILD.lines().filter(|line| !text.lines().any(|new| new == *line)).collect();
    let expected = [
        "pkgname=py3-tool",
        "pkgrel=3",
        "depends=\"",
        "\tpython3",
        "\tpy3-other",
        "\t\"",
        "depends=\"$depends more\"",
        "provides=\"py-tool=$pkgver-r$pkgrel\" # for old ones",
    ];
    assert_eq!(gone.iter().filter(|line| **line != "\t\"").count(), expected.len() - 1, "{gone:?}");
    assert_variables(
        &stage,
        APORT,
        &[
            ("pkgname", "py3.10-tool"),
            ("_pkgname", "py3.10-tool"),
            ("pkgver", "1.0.0"),
            ("depends", "python-3.10 py3.10-other"),
            ("provides", "py3-tool=1.0.0-r7"),
            ("makedepends", "py3-gpep517 a b"),
            ("checkdepends", "py3-pytest py3-mock"),
            (
                "subpackages",
                "py3.10-tool-pyc py3.10-tool-doc::noarch py3.10-tool-fish-completion tool-helper:_helper:noarch",
            ),
        ],
    );
    // Functions are as they were, and checksums too, since the version is the same.
    assert!(text.contains("pkgver=of-a-document") && text.contains("pkgrel=of-a-function"));
    assert!(text.contains("aaaa  py3-tool-1.0.0.tar.gz"));
    // `set` is another word for the revision.
    run(&stage, "bump", "set: 0").ok();
    assert_variables(&stage, APORT, &[("pkgrel", "0")]);
}

#[test]
fn a_bump_of_the_version_makes_checksums() {
    let Some(stage) = aport() else { return };
    stage.write("/var/cache/distfiles/py3-tool-1.1.0.tar.gz", "new sources\n");
    run(&stage, "bump", "version: 1.1.0\nrel: 0\nbuilddir: $srcdir/tool-$pkgver").ok();
    let fresh = sha512(&stage, "/var/cache/distfiles/py3-tool-1.1.0.tar.gz");
    let patch = sha512(&stage, &format!("{APORT}/fix.patch"));
    assert_variables(
        &stage,
        APORT,
        &[
            ("pkgver", "1.1.0"),
            ("builddir", "/work/source/aports/main/py3-tool/src/tool-1.1.0"),
            ("sha512sums", &format!("{fresh} py3-tool-1.1.0.tar.gz {patch} fix.patch")),
        ],
    );
    // What is not there keeps the checksum that it has; one that nobody has is named.
    stage.sh(&format!("rm {APORT}/fix.patch /var/cache/distfiles/*")).ok();
    let log = run(&stage, "bump", "version: 1.2.0").ok();
    assert!(log.contains("no checksum for py3-tool-1.2.0.tar.gz"), "{log}");
    assert_variables(&stage, APORT, &[("sha512sums", &format!("{patch} fix.patch"))]);
    // Without sources there are none.
    stage.write(&format!("{APORT}/APKBUILD"), "pkgname=x\npkgver=1\npkgrel=0\nsha512sums='x  y'\n");
    run(&stage, "bump", "version: \"2\"").ok();
    assert_eq!(stage.read(&format!("{APORT}/APKBUILD")), "pkgname=x\npkgver=2\npkgrel=0\n");
}

#[test]
fn a_version_may_have_the_date_of_the_stage() {
    let Some(stage) = aport() else { return };
    run(&stage, "bump", "version: 1.37.0_git$(date -ud @${SOURCE_DATE_EPOCH} +%Y%m%d)").ok();
    assert!(stage.read(&format!("{APORT}/APKBUILD")).contains("\npkgver=1.37.0_git20250615 # as"));
    for version in [
        "1$(date -ud @${SOURCE_DATE_EPOCH} +%Y;id)",
        "1$(date -ud @${SOURCE_DATE_EPOCH} +)",
        "1$(date -ud @${SOURCE_DATE_EPOCH} +%Y",
        "1$(date -ud @${SOURCE_DATE_EPOCH} +%Y)$(id)",
        "1$(date)",
        "1`id`",
        "1 2",
        "\"1\\nid\"",
        "v1",
    ] {
        run(&stage, "bump", &format!("version: {version}")).fails("not ");
    }
}

#[test]
fn subpackages_say_what_they_provide() {
    let Some(stage) = aport() else { return };
    let with = r"name: py3.10-tool
subpackages:
  py3.10-tool-pyc:
    provides: py3-tool-pyc=1.0.0-r0
    replaces: py3-tool-pyc
  tool-helper:
    provides: helper=$pkgver
  $pkgname-fish-completion:
    replaces: fish
  py3.10-tool-absent:
    provides: absent";
    let log = run(&stage, "bump", with).ok();
    assert!(
        log.contains("there is no such subpackage:\n") && log.contains("\"py3.10-tool-absent\"")
    );
    assert!(!log.contains("pyc"), "{log}");
    run(&stage, "bump", "subpackages:\n  py3.10-tool-doc:\n    provides: docs").ok();
    // As abuild runs them: in a process of its own each, what the package provides is not inherited.
    let split = r#"
for entry in $subpackages; do (
    name=${entry%%:*}
    rest=${entry#*:}
    split=${rest%%:*}
    case $rest in *:*) arch=${rest#*:} ;; *) arch= ;; esac
    provides= replaces=
    "$split"
    echo "$name,$arch: $pkgdesc, $provides, $replaces"
) done"#;
    let expected = "py3.10-tool-pyc,: pyc of py3.10-tool, py3-tool-pyc=1.0.0-r0, py3-tool-pyc
py3.10-tool-doc,noarch: doc, docs, 
py3.10-tool-fish-completion,: fish, , fish
tool-helper,noarch: helper, helper=1.0.0, 
";
    assert_eq!(read(&stage, APORT, split), expected);
}

#[test]
fn values_are_text() {
    let Some(stage) = aport() else { return };
    let hostile = r#""a\" b'; touch /tmp/run1; $(touch /tmp/run2) `touch /tmp/run3` ${x:=$(touch /tmp/run4)} $HOME $pkgname_ \\ \\$(touch /tmp/run5) \nprovides=$(touch /tmp/run6) $pkgname""#;
    let with =
        format!("depends: {hostile}\nsubpackages:\n  py3-tool-pyc:\n    provides: {hostile}");
    run(&stage, "bump", &with).ok();
    let text = r#"a" b'; touch /tmp/run1; $(touch /tmp/run2) `touch /tmp/run3` ${x:=$(touch /tmp/run4)} $HOME $pkgname_ \ \$(touch /tmp/run5) provides=$(touch /tmp/run6) py3-tool"#;
    let printed =
        read(&stage, APORT, "printf '%s\\n' \"$depends\"\n_bump1_1\nprintf '%s\\n' \"$provides\"");
    assert_eq!(printed, format!("{text}\n{text}\n"));
    let write = format!(
        "name: made\nversion: 1.0\nlicense: MIT\ndescription: {hostile}\nprovides: {hostile}\nfiles: [\"a'$(touch /tmp/run7)\"]"
    );
    stage.write("/work/target/a'$(touch /tmp/run7)", "x");
    run_in(&stage, "aports/made", "apk", &write).ok();
    let script = "pkgdir=$PWD/pkg\n(package)\n(cd pkg && find . -type f)\nrm -r pkg\nprintf '%s\\n' \"$pkgdesc\"";
    let text = text.replace("py3-tool", "made");
    assert_eq!(read(&stage, "aports/made", script), format!("./a'$(touch /tmp/run7)\n{text}\n"));
    assert_eq!(stage.sh("ls /tmp").ok(), "");
}

#[test]
fn what_a_bump_refuses() {
    let Some(stage) = aport() else { return };
    for (with, reason) in [
        ("name: ../x", "not the name of a package"),
        ("name: \"x\\ny\"", "not the name of a package"),
        ("name: $(id)", "not the name of a package"),
        ("rel: r1", "not a revision"),
        ("provider_priority: \"1 2\"", "not a number"),
        ("depends: \"a\\u0007\"", "control characters"),
        ("subpackages: {\"a b\": {provides: x}}", "not the name of a subpackage"),
        ("subpackages: {a: {depends: x}}", "unknown in a: depends"),
    ] {
        run(&stage, "bump", with).fails(reason);
        assert_eq!(stage.read(&format!("{APORT}/APKBUILD")), APKBUILD, "{with}");
    }
    run_in(&stage, "aports/none", "bump", "rel: 1").fails("there is no APKBUILD");
    for (text, reason) in [
        ("pkgname=x\n", "there is no pkgrel= at the beginning of a line"),
        ("pkgrel=\"1\npkgname=x\n", "a quote in APKBUILD has no end"),
    ] {
        stage.write(&format!("{APORT}/APKBUILD"), text);
        run(&stage, "bump", "rel: 1").fails(reason);
        assert_eq!(stage.read(&format!("{APORT}/APKBUILD")), text);
    }
}

#[test]
fn functions_are_disabled() {
    let Some(stage) = aport() else { return };
    assert_eq!(read(&stage, APORT, "check || echo fails"), "fails\n");
    for function in ["check", "_helper", "package"] {
        run(&stage, "disable", &format!("function: {function}")).ok();
    }
    assert_eq!(
        read(&stage, APORT, "check && _helper && package && echo \"$pkgdesc\""),
        "a \"tool\" in 'Python'\n"
    );
    let text = stage.read(&format!("{APORT}/APKBUILD"));
    for (function, reason) in [
        ("absent", "there is no function absent"),
        ("\"check() { id; }; x\"", "not a function's name"),
        ("\"check\\nid\"", "not a function's name"),
        ("1x", "not a function's name"),
    ] {
        run(&stage, "disable", &format!("function: {function}")).fails(reason);
    }
    assert_eq!(stage.read(&format!("{APORT}/APKBUILD")), text);
    run_in(&stage, "aports/none", "disable", "function: check").fails("there is no APKBUILD");
}

#[test]
fn sources_are_added() {
    let Some(stage) = aport() else { return };
    let added = ["dhi-cve-1.patch", "thin-vec-0.2.18.patch"];
    for name in added {
        stage.write(&format!("{APORT}/{name}"), name);
        run(&stage, "source", &format!("source: {name}")).ok();
    }
    let sums = added.map(|name| sha512(&stage, &format!("{APORT}/{name}")));
    let found = variables(&stage, APORT, &["source", "sha512sums"]);
    assert!(
        found["source"].ends_with(" fix.patch dhi-cve-1.patch thin-vec-0.2.18.patch"),
        "{found:?}"
    );
    let end = format!("fix.patch {} dhi-cve-1.patch {} thin-vec-0.2.18.patch", sums[0], sums[1]);
    assert!(found["sha512sums"].ends_with(&end), "{found:?}");
    // A bump of the version makes one list of them.
    run(&stage, "bump", "version: 1.0.1").ok();
    assert!(variables(&stage, APORT, &["sha512sums"])["sha512sums"].ends_with(&end));
    for (name, reason) in [
        ("fix.patch", "is a source already"),
        ("dhi-cve-1.patch", "is a source already"),
        ("absent.patch", "there is no"),
        ("../fix.patch", "not the name of a file"),
        ("\"a b\"", "not the name of a file"),
        ("$(id)", "not the name of a file"),
        ("-x", "not the name of a file"),
    ] {
        run(&stage, "source", &format!("source: {name}")).fails(reason);
    }
    // An old APKBUILD, and one without sources.
    for (text, sums) in [("sha256sums='x  y'", "sha256sums"), ("pkgname=x", "sha512sums")] {
        stage.write(&format!("{APORT}/APKBUILD"), text);
        run(&stage, "source", "source: fix.patch").ok();
        let found = variables(&stage, APORT, &["source", sums]);
        assert_eq!(found["source"], "fix.patch");
        assert!(found[sums].ends_with(" fix.patch"), "{found:?}");
    }
}

const WRITE: &str = r"name: golang-1.27
version: 1.27.0
rel: 4
description: Go compiler (with tools)
license: BSD-3-Clause
arch: all
options: '!check !fhs'
depends: binutils gcc
provides: go=$pkgver-r$pkgrel golang=$pkgver-r$pkgrel
provider_priority: 127
replaces: go
install: $pkgname.post-install
subpackages: $pkgname-doc $pkgname-x:xx:noarch
functions:
  xx: |
    pkgdesc='x of '$pkgname
    cat >note <<EOF
    a note
    EOF
";

#[test]
fn an_apkbuild_is_written() {
    let Some(stage) = Stage::alpine() else { return };
    stage.sh("cd /work/target && mkdir -p usr/bin usr/lib/go opt/docker && echo go >usr/bin/go && chmod 755 usr/bin/go && ln -s /usr/bin/go usr/lib/go/go && ln -s lib usr/lib64").ok();
    // In a folder of another name it is beside that.
    run_in(&stage, "aports/nginx-${NAME}", "apk", &format!("{WRITE}files: [usr/lib, usr, /usr/lib64]\noci-config:\n  environment: {{GOPATH: /go}}\n")).ok();
    let folder = "aports/golang-1.27";
    assert_variables(
        &stage,
        folder,
        &[
            ("pkgname", "golang-1.27"),
            ("pkgver", "1.27.0"),
            ("pkgrel", "4"),
            ("pkgdesc", "Go compiler (with tools)"),
            ("url", "https://localhost/"),
            ("arch", "all"),
            ("license", "BSD-3-Clause"),
            ("options", "!check !fhs"),
            ("depends", "binutils gcc"),
            ("depends_dev", "nothing"),
            ("provides", "go=1.27.0-r4 golang=1.27.0-r4"),
            ("provider_priority", "127"),
            ("replaces", "go"),
            ("replaces_priority", "nothing"),
            ("install", "golang-1.27.post-install"),
            (
                "subpackages",
                "golang-1.27-doc golang-1.27-x:xx:noarch golang-1.27-oci-config:oci_config:noarch",
            ),
            ("source", "nothing"),
            ("builddir", "/work/source/aports/golang-1.27"),
        ],
    );
    let pack = "pkgdir=$PWD/pkg subpkgdir=$PWD/sub\n(package)\n(cd pkg && find . | sort)\nstat -c '%a' pkg/usr/bin/go\nreadlink pkg/usr/lib/go/go\n(oci_config; echo \"$depends\")\ntr -d ' \\n' <sub/opt/docker/config/golang-1.27.yaml\n(xx; echo; echo \"$pkgdesc\"; cat note)\nrm -r pkg sub";
    let expected = ".\n./usr\n./usr/bin\n./usr/bin/go\n./usr/lib\n./usr/lib/go\n./usr/lib/go/go\n./usr/lib64\n755\n/usr/bin/go\ngolang-1.27\n{\"environment\":{\"GOPATH\":\"/go\"}}\nx of golang-1.27\na note\n";
    assert_eq!(read(&stage, folder, pack), expected);
    // Without a list all that is there is packed; the folder has the package's name.
    run_in(&stage, folder, "apk", WRITE).ok();
    let list =
        "pkgdir=$PWD/pkg\n(package)\n(cd pkg && find . -type d | sort | tr '\\n' ' ')\nrm -r pkg";
    let expected = ". ./opt ./opt/docker ./usr ./usr/bin ./usr/lib ./usr/lib/go ";
    assert_eq!(read(&stage, folder, list), expected);
    // A target directory with nothing in it makes a package that only needs others.
    stage.sh("rm -r /work/target/*").ok();
    run_in(&stage, folder, "apk", WRITE).ok();
    assert_eq!(read(&stage, folder, list), ". ");
    // It can be bumped, as the catalog does.
    run_in(&stage, folder, "bump", "version: 1.27.0_git$(date -ud @${SOURCE_DATE_EPOCH} +%Y%m%d)")
        .ok();
    assert_variables(&stage, folder, &[("pkgver", "1.27.0_git20250615")]);
}

#[test]
fn what_no_apkbuild_is_written_for() {
    let Some(stage) = Stage::alpine() else { return };
    stage.write("/work/target/file", "x");
    for (change, reason) in [
        ("files: [absent]", "there is no /work/target/absent"),
        ("files: [../source]", "not a path"),
        ("files: [\"/\"]", "not a path"),
        ("files: []", "files lists nothing"),
        ("rel: x", "not a revision"),
        ("version: 1-2", "not a version"),
        ("name: a/b", "not the name of a package"),
        ("name: \"a\\nb\"", "not the name of a package"),
        ("provider_priority: $(id)", "not a number"),
        ("functions: {\"x() { :; }; y\": \":\"}", "not the name of a function"),
        ("functions: {x: [y]}", "not a function"),
        ("functions: {x: \"if\"}", "is not shell"),
        (
            "functions: {oci_config: \":\"}\noci-config: {environment: {}}",
            "oci-config, and a function oci_config",
        ),
    ] {
        let mut lines: BTreeMap<&str, &str> = BTreeMap::from([
            ("name", "name: made"),
            ("version", "version: 1.0"),
            ("license", "license: MIT"),
            ("description", "description: x"),
        ]);
        lines.insert(change.split(':').next().unwrap(), change);
        let with = lines.into_values().collect::<Vec<_>>().join("\n");
        run_in(&stage, "aports/made", "apk", &with).fails(reason);
    }
}

#[test]
fn both_that_write_values_write_them_alike() {
    let Some(stage) = aport() else { return };
    let bump = stage.expand("uses: abuild/bump@v1\nwith:\n  rel: 1\n");
    let write = stage.expand(&format!("uses: abuild/apk@v1\nwith:\n{}", indented(WRITE)));
    assert_eq!(bump.files["files/text.jq"], write.files["files/text.jq"]);
}
