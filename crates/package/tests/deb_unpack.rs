// SPDX-License-Identifier: Apache-2.0
//! Unpacking: what is kept, what is refused, what it costs.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod unpack_support;

use std::fmt::Write as _;
use std::io::{self, Read};

use hardpan_package::deb::unpack::unpack;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::{StripPolicy, StripRule};
use hardpan_package::unpack::{Expected, Limits, UnpackError, UnpackOptions};
use hardpan_testkit::deb;
use hardpan_testkit::deb::{Compression, Deb, RawEntry, TIMESTAMP, ar};
use hardpan_tree::Digest;
use unpack_support::{check_segment, dump};

fn keep_all() -> UnpackOptions {
    UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() }
}

fn run(package: &[u8], options: &UnpackOptions) -> Result<(Unpacked, Vec<u8>), UnpackError> {
    let mut segment = Vec::new();
    let unpacked = unpack(&mut &package[..], options, &mut segment)?;
    check_segment(&unpacked, &segment);
    Ok((unpacked, segment))
}

fn sample() -> Deb {
    deb("libx", "1:1.0-1")
        .architecture("amd64")
        .field("Source", "x (1:1.0-1)")
        .field("Essential", "yes")
        .field("Multi-Arch", "same")
        .directory("/usr/lib/x")
        .mode(0o2755)
        .file("/usr/lib/x/libx.so.1", "library")
        .symlink("/usr/lib/x/libx.so", "libx.so.1")
        .file("/usr/bin/su", "#!/bin/sh\n")
        .mode(0o4755)
        .owner(0, 42)
        .hard_link("/usr/bin/su2", "/usr/bin/su")
        .file("/usr/bin/ping", "ping")
        .mode(0o755)
        .xattr("security.capability", b"\x01\0\xff")
        .file("/etc/x.conf", "x=1\n")
        .conffile()
        .file("/usr/share/doc/libx/copyright", "free")
        .file("/usr/share/doc/libx/changelog.gz", "long")
        .symlink("/usr/share/doc/libx-common", "libx")
        .file("/usr/share/man/man1/x.1.gz", "manual")
        .file("/usr/share/locale/de/LC_MESSAGES/x.mo", "deutsch")
        .file("/usr/share/locale/locale.alias", "alias")
        .directory("/var/cache/apt/archives/partial")
        .script("postinst", "#!/bin/sh\nexit 0\n")
        .control_file("triggers", "activate-noawait ldconfig\n")
        .control_file("shlibs", "libx 1 libx\n")
        .control_file("templates", "Template: x\n")
        .control_file("md5sums", "00 usr/bin/su\n")
}

#[test]
fn a_package_as_it_is() {
    let (unpacked, _) = run(&sample().build(), &keep_all()).unwrap();
    assert_eq!(
        dump(&unpacked),
        "\
/ 0755 0:0 directory
/usr 0755 0:0 directory
/usr/lib 0755 0:0 directory
/usr/lib/x 2755 0:0 directory
/usr/lib/x/libx.so.1 0644 0:0 7
/usr/lib/x/libx.so 0777 0:0 -> libx.so.1
/usr/bin 0755 0:0 directory
/usr/bin/su 4755 0:42 10
/usr/bin/su2 4755 0:42 = /usr/bin/su
/usr/bin/ping 0755 0:0 4
/etc 0755 0:0 directory
/etc/x.conf 0644 0:0 4
/usr/share 0755 0:0 directory
/usr/share/doc 0755 0:0 directory
/usr/share/doc/libx 0755 0:0 directory
/usr/share/doc/libx/copyright 0644 0:0 4
/usr/share/doc/libx/changelog.gz 0644 0:0 4
/usr/share/doc/libx-common 0777 0:0 -> libx
/usr/share/man 0755 0:0 directory
/usr/share/man/man1 0755 0:0 directory
/usr/share/man/man1/x.1.gz 0644 0:0 6
/usr/share/locale 0755 0:0 directory
/usr/share/locale/de 0755 0:0 directory
/usr/share/locale/de/LC_MESSAGES 0755 0:0 directory
/usr/share/locale/de/LC_MESSAGES/x.mo 0644 0:0 7
/usr/share/locale/locale.alias 0644 0:0 5
/var 0755 0:0 directory
/var/cache 0755 0:0 directory
/var/cache/apt 0755 0:0 directory
/var/cache/apt/archives 0755 0:0 directory
/var/cache/apt/archives/partial 0755 0:0 directory
"
    );
    assert!(unpacked.stripped.is_empty() && unpacked.changed.is_empty());
    let ping = unpacked.entries.iter().find(|entry| entry.path.name() == b"ping").unwrap();
    assert_eq!(ping.metadata.xattrs["security.capability"], b"\x01\0\xff");
}

#[test]
fn a_package_stripped() {
    let (unpacked, _) = run(&sample().build(), &UnpackOptions::default()).unwrap();
    assert_eq!(
        dump(&unpacked),
        "\
/ 0755 0:0 directory
/usr 0755 0:0 directory
/usr/lib 0755 0:0 directory
/usr/lib/x 2755 0:0 directory
/usr/lib/x/libx.so.1 0644 0:0 7
/usr/lib/x/libx.so 0777 0:0 -> libx.so.1
/usr/bin 0755 0:0 directory
/usr/bin/su 0755 0:42 10
/usr/bin/su2 0755 0:42 = /usr/bin/su
/usr/bin/ping 0755 0:0 4
/etc 0755 0:0 directory
/etc/x.conf 0644 0:0 4
/usr/share 0755 0:0 directory
/usr/share/doc 0755 0:0 directory
/usr/share/doc/libx 0755 0:0 directory
/usr/share/doc/libx/copyright 0644 0:0 4
/usr/share/doc/libx-common 0777 0:0 -> libx
/usr/share/locale 0755 0:0 directory
/usr/share/locale/locale.alias 0644 0:0 5
/var 0755 0:0 directory
/var/cache 0755 0:0 directory
/var/cache/apt 0755 0:0 directory
/var/cache/apt/archives 0755 0:0 directory
/var/cache/apt/archives/partial 0755 0:0 directory
"
    );
    assert!(unpacked.entries.iter().all(|entry| entry.metadata.xattrs.is_empty()));
    let stripped: Vec<_> = unpacked
        .stripped
        .iter()
        .map(|stripped| (stripped.rule, stripped.entries, stripped.size_bytes))
        .collect();
    assert_eq!(
        stripped,
        [(StripRule::Docs, 1, 4), (StripRule::Locales, 1, 7), (StripRule::Man, 1, 6)]
    );
    let changed: Vec<_> = unpacked
        .changed
        .iter()
        .map(|changed| (changed.rule, changed.path.to_string(), changed.mode_before))
        .collect();
    assert_eq!(
        changed,
        [
            (StripRule::Setuid, "/usr/bin/su".into(), 0o4755),
            (StripRule::Capabilities, "/usr/bin/ping".into(), 0o755)
        ]
    );
}

#[test]
fn control_is_read() {
    let (unpacked, _) = run(&sample().build(), &keep_all()).unwrap();
    assert_eq!((unpacked.name.as_str(), unpacked.version.as_str()), ("libx", "1:1.0-1"));
    assert_eq!((unpacked.source(), unpacked.source_version()), ("x".into(), "1:1.0-1".into()));
    assert_eq!(unpacked.architecture, "amd64");
    assert_eq!(unpacked.multi_arch().as_deref(), Some("same"));
    assert!(unpacked.is_essential());
    assert_eq!(unpacked.timestamp, i64::try_from(TIMESTAMP).unwrap());
    assert_eq!(unpacked.conffiles.len(), 1);
    assert_eq!(unpacked.conffiles[0].to_string(), "/etc/x.conf");
    assert_eq!(unpacked.scripts["postinst"], "#!/bin/sh\nexit 0\n");
    assert_eq!(unpacked.script_digests["postinst"], Digest::of(b"#!/bin/sh\nexit 0\n"));
    assert_eq!(unpacked.triggers, "activate-noawait ldconfig\n");
    assert_eq!(unpacked.md5sums, "00 usr/bin/su\n");
    assert_eq!(unpacked.control_members.keys().collect::<Vec<_>>(), ["shlibs", "templates"]);
    assert!(unpacked.control.starts_with("Package: libx\nVersion: 1:1.0-1\n"));
}

#[test]
fn compressions_give_the_same() {
    let expected = run(&sample().build(), &keep_all()).unwrap();
    for compression in [Compression::None, Compression::Gz, Compression::Zst] {
        let package = sample().compression(compression).build();
        assert_eq!(run(&package, &keep_all()).unwrap(), expected, "{compression:?}");
    }
}

#[test]
fn slow_readers_give_the_same() {
    struct Slow<'a>(&'a [u8], usize);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = buffer.len().min(self.1 % 7 + 1);
            self.0.read(&mut buffer[..count])
        }
    }
    let package = sample().build();
    let expected = run(&package, &UnpackOptions::default()).unwrap();
    let mut segment = Vec::new();
    let options = UnpackOptions::default();
    let unpacked = unpack(&mut Slow(&package, 0), &options, &mut segment).unwrap();
    assert_eq!((unpacked, segment), expected);
}

#[test]
fn usr_is_merged() {
    let package = deb("x", "1")
        .directory("/usr/bin")
        .file("/bin/sh", "shell")
        .hard_link("/usr/bin/dash", "/bin/sh")
        .hard_link("/usr/bin/ash", "/usr/bin/dash")
        .file("/lib/x/libx.so", "")
        .symlink("/lib64/ld.so", "../lib/x/libx.so")
        .file("/sbin/init", "")
        .conffile()
        .file("/library/x", "");
    let (unpacked, _) = run(&package.build(), &keep_all()).unwrap();
    assert_eq!(
        dump(&unpacked),
        "\
/ 0755 0:0 directory
/usr 0755 0:0 directory
/usr/bin 0755 0:0 directory
/usr/bin/sh 0644 0:0 5
/usr/bin/dash 0644 0:0 = /usr/bin/sh
/usr/bin/ash 0644 0:0 = /usr/bin/sh
/usr/lib 0755 0:0 directory
/usr/lib/x 0755 0:0 directory
/usr/lib/x/libx.so 0644 0:0 0
/usr/lib64 0755 0:0 directory
/usr/lib64/ld.so 0777 0:0 -> ../lib/x/libx.so
/usr/sbin 0755 0:0 directory
/usr/sbin/init 0644 0:0 0
/library 0755 0:0 directory
/library/x 0644 0:0 0
"
    );
    assert_eq!(unpacked.conffiles[0].to_string(), "/usr/sbin/init");
    let base = deb("base-files", "1").symlink("/bin", "usr/bin").symlink("/lib", "usr/lib");
    let (unpacked, _) = run(&base.build(), &keep_all()).unwrap();
    assert_eq!(
        dump(&unpacked),
        "/ 0755 0:0 directory\n/bin 0777 0:0 -> usr/bin\n/lib 0777 0:0 -> usr/lib\n"
    );
}

#[test]
fn times_are_those_of_the_package() {
    let package = deb("x", "1")
        .file("/old", "")
        .mtime(5)
        .file("/new", "")
        .mtime(TIMESTAMP + 5)
        .timestamp(TIMESTAMP);
    let (unpacked, _) = run(&package.build(), &keep_all()).unwrap();
    let mtimes: Vec<i64> = unpacked.entries.iter().map(|entry| entry.metadata.mtime).collect();
    let timestamp = i64::try_from(TIMESTAMP).unwrap();
    assert_eq!(mtimes, [timestamp, 5, timestamp]);
}

#[test]
fn links_to_stripped_files_get_their_content() {
    let package = deb("x", "1")
        .file("/usr/share/doc/x/tool", "#!/bin/sh\n")
        .mode(0o4755)
        .hard_link("/usr/share/doc/x/tool2", "/usr/share/doc/x/tool")
        .hard_link("/usr/bin/tool", "/usr/share/doc/x/tool2")
        .hard_link("/usr/bin/tool2", "/usr/share/doc/x/tool")
        .hard_link("/usr/share/man/tool", "/usr/bin/tool2")
        .hard_link("/usr/bin/tool3", "/usr/share/man/tool");
    let (unpacked, _) = run(&package.build(), &UnpackOptions::default()).unwrap();
    assert_eq!(
        dump(&unpacked),
        "\
/ 0755 0:0 directory
/usr 0755 0:0 directory
/usr/share 0755 0:0 directory
/usr/bin 0755 0:0 directory
/usr/bin/tool 0755 0:0 10
/usr/bin/tool2 0755 0:0 = /usr/bin/tool
/usr/bin/tool3 0755 0:0 = /usr/bin/tool
"
    );
    assert_eq!(unpacked.stripped.iter().map(|stripped| stripped.entries).sum::<u64>(), 3);

    let large = vec![0; 5 << 20];
    let package = deb("x", "1")
        .file("/usr/share/doc/x/tool", large)
        .hard_link("/usr/bin/tool", "/usr/share/doc/x/tool");
    let error = run(&package.build(), &UnpackOptions::default()).unwrap_err();
    assert!(matches!(error, UnpackError::LinkTargetStripped { rule: StripRule::Docs, .. }));
    run(&package.build(), &keep_all()).unwrap();
}

#[test]
fn odd_names_survive() {
    let long = format!("/opt/{}/{}", "d".repeat(90), "n".repeat(200));
    let target = "t".repeat(300);
    let package = deb("x", "1")
        .file(&long, "long")
        .symlink("/opt/link", &target)
        .raw_entry(RawEntry::new(b"./opt/\xff\xfe", b'0'))
        .raw_entry(RawEntry::new("./opt/a b\nc\\", b'0'));
    let (unpacked, _) = run(&package.build(), &keep_all()).unwrap();
    let names: Vec<_> =
        unpacked.entries.iter().skip(3).map(|entry| entry.path.as_bytes()).collect();
    assert_eq!(names, [&long.as_bytes()[1..], b"opt/link", b"opt/\xff\xfe", b"opt/a b\nc\\"]);
}

/// Returns the messages of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

fn refusal(package: &[u8]) -> String {
    match run(package, &keep_all()) {
        Ok((unpacked, _)) => panic!("accepted:\n{}", dump(&unpacked)),
        Err(error) => chain(&error),
    }
}

/// Packages of raw entries, and why each is refused.
fn expect_refusals(cases: &[(&[RawEntry], &str)]) {
    for (entries, expected) in cases {
        let package =
            entries.iter().cloned().fold(deb("x", "1").without_directories(), Deb::raw_entry);
        assert_eq!(refusal(&package.build()), *expected);
    }
}

fn entry(name: &str, type_flag: u8) -> RawEntry {
    RawEntry::new(name, type_flag)
}

#[test]
fn hostile_entries_are_refused() {
    let long = format!("./{}", "n".repeat(300));
    let deep = format!("./{}x", "d/".repeat(3000));
    expect_refusals(&[
        (&[entry("/etc/passwd", b'0')], "in data.tar.xz: absolute path: \"/etc/passwd\""),
        (&[entry("./../x", b'0')], "in data.tar.xz: path has a \"..\" component: \"./../x\""),
        (
            &[entry("./a/../../x", b'5')],
            "in data.tar.xz: path has a \"..\" component: \"./a/../../x\"",
        ),
        (&[entry("./dev/x", b'3')], "in data.tar.xz: /dev/x is a character device"),
        (&[entry("./dev/x", b'4')], "in data.tar.xz: /dev/x is a block device"),
        (&[entry("./x", b'6')], "in data.tar.xz: /x is a named pipe"),
        (&[entry("./x", b'S')], "in data.tar.xz: /x has the unsupported type 'S'"),
        (&[entry(".", b'0')], "in data.tar.xz: the root is not a directory"),
        (&[entry("./", b'2').target("x")], "in data.tar.xz: the root is not a directory"),
        (&[entry(&long, b'0')], "in data.tar.xz: path is too long (300 bytes)"),
        (&[entry(&deep, b'0')], "in data.tar.xz: path is too long (6001 bytes)"),
        (&[entry("./x", b'0').size_bytes(10_000_000)], "in data.tar.xz: cut short"),
        (
            &[entry("./x", b'0').size_bytes(0o77_777_777_777), entry("./y", b'0')],
            "in data.tar.xz: cut short",
        ),
    ]);
}

#[test]
fn hostile_links_are_refused() {
    expect_refusals(&[
        (&[entry("./x", b'2')], "in data.tar.xz: /x has a bad link target"),
        (
            &[entry("./x", b'2').target("t".repeat(5000))],
            "in data.tar.xz: /x has a bad link target",
        ),
        (&[entry("./x", b'1')], "in data.tar.xz: /x has a bad link target"),
        (
            &[entry("./x", b'1').target("/etc/shadow")],
            "in data.tar.xz: absolute path: \"/etc/shadow\"",
        ),
        (
            &[entry("./x", b'1').target("../shadow")],
            "in data.tar.xz: path has a \"..\" component: \"../shadow\"",
        ),
        (
            &[entry("./x", b'1').target("./etc/shadow")],
            "/x is a hard link to /etc/shadow, which is no earlier file of the package",
        ),
        (
            &[entry("./x", b'1').target("./x")],
            "/x is a hard link to /x, which is no earlier file of the package",
        ),
        (
            &[entry("./d/", b'5'), entry("./x", b'1').target("./d")],
            "/x is a hard link to /d, which is no earlier file of the package",
        ),
        (
            &[entry("./s", b'2').target("/etc/shadow"), entry("./x", b'1').target("./s")],
            "/x is a hard link to /s, which is no earlier file of the package",
        ),
        (
            &[entry("./s", b'2').target("/etc"), entry("./s/passwd", b'0')],
            "/s/passwd is below /s, which is not a directory",
        ),
        (
            &[entry("./s/a/b", b'0'), entry("./s", b'2').target("/etc")],
            "/s/a/b is below /s, which is not a directory",
        ),
        (&[entry("./f", b'0'), entry("./f/", b'5')], "/f stands in the package twice"),
        (&[entry("./x", b'0'), entry("./x", b'2').target("y")], "/x stands in the package twice"),
        (
            &[entry("./bin/x", b'0'), entry("./usr/bin/x", b'0')],
            "/usr/bin/x stands in the package twice",
        ),
        (
            &[entry("./usr/bin", b'2').target("/tmp"), entry("./bin/x", b'0')],
            "/usr/bin/x is below /usr/bin, which is not a directory",
        ),
    ]);
}

#[test]
fn hostile_control_is_refused() {
    let package = || deb("x", "1");
    for (package, expected) in [
        (package().field("Package", ""), "missing or invalid control field Package"),
        (package().field("Package", "../x"), "missing or invalid control field Package"),
        (package().field("Package", "x y"), "missing or invalid control field Package"),
        (package().field("Version", ""), "missing or invalid control field Version"),
        (package().field("Version", "1 2"), "missing or invalid control field Version"),
        (package().field("Architecture", ""), "missing or invalid control field Architecture"),
        (package().field("Architecture", "a/b"), "missing or invalid control field Architecture"),
        (
            package().control_file("conffiles", "etc/x\n"),
            "bad control file conffiles: a path is not absolute",
        ),
        (package().control_file("conffiles", "/../x\n"), "path has a \"..\" component: \"/../x\""),
        (package().control_file("a/b", ""), "bad control file a/b: in a directory"),
    ] {
        assert_eq!(refusal(&package.build()), expected);
    }
    for stanza in
        ["", "\n", "Package x\n", "Package: x\nPackage: y\n", "Package: x\n\nVersion: 1\n"]
    {
        let package = package().control_file("control", stanza);
        assert!(!refusal(&package.build()).is_empty());
    }
}

#[test]
fn other_packages_than_asked_for_are_refused() {
    let expected = |name: &str, version: &str, architecture: &str| UnpackOptions {
        expected: Some(Expected {
            name: name.into(),
            version: version.into(),
            architecture: architecture.into(),
        }),
        ..UnpackOptions::default()
    };
    let package = sample().build();
    run(&package, &expected("libx", "1:1.0-1", "amd64")).unwrap();
    run(&deb("x", "1").build(), &expected("x", "1", "arm64")).unwrap();
    for (name, version, architecture, field) in [
        ("liby", "1:1.0-1", "amd64", "Package"),
        ("libx", "1.0-1", "amd64", "Version"),
        ("libx", "1:1.0-1", "arm64", "Architecture"),
    ] {
        let error = run(&package, &expected(name, version, architecture)).unwrap_err();
        assert!(matches!(error, UnpackError::Unexpected { field: actual, .. } if actual == field));
    }
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 4 << 20];
    let small = Limits { ratio_floor_bytes: 1 << 20, ratio_max: 100, ..Limits::default() };
    let few = Limits { entries_max: 3, ..Limits::default() };
    let tiny = Limits { size_bytes_max: 1 << 20, ..Limits::default() };
    let control = Limits { control_size_bytes_max: 1 << 20, ..Limits::default() };
    for (limits, package, expected) in [
        (small, deb("x", "1").file("/x", &zeros), "unpacks to more than 100 times its size"),
        (
            few,
            deb("x", "1").file("/a", "").file("/b", "").file("/c", ""),
            "in data.tar.xz: more than 3 entries",
        ),
        (tiny, deb("x", "1").file("/x", &zeros), "in data.tar.xz: more than 1048576 bytes of data"),
        (
            control,
            deb("x", "1").control_file("x", &zeros),
            "in control.tar.xz: more than 1048576 bytes of data",
        ),
    ] {
        let options = UnpackOptions { limits, ..keep_all() };
        assert_eq!(chain(&run(&package.build(), &options).unwrap_err()), expected);
    }
    run(&deb("x", "1").file("/x", &zeros).build(), &keep_all()).unwrap();
}

#[test]
fn broken_archives_are_refused() {
    let good = sample();
    let format: (&str, &[u8]) = ("debian-binary", b"2.0\n");
    let control = Compression::Gz.compress(&good.control_tar());
    let control: (&str, &[u8]) = ("control.tar.gz", &control);
    let data = Compression::Xz.compress(&good.data_tar());
    let garbage = [data.as_slice(), b"garbage"].concat();
    let hidden = [good.data_tar(), good.data_tar()].concat();
    let unended = &good.data_tar()[..512];
    let mut flipped = data.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let long = "2.0".repeat(500);
    for (members, expected) in [
        (vec![], "not a readable Debian package: no debian-binary"),
        (vec![format], "not a readable Debian package: no control.tar"),
        (vec![format, control], "not a readable Debian package: no data.tar"),
        (
            vec![control],
            "not a readable Debian package: member \"control.tar.gz\" where debian-binary is expected",
        ),
        (
            vec![format, ("data.tar.xz", &data), control],
            "not a readable Debian package: member \"data.tar.xz\" where control.tar is expected",
        ),
        (
            vec![format, control, control],
            "not a readable Debian package: member \"control.tar.gz\" where data.tar is expected",
        ),
        (
            vec![format, control, ("data.tar.rar", &data)],
            "not a readable Debian package: member \"data.tar.rar\" where data.tar is expected",
        ),
        (
            vec![("debian-binary", b"3.0\n")],
            "not a readable Debian package: unsupported format version \"3.0\"",
        ),
        (
            vec![("debian-binary", b"")],
            "not a readable Debian package: unsupported format version \"\"",
        ),
        (
            vec![("debian-binary", long.as_bytes())],
            "not a readable Debian package: unsupported format version \
             \"2.02.02.02.02.02.02.02.02.02.02.02.02.02\"",
        ),
        (vec![format, control, ("data.tar.xz", b"")], "can't decompress data.tar.xz: "),
        (vec![format, control, ("data.tar.gz", &data)], "can't decompress data.tar.gz: "),
        (vec![format, control, ("data.tar.zst", &data)], "can't decompress data.tar.zst: "),
        (vec![format, control, ("data.tar.bz2", &data)], "can't decompress data.tar.bz2: "),
        (vec![format, control, ("data.tar.lzma", &data)], "can't decompress data.tar.lzma: "),
        (vec![format, control, ("data.tar", &data)], "in data.tar: "),
        (vec![format, control, ("data.tar.xz", &data[..data.len() - 4])], "can't decompress data"),
        (vec![format, control, ("data.tar.xz", &flipped)], "can't decompress data.tar.xz: "),
        (vec![format, control, ("data.tar.xz", &garbage)], "can't decompress data.tar.xz: "),
        (
            vec![format, control, ("data.tar", &hidden)],
            "in data.tar: data after the end of the archive",
        ),
        (vec![format, control, ("data.tar", unended)], "in data.tar: cut short"),
    ] {
        let message = refusal(&ar(TIMESTAMP, &members));
        if expected.ends_with(": ") || expected.ends_with("data") {
            assert!(message.starts_with(expected), "{message}");
        } else {
            assert_eq!(message, expected);
        }
    }
    // Members with an underscore and members after the data are no errors.
    let package = ar(
        TIMESTAMP,
        &[format, ("_sig", b"x"), control, ("_x", b""), ("data.tar.xz/", &data), ("more", b"x")],
    );
    assert_eq!(run(&package, &keep_all()).unwrap().0, run(&good.build(), &keep_all()).unwrap().0);
}

#[test]
fn every_cut_is_an_error() {
    for compression in [Compression::None, Compression::Gz, Compression::Xz, Compression::Zst] {
        let package = deb("x", "1").file("/x", "data").compression(compression).build();
        for length in
            (0..package.len()).step_by(if compression == Compression::None { 61 } else { 1 })
        {
            // The byte that pads the last member is not missed.
            let is_padding = length + 1 == package.len() && package[length] == b'\n';
            let result = run(&package[..length], &keep_all());
            assert!(is_padding || result.is_err(), "{compression:?} cut at {length}");
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let package = sample().compression(Compression::None).build();
    for at in (0..package.len()).step_by(7) {
        let mut package = package.clone();
        package[at] ^= 0x55;
        let _ = unpack(&mut &package[..], &UnpackOptions::default(), &mut io::sink());
    }
}

#[test]
fn a_full_disk_is_a_write_error() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let package = sample().build();
    let error = unpack(&mut &package[..], &keep_all(), &mut Full).unwrap_err();
    assert!(
        matches!(error, UnpackError::Write(error) if error.kind() == io::ErrorKind::StorageFull)
    );
}
