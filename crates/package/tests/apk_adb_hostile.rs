// SPDX-License-Identifier: Apache-2.0
//! Format 3: what is refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod apk_adb_support;
mod apk_support;

use apk_adb_support::{
    keep_all, of_values, plain, refused, refused_text, run, signed_index, small,
};
use apk_support::keys;
use hardpan_package::apk::adb::index::read;
use hardpan_package::apk::adb::{AdbError, identify};
use hardpan_package::apk::package::ApkError;
use hardpan_package::unpack::{Limits, UnpackError, UnpackOptions};
use hardpan_testkit::apk::Key;
use hardpan_testkit::apk_adb::{
    Compression, Index, Values, Word, block, container, large_block, package, signature,
};
use proptest::prelude::{any, proptest};

#[test]
fn blocks_out_of_order_or_shape() {
    let values = small().values();
    let content = [&1_u32.to_le_bytes()[..], &1_u32.to_le_bytes(), b"x"].concat();
    let (adb, data) = (block(0, &values), block(2, &content));
    let sig = block(1, &signature(*b"pckg", &values, &Key::new(1)));
    let mut reserved = large_block(0, &values);
    reserved[4] = 1;
    let mut padded = block(0, &[&values[..], b"x"].concat());
    *padded.last_mut().unwrap() = 1;
    let word = |word: u32| word.to_le_bytes().to_vec();
    let large = |kind: u32, size: u64| {
        [word(0xc000_0000 | kind), word(0), size.to_le_bytes().to_vec()].concat()
    };
    for (what, blocks, expected) in [
        ("nothing", vec![], "cut short"),
        ("content first", vec![data.clone(), adb.clone()], "values have to come first"),
        ("signature first", vec![sig.clone(), adb.clone()], "values have to come first"),
        ("values twice", vec![adb.clone(), adb.clone()], "a second time"),
        ("values after content", vec![adb.clone(), data.clone(), adb.clone()], "content"),
        ("signature after content", vec![adb.clone(), data, sig], "content"),
        ("a block of no size", vec![adb.clone(), word(0x8000_0000)], "shorter than its header"),
        ("a block of 3 bytes", vec![adb.clone(), word(0x8000_0003)], "shorter than its header"),
        ("a large block of 15 bytes", vec![large(0, 15)], "shorter than its header"),
        ("unknown large kind", vec![large(3, 16)], "unknown kind"),
        ("unknown large kind", vec![large(0x3fff_ffff, 16)], "unknown kind"),
        ("reserved bytes", vec![reserved], "reserved"),
        ("padding", vec![padded], "padding"),
        ("more than there is", vec![word(0x0100_0000)], "cut short"),
        ("much more than there is", vec![large(0, 1 << 24)], "cut short"),
        ("more than is allowed", vec![word(0x3fff_ffff)], "more than 33554432 bytes of values"),
        ("all there can be", vec![large(0, u64::MAX)], "more than 33554432 bytes of values"),
        ("content without end", vec![adb, large(2, u64::MAX)], ""),
    ] {
        let apk = container(*b"pckg", &blocks, Compression::None);
        let text = refused_text(&apk);
        assert!(text.contains(expected), "{what}: {text}");
        identify(&mut &apk[..], &Limits::default(), None).err();
    }
    let index = Index::new(Vec::new());
    let bytes = index.build(&[&Key::new(1)], Compression::None);
    let bytes = [bytes, block(2, b"12345678")].concat();
    assert!(matches!(read(&bytes, &keys(&[&Key::new(1)])).unwrap_err(), AdbError::TrailingData));
}

#[test]
fn files_of_another_kind() {
    let index = Index::new(Vec::new()).build(&[&Key::new(1)], Compression::None);
    let text = refused_text(&index);
    assert!(text.contains("holds \"indx\", expected \"pckg\""), "{text}");
    assert!(matches!(read(&plain(&small()), &keys(&[&Key::new(1)])), Err(AdbError::Schema { .. })));
    for (bytes, expected) in [
        (&b""[..], "not a file"),
        (b"\x1f\x8b\x08\0", "not a file"),
        (b"AD", "cut short"),
        (b"ADB", "cut short"),
        (b"ADB.pck", "cut short"),
        (b"ADBx", "unknown compression 120"),
        (b"ADBc\x03\0", "unknown compression 3"),
        (b"ADBc\xff\0", "unknown compression 255"),
        (b"ADBc\x02", "cut short"),
        (b"ADBd", "cut short"),
        (b"ADBd\xff\xff\xff\xff", "can't read"),
        (b"ADBc\x02\0nothing", "can't read"),
    ] {
        let text = refused_text(bytes);
        assert!(text.contains(expected), "{bytes:?}: {text}");
        read(bytes, &keys(&[&Key::new(1)])).unwrap_err();
    }
    // Compressed twice, or with something behind.
    let apk = small().build();
    refused(&Compression::Deflate.compress(&apk));
    for compression in Compression::ALL {
        let apk = small().compression(compression).build();
        refused(&[&apk[..], &apk[..]].concat());
        refused(&[&apk[..], b"ADB."].concat());
    }
}

/// Values of which one is not what it should be.
#[test]
fn values_that_lead_nowhere() {
    let with_root = |root: Word| Values::default().finish(root);
    let in_root = |word: Word| {
        let mut values = Values::default();
        let root = values.object(&[word]);
        values.finish(root)
    };
    let name_of = |word: Word| {
        let mut values = Values::default();
        let version = values.blob("1");
        let info = values.object(&[word, version]);
        let root = values.object(&[info]);
        values.finish(root)
    };
    let counted = |count: u32| {
        let mut values = Values::default();
        let place = values.append(&count.to_le_bytes(), 4);
        values.finish(0xe000_0000 | place)
    };
    let mut newer = small().values();
    newer[0] = 1;
    let mut cases = vec![
        ("no header", vec![0; 7], "cut short"),
        ("empty", Vec::new(), "cut short"),
        ("a newer version", newer, "unsupported format version 1"),
        ("no root", with_root(0), "no value root"),
        ("true", with_root(1), "neither object nor array"),
        ("a number", with_root(0x1000_0001), "neither object nor array"),
        ("bytes", with_root(0x8000_0008), "neither object nor array"),
        ("an unknown kind", with_root(0xf000_0008), "neither object nor array"),
        ("the header", with_root(0xe000_0000), "into the header"),
        ("in the header", with_root(0xe000_0004), "into the header"),
        ("the end", with_root(0xe000_0008), "beyond the end"),
        ("beyond the end", with_root(0xefff_ffff), "beyond the end"),
        ("no length", counted(0), "does not count its own length"),
        ("a length of 2", counted(2), "beyond the end"),
        ("a huge length", counted(u32::MAX), "beyond the end"),
        ("a length that overflows", counted(0x4000_0000), "beyond the end"),
        ("nothing in it", counted(1), "no value info"),
        ("no info", in_root(0), "no value root"),
        ("info is text", in_root(0x8000_0008), "neither object nor array"),
        ("no name", name_of(0), "no value name"),
        ("name is a number", name_of(0x1000_0001), "not bytes"),
        ("name is an object", name_of(0xe000_0008), "not bytes"),
        ("name at the end", name_of(0x8000_0800), "beyond the end"),
        ("name far away", name_of(0xafff_ffff), "beyond the end"),
        ("name in the header", name_of(0x9000_0007), "into the header"),
    ];
    // An object that is its own only item: nothing follows it for ever.
    let mut values = Values::default();
    let place = values.append(&[2_u32.to_le_bytes(), 0xe000_0008_u32.to_le_bytes()].concat(), 4);
    assert_eq!(place, 8);
    cases.push(("a circle", values.finish(0xe000_0008), "not bytes"));
    for (prefix, length) in [(&[255][..], 8), (&[255, 255], 9), (&[255, 255, 255, 255], 10)] {
        let mut values = Values::default();
        let place = values.append(prefix, 4);
        let info = values.object(&[(length << 28) | place]);
        let root = values.object(&[info]);
        cases.push(("a long name", values.finish(root), "beyond the end"));
    }
    for (what, values, expected) in cases {
        let text = refused_text(&of_values(&values));
        assert!(text.contains(expected), "{what}: {text}");
        // An index of such values is refused or has nothing in it, though it is signed.
        if let Ok(signed) = read(&signed_index(&values), &keys(&[&Key::new(1)])) {
            assert!(signed.index.packages.is_empty(), "{what}");
        }
    }
}

#[test]
fn texts_that_mean_something_else() {
    for (package, expected) in vec![
        (package("", "1"), "no value name"),
        (package("x y", "1"), "not a package's name"),
        (package("../x", "1"), "not a package's name"),
        (package("-x", "1"), "not a package's name"),
        (package("x\n", "1"), "control characters"),
        (package(&"x".repeat(257), "1"), "not a package's name"),
        (package("x", ""), "no value version"),
        (package("x", "v1"), "bad version"),
        (package("x", "1/2"), "bad version"),
        (package("x", "1 2"), "bad version"),
        (small().architecture(""), "no value arch"),
        (small().architecture("x86/64"), "not an architecture"),
        (small().text(6, "MIT\npkgname = y"), "bad value license: has control characters"),
        (small().text(9, "a\rb"), "bad value url: has control characters"),
        (small().text(7, "a\0b"), "bad value origin: has control characters"),
        (small().trigger("/a b"), "white space"),
        (small().trigger("/a\n"), "control characters"),
        (small().number(20, 1), "not the root file system"),
        (small().number(11, u64::MAX), "out of range"),
        (small().mtime(1 << 63), "out of range"),
        (small().mode(0o10_000), "not permission bits"),
        (small().mode(1 << 40), "not permission bits"),
        (small().owner("", "root"), "no value user"),
        (small().owner("root", ""), "no value group"),
        (small().xattr("", b"x"), "not a name"),
        (small().xattr("user.a=b", b"x"), "not a name"),
        (small().xattr("user.a b", b"x"), "not a name"),
        (small().xattr("user.a", b"x").xattr("user.a", b"y"), "stands twice"),
    ] {
        let text = refused_text(&plain(&package));
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // A description may have several lines; it is given as one.
    let (unpacked, _) = run(&plain(&small().text(4, "a\n\n depend = z\r\n")), &keep_all()).unwrap();
    assert_eq!(unpacked.field("pkgdesc").as_deref(), Some("a depend = z"));
    assert_eq!(unpacked.field("depend").as_deref(), Some("y>1"));
}

#[test]
fn relations_that_would_be_read_as_others() {
    let with = |name: &str, version: &str, bits: u64| {
        let mut values = Values::default();
        let texts = ["x", "1", "x86_64"].map(|text| values.blob(text));
        let relation = [values.blob(name), values.blob(version), values.integer(bits)];
        let relation = values.object(&relation);
        let depends = values.object(&[relation]);
        let mut info = [0; 15];
        (info[0], info[1], info[4], info[14]) = (texts[0], texts[1], texts[2], depends);
        let info = values.object(&info);
        let root = values.object(&[info]);
        of_values(&values.finish(root))
    };
    for (name, version, bits, expected) in [
        ("y", "", 0, "y"),
        ("y", "", 7, "y"),
        ("y", "", 23, "!y"),
        ("y", "1", 0, "y=1"),
        ("y", "1", 1, "y=1"),
        ("y", "1", 2, "y<1"),
        ("y", "1", 3, "y<=1"),
        ("y", "1", 4, "y>1"),
        ("y", "1", 5, "y>=1"),
        ("y", "Q1abc=", 6, "y><Q1abc="),
        ("y", "1", 8, "y~1"),
        ("y", "1", 9, "y~1"),
        ("y", "1", 11, "y<~1"),
        ("y", "1", 13, "y>~1"),
        ("y", "1~ab", 17, "!y=1~ab"),
        ("/bin/sh", "", 0, "/bin/sh"),
    ] {
        let (unpacked, _) = run(&with(name, version, bits), &keep_all()).unwrap();
        assert_eq!(unpacked.field("depend").as_deref(), Some(expected));
    }
    for (name, version, bits) in [
        ("", "1", 1),
        ("!y", "1", 1),
        ("y z", "1", 1),
        ("y\u{a0}z", "1", 1),
        ("y=1", "", 0),
        ("y>1", "", 0),
        ("y~1", "1", 1),
        ("y\n", "1", 1),
        ("y", "1 z", 1),
        ("y", "1<2", 1),
        ("y", "1", 7),
        ("y", "1", 16),
        ("y", "1", 10),
        ("y", "1", 32),
        ("y", "1", u64::MAX),
    ] {
        let text = refused_text(&with(name, version, bits));
        assert!(text.contains("of a relation"), "{name} {version} {bits}: {text}");
    }
}

#[test]
fn names_that_lead_elsewhere() {
    for name in [&b""[..], b".", b"..", b"a/b", b"/a", b"a/", b"../a", b"a\0b", &[b'a'; 256]] {
        let package = small().last(|file| file.name = name.to_vec());
        let error = refused(&plain(&package));
        assert!(matches!(error, UnpackError::Adb(_)), "{name:?}: {error:?}");
    }
    for name in [&b"a\tb"[..], b"a\nb", b"\x7f"] {
        let package = small().last(|file| file.name = name.to_vec());
        let error = refused(&plain(&package));
        assert!(matches!(error, UnpackError::Apk(ApkError::Entry { .. })), "{name:?}: {error:?}");
    }
    let error = refused(&plain(&small().file(".PKGINFO", b"")));
    assert!(matches!(error, UnpackError::Apk(ApkError::Entry { .. })), "{error:?}");
    for name in ["..", "../a", "a/../b", "/a", "a/", "a//b", "./a", "a/.", ".", "a\0b"] {
        let error = refused(&plain(&small().directory(name)));
        assert!(matches!(error, UnpackError::Adb(_)), "{name:?}: {error:?}");
    }
    for target in ["", "/a/b", "../b", "a/../a/b", "./a/b", "a//b", "a/b/", "a\0b"] {
        let error = refused(&plain(&small().hard_link("z", target)));
        assert!(matches!(error, UnpackError::Adb(_)), "{target:?}: {error:?}");
    }
    for target in ["a", "a/c", "z", "none", "zz"] {
        let error = refused(&plain(&small().hard_link("z", target).file("zz", b"")));
        assert!(matches!(error, UnpackError::LinkTarget { .. }), "{target:?}: {error:?}");
    }
    let long = vec![b'a'; 5000];
    for target in [&b""[..], b"a\0b", &long] {
        let error = refused(&plain(&small().symlink("z", target)));
        assert!(matches!(error, UnpackError::Tar { .. }), "{error:?}");
    }
    for kind in [0o020_000, 0o060_000, 0o010_000] {
        let error = refused(&plain(&small().device("z", kind)));
        assert!(matches!(error, UnpackError::Tar { .. }), "{error:?}");
    }
    for target in [&[0][..], &[0, 0], &[0o14, 0o140], &[0xff, 0xff, b'a']] {
        let package = small().file("z", b"").last(|file| file.target = target.to_vec());
        let text = refused_text(&plain(&package));
        assert!(text.contains("bad value target"), "{text}");
    }
}

#[test]
fn entries_that_are_in_the_way() {
    for (package, expected) in [
        (small().file("a/b", b"again"), "twice"),
        (small().directory("a/b"), "twice"),
        (small().symlink("a", "etc"), "twice"),
        (small().file("a/b/c", b""), "twice"),
        (small().file("a/c/x", b""), "twice"),
    ] {
        let text = refused_text(&plain(&package));
        assert!(text.contains(expected) || text.contains("not a directory"), "{text}");
    }
}

#[test]
fn contents_that_are_not_what_they_should_be() {
    let two = package("x", "1-r0").file("a", b"first").file("b", b"other");
    let values = two.values();
    let content = |directory: u32, file: u32, data: &[u8]| {
        let header = [directory.to_le_bytes(), file.to_le_bytes()].concat();
        block(2, &[&header, data].concat())
    };
    let with = |contents: &[Vec<u8>]| {
        let blocks = [&[block(0, &values)], contents].concat();
        container(*b"pckg", &blocks, Compression::None)
    };
    let (first, other) = (content(1, 1, b"first"), content(1, 2, b"other"));
    run(&with(&[first.clone(), other.clone()]), &keep_all()).unwrap();
    for (what, contents, expected) in [
        ("none", vec![], "missing"),
        ("one", vec![first.clone()], "missing"),
        ("three", vec![first.clone(), other.clone(), other.clone()], "after the end"),
        ("turned", vec![other.clone(), first.clone()], "that of another file"),
        ("the same twice", vec![first.clone(), first.clone()], "that of another file"),
        ("in another directory", vec![content(2, 1, b"first")], "that of another file"),
        ("numbered from 0", vec![content(0, 0, b"first")], "that of another file"),
        ("too long", vec![content(1, 1, b"first!")], "not as long"),
        ("too short", vec![content(1, 1, b"firs")], "not as long"),
        ("no header", vec![block(2, b"1234567")], "not as long"),
        ("empty", vec![block(2, b"")], "not as long"),
        ("changed", vec![content(1, 1, b"First")], "does not have its hash"),
        ("each other's", vec![content(1, 1, b"other"), content(1, 2, b"first")], "its hash"),
    ] {
        let text = refused_text(&with(&contents));
        assert!(text.contains(expected), "{what}: {text}");
    }
    // What is empty has a hash, too, and no block.
    let hashed = |data: &[u8], hash: &[u8]| {
        package("x", "1-r0").file("a", data).last(|file| file.hash = Some(hash.to_vec()))
    };
    for (package, expected) in [
        (hashed(b"", &[1; 32]), "does not have its hash"),
        (hashed(b"", b""), "no value hash"),
        (hashed(b"x", b""), "no value hash"),
        (hashed(b"x", &[1; 20]), "neither SHA-256 nor SHA-512"),
        (hashed(b"x", &[1; 16]), "neither SHA-256 nor SHA-512"),
        (hashed(b"x", &[1; 33]), "neither SHA-256 nor SHA-512"),
        (hashed(b"x", &[1; 64]), "does not have its hash"),
        (package("x", "1").file("a", b"").last(|file| file.size_bytes = Some(3)), "missing"),
        (package("x", "1").file("a", b"abc").last(|file| file.size_bytes = Some(0)), "its hash"),
    ] {
        let text = refused_text(&plain(&package));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn more_than_the_limits_allow() {
    let options = |limits: Limits| UnpackOptions { limits, ..keep_all() };
    let limits = Limits { ratio_max: 10, ratio_floor_bytes: 1 << 20, ..Limits::default() };
    let zeros = |size: usize| package("x", "1-r0").file("zeros", &vec![0; size]);
    for compression in [Compression::Deflate, Compression::Zstd] {
        let bomb = zeros(8 << 20).compression(compression).build();
        run(&bomb, &keep_all()).unwrap();
        let error = run(&bomb, &options(limits)).unwrap_err();
        assert!(matches!(error, UnpackError::Adb(AdbError::Ratio { ratio_max: 10 })), "{error:?}");
        let error = identify(&mut &bomb[..], &limits, None).unwrap_err();
        assert!(matches!(error, AdbError::Ratio { .. }), "{error:?}");
        run(&zeros(1 << 19).compression(compression).build(), &options(limits)).unwrap();
    }
    let apk =
        package("x", "1-r0").file("a", b"12345").file("d/b", b"12345").symlink("c", "a").build();
    for (limits, what) in [
        (Limits { entries_max: 3, ..Limits::default() }, "entries"),
        (Limits { size_bytes_max: 9, ..Limits::default() }, "bytes of files"),
        (Limits { control_size_bytes_max: 200, ..Limits::default() }, "bytes of values"),
    ] {
        let error = run(&apk, &options(limits)).unwrap_err();
        assert!(
            matches!(error, UnpackError::Adb(AdbError::Limit { what: actual, .. }) if actual == what),
            "{what}: {error:?}"
        );
    }
    let limits = Limits { entries_max: 4, size_bytes_max: 10, ..Limits::default() };
    run(&apk, &options(limits)).unwrap();
}

/// Many values that name the same bytes would be read again and again.
#[test]
fn values_that_share_too_much() {
    let mut values = Values::default();
    let license = values.blob("x".repeat(60_000));
    let texts = ["x", "1", "x86_64"].map(|text| values.blob(text));
    let hash = values.blob([1; 32]);
    let info = values.object(&[texts[0], texts[1], hash, 0, texts[2], license]);
    let packages = values.object(&vec![info; 100_000]);
    let root = values.object(&[0, packages]);
    let error = read(&signed_index(&values.finish(root)), &keys(&[&Key::new(1)])).unwrap_err();
    assert!(matches!(error, AdbError::Limit { .. }), "{error:?}");

    let mut values = Values::default();
    let texts = ["x", "1", "x86_64"].map(|text| values.blob(text));
    let mut info = [0; 15];
    (info[0], info[1], info[4]) = (texts[0], texts[1], texts[2]);
    let name = values.blob("y".repeat(60_000));
    let relation = values.object(&[name]);
    info[14] = values.object(&vec![relation; 100_000]);
    let info = values.object(&info);
    let root = values.object(&[info]);
    let text = refused_text(&of_values(&values.finish(root)));
    assert!(text.contains("named by values"), "{text}");
}

proptest! {
    /// Whatever the values are, they are read or refused.
    #[test]
    fn random_values_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let values = [&[0; 4][..], &bytes].concat();
        let _ = run(&of_values(&values), &keep_all());
        let _ = read(&signed_index(&values), &keys(&[&Key::new(1)]));
    }

    /// As above, with words that look like values so that more of them are followed.
    #[test]
    fn random_words_do_no_harm(words in proptest::collection::vec(
        (0_usize..9, 0_u32..300), 2..80,
    )) {
        const KINDS: [u32; 9] = [0x0, 0x1, 0x2, 0x3, 0x8, 0x9, 0xa, 0xd, 0xe];
        let mut values = vec![0; 4];
        for (at, (kind, rest)) in words.iter().enumerate() {
            // Every third word is a count, the others lead to words.
            let word = if at % 3 == 1 { rest % 25 } else { (KINDS[*kind] << 28) | (rest & !3) };
            values.extend(word.to_le_bytes());
        }
        let _ = run(&of_values(&values), &keep_all());
        let _ = read(&signed_index(&values), &keys(&[&Key::new(1)]));
    }

    /// Whatever follows the header.
    #[test]
    fn random_blocks_do_no_harm(
        compression in 0_usize..4,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let compression = Compression::ALL[compression];
        let _ = run(&compression.compress(&[b"ADB.pckg", &bytes[..]].concat()), &keep_all());
        let _ = read(&compression.compress(&[b"ADB.indx", &bytes[..]].concat()), &keys(&[&Key::new(1)]));
        let magic: [&[u8]; 4] = [b"ADB.", b"ADBd", b"ADBc\x01\0", b"ADBc\x02\0"];
        for magic in magic {
            let _ = run(&[magic, &bytes[..]].concat(), &keep_all());
        }
    }
}
