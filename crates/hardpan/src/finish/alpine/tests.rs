// SPDX-License-Identifier: Apache-2.0

use hardpan_package::scripts::Treatment;

use hardpan_testkit::apk::Apk;

use crate::finish::testing::{Fixture, apk, dump};
use crate::finish::{Finished, run_all};
use hardpan_tree::{Tree, TreePath};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbin:x:1:1:bin:/bin:/sbin/nologin\n\
    nobody:x:65534:65534:nobody:/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:root\nbin:x:1:root,bin,daemon\nshadow:x:42:\nwww-data:x:82:\nusers:x:100:games\n\
    nogroup:x:65533:\nnobody:x:65534:\n";
const SHADOW: &str = "root:*::0:::::\nbin:!::0:::::\nnobody:!::0:::::\n";
const NONROOT: &str = "accounts:\n  root: true\n  run-as: nonroot\n  users:\n    - name: nonroot\n      uid: 65532\n      \
    gid: 65532\n  groups:\n    - name: nonroot\n      gid: 65532\n      members: [nonroot]\n\
    os-release:\n  name: Hardened (Alpine)\n  id: alpine\n  version-id: \"3.24\"\n";

fn baselayout_data() -> Apk {
    apk("alpine-baselayout-data", "3.7.2-r0", "replaces = alpine-baselayout\n")
        .directory("etc")
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
        .file("etc/shadow", SHADOW)
        .mode(0o640)
        .owner(0, 42)
        .file("etc/shells", "# valid login shells\n/bin/sh\n")
        .file("etc/profile", "export PATH\n")
}

fn musl() -> Apk {
    apk("musl", "1.2.5-r10", "provides = so:libc.musl-x86_64.so.1=1\n")
        .directory("lib")
        .file("lib/ld-musl-x86_64.so.1", "loader")
        .mode(0o755)
        .symlink("lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
}

/// nginx as Alpine has it: a user of its own, whose files had other numbers where it was built.
fn nginx() -> Apk {
    apk("nginx", "1.28-r0", "depend = so:libc.musl-x86_64.so.1\n")
        .file("usr/sbin/nginx", "program")
        .mode(0o755)
        .directory("var/lib/nginx")
        .mode(0o750).owner(100, 101)
        .directory("var/log/nginx")
        .mode(0o755).owner(100, 101)
        .script(
            "pre-install",
            "#!/bin/sh\n\naddgroup -S -g 82 www-data 2>/dev/null\naddgroup -S nginx 2>/dev/null\n\
             adduser -S -D -H -h /var/lib/nginx -s /sbin/nologin -G nginx -g nginx nginx 2>/dev/null\n\
             addgroup nginx www-data 2>/dev/null\n\nexit 0\n",
        )
        .script("post-install", "#!/bin/sh\n\nln -sf /var/lib/nginx/logs var/lib/nginx/current\nfrobnicate --hard\n")
        .script("post-upgrade", "#!/bin/sh\nfrobnicate --upgrade\n")
}

fn run(yaml: &str, packages: &[Apk]) -> (Fixture, Tree, Finished) {
    let mut fixture = Fixture::default();
    fixture.alpine(yaml);
    let mut tree = fixture.install_apks(packages);
    let finished = run_all(&mut tree, &fixture.inputs()).unwrap();
    (fixture, tree, finished)
}

fn has(tree: &Tree, path: &str) -> bool {
    tree.contains(&TreePath::parse(path).unwrap())
}

#[test]
fn a_static_runtime_image() {
    let (fixture, tree, finished) = run(NONROOT, &[baselayout_data()]);
    assert_eq!(
        fixture.text(&tree, "etc/passwd"),
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n"
    );
    assert_eq!(fixture.text(&tree, "etc/group"), "root:x:0:\nnonroot:x:65532:nonroot\n");
    assert_eq!(fixture.text(&tree, "etc/shadow"), "root:*::0:::::\nnonroot:!:19675:0:99999:7:::\n");
    assert!(dump(&tree).contains("/etc/shadow file 0640 0:42"), "{}", dump(&tree));
    assert_eq!(fixture.text(&tree, "etc/alpine-release"), "3.24\n");
    assert!(fixture.text(&tree, "etc/os-release").contains("VERSION_ID=3.24\n"));
    assert!(fixture.text(&tree, "lib/apk/db/installed").contains("P:alpine-baselayout-data\n"));
    for path in ["etc/ld.so.cache", "var/lib/dpkg", "etc/apk", "bin", "lib/apk/db/triggers"] {
        assert!(!has(&tree, path), "{path}\n{}", dump(&tree));
    }
    assert_eq!(finished.warnings, []);
}

#[test]
fn accounts_of_scripts_own_their_files() {
    let packages = [baselayout_data(), musl(), nginx()];
    let (fixture, tree, finished) = run(&format!("variant: dev\n{NONROOT}"), &packages);
    let passwd = fixture.text(&tree, "etc/passwd");
    assert!(passwd.starts_with(PASSWD), "{passwd}");
    assert!(passwd.contains("\nnginx:x:100:101:nginx:/var/lib/nginx:/sbin/nologin\n"), "{passwd}");
    let group = fixture.text(&tree, "etc/group");
    assert!(
        group.contains("\nwww-data:x:82:nginx\n") && group.contains("\nnginx:x:101:\n"),
        "{group}"
    );
    assert!(fixture.text(&tree, "etc/shadow").ends_with("nginx:!:19675:0:99999:7:::\n"));
    assert!(dump(&tree).contains("/var/lib/nginx directory 0750 100:101"), "{}", dump(&tree));
    assert!(dump(&tree).contains("/var/lib/nginx/current symlink 0777 0:0 -> /var/lib/nginx/logs"));
    let warnings: Vec<_> = finished
        .warnings
        .iter()
        .map(|warning| (warning.package.as_deref(), warning.file.as_deref(), warning.lines))
        .collect();
    assert_eq!(
        warnings,
        [(Some("nginx"), Some("post-install"), Some((4, 4))), (None, None, None)],
        "{:?}",
        finished.warnings
    );
    // Every command of a first installation has its treatment.
    let scripts: Vec<_> = finished
        .scripts
        .iter()
        .map(|action| {
            (action.script.as_str(), action.first_line, action.last_line, &action.treatment)
        })
        .collect();
    let handled = |finisher: &str| Treatment::Handled { finisher: finisher.to_owned() };
    assert_eq!(scripts[0], ("pre-install", 3, 6, &handled("accounts")));
    assert!(matches!(scripts[1], ("pre-install", 8, 8, Treatment::Ignored { .. })), "{scripts:?}");
    assert_eq!(scripts[2], ("post-install", 3, 3, &handled("scripts")));
    assert!(matches!(scripts[3], ("post-install", 4, 4, Treatment::Unhandled { .. })));
    assert_eq!(scripts.len(), 4);
}

#[test]
fn files_change_hands_where_a_number_is_taken() {
    let yaml = "accounts:\n  root: true\n  users:\n    - name: app\n      uid: 100\n      gid: 101\n  \
        groups:\n    - name: app\n      gid: 101\n";
    let (fixture, tree, _) = run(yaml, &[baselayout_data(), musl(), nginx()]);
    let passwd = fixture.text(&tree, "etc/passwd");
    assert!(passwd.contains("\nnginx:x:101:102:"), "{passwd}");
    assert!(dump(&tree).contains("/var/lib/nginx directory 0750 101:102"), "{}", dump(&tree));
    assert!(
        fixture.text(&tree, "lib/apk/db/installed").contains("F:var/lib/nginx\nM:101:102:750\n")
    );
    // A definition that names the user itself has the last word.
    let yaml = "accounts:\n  users:\n    - name: nginx\n      uid: 65532\n      gid: 65532\n  \
        groups:\n    - name: nginx\n      gid: 65532\n";
    let (fixture, tree, _) = run(yaml, &[baselayout_data(), musl(), nginx()]);
    assert!(dump(&tree).contains("/var/lib/nginx directory 0750 65532:65532"), "{}", dump(&tree));
    assert_eq!(fixture.text(&tree, "etc/passwd").lines().count(), 1);
}

/// Two accounts, whose files only their names tell apart.
fn two_owners() -> Apk {
    apk("pair", "1-r0", "")
        .directory("var/one")
        .owner(500, 600)
        .owner_names("one", "ones")
        .directory("var/two")
        .owner(501, 601)
        .owner_names("two", "twos")
        .directory("var/stranger")
        .owner(502, 0)
        .owner_names("stranger", "root")
        .script(
            "pre-install",
            "#!/bin/sh\naddgroup -S twos\naddgroup -S ones\nadduser -S -D -H -G twos two\n\
             adduser -S -D -H -G ones one\n",
        )
}

#[test]
fn files_belong_to_whoever_has_the_name() {
    let yaml = "variant: dev\naccounts:\n  root: true\n  users:\n    - name: app\n      uid: 501\n      gid: 501\n  \
        groups:\n    - name: app\n      gid: 501\n";
    let (fixture, tree, finished) = run(yaml, &[baselayout_data(), two_owners()]);
    let passwd = fixture.text(&tree, "etc/passwd");
    // The first free number for two, as 501 is taken; its own for one.
    assert!(passwd.contains("\none:x:500:600:"), "{passwd}");
    assert!(passwd.contains("\ntwo:x:100:601:"), "{passwd}");
    for line in ["/var/one directory 0755 500:600", "/var/two directory 0755 100:601"] {
        assert!(dump(&tree).contains(line), "{}", dump(&tree));
    }
    // As for apk, the number stays where nobody has the name.
    assert!(dump(&tree).contains("/var/stranger directory 0755 502:0"), "{}", dump(&tree));
    assert!(finished.warnings.iter().all(|warning| warning.package.is_none()));
}

#[test]
fn owners_of_another_package_s_accounts_are_found() {
    let files = apk("files", "1-r0", "")
        .directory("srv")
        .owner(777, 778)
        .owner_names("nginx", "nginx")
        .directory("opt")
        .owner(42, 43)
        .owner_names("nobody", "nogroup");
    let (fixture, tree, _) = run(NONROOT, &[baselayout_data(), musl(), nginx(), files]);
    assert!(dump(&tree).contains("/srv directory 0755 100:101"), "{}", dump(&tree));
    assert!(dump(&tree).contains("/opt directory 0755 65534:65533"), "{}", dump(&tree));
    assert!(fixture.text(&tree, "etc/passwd").contains("\nnginx:x:100:101:"));
}

#[test]
fn numbers_do_not_depend_on_the_order_of_packages() {
    let redis = || {
        apk("redis", "8-r0", "").script(
            "pre-install",
            "#!/bin/sh\naddgroup -S redis\nadduser -S -D -H -G redis redis\n",
        )
    };
    let mail = || {
        apk("mail", "1-r0", "depend = redis\n")
            .script("pre-install", "#!/bin/sh\nadduser -S -D -H mail0\n")
    };
    let texts =
        [[baselayout_data(), redis(), mail()], [mail(), redis(), baselayout_data()]].map(|all| {
            let (fixture, tree, _) = run("variant: dev\n", &all);
            fixture.text(&tree, "etc/passwd")
        });
    assert_eq!(texts[0], texts[1]);
    // What mail depends on comes first.
    assert!(
        texts[0].contains("redis:x:100:101:") && texts[0].contains("mail0:x:101:65533:"),
        "{}",
        texts[0]
    );
}

#[test]
fn shells_of_packages_are_listed() {
    let bash = apk("bash", "5-r0", "")
        .file("bin/bash", "x")
        .script("post-install", "#!/bin/sh\nadd-shell '/bin/bash'\nadd-shell /bin/sh\nexit 0\n");
    let (fixture, tree, finished) = run("", &[baselayout_data(), bash]);
    assert_eq!(fixture.text(&tree, "etc/shells"), "# valid login shells\n/bin/sh\n/bin/bash\n");
    assert_eq!(finished.warnings, []);
}

#[test]
fn a_merged_release_is_merged_and_no_other() {
    let merged = |name: &str| {
        apk(name, "1", "").file("usr/lib/ld-musl-x86_64.so.1", "loader").file("usr/bin/app", "x")
    };
    let (_, tree, _) = run("", &[merged("musl")]);
    for (link, exists) in [("lib", true), ("bin", true), ("sbin", false)] {
        assert_eq!(has(&tree, link), exists, "{link}");
    }
    assert!(has(&tree, "usr/lib/apk/db/installed"));
    let (_, tree, _) = run("", &[musl(), apk("app", "1", "").file("usr/bin/app", "x")]);
    assert!(!has(&tree, "bin") && has(&tree, "lib/apk/db/installed"), "{}", dump(&tree));
    // A package's own link stays.
    let (_, tree, _) =
        run("", &[merged("musl").symlink("lib", "usr/lib").symlink("sbin", "usr/bin")]);
    assert!(dump(&tree).contains("/sbin symlink 0777 0:0 -> usr/bin"));
}

#[test]
fn releases_of_packages_stay() {
    let release = apk("alpine-release", "3.24.1-r0", "")
        .file("etc/alpine-release", "3.24.1\n")
        .file("usr/lib/os-release", "ID=alpine\n")
        .symlink("etc/os-release", "../usr/lib/os-release");
    let (fixture, tree, _) = run(NONROOT, std::slice::from_ref(&release));
    assert_eq!(fixture.text(&tree, "etc/alpine-release"), "3.24.1\n");
    assert!(fixture.text(&tree, "etc/os-release").contains("Hardened"));
    let (fixture, tree, _) = run("", &[release]);
    assert_eq!(fixture.text(&tree, "etc/os-release"), "ID=alpine\n");
    for (yaml, expected) in [
        ("", "3.24\n"),
        ("os-release:\n  version-id: \"3.22\"\n", "3.22\n"),
        ("os-release:\n  version-id: rolling\n", "3.24\n"),
    ] {
        let (fixture, tree, _) = run(yaml, &[musl()]);
        assert_eq!(fixture.text(&tree, "etc/alpine-release"), expected, "{yaml}");
    }
}

#[test]
fn scripts_none_reads_no_script() {
    let yaml = format!("{NONROOT}x-hardpan:\n  scripts: none\n");
    let (fixture, tree, finished) = run(&yaml, &[baselayout_data(), nginx()]);
    assert!(!fixture.text(&tree, "etc/passwd").contains("nginx"));
    assert_eq!((finished.scripts.len(), finished.warnings.len()), (0, 0));
    assert!(dump(&tree).contains("/var/lib/nginx directory 0750 100:101"));
}

#[test]
fn the_same_packages_give_the_same_tree() {
    let packages = [baselayout_data(), musl(), nginx()];
    let dumps = [(); 2].map(|()| dump(&run(&format!("variant: dev\n{NONROOT}"), &packages).1));
    assert_eq!(dumps[0], dumps[1]);
}
