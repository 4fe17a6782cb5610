// SPDX-License-Identifier: Apache-2.0
//! Format 3: packages and indexes that are as they should be.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_adb_support;
mod apk_support;
mod unpack_support;

use apk_adb_support::{keep_all, run, sample};
use apk_support::keys;
use hardpan_package::apk::adb::index::read;
use hardpan_package::apk::adb::{AdbError, identify};
use hardpan_package::apk::index::Checksum;
use hardpan_package::apk::signature::SignatureError;
use hardpan_package::owners::{AccountKind, OwnerNames};
use hardpan_package::segment::{Format, Unpacked};
use hardpan_package::strip::StripRule;
use hardpan_package::unpack::{Expected, Limits, UnpackError, UnpackOptions, unpack};
use hardpan_testkit::apk::Key;
use hardpan_testkit::apk_adb::{
    BUILD_TIME, Compression, Index, Values, block, container, large_block, package,
};
use hardpan_tree::{Digest, TreePath};
use unpack_support::{check_segment, dump};

#[test]
fn a_package_as_it_is() {
    let (unpacked, segment) = run(&sample().build(), &keep_all()).unwrap();
    check_segment(&unpacked, &segment);
    assert_eq!(
        dump(&unpacked),
        "\
/in-root 0644 0:0 3000
/etc 0755 0:0 directory
/etc/empty 0644 0:0 0
/etc/x.conf 0644 0:0 4
/usr 0755 0:0 directory
/usr/bin 0755 0:0 directory
/usr/bin/a 4755 0:42 10
/usr/bin/b 4755 0:42 = /usr/bin/a
/usr/bin/ping 0644 0:0 4
/usr/lib 0755 0:0 directory
/usr/lib/libx.so 0777 0:0 -> libx.so.1
/usr/lib/libx.so.1 0755 0:0 7
/usr/share 0755 0:0 directory
/usr/share/man 0755 0:0 directory
/usr/share/man/man1 0755 0:0 directory
/usr/share/man/man1/x.1.gz 0644 0:0 6
/var/cache/x 1777 0:82 directory
"
    );
    assert_eq!(
        unpacked.control,
        "\
pkgname = libx
pkgver = 1.2.3_git20240101-r4
pkgdesc = a test package
url = https://example.org
builddate = 1700000000
size = 3031
arch = x86_64
origin = x
commit = abababababababababababababababababababab
maintainer = Test <test@example.org>
license = MIT
replaces_priority = 7
provider_priority = 10
depend = s=1
depend = so:libc.musl-x86_64.so.1
depend = t>~5
depend = u<~4
depend = v~1.2
depend = !w<3
depend = y>=2.0-r1
depend = !z
provides = cmd:x=1.2.3-r4
provides = so:libx.so.1=1.2.3
provides = x-any
replaces = libx-old
install_if = docs libx=1.2.3-r4
triggers = /usr/lib/x +/usr/share/*
"
    );
    let package = (unpacked.format, unpacked.name.as_str(), unpacked.version.as_str());
    assert_eq!(package, (Format::Apk, "libx", "1.2.3_git20240101-r4"));
    assert_eq!((unpacked.architecture.as_str(), unpacked.source().as_str()), ("x86_64", "x"));
    assert_eq!(unpacked.field("depend").unwrap().lines().count(), 8);
    assert_eq!(unpacked.triggers, "/usr/lib/x +/usr/share/*");
    let scripts: Vec<&str> = unpacked.scripts.keys().map(String::as_str).collect();
    assert_eq!(scripts, ["post-install", "pre-upgrade", "trigger"]);
    assert_eq!(unpacked.scripts["pre-upgrade"], "#!/bin/sh\n# \u{fffd}\n");
    assert_eq!(unpacked.script_digests["pre-upgrade"], Digest::of(b"#!/bin/sh\n# \xff\n"));
    assert_eq!(unpacked.scripts["trigger"].len(), 510);
    assert_eq!(
        unpacked.sha1sums.lines().filter(|line| line.ends_with("  etc/x.conf")).collect::<Vec<_>>(),
        ["75d155771c678a74cef8ce298f9b752cc10c5d70  etc/x.conf"]
    );
    assert_eq!(unpacked.sha1sums.lines().count(), 9, "{}", unpacked.sha1sums);
    let entry = |path| unpacked.entry(&TreePath::literal(path)).unwrap();
    let xattrs = &entry("usr/bin/ping").metadata.xattrs;
    assert_eq!(xattrs["security.capability"], b"\x01\0\xff");
    assert_eq!((xattrs.len(), xattrs["user.x"].len()), (2, 0));
    let time = i64::try_from(BUILD_TIME).unwrap();
    for (path, expected) in [
        ("etc/x.conf", 1_600_000_000),
        ("etc/empty", time),
        ("etc", time),
        ("usr/lib/libx.so", time),
    ] {
        assert_eq!(entry(path).metadata.mtime, expected, "{path}");
    }
}

/// The testkit's values were once compared with those that apk made of a real package, by that package's unique id. That they
/// stay the same is seen here.
#[test]
fn values_stay_the_same() {
    assert_eq!(
        Digest::of(&sample().values()).to_string(),
        "sha256:853d1090672e29e744f9083ecf376a234d5329cf3985de80b79ff11b498cdfce"
    );
}

#[test]
fn compression_makes_no_difference() {
    let expected = run(&sample().build(), &keep_all()).unwrap();
    for compression in Compression::ALL {
        let apk = sample().compression(compression).build();
        assert_eq!(run(&apk, &keep_all()).unwrap(), expected, "{compression:?}");
        // By name of the file's format, too.
        let mut segment = Vec::new();
        let unpacked = unpack(Format::Apk, &mut &apk[..], &keep_all(), &mut segment).unwrap();
        assert_eq!(unpacked.file_size_bytes, apk.len() as u64);
        let unpacked = Unpacked { file_size_bytes: 0, ..unpacked };
        assert_eq!((unpacked, segment), expected, "{compression:?}");
    }
    // Compressed with nothing, as apk would read it.
    let plain = sample().compression(Compression::None).build();
    let apk = [b"ADBc\0\0", &plain[..]].concat();
    assert_eq!(run(&apk, &keep_all()).unwrap(), expected);
    // With the header that large blocks have.
    let (_, blocks) = plain.split_at(8);
    let values = sample().values();
    let rest = &blocks[block(0, &values).len()..];
    let blocks = [large_block(0, &values), rest.to_vec()];
    let apk = container(*b"pckg", &blocks, Compression::None);
    assert_eq!(run(&apk, &keep_all()).unwrap(), expected);
}

#[test]
fn what_is_not_wanted_is_left_out() {
    let (unpacked, segment) = run(&sample().build(), &UnpackOptions::default()).unwrap();
    check_segment(&unpacked, &segment);
    let text = dump(&unpacked);
    assert!(!text.contains("man1") && text.contains("/usr/bin/a 0755 0:42 10\n"), "{text}");
    assert_eq!(unpacked.stripped[0].rule, StripRule::Man);
    let ping = unpacked.entry(&TreePath::literal("usr/bin/ping")).unwrap();
    assert!(!ping.metadata.xattrs.contains_key("security.capability"));
    // What is left out is compared with its hash all the same.
    for size in [6, 5 << 20] {
        let apk = package("x", "1-r0")
            .file("usr/share/man/man1/x.1.gz", &vec![b'm'; size])
            .last(|file| file.hash = Some(vec![1; 32]))
            .compression(Compression::None);
        let error = run(&apk.build(), &UnpackOptions::default()).unwrap_err();
        assert!(matches!(error, UnpackError::Adb(AdbError::Content { .. })), "{error:?}");
    }
}

#[test]
fn owners_have_names() {
    let apk = package("x", "1-r0").file("srv/x", b"x").owner("x", "users");
    let apk = apk.file("srv/y", b"").owner("x", "y").build();
    let (unpacked, _) = run(&apk, &keep_all()).unwrap();
    let owners: Vec<(u32, u32)> =
        (unpacked.entries.iter()).map(|entry| (entry.metadata.uid, entry.metadata.gid)).collect();
    let [(0, 0), (x, 100), (same, y)] = owners[..] else { panic!("{owners:?}") };
    assert!(x == same && OwnerNames::is_nameless(x) && OwnerNames::is_nameless(y));
    assert_eq!(unpacked.owner_names.name(AccountKind::User, x), Some("x"));
    assert_eq!(unpacked.owner_names.name(AccountKind::Group, y), Some("y"));

    for (user, group, kind) in [("root", "a:b", "group"), ("100", "root", "user")] {
        let apk = package("x", "1-r0").directory_access("srv", 0o755, user, group).build();
        let error = run(&apk, &keep_all()).unwrap_err();
        let is_owner =
            matches!(&error, UnpackError::Adb(AdbError::Owner { kind: of, .. }) if *of == kind);
        assert!(is_owner, "{error:?}");
    }
}

#[test]
fn times_are_not_after_the_package() {
    let apk = package("x", "1-r0").file("a", b"").mtime(BUILD_TIME + 9).file("b", b"").mtime(5);
    let times = |apk: &hardpan_testkit::apk_adb::Package| {
        let (unpacked, _) = run(&apk.build(), &keep_all()).unwrap();
        let times: Vec<i64> = unpacked.entries.iter().map(|entry| entry.metadata.mtime).collect();
        (unpacked.timestamp, times)
    };
    let time = i64::try_from(BUILD_TIME).unwrap();
    assert_eq!(times(&apk), (time, vec![time, 5]));
    // A package that does not say when it was made is as old as its newest file.
    assert_eq!(times(&apk.clone().without_build_time()), (time + 9, vec![time + 9, 5]));
    assert_eq!(times(&package("x", "1-r0").without_build_time().directory("d")), (0, vec![0]));
    // Beyond 32 bits.
    let late = 1 << 33;
    let apk = package("x", "1-r0").number(11, late).file("a", b"").mtime(late - 1);
    assert_eq!(times(&apk), (1 << 33, vec![(1 << 33) - 1]));
}

#[test]
fn it_has_to_be_the_one_that_was_asked_for() {
    let expected = |name: &str, version: &str, architecture: &str| UnpackOptions {
        expected: Some(Expected {
            name: name.into(),
            version: version.into(),
            architecture: architecture.into(),
        }),
        ..UnpackOptions::default()
    };
    let apk = package("x", "1-r0").build();
    run(&apk, &expected("x", "1-r0", "x86_64")).unwrap();
    for (options, field) in [
        (expected("y", "1-r0", "x86_64"), "pkgname"),
        (expected("x", "1-r1", "x86_64"), "pkgver"),
        (expected("x", "1-r0", "aarch64"), "arch"),
    ] {
        let error = run(&apk, &options).unwrap_err();
        assert!(
            matches!(&error, UnpackError::Unexpected { field: actual, .. } if *actual == field),
            "{error:?}"
        );
    }
    let apk = package("x", "1-r0").architecture("noarch").build();
    run(&apk, &expected("x", "1-r0", "aarch64")).unwrap();
}

#[test]
fn packages_are_identified() {
    let apk = sample().build();
    let identity = identify(&mut &apk[..], &Limits::default(), None).unwrap();
    assert_eq!((identity.digest, identity.size_bytes), (Digest::of(&apk), apk.len() as u64));
    assert_eq!(identity.values_digest, Digest::of(&sample().values()));
    assert_eq!((identity.name.as_str(), identity.architecture.as_str()), ("libx", "x86_64"));
    assert!(identity.signatures.is_empty());
    let hash = identity.values_digest.as_bytes();
    identity.check(&Checksum::Sha256(*hash)).unwrap();
    identity.check(&Checksum::Sha1(hash[..20].try_into().unwrap())).unwrap();
    for checksum in [Checksum::Sha256([0; 32]), Checksum::Sha1(hash[12..].try_into().unwrap())] {
        let error = identity.check(&checksum).unwrap_err();
        assert!(matches!(error, AdbError::Checksum { .. }) && error.is_trust(), "{error:?}");
    }
    let signed_by = |keys: &[&Key]| {
        let keys = apk_support::keys(keys);
        identify(&mut &apk[..], &Limits::default(), Some(&keys))
    };
    let identity = signed_by(&[&Key::new(2), &Key::new(1)]).unwrap();
    let signatures: Vec<_> = identity.signatures.iter().map(|good| good.key.as_str()).collect();
    assert_eq!(signatures, ["test-1.rsa.pub"]);
    assert_eq!(identity.signatures[0].algorithm, "RSA512");
    let error = signed_by(&[&Key::new(2)]).unwrap_err();
    assert!(matches!(error, AdbError::Signature(SignatureError::Unknown { .. })), "{error:?}");
}

#[test]
fn an_index_is_read() {
    let mut index = Index::new(vec![
        sample(),
        package("b", "2-r0").architecture("noarch").without_build_time(),
        package("a", "1-r0"),
        package("b", "1-r0"),
    ]);
    let (one, two) = (Key::new(1), Key::new(2));
    for compression in Compression::ALL {
        let bytes = index.build(&[&one], compression);
        let signed = read(&bytes, &keys(&[&Key::new(1)])).unwrap();
        assert_eq!(signed.signatures.len(), 1);
        assert_eq!(signed.signatures[0].key, "test-1.rsa.pub");
        assert_eq!(signed.digest, Digest::of(&bytes));
        assert_eq!(signed.signed_digest, Digest::of(&index.values()));
        assert_eq!(signed.index.description, "v3.99-test");
        let packages: Vec<_> = signed
            .index
            .packages
            .iter()
            .map(|package| (package.path.as_str(), package.architecture.as_str()))
            .collect();
        assert_eq!(
            packages,
            [
                ("a-1-r0.apk", "x86_64"),
                ("b-2-r0.apk", "noarch"),
                ("b-1-r0.apk", "x86_64"),
                ("libx-1.2.3_git20240101-r4.apk", "x86_64"),
            ]
        );
        let package = &signed.index.packages[3];
        let apk = sample().build();
        let identity = identify(&mut &apk[..], &Limits::default(), None).unwrap();
        identity.check(&package.checksum).unwrap();
        assert_eq!((package.size_bytes, package.installed_size_bytes), (apk.len() as u64, 3031));
        assert_eq!(
            package.depends,
            "s=1 so:libc.musl-x86_64.so.1 t>~5 u<~4 v~1.2 !w<3 y>=2.0-r1 !z"
        );
        assert_eq!(package.provides, "cmd:x=1.2.3-r4 so:libx.so.1=1.2.3 x-any");
        assert_eq!(package.install_if, "docs libx=1.2.3-r4");
        assert_eq!((package.provider_priority, package.license.as_str()), (10, "MIT"));
        assert_eq!(package.origin.as_deref(), Some("x"));
        assert_eq!(package.build_time, Some(1_700_000_000));
        assert_eq!(signed.index.packages[1].build_time, None);
    }
    // Any one of the signatures.
    let bytes = index.build(&[&one, &two], Compression::None);
    for (keys, names) in [
        (keys(&[&one]), &["test-1.rsa.pub"][..]),
        (keys(&[&two, &Key::new(3)]), &["test-2.rsa.pub"]),
        (keys(&[&two, &one]), &["test-1.rsa.pub", "test-2.rsa.pub"]),
    ] {
        let signed = read(&bytes, &keys).unwrap();
        assert!(signed.signatures.iter().map(|good| good.key.as_str()).eq(names.iter().copied()));
    }
    index.path_pattern = "${name:1}/${name}_${version}.apk".into();
    index.hash_bytes = 20;
    let signed = read(&index.build(&[&one], Compression::None), &keys(&[&Key::new(1)])).unwrap();
    assert_eq!(signed.index.packages[3].path, "l/libx_1.2.3_git20240101-r4.apk");
    assert!(matches!(signed.index.packages[3].checksum, Checksum::Sha1(_)));
    // An archive that has nothing yet.
    let empty = Index { description: String::new(), ..Index::new(Vec::new()) };
    let mut values = Values::default();
    let name = values.blob("nothing");
    let root = values.object(&[name]);
    assert!(empty.build(&[&one], Compression::None).len() > 24);
    let values = values.finish(root);
    let signature = hardpan_testkit::apk_adb::signature(*b"indx", &values, &one);
    let bytes = container(*b"indx", &[block(0, &values), block(1, &signature)], Compression::None);
    assert!(read(&bytes, &keys(&[&Key::new(1)])).unwrap().index.packages.is_empty());
}
