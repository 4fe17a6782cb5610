// SPDX-License-Identifier: Apache-2.0
//! The bundle of certificates, its links and Java's store: by hand, and against Debian's own tools.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "test code: panics and output are for the one who runs it"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use hardpan::finish::ca_bundle::LinkNames;
use hardpan::finish::{CertificateError, FinishError, Report, ca_bundle, java_store};
use hardpan_tree::{File, InlineContents, Kind, Metadata, Node, Origin, Tree, TreePath};

/// Self-signed, `CN=Test One`.
const ONE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBIzCByQIUYZ0WVxT1RF24/DG7ohJPxmDB28cwCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIVGVzdCBPbmUwIBcNMjYxMTIzMDY0MTA3WhgPMjEyNjEwMzAwNjQxMDda
MBMxETAPBgNVBAMMCFRlc3QgT25lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
zsNYNLFEj4ZluYwycVbTabbcMq0fsmu9KrX9UejKolSP1xEy2Xi7yohUFxpA8KRP
1HVUZT4HovwnO09brmSpeTAKBggqhkjOPQQDAgNJADBGAiEAqbmmvYDPYtuj9qo6
LrdUToxrCySmjal2VC0KWdKUbXMCIQCuX1a3rOUjoSekrK/Ampf4mMMX6PFv+crZ
02iOBfBjcQ==
-----END CERTIFICATE-----
";
const ONE_HASH: &str = "477e9182";
/// Self-signed, `CN=Test Two`.
const TWO: &str = "\
-----BEGIN CERTIFICATE-----
MIIBIzCByQIUUld/wwbqtSVXz5Iuw9Xh8wXga8UwCgYIKoZIzj0EAwIwEzERMA8G
A1UEAwwIVGVzdCBUd28wIBcNMjYxMTIzMDY0MTA3WhgPMjEyNjEwMzAwNjQxMDda
MBMxETAPBgNVBAMMCFRlc3QgVHdvMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
GQiqNH3KX4kpabIGybZjA4h4q0HT9MhmytjAKGpP+KWeAxvG14PECqLQDDJ5iUH6
zbaADWkiHyye+zVLGGx40zAKBggqhkjOPQQDAgNJADBGAiEAwPQjfzoxjMZ9g8Dc
yLGltkiAelaSjkcGcPKKVLHjmU0CIQDFjVJDHYw0loGk04PZKG8BwdLJ26Kuxq6g
iFPJV+ax0A==
-----END CERTIFICATE-----
";
const TWO_HASH: &str = "d8c614f0";
const EPOCH: i64 = 1_700_000_000;

fn put(tree: &mut Tree, path: &str, kind: Kind, origin: Origin) {
    let path = TreePath::parse(path).unwrap();
    let metadata = Metadata::root(0o644, EPOCH);
    tree.make_directories(&path.parent().unwrap(), &metadata, origin).unwrap();
    tree.insert(path, Node { metadata, kind, origin }).unwrap();
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    for (path, content) in files {
        let kind = match content.strip_prefix("-> ") {
            Some(target) => Kind::Symlink(target.as_bytes().to_vec()),
            None if path.ends_with('/') => Kind::Directory,
            None => Kind::File(File::inline(content.as_bytes())),
        };
        put(&mut tree, path, kind, Origin::Package(0));
    }
    tree
}

fn finish(tree: &mut Tree, is_complete: bool) -> Result<Report, FinishError> {
    let mut report = Report::default();
    ca_bundle::apply(tree, &InlineContents, EPOCH, is_complete, LinkNames::Plain, &mut report)?;
    Ok(report)
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    let (_, file) = tree.file(&TreePath::parse(path).unwrap())?;
    let hardpan_tree::Content::Inline(bytes) = &file.content else { panic!("not inline") };
    Some(String::from_utf8_lossy(bytes).into_owned())
}

/// Returns the links in `/etc/ssl/certs`.
fn links(tree: &Tree) -> BTreeMap<String, String> {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    tree.children(&TreePath::literal("/etc/ssl/certs"))
        .filter_map(|(path, node)| match &node.kind {
            Kind::Symlink(target) => Some((lossy(path.name()), lossy(target))),
            _ => None,
        })
        .collect()
}

fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--help")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        eprintln!("skipped: comparison with {program} because it is not installed");
    }
    found
}

#[test]
fn alpine_names_its_links_otherwise() {
    let mut tree = tree(&[
        ("/usr/lib/libssl.so.3", "x"),
        ("/etc/ca-certificates.conf", "m/a (1).crt\n!m/b.crt\n"),
        ("/usr/share/ca-certificates/m/a (1).crt", ONE),
        ("/usr/share/ca-certificates/m/b.crt", TWO),
        ("/etc/ssl/certs/ca-cert-b.pem", "-> /usr/share/ca-certificates/m/b.crt"),
        ("/etc/ssl/certs/b.pem", "-> elsewhere"),
    ]);
    let mut report = Report::default();
    ca_bundle::apply(&mut tree, &InlineContents, EPOCH, false, LinkNames::Prefixed, &mut report)
        .unwrap();
    let links = links(&tree);
    let target = "/usr/share/ca-certificates/m/a (1).crt";
    assert_eq!(links.get("ca-cert-a_=1=.pem").map(String::as_str), Some(target), "{links:?}");
    // The link of a certificate that is deselected goes, and no other.
    assert!(!links.contains_key("ca-cert-b.pem") && links.contains_key("b.pem"), "{links:?}");
    let hashed: Vec<&str> =
        links.iter().filter(|(name, _)| name.ends_with(".0")).map(|(_, to)| to.as_str()).collect();
    assert_eq!(hashed, ["ca-cert-a_=1=.pem"]);
    assert_eq!(text(&tree, "/etc/ssl/certs/ca-certificates.crt").unwrap(), ONE);
}

#[test]
fn without_certificates_nothing_happens() {
    let mut without = tree(&[("/usr/lib/libssl.so.3", "x"), ("/usr/lib/jvm/a/lib/security/x", "")]);
    let before = without.clone();
    assert_eq!(finish(&mut without, true).unwrap(), Report::default());
    let mut report = Report::default();
    java_store::apply(&mut without, &InlineContents, EPOCH, &mut report).unwrap();
    assert_eq!((without, report), (before, Report::default()));
}

#[test]
fn an_empty_directory_makes_no_bundle() {
    let mut tree = tree(&[("/usr/share/ca-certificates/", "")]);
    let report = finish(&mut tree, false).unwrap();
    assert_eq!(text(&tree, "/etc/ssl/certs/ca-certificates.crt"), None);
    assert_eq!(report.warnings.len(), 1);
}

#[test]
fn a_bundle_without_openssl_has_no_links() {
    let mut tree = tree(&[
        ("/usr/share/ca-certificates/m/b.crt", TWO.trim_end()),
        ("/usr/share/ca-certificates/m/a.crt", ONE),
        ("/usr/share/ca-certificates/m/readme.txt", "no certificate"),
        (
            "/usr/local/share/ca-certificates/z/c.crt",
            "-> ../../../../share/ca-certificates/m/a.crt",
        ),
    ]);
    let report = finish(&mut tree, false).unwrap();
    let bundle = text(&tree, "/etc/ssl/certs/ca-certificates.crt").unwrap();
    assert_eq!(bundle, [ONE, TWO, ONE].concat());
    assert!(links(&tree).is_empty());
    assert_eq!(text(&tree, "/etc/ca-certificates.conf"), None);
    let paths: Vec<String> = report.actions[0].paths.iter().map(ToString::to_string).collect();
    assert_eq!(paths, ["/etc", "/etc/ssl", "/etc/ssl/certs", "/etc/ssl/certs/ca-certificates.crt"]);
    assert!(report.warnings.is_empty());
}

#[test]
fn a_complete_image_has_all_that_the_package_makes() {
    let mut tree = tree(&[
        ("/usr/share/ca-certificates/mozilla/B (b), c.crt", TWO),
        ("/usr/share/ca-certificates/mozilla/A.crt", ONE),
        ("/usr/share/ca-certificates/mozilla/A_again.crt", ONE),
        ("/etc/ssl/certs/snakeoil.pem", ONE),
        ("/etc/ssl/certs/nothing.pem", "x"),
        ("/etc/ssl/certs/0123abcd.0", "-> gone.pem"),
        ("/usr/lib/ssl/certs", "-> /etc/ssl/certs"),
    ]);
    let report = finish(&mut tree, true).unwrap();
    let expected = [
        (format!("{ONE_HASH}.0"), "A.pem"),
        (format!("{TWO_HASH}.0"), "B_=b=__c.pem"),
        ("A.pem".into(), "/usr/share/ca-certificates/mozilla/A.crt"),
        ("A_again.pem".into(), "/usr/share/ca-certificates/mozilla/A_again.crt"),
        ("B_=b=__c.pem".into(), "/usr/share/ca-certificates/mozilla/B (b), c.crt"),
    ];
    let expected = expected.into_iter().map(|(name, target)| (name, target.to_owned())).collect();
    assert_eq!(links(&tree), expected);
    let configuration = text(&tree, "/etc/ca-certificates.conf").unwrap();
    let end = "deselected.\n#\nmozilla/A.crt\nmozilla/A_again.crt\nmozilla/B (b), c.crt\n";
    assert!(configuration.ends_with(end), "{configuration}");
    assert!(tree.contains(&TreePath::literal("/usr/local/share/ca-certificates")));
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].file.as_deref(), Some("/etc/ssl/certs/nothing.pem"));
    let after = tree.clone();
    finish(&mut tree, true).unwrap();
    assert_eq!(tree, after, "a second time changes nothing");
}

#[test]
fn the_configuration_selects() {
    let configuration = "# comment\n\n!m/a.crt\nm/gone.crt\n../m/b.crt\nm/c.crt\n";
    let mut tree = tree(&[
        ("/etc/ca-certificates.conf", configuration),
        ("/etc/ssl/certs/a.pem", "-> /usr/share/ca-certificates/m/a.crt"),
        ("/usr/share/ca-certificates/m/a.crt", ONE),
        ("/usr/share/ca-certificates/m/b.crt", ONE),
        ("/usr/share/ca-certificates/m/c.crt", TWO),
        ("/usr/lib/x/libssl.so.3", ""),
    ]);
    let report = finish(&mut tree, false).unwrap();
    // What is selected in that order, then what is new.
    let bundle = text(&tree, "/etc/ssl/certs/ca-certificates.crt").unwrap();
    assert_eq!(bundle, [TWO, ONE].concat());
    assert_eq!(text(&tree, "/etc/ca-certificates.conf").unwrap(), configuration);
    assert!(!links(&tree).contains_key("a.pem"));
    assert_eq!(links(&tree)[&format!("{ONE_HASH}.0")], "b.pem");
    assert_eq!(report.warnings.len(), 2);
}

#[test]
fn the_definitions_own_bundle_is_kept() {
    let mut tree = tree(&[("/usr/share/ca-certificates/a.crt", ONE)]);
    let own = Kind::File(File::inline(&b"own"[..]));
    put(&mut tree, "/etc/ssl/certs/ca-certificates.crt", own, Origin::Definition);
    finish(&mut tree, false).unwrap();
    assert_eq!(text(&tree, "/etc/ssl/certs/ca-certificates.crt").unwrap(), "own");
}

#[test]
fn bad_files_are_named() {
    let huge = "x".repeat((4 << 20) + 1);
    let cut = ONE.split_once("-----END").unwrap().0;
    for (content, expected) in [
        ("", CertificateError::None),
        (cut, CertificateError::NoEnd { line: 1 }),
        (&huge, CertificateError::TooLarge { size_bytes: huge.len() }),
    ] {
        let mut tree = tree(&[
            ("/usr/share/ca-certificates/a.crt", ONE),
            ("/usr/local/share/ca-certificates/bad.crt", content),
        ]);
        match finish(&mut tree, false) {
            Err(FinishError::Certificate { path, source }) => {
                assert_eq!(path.to_string(), "/usr/local/share/ca-certificates/bad.crt");
                assert_eq!(source, expected);
            }
            other => panic!("{other:?}"),
        }
        assert!(!tree.contains(&TreePath::literal("/etc")), "nothing is half done");
    }
}

#[test]
fn directories_that_lead_into_themselves_end() {
    let mut tree = tree(&[
        ("/usr/share/ca-certificates/a.crt", ONE),
        ("/usr/share/ca-certificates/self", "-> ."),
        ("/usr/share/ca-certificates/other", "-> /usr/local/share/ca-certificates"),
        ("/usr/local/share/ca-certificates/b.crt", TWO),
        ("/usr/local/share/ca-certificates/back", "-> ../../../share/ca-certificates"),
    ]);
    finish(&mut tree, false).unwrap();
    // As `find -L`: a, other/b, then b, back/a.
    let bundle = text(&tree, "/etc/ssl/certs/ca-certificates.crt").unwrap();
    assert_eq!(bundle, [ONE, TWO, TWO, ONE].concat());
    for number in 0..30 {
        put(
            &mut tree,
            &format!("/usr/share/ca-certificates/{number}/{number}/up"),
            Kind::Symlink(b"../..".to_vec()),
            Origin::Package(0),
        );
        for other in 0..30 {
            let target = format!("../{other}").into_bytes();
            let path = format!("/usr/share/ca-certificates/{number}/to{other}");
            put(&mut tree, &path, Kind::Symlink(target), Origin::Package(0));
        }
    }
    assert!(matches!(finish(&mut tree, false), Err(FinishError::Limit { .. })));
}

/// Makes certificates with subjects that are not plain, for `openssl rehash` to hash.
fn odd_certificates(directory: &Path) {
    let configuration = directory.join("openssl.cnf");
    fs::write(&configuration, "[req]\ndistinguished_name=name\n[name]\n").unwrap();
    let subjects = [
        "/CN=  Many   Spaces\tand TABS  ",
        "/C=DE/O=M\u{fc}nchen \u{c4}\u{d6}/CN=\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442} \u{1f600}",
        "/CN=multi+OU=Valued+O=RDN/C=FR",
        "/DC=example/DC=com/emailAddress=Root@Example.COM/CN=x",
        "/CN=Same Subject",
        "/CN=same   subject ",
        "/",
        "/serialNumber=1 2  3/CN=",
    ];
    let masks = [None, Some("default"), Some("nombstr"), Some("MASK:0x800"), Some("MASK:0x104")];
    for (number, subject) in subjects.iter().enumerate() {
        for mask in masks {
            let name = format!("{number} {},(x).crt", mask.unwrap_or("none").replace(':', "_"));
            let mut text = "[req]\ndistinguished_name=name\n".to_owned();
            if let Some(mask) = mask {
                text.extend(["string_mask=", mask, "\n"]);
            }
            text.push_str("[name]\n");
            fs::write(&configuration, text).unwrap();
            let status = Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
                .args(["-nodes", "-keyout", "/dev/null", "-utf8", "-multivalue-rdn"])
                .args(["-days", "10", "-subj", subject, "-config"])
                .arg(&configuration)
                .arg("-out")
                .arg(directory.join(&name))
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            // Some subjects do not fit into some types.
            if !status.success() {
                let _ = fs::remove_file(directory.join(name));
            }
        }
    }
    fs::remove_file(configuration).unwrap();
}

/// Copies a directory of certificates into a tree.
fn copy(tree: &mut Tree, from: &Path, to: &str) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy(tree, &path, &name);
        } else {
            let file = File::inline(fs::read(&path).unwrap());
            put(tree, &name, Kind::File(file), Origin::Package(0));
        }
    }
}

/// The same certificates, finished by us and by Debian's own script with `openssl rehash`.
#[test]
fn bundle_and_links_are_those_of_update_ca_certificates() {
    let script = Path::new("/usr/sbin/update-ca-certificates");
    let mozilla = Path::new("/usr/share/ca-certificates/mozilla");
    if !script.exists() || !mozilla.exists() {
        eprintln!("skipped: comparison because ca-certificates is not installed");
        return;
    }
    if !has("openssl") {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for name in ["share/mozilla", "local/sub", "certs"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    for entry in fs::read_dir(mozilla).unwrap() {
        let from = entry.unwrap().path();
        fs::copy(&from, path("share/mozilla").join(from.file_name().unwrap())).unwrap();
    }
    odd_certificates(&path("local"));
    assert!(fs::read_dir(path("local")).unwrap().count() > 20, "openssl made too few certificates");
    let first = fs::read_dir(path("local")).unwrap().map(|entry| entry.unwrap().path());
    let first = first.filter(|path| path.is_file()).min().unwrap();
    let text_of_first = fs::read_to_string(&first).unwrap();
    fs::write(path("local/sub/same.crt"), text_of_first.trim_end()).unwrap();
    fs::write(path("local/two.crt"), [ONE, TWO].concat()).unwrap();
    let other = format!("text before\r\n{}", ONE.replace('\n', "\r\n"));
    fs::write(path("certs/other.PEM"), other).unwrap();
    symlink("other.PEM", path("certs/other.cer")).unwrap();

    let mut tree = Tree::new();
    copy(&mut tree, &path("share"), "/usr/share/ca-certificates");
    copy(&mut tree, &path("local"), "/usr/local/share/ca-certificates");
    copy(&mut tree, &path("certs"), "/etc/ssl/certs");
    let link = Kind::Symlink(b"other.PEM".to_vec());
    put(&mut tree, "/etc/ssl/certs/other.cer", link, Origin::Package(0));
    let mut names: Vec<String> = fs::read_dir(path("share/mozilla"))
        .unwrap()
        .map(|entry| format!("mozilla/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    names.sort();
    names[1].insert(0, '!');
    let configuration = names.join("\n") + "\n";
    fs::write(path("conf"), &configuration).unwrap();
    let file = Kind::File(File::inline(configuration.into_bytes()));
    put(&mut tree, "/etc/ca-certificates.conf", file, Origin::Package(0));

    let output = Command::new(script)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .args(["--hooksdir", "", "--certsconf"])
        .arg(path("conf"))
        .arg("--certsdir")
        .arg(path("share"))
        .arg("--localcertsdir")
        .arg(path("local"))
        .arg("--etccertsdir")
        .arg(path("certs"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    finish(&mut tree, true).unwrap();

    let prefixes =
        [("share", "/usr/share/ca-certificates"), ("local", "/usr/local/share/ca-certificates")];
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(path("certs")).unwrap() {
        let entry = entry.unwrap();
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let mut target = target.to_str().unwrap().to_owned();
        for (name, prefix) in prefixes {
            target = target.replacen(path(name).to_str().unwrap(), prefix, 1);
        }
        expected.insert(entry.file_name().to_str().unwrap().to_owned(), target);
    }
    assert!(expected.len() > 2 * names.len());
    assert_eq!(links(&tree), expected);
    let bundle = fs::read(path("certs/ca-certificates.crt")).unwrap();
    let (_, file) = tree.file(&TreePath::literal("/etc/ssl/certs/ca-certificates.crt")).unwrap();
    assert_eq!(*file, File::inline(bundle));
}

#[test]
fn a_java_runtime_with_a_store_of_its_own_gets_none() {
    for (files, is_made) in [
        (&[("/usr/lib/jvm/a/lib/security/cacerts", "own")][..], false),
        (&[("/usr/lib/jvm/a/lib/security/cacerts", "-> /etc/ssl/certs/java/cacerts")], true),
        (&[("/usr/lib/jvm/a/jre/lib/security/x", "")], true),
        (&[("/etc/java-21-openjdk/security/java.security", "")], true),
        (&[("/etc/java-21-openjdk/security", "file")], false),
        (&[("/etc/java/security/x", "")], false),
    ] {
        let mut tree = tree(&[("/usr/share/ca-certificates/a.crt", ONE)]);
        for (path, content) in files {
            let kind = match content.strip_prefix("-> ") {
                Some(target) => Kind::Symlink(target.as_bytes().to_vec()),
                None => Kind::File(File::inline(content.as_bytes())),
            };
            put(&mut tree, path, kind, Origin::Package(0));
        }
        let mut report = Report::default();
        java_store::apply(&mut tree, &InlineContents, EPOCH, &mut report).unwrap();
        let store = TreePath::literal("/etc/ssl/certs/java/cacerts");
        assert_eq!(tree.contains(&store), is_made, "{files:?}");
    }
}

/// Java's own tool reads the store, and finds each certificate under its name.
#[test]
fn keytool_reads_the_store() {
    let mozilla = Path::new("/usr/share/ca-certificates/mozilla");
    if !has("keytool") {
        return;
    }
    let mut tree = tree(&[
        ("/usr/share/ca-certificates/mozilla/Ő.crt", ONE),
        ("/usr/share/ca-certificates/mozilla/UPPER.crt", &[TWO, ONE].concat()),
        ("/usr/lib/jvm/java-17/lib/security/cacerts", "-> /etc/ssl/certs/java/cacerts"),
    ]);
    if mozilla.exists() {
        copy(&mut tree, mozilla, "/usr/share/ca-certificates/mozilla");
    }
    let mut report = Report::default();
    java_store::apply(&mut tree, &InlineContents, EPOCH, &mut report).unwrap();
    let (_, file) = tree.file(&TreePath::literal("/etc/ssl/certs/java/cacerts")).unwrap();
    let hardpan_tree::Content::Inline(bytes) = &file.content else { panic!("not inline") };
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("cacerts");
    fs::write(&store, bytes).unwrap();
    let output = Command::new("keytool")
        .args([
            "-J-Dfile.encoding=UTF-8",
            "-J-Dstdout.encoding=UTF-8",
            "-J-Dsun.stdout.encoding=UTF-8",
        ])
        .args(["-J-Duser.language=en", "-J-Duser.timezone=UTC"])
        .args(["-list", "-rfc", "-storetype", "JKS", "-storepass", "changeit", "-keystore"])
        .arg(&store)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let mut found = BTreeMap::new();
    for entry in text.split("Alias name: ").skip(1) {
        assert!(entry.contains("Creation date: Nov 14, 2023"), "{entry}");
        let start = entry.find("-----BEGIN").unwrap();
        let end = entry.find("-----END").unwrap();
        let base64: String = entry[start..end].lines().skip(1).collect();
        found.insert(entry.lines().next().unwrap().to_owned(), base64);
    }
    let mut expected = BTreeMap::new();
    let certificates = TreePath::literal("/usr/share/ca-certificates/mozilla");
    for (path, _) in tree.children(&certificates) {
        let name = String::from_utf8_lossy(path.name()).to_lowercase();
        let content = self::text(&tree, &path.to_string()).unwrap();
        let body = content.split("-----").nth(2).unwrap().replace('\n', "");
        expected.insert(format!("debian:{}.pem", name.strip_suffix(".crt").unwrap()), body);
    }
    assert_eq!(found, expected);
}
