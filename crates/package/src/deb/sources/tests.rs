// SPDX-License-Identifier: Apache-2.0

use super::*;

const FINGERPRINT: &str = "41587F7DB8C774BCCF131416762F67A0B2C39DE4";

fn lines(text: &str) -> Vec<Source> {
    parse(text).into_result().unwrap()
}

fn problems(parsed: Parsed) -> Vec<String> {
    parsed.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn one_line_sources_are_read() {
    let sources = lines(
        "# a comment\n\
         deb http://mirror.example/debian/ trixie main contrib # more\n\
         \n\
         deb-src\thttps://u:p@mirror.example/debian\ttrixie-updates\tmain\n\
         deb [signed-by=/a/b.gpg,/c.asc arch=amd64,arm64 check-valid-until=no] http://[::1]:80/x trixie main\n\
         deb [ trusted=yes lang=en by-hash=force ] file:/srv/flat ./\n\
         deb [signed-by=41587F7DB8C774BCCF131416762F67A0B2C39DE4!] http://h sub/folder/\n",
    );
    let shown: Vec<_> = sources.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "http://mirror.example/debian trixie main contrib",
            "https://mirror.example/debian trixie-updates main",
            "http://[::1]:80/x trixie main",
            "file:/srv/flat ./",
            "http://h sub/folder/",
        ]
    );
    assert_eq!(sources.iter().map(|s| s.line).collect::<Vec<_>>(), [2, 4, 5, 6, 7]);
    assert_eq!(sources[0].types, [SourceType::Binary]);
    assert_eq!(sources[1].types, [SourceType::Source]);
    assert_eq!(sources[1].uri, "https://u:p@mirror.example/debian");
    assert_eq!(
        sources[2].signed_by,
        [SignedBy::Path("/a/b.gpg".into()), SignedBy::Path("/c.asc".into())]
    );
    assert_eq!(sources[2].architectures, ["amd64", "arm64"]);
    assert_eq!(sources[2].options.check_valid_until, Some(false));
    assert_eq!((sources[3].options.trusted, sources[3].options.by_hash), (Some(true), Some(true)));
    assert_eq!(sources[4].signed_by, [SignedBy::Fingerprint(FINGERPRINT.parse().unwrap())]);
}

#[test]
fn one_line_mistakes_are_placed() {
    for (text, message) in [
        (
            "rpm http://h trixie main",
            "line 1, column 1: expected \"deb\" or \"deb-src\", found \"rpm\"",
        ),
        ("\n  deb", "line 2, column 6: URI missing"),
        ("deb http://h", "line 1, column 13: suite missing"),
        (
            "deb http://h trixie",
            "line 1, column 20: a flat archive (a suite with \"/\" at its end) has no components, any other has some",
        ),
        (
            "deb http://h ./ main",
            "line 1, column 17: a flat archive (a suite with \"/\" at its end) has no components, any other has some",
        ),
        (
            "deb [arch=amd64 http://h trixie main",
            "line 1, column 5: options without a closing \"]\"",
        ),
        (
            "deb [signed_by=/a] http://h trixie main",
            "line 1, column 6: unknown option \"signed_by\"",
        ),
        ("deb [arch] http://h trixie main", "line 1, column 6: unknown option \"arch\""),
        (
            "deb [arch=a arch=b] http://h trixie main",
            "line 1, column 13: option \"arch\" stands here twice",
        ),
        ("deb [signed-by=] http://h trixie main", "line 1, column 16: value missing"),
        (
            "deb [signed-by=a.gpg] http://h trixie main",
            "line 1, column 16: bad value for Signed-By: \"a.gpg\"",
        ),
        (
            "deb [signed-by=/a/../b] http://h trixie main",
            "line 1, column 16: bad value for Signed-By: \"/a/../b\"",
        ),
        (
            "deb [trusted=maybe] http://h trixie main",
            "line 1, column 14: bad value for Trusted: \"maybe\"",
        ),
        (
            "deb cdrom:[Debian]/ trixie main",
            "line 1, column 5: not a URI of an archive (http:, https: or file:): \"cdrom:[Debian]/\"",
        ),
        (
            "deb http:///x trixie main",
            "line 1, column 5: not a URI of an archive (http:, https: or file:): \"http:///x\"",
        ),
        (
            "deb http://h/$(ARCH) trixie main",
            "line 1, column 5: not a URI of an archive (http:, https: or file:): \"http://h/$(ARCH)\"",
        ),
        ("deb http://h ../trixie main", "line 1, column 14: bad suite: \"../trixie\""),
        ("deb http://h ../ ", "line 1, column 14: bad suite: \"../\""),
        ("deb http://h trixie main ../x", "line 1, column 26: bad component: \"../x\""),
        ("deb http://h trixie mäin", "line 1, column 21: bad component: \"mäin\""),
    ] {
        assert_eq!(problems(parse_lines(text)), [message], "{text}");
    }
    let both = "deb http://h trixie\nrpm x y z\ndeb http://h trixie main\n";
    let parsed = parse_lines(both);
    assert_eq!((parsed.sources.len(), parsed.errors.len()), (1, 2));
}

#[test]
fn deb822_sources_are_read() {
    let sources = lines(
        "# comment\n\
         Types: deb deb-src\n\
         URIs: http://a.example/debian http://b.example/debian/\n\
         # inside\n\
         Suites: trixie\n trixie-updates\n\
         Components: main contrib\n\
         Architectures: amd64\n\
         Signed-By: /usr/share/keyrings/k.gpg\n\
         Check-Valid-Until: no\n\
         Valid-Until-Max: 86400\n\
         X-Repolib-Name: anything\n\
         \n\n\
         types: deb\nuris: http://c.example\nsuites: x/\n\
         signed-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n -----END PGP PUBLIC KEY BLOCK-----\n\
         \n\
         Types: deb\nURIs: http://d.example\nSuites: y\nComponents: main\nEnabled: no\n",
    );
    let shown: Vec<_> = sources.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "http://a.example/debian trixie main contrib",
            "http://a.example/debian trixie-updates main contrib",
            "http://b.example/debian trixie main contrib",
            "http://b.example/debian trixie-updates main contrib",
            "http://c.example x/",
        ]
    );
    assert_eq!(sources[0].types, [SourceType::Binary, SourceType::Source]);
    assert_eq!(sources[0].signed_by, [SignedBy::Path("/usr/share/keyrings/k.gpg".into())]);
    assert_eq!(sources[0].options.check_valid_until, Some(false));
    assert_eq!(sources[0].options.valid_until_max_seconds, Some(86_400));
    assert_eq!((sources[0].line, sources[4].line), (2, 15));
    assert_eq!(
        sources[4].signed_by,
        [SignedBy::Inline(
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
                .into()
        )]
    );
}

#[test]
fn deb822_mistakes_are_placed() {
    let good = "Types: deb\nURIs: http://h\nSuites: trixie\nComponents: main\n";
    for (text, messages) in [
        (
            good.replace("deb\n", "rpm\n"),
            vec!["line 1, column 8: expected \"deb\" or \"deb-src\", found \"rpm\""],
        ),
        (
            good.replace("URIs", "URI"),
            vec!["line 2, column 1: unknown option \"URI\"", "line 1, column 1: URIs missing"],
        ),
        (good.replace("http://h", ""), vec!["line 1, column 1: URIs missing"]),
        (
            good.replace("Components: main\n", ""),
            vec![
                "line 3, column 9: a flat archive (a suite with \"/\" at its end) has no components, any other has some",
            ],
        ),
        (
            format!("{good}Suites: sid\n"),
            vec!["line 5, column 1: option \"Suites\" stands here twice"],
        ),
        (
            format!("{good}Enabled: perhaps\n"),
            vec!["line 5, column 10: bad value for Enabled: \"perhaps\""],
        ),
        (format!("{good}Signed-By:\n"), vec!["line 5, column 1: value missing"]),
        (
            format!("{good}Signed-By: k.gpg\n"),
            vec!["line 5, column 12: bad value for Signed-By: \"k.gpg\""],
        ),
        (
            format!("{good}Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n"),
            vec!["line 5, column 1: the key block is not complete"],
        ),
        (format!("{good}Signed_By: /k\n"), vec!["line 5, column 1: unknown option \"Signed_By\""]),
        (
            format!("{good}Trusted: yes no\n"),
            vec!["line 5, column 14: bad value for this field (one word expected): \"no\""],
        ),
        (format!("{good}nonsense\n"), vec!["line 5, column 1: expected a field, \"Name: value\""]),
        (format!(" x\n{good}"), vec!["line 1, column 1: expected a field, \"Name: value\""]),
    ] {
        assert_eq!(problems(parse_deb822(&text)), messages, "{text}");
    }
}

#[test]
fn sizes_are_bounded() {
    let many = "deb http://h trixie main\n".repeat(SOURCES_MAX + 1);
    assert_eq!(problems(parse(&many)), ["line 1, column 1: too large"]);
    let names = "s ".repeat(100);
    let stanza = format!(
        "Types: deb\nURIs: {}\nSuites: {names}\nComponents: main\n",
        "http://h ".repeat(100)
    );
    assert_eq!(problems(parse(&stanza)), ["line 1, column 1: too large"]);
    assert_eq!(
        problems(parse(&"#".repeat(SOURCES_BYTES_MAX + 1))),
        ["line 1, column 1: too large"]
    );
}

#[test]
fn urls_are_made() {
    let source = &lines("deb http://h/debian/ trixie main")[0];
    assert_eq!(source.suite_url("InRelease"), "http://h/debian/dists/trixie/InRelease");
    assert_eq!(
        source.package_url("pool/main/g/g++/g++_1%3a2+b1~rc1_amd64.deb"),
        "http://h/debian/pool/main/g/g%2B%2B/g%2B%2B_1%253a2%2Bb1~rc1_amd64.deb"
    );
    for (suite, url) in [
        ("./", "http://h/InRelease"),
        ("/", "http://h/InRelease"),
        ("a/b/", "http://h/a/b/InRelease"),
    ] {
        assert_eq!(lines(&format!("deb http://h {suite}"))[0].suite_url("InRelease"), url);
    }
    assert_eq!(lines("deb http://h ./")[0].package_url("./a_1_all.deb"), "http://h/a_1_all.deb");
}

#[test]
fn a_mirror_is_found_in_the_hosts_sources() {
    let host = "Types: deb\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
                Types: deb\nURIs: http://m/debian-security\nSuites: bookworm-security\nComponents: main\n";
    let other = "deb https://vendor/node_20.x nodistro main\ndeb [nonsense http://broken trixie main\n\
                 deb https://vendor/docker/linux/pack bookworm main\n\
                 deb-src http://src/debian trixie main\n";
    let exact = "deb http://exact/debian trixie main non-free-firmware\n";
    for (suite, texts, uri) in [
        ("trixie", vec![host], Some("http://m/debian")),
        ("trixie-updates", vec![other, host], Some("http://m/debian")),
        ("trixie-security", vec![host], Some("http://m/debian-security")),
        ("trixie", vec![host, exact], Some("http://exact/debian")),
        ("trixie-security", vec![exact], None),
        ("trixie", vec![other], None),
        ("trixie", vec![], None),
        (
            "trixie",
            vec!["deb http://snap/archive/debian/20250520T000000Z trixie main"],
            Some("http://snap/archive/debian/20250520T000000Z"),
        ),
        ("trixie", vec!["deb http://debian.example/ bookworm main"], Some("http://debian.example")),
        ("trixie", vec!["deb http://apt.vendor.example/ bookworm main"], None),
        ("trixie", vec!["deb file:/srv/debian bookworm main"], Some("file:/srv/debian")),
        ("trixie", vec!["deb http://m/ubuntu noble main universe"], None),
    ] {
        assert_eq!(mirror_of(suite, &texts).as_deref(), uri, "{suite} {texts:?}");
    }
}
