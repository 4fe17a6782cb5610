// SPDX-License-Identifier: Apache-2.0
//! `info.yaml`.

use hardpan_definition::{Code, Source, parse_info};

const GOOD: &str = "\
metadata:
  display-name: Demo
  short-description: A demo.
  featured: true
  home-url: https://example.org/
  categories:
    - web-servers
  included-tools:
    - name: demo
      description: The demo
  advisories:
    - type: github
      source: example/demo
      format: osv
      exclusions:
        - package: x
          ecosystem: go
track-ignore:
  - type: github_tag
    owner: example
    repo: demo
    match: rc
vex-sources:
  - format: tuxcare-csaf
    url: https://example.org/vex
    purl:
      type: deb
    destination: vex
    packages: [a]
    packageVersionRef: VERSION
";

#[test]
fn good() {
    let (info, diagnostics) = parse_info(&Source::new("info.yaml", GOOD));
    assert_eq!(diagnostics, []);
    let info = info.expect("good");
    assert_eq!(info.metadata.display_name.value, "Demo");
    assert_eq!(info.metadata.categories[0].value, "web-servers");
    assert_eq!(info.metadata.fips_compliant, None);
    assert_eq!(info.metadata.advisories[0].exclusions[0].ecosystem.as_deref(), Some("go"));
    assert_eq!(info.track_ignore[0].pattern, "rc");
    assert_eq!(info.vex_sources[0].package_version_ref, "VERSION");
}

#[test]
fn bad() {
    for (from, to, code, place) in [
        ("metadata:\n", "meta:\n", Code::MissingKey, (1, 1)),
        ("  featured: true", "  featurd: true", Code::UnknownKey, (4, 3)),
        ("  featured: true", "  featured: 1", Code::WrongType, (4, 13)),
        ("  display-name: Demo\n", "", Code::MissingKey, (1, 1)),
        ("display-name: Demo", "display-name: \" \"", Code::EmptyValue, (2, 17)),
        ("https://example.org/\n", "example.org\n", Code::BadUrl, (5, 13)),
        ("web-servers", "web-server", Code::UnknownValue, (7, 7)),
        ("      description: The demo\n", "", Code::MissingKey, (9, 7)),
        ("format: osv", "format: xml", Code::UnknownValue, (14, 15)),
        ("    match: rc\n", "", Code::MissingKey, (19, 5)),
        ("      type: deb", "      kind: deb", Code::UnknownKey, (27, 7)),
        ("  featured: true", "  featured: [", Code::BadYaml, (33, 1)),
    ] {
        let source = Source::new("info.yaml", GOOD.replacen(from, to, 1));
        let (info, diagnostics) = parse_info(&source);
        assert!(info.is_none(), "{to}");
        let found: Vec<(Code, (usize, usize))> = diagnostics
            .iter()
            .map(|diagnostic| {
                let start = diagnostic.span().expect("span").start as usize;
                (diagnostic.code, source.line_column(start))
            })
            .collect();
        assert!(
            found.contains(&(code, place)) || code == Code::BadYaml && found[0].0 == code,
            "{to}: {found:?}"
        );
    }
}
