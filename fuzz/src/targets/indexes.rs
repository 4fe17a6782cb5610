// SPDX-License-Identifier: Apache-2.0
//! What archives publish of themselves: lists of packages, releases, signatures and keys; and where archives are.

use std::sync::LazyLock;

use hardpan_package::apk;
use hardpan_package::deb::control::{Limits, Paragraph, Reader};
use hardpan_package::deb::index::{Origin, PackageIndex};
use hardpan_package::deb::release::{CheckOptions, Release};
use hardpan_package::deb::sources;
use hardpan_package::openpgp::{Keyring, verify_cleartext, verify_detached};
use hardpan_testkit::archive::{Archive, DATE_SECONDS};
use hardpan_testkit::pgp::{Key, SignOptions, cleartext, detached};

use crate::input::{from_halves, halves, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "indexes",
    bytes_max: 8 << 10,
    parts: &[
        Part::new("packages", packages, || texts(&[PACKAGES])),
        Part::new("packages-cache", cache, || {
            vec![index(PACKAGES).to_bytes().expect("it is in memory").into_owned()]
        }),
        Part::new("control", control, || texts(&[PACKAGES, "# c\nA: b\n c\n .\n d\n\nE:\n"])),
        Part::new("release", release, || vec![Archive::new("trixie").release().0.into_bytes()]),
        Part::new("inrelease", inrelease, || {
            vec![cleartext(SIGNED, &[(&KEY, SignOptions::default())])]
        }),
        Part::new("detached", detached_signature, || {
            vec![from_halves(
                SIGNED.as_bytes(),
                &detached(SIGNED.as_bytes(), &[(&KEY, SignOptions::default())]),
            )]
        }),
        Part::new("keyring", keyring, || vec![KEY.public(), KEY.public_armoured().into_bytes()]),
        Part::new("sources", sources_list, || {
            texts(&[
                "deb [arch=amd64 signed-by=/a.gpg] http://mirror.example/debian trixie main contrib # c\ndeb-src cdrom:[x y]/ a/\n",
                "Types: deb deb-src\nURIs: http://mirror.example/debian\nSuites: trixie trixie-updates\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\nEnabled: yes\n",
            ])
        }),
        Part::new("apk-key", apk_key, || {
            let key = hardpan_testkit::apk::Key::new(1);
            texts(&[&key.public_pem(), &key.public_pkcs1_pem()])
        }),
        Part::new("apk-signed", apk_signed, || {
            let key = hardpan_testkit::apk::Key::new(1);
            let entry = hardpan_testkit::apk::apk("a", "1-r0").index_entry();
            let algorithm = hardpan_testkit::apk::Algorithm::Rsa256;
            vec![hardpan_testkit::apk::index_file("test", &entry, &[(&key, algorithm)])]
        }),
    ],
};

const SIGNED: &str = "Origin: Test\n- dash\n\nFrom here: on\nSuite: stable\n";
const PACKAGES: &str = "Package: a\nVersion: 1:1.0-1\nArchitecture: amd64\nMulti-Arch: same\nPriority: required\nEssential: yes\nSource: b (1.0)\nDepends: c (>= 1) | d:any, e\nPre-Depends: f\nProvides: g (= 1), h\nConflicts: i\nBreaks: j (<< 2)\nReplaces: j\nFilename: pool/a.deb\nSize: 10\nInstalled-Size: 20\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nDescription: x\n y\n\nPackage: c\nVersion: 2\nArchitecture: all\nFilename: pool/c.deb\nSize: 1\nSHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(1));
static KEYRING: LazyLock<Keyring> =
    LazyLock::new(|| Keyring::parse(&KEY.public()).expect("it is a key"));
static APK_KEYS: LazyLock<apk::key::Keys> = LazyLock::new(|| {
    let key = hardpan_testkit::apk::Key::new(1);
    let mut keys = apk::key::Keys::new();
    keys.add(key.name(), key.public_pem().as_bytes()).expect("it is a key");
    keys
});

fn origin() -> Origin {
    Origin {
        archive: "debian".to_owned(),
        suite: "trixie".to_owned(),
        component: "main".to_owned(),
        architecture: "amd64".to_owned(),
    }
}

fn index(text: &str) -> PackageIndex {
    PackageIndex::parse(text.as_bytes(), origin()).expect("it is an index")
}

/// Asks an index for all that it has; says whether all of it can be read.
fn ask(index: &PackageIndex) -> bool {
    let mut is_whole = true;
    for number in 0..index.len().min(1_000) {
        let Ok(package) = index.package(number) else {
            is_whole = false;
            continue;
        };
        package.to_record();
        match index.versions_of(package.name) {
            Ok(range) => is_whole &= range.contains(&number),
            Err(_) => is_whole = false,
        }
        is_whole &= index.name(number).is_ok();
        is_whole &= index.providers_of(package.name).is_ok();
    }
    is_whole
}

/// Reads a list of packages. In its binary form it is the same.
fn packages(bytes: &[u8]) -> bool {
    let Ok(index) = PackageIndex::parse(bytes, origin()) else { return false };
    assert!(ask(&index), "a package is not found");
    let written = index.to_bytes().expect("it is in memory").into_owned();
    let again = PackageIndex::from_bytes(written.clone()).expect("what was written can be read");
    assert!(again.len() == index.len() && ask(&again), "it is read as another");
    assert_eq!(again.to_bytes().expect("it is in memory"), written);
    !index.is_empty()
}

fn cache(bytes: &[u8]) -> bool {
    let Ok(index) = PackageIndex::from_bytes(bytes) else { return false };
    ask(&index)
}

fn control(bytes: &[u8]) -> bool {
    let Ok(mut reader) = Reader::new(bytes, Limits::default()) else { return false };
    let mut paragraph = Paragraph::default();
    let mut count = 0;
    while let Ok(true) = reader.read(&mut paragraph) {
        count += 1;
        assert!(count <= bytes.len(), "more paragraphs than bytes");
    }
    count > 0
}

fn release(bytes: &[u8]) -> bool {
    let Ok(release) = Release::parse(&text(bytes)) else { return false };
    for (name, entry) in release.entries() {
        assert_eq!(release.entry(name), Some(entry), "{name} is not found");
    }
    let options = CheckOptions { valid_until: true, date: true, age_max_seconds: None };
    release.check_time("trixie", DATE_SECONDS, &options).ok();
    release.check_suite("trixie").is_ok()
}

/// Verifies a signed text. What is signed is what the key signed.
fn inrelease(bytes: &[u8]) -> bool {
    let Ok(verified) = verify_cleartext(bytes, &KEYRING, DATE_SECONDS) else { return false };
    let lines =
        |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(lines(&verified.text), lines(SIGNED), "nobody signed that");
    true
}

fn detached_signature(bytes: &[u8]) -> bool {
    let (signed, signature) = halves(bytes);
    let Ok(verified) = verify_detached(signed, signature, &KEYRING, DATE_SECONDS) else {
        return false;
    };
    assert_eq!(verified.text, SIGNED, "nobody signed that");
    true
}

fn keyring(bytes: &[u8]) -> bool {
    let Ok(keyring) = Keyring::parse(bytes) else { return false };
    verify_cleartext(&cleartext_seed(), &keyring, DATE_SECONDS).is_ok()
}

fn cleartext_seed() -> Vec<u8> {
    static SEED: LazyLock<Vec<u8>> =
        LazyLock::new(|| cleartext(SIGNED, &[(&KEY, SignOptions::default())]));
    SEED.clone()
}

fn sources_list(bytes: &[u8]) -> bool {
    let text = text(bytes);
    let read = [sources::parse(&text), sources::parse_lines(&text), sources::parse_deb822(&text)];
    sources::mirror_of("trixie", &[&text]);
    let mut found = 0;
    for source in read.iter().flat_map(|parsed| &parsed.sources) {
        source.suite_url("Release");
        source.package_url("pool/a.deb");
        found += 1;
    }
    found > 0
}

fn apk_key(bytes: &[u8]) -> bool {
    apk::key::Key::parse("a.rsa.pub", bytes).is_ok()
}

fn apk_signed(bytes: &[u8]) -> bool {
    let read = apk::signed::verify_index(bytes, &APK_KEYS);
    apk::adb::index::read(bytes, &APK_KEYS).ok();
    read.is_ok()
}
