// SPDX-License-Identifier: Apache-2.0
//! The database against what dpkg writes, and against dpkg itself where it is installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use hardpan_testkit::deb::{Deb, deb};
use hardpan_tree::{Kind, Tree, TreePath};

use super::*;
use crate::finish::testing::{Fixture, dump};
use crate::finish::{Warning, run_all};

fn packages() -> Vec<Deb> {
    vec![
        deb("dpkg", "1.22")
            .architecture("amd64")
            .file("/usr/bin/dpkg", "x")
            .file("/usr/share/man/man1/dpkg.1.gz", "stripped")
            .control_file("md5sums", format!("{0}  usr/bin/dpkg\n{0}  usr/share/man/man1/dpkg.1.gz\n", "0".repeat(32))),
        deb("libx1", "2:1.0-1")
            .architecture("amd64")
            .field("Multi-Arch", "same")
            .field("Depends", "libc6 (>= 2.3),\n libz1 |\n  libz2")
            .field("Homepage", "https://x.example")
            .field("Priority", "optional")
            .field("Description", "short\n long\n .\n  more")
            .file("/usr/lib/libx.so.1", "x")
            .file("/etc/x.conf", "a=b\n")
            .conffile()
            .file("/etc/y.conf", "c=d\n")
            .conffile()
            .script("postinst", "#!/bin/sh\n")
            .control_file("triggers", "interest-noawait /usr/lib/x\ninterest x-changed\nactivate-noawait ldconfig\ninterest ../evil\n"),
        deb("data", "1").file("/usr/share/data", "x").file("/usr/share/gone", "x"),
    ]
}

fn run(yaml: &str, packages: &[Deb]) -> (Fixture, Tree, Vec<Warning>) {
    let mut fixture = Fixture::default();
    fixture.yaml(yaml);
    let mut tree = fixture.install(packages);
    let finished = run_all(&mut tree, &fixture.inputs()).unwrap();
    (fixture, tree, finished.warnings)
}

#[test]
fn status_has_dpkgs_order_of_fields() {
    let (fixture, tree, warnings) = run("", &packages());
    assert_eq!(warnings, []);
    let status = fixture.text(&tree, "var/lib/dpkg/status");
    let names: Vec<&str> =
        status.lines().filter_map(|line| line.strip_prefix("Package: ")).collect();
    assert_eq!(names, ["data", "dpkg", "libx1"]);
    let stanza = status.split("\n\n").nth(2).unwrap();
    let (x, y) = (hex(&Md5::digest(b"a=b\n")), hex(&Md5::digest(b"c=d\n")));
    assert_eq!(
        stanza,
        format!(
            "Package: libx1\nStatus: install ok installed\nPriority: optional\n\
             Maintainer: Test <test@example.org>\nArchitecture: amd64\nMulti-Arch: same\n\
             Version: 2:1.0-1\nDepends: libc6 (>= 2.3), libz1 | libz2\n\
             Conffiles:\n /etc/x.conf {x}\n /etc/y.conf {y}\n\
             Description: short\n long\n .\n  more\nHomepage: https://x.example"
        )
    );
}

#[test]
fn checksums_are_md5() {
    for (text, expected) in
        [("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72")]
    {
        assert_eq!(hex(&Md5::digest(text)), expected);
    }
}

#[test]
fn without_dpkg_there_are_only_the_status_and_checksums() {
    let (fixture, tree, _) = run("", &packages()[1..]);
    let text = dump(&tree);
    let files = text.lines().filter(|line| line.contains("/dpkg/") && line.contains(" file "));
    let found: Vec<&str> = files.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(
        found,
        [
            "/var/lib/dpkg/info/data.md5sums",
            "/var/lib/dpkg/info/libx1:amd64.md5sums",
            "/var/lib/dpkg/status",
        ]
    );
    // As with dpkg: what is there, without configuration files.
    let x = "9dd4e461268c8034f5c8564e155c67a6";
    let sums = |name: &str| fixture.text(&tree, &format!("var/lib/dpkg/info/{name}.md5sums"));
    assert_eq!(sums("libx1:amd64"), format!("{x}  usr/lib/libx.so.1\n"));
    assert_eq!(sums("data"), format!("{x}  usr/share/data\n{x}  usr/share/gone\n"));
    let (_, tree, _) = run("", &[]);
    assert!(!dump(&tree).contains("dpkg"));
}

#[test]
fn lists_say_what_is_there() {
    let yaml = "paths:\n  - type: delete\n    path: /usr/share/gone\n  - type: file\n    \
                path: /etc/x.conf\n    content: changed\n";
    let (fixture, tree, _) = run(yaml, &packages());
    let text = |path| fixture.text(&tree, path);
    assert_eq!(text("var/lib/dpkg/info/format"), "1\n");
    assert_eq!(text("var/lib/dpkg/arch"), "amd64\n");
    assert_eq!(text("var/lib/dpkg/info/data.list"), "/.\n/usr\n/usr/share\n/usr/share/data\n");
    let list = text("var/lib/dpkg/info/dpkg.list");
    assert!(!list.contains("/man1"), "{list}");
    assert_eq!(
        text("var/lib/dpkg/info/dpkg.md5sums"),
        format!("{}  usr/bin/dpkg\n", "0".repeat(32))
    );
    assert!(text("var/lib/dpkg/info/libx1:amd64.list").contains("/usr/lib/libx.so.1\n"));
    assert_eq!(text("var/lib/dpkg/info/libx1:amd64.conffiles"), "/etc/x.conf\n/etc/y.conf\n");
    // dpkg compares with what it installed, so the checksum is the package's.
    let status = text("var/lib/dpkg/status");
    assert!(status.contains(&format!(" /etc/x.conf {}\n", hex(&Md5::digest(b"a=b\n")))));
    assert_eq!(text("var/lib/dpkg/triggers/File"), "/usr/lib/x libx1:amd64/noawait\n");
    assert_eq!(text("var/lib/dpkg/triggers/x-changed"), "libx1:amd64\n");
    let files = dump(&tree);
    assert!(files.contains("/info/libx1:amd64.postinst file 0755"));
    assert!(!files.contains("evil") && !files.contains("triggers/ldconfig"));
}

#[test]
fn files_that_another_package_replaced_are_that_ones() {
    let new = deb("new", "1").file("/usr/bin/tool", "new").field("Replaces", "old");
    let old = deb("old", "1").file("/usr/bin/tool", "old").file("/usr/bin/other", "x");
    let (fixture, tree, _) = run("", &[new, old, deb("dpkg", "1")]);
    assert!(fixture.text(&tree, "var/lib/dpkg/info/new.list").contains("/usr/bin/tool\n"));
    let list = fixture.text(&tree, "var/lib/dpkg/info/old.list");
    assert!(list.contains("/usr/bin/other\n") && !list.contains("/usr/bin/tool\n"), "{list}");
}

#[test]
fn what_the_definition_decides_stays() {
    let yaml = "paths:\n  - type: file\n    path: /var/lib/dpkg/status\n    content: mine\n  \
                - type: delete\n    path: /var/lib/dpkg/info\n";
    let (fixture, tree, _) = run(yaml, &packages());
    assert_eq!(fixture.text(&tree, "var/lib/dpkg/status"), "mine");
    assert!(!tree.contains(&TreePath::literal("var/lib/dpkg/info")));
    assert!(tree.contains(&TreePath::literal("var/lib/dpkg/arch")));
}

/// Writes `/var/lib/dpkg` of a tree to a directory of this machine.
fn write_out(fixture: &Fixture, tree: &Tree, to: &Path) {
    use hardpan_tree::Contents as _;
    let root = TreePath::literal("var/lib/dpkg");
    for (path, node) in tree.walk_below(&root) {
        let rest = String::from_utf8(path.strip_prefix(&root).unwrap().to_vec()).unwrap();
        match &node.kind {
            Kind::Directory => fs::create_dir_all(to.join(rest)).unwrap(),
            Kind::File(file) => {
                fs::write(to.join(rest), &*fixture.contents.read(file).unwrap()).unwrap();
            }
            _ => panic!("{path} is neither"),
        }
    }
}

#[test]
fn dpkg_accepts_the_database() {
    if Command::new("dpkg-query").arg("--version").output().is_err() {
        eprintln!("skipped: dpkg_accepts_the_database because dpkg-query is not installed");
        return;
    }
    // An `all` package with nothing to configure, and one for an architecture.
    let (fixture, tree, _) = run("variant: dev\n", &packages());
    let directory = tempfile::tempdir().unwrap();
    write_out(&fixture, &tree, directory.path());
    let admindir = format!("--admindir={}", directory.path().display());
    let query = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).arg(&admindir).args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {errors}");
        assert_eq!(errors, "", "{program} {arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = query("dpkg-query", &["-W", "-f", "${binary:Package} ${Version} ${Status}\n"]);
    assert!(listed.contains("data 1 install ok installed\n"), "{listed}");
    assert!(listed.contains("libx1:amd64 2:1.0-1 install ok installed\n"), "{listed}");
    assert_eq!(
        query("dpkg-query", &["-L", "data"]),
        "/.\n/usr\n/usr/share\n/usr/share/data\n/usr/share/gone\n"
    );
    assert!(query("dpkg-query", &["-L", "libx1:amd64"]).contains("/etc/x.conf\n"));
    assert_eq!(query("dpkg-query", &["-S", "/usr/bin/dpkg"]), "dpkg: /usr/bin/dpkg\n");
    assert_eq!(query("dpkg", &["--audit"]), "");
    assert!(query("dpkg-query", &["--control-list", "libx1"]).contains("postinst\n"));
}

/// Puts what a stage brought into a tree.
fn bring(tree: &mut Tree, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = TreePath::parse(name).unwrap();
        let origin = hardpan_tree::Origin::Stage(0);
        let metadata = hardpan_tree::Metadata::root(0o644, 0);
        tree.make_directories(&path.parent().unwrap(), &metadata, origin).unwrap();
        let kind = Kind::File(hardpan_tree::File::inline(text.as_bytes()));
        tree.insert(path, hardpan_tree::Node { metadata, kind, origin }).unwrap();
    }
}

const BROUGHT: [(&str, &str); 6] = [
    (
        "var/lib/dpkg/status.d/data",
        "Package: data\nVersion: 2+own1\nArchitecture: all\nMaintainer: A\nDescription: d\n",
    ),
    ("var/lib/dpkg/status.d/data.list", "/.\n/etc\n/etc/data.conf\n"),
    (
        "var/lib/dpkg/status.d/data.conffiles",
        "/etc/data.conf\nremove-on-upgrade /etc/old\n/etc/absent\n",
    ),
    ("var/lib/dpkg/status.d/data.prerm", "#!/bin/sh\n"),
    ("var/lib/dpkg/status.d/data.unknown", "x"),
    ("etc/data.conf", "own\n"),
];

#[test]
fn what_stages_brought_is_in_the_database() {
    for own in [packages(), packages()[1..2].to_vec()] {
        let has_dpkg = own.len() > 1;
        let fixture_packages = own;
        let mut fixture = Fixture::default();
        let mut tree = fixture.install(&fixture_packages);
        let inputs = fixture.inputs();
        let finished = crate::finish::run_all_around(&mut tree, &inputs, |tree| {
            bring(tree, &BROUGHT);
            bring(
                tree,
                &[("var/lib/dpkg/status.d/odd", "Package: other\nVersion: 1\nArchitecture: all\n")],
            );
            Ok::<_, FinishError>(())
        })
        .unwrap();
        let files: Vec<String> =
            finished.warnings.iter().filter_map(|found| found.file.clone()).collect();
        // A member that dpkg does not keep stands alone, and is no control file.
        let folder = "/var/lib/dpkg/status.d";
        assert_eq!(files, [format!("{folder}/data.unknown"), format!("{folder}/odd")]);
        let status = fixture.text(&tree, "var/lib/dpkg/status");
        let sum = hex(&Md5::digest(b"own\n"));
        let stanza = format!(
            "Package: data\nStatus: install ok installed\nMaintainer: A\nArchitecture: all\n\
             Version: 2+own1\nConffiles:\n /etc/data.conf {sum}\nDescription: d\n\n"
        );
        assert!(status.starts_with(&stanza), "{status}");
        assert_eq!(status.matches("Package: data\n").count(), 1, "{status}");
        assert!(status.contains("Package: libx1\n"), "{status}");
        let text = dump(&tree);
        assert!(!text.contains("status.d/data.list"), "{text}");
        assert_eq!(text.contains("/info/data.list file 0644"), has_dpkg, "{text}");
        assert_eq!(text.contains("/info/data.prerm file 0755"), has_dpkg, "{text}");
        assert!(text.contains("/info/data.md5sums file 0644"), "{text}");
    }
}

#[test]
fn what_building_packages_needs_is_there_where_they_are_built() {
    let mut all = packages();
    all[1] = all[1]
        .clone()
        .control_file("shlibs", "libx 1 libx1\n")
        .control_file("symbols", "libx.so.1 libx1\n");
    let names = |tree: &Tree| {
        let text = dump(tree);
        [".shlibs ", ".symbols "].map(|end| text.contains(&format!("info/libx1:amd64{end}")))
    };
    let (_, tree, _) = run("", &all);
    assert_eq!(names(&tree), [false, false]);
    all.push(deb("dpkg-dev", "1.22").file("/usr/bin/dpkg-shlibdeps", "x"));
    let (fixture, tree, _) = run("", &all);
    assert_eq!(names(&tree), [true, true]);
    assert_eq!(fixture.text(&tree, "var/lib/dpkg/info/libx1:amd64.shlibs"), "libx 1 libx1\n");
}
