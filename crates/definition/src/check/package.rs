// SPDX-License-Identifier: Apache-2.0
//! Package entries and archive lines.

use super::web::http_url;
use super::{Refusal, quote};
use crate::diagnostic::Code;
use crate::model::{Distribution, PackageRequest};

/// A package entry: `name`, `name=version` or `!name`; on Alpine also other comparisons.
pub(crate) fn package(
    text: &str,
    distribution: Option<Distribution>,
) -> Result<PackageRequest, (Code, Refusal)> {
    let fail = |refusal: Refusal| (Code::BadPackage, refusal);
    let help = "write `name`, `name=version` or `!name`";
    let (excluded, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if rest.is_empty() {
        return Err(fail(Refusal::new("a package entry without a name").help(help)));
    }
    let debian = distribution.is_some_and(Distribution::is_debian);
    let (name, operator, version) = split(rest, debian);
    check_name(name, text, debian).map_err(|refusal| fail(refusal.help(help)))?;
    let Some((operator, version)) = operator.zip(version) else {
        return Ok(PackageRequest {
            name: name.to_owned(),
            operator: None,
            version: None,
            excluded,
        });
    };
    if excluded {
        return Err(fail(
            Refusal::new(format!("the exclusion {} has a version", quote(text)))
                .help(format!("all versions are excluded by `!{name}`")),
        ));
    }
    if debian && operator != "=" {
        return Err(fail(
            Refusal::new(format!("{} is not a Debian package entry", quote(text)))
                .help("a Debian version can only be pinned, as in `name=1.2-3`"),
        ));
    }
    let checked = match distribution {
        Some(distribution) if distribution.is_debian() => debian_version(version),
        Some(distribution) if distribution.is_alpine() => alpine_version(version),
        // Charts are made in stages of either kind.
        _ => alpine_version(version).or_else(|_| debian_version(version)),
    };
    checked.map_err(|refusal| (Code::BadPackageVersion, refusal))?;
    Ok(PackageRequest {
        name: name.to_owned(),
        operator: (operator != "=").then(|| operator.to_owned()),
        version: Some(version.to_owned()),
        excluded,
    })
}

fn split(text: &str, debian: bool) -> (&str, Option<&str>, Option<&str>) {
    let Some(start) = text.find(['=', '~', '<', '>']) else {
        return (text, None, None);
    };
    let operators: &[&str] = if debian {
        &[">=", "<=", "=", "~", "<", ">"]
    } else {
        &["~=", "=~", ">=", "<=", "=", "~", "<", ">"]
    };
    let rest = &text[start..];
    let operator = operators
        .iter()
        .find(|operator| rest.starts_with(**operator))
        .map_or("", |operator| *operator);
    (&text[..start], Some(operator), Some(&rest[operator.len()..]))
}

fn check_name(name: &str, text: &str, debian: bool) -> Result<(), Refusal> {
    let bare = if debian {
        match name.split_once(':') {
            None => name,
            Some((bare, "any" | "native" | "all" | "amd64" | "arm64")) => bare,
            Some((_, other)) => {
                return Err(Refusal::new(format!("unknown architecture {}", quote(other))));
            }
        }
    } else {
        let (bare, _repository) = name.split_once('@').unwrap_or((name, ""));
        match bare.split_once(':') {
            Some(("so" | "cmd" | "pc" | "py3.12" | "py3.13" | "py3.14", rest)) => rest,
            _ => bare,
        }
    };
    let fits = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'+' | b'-' | b'.')
            || (!debian && (byte.is_ascii_uppercase() || byte == b'_'))
    };
    let first = bare.bytes().next().is_some_and(|byte| {
        byte.is_ascii_alphanumeric() || (!debian && byte == b'_') || (!debian && byte == b'.')
    });
    let long_enough = bare.len() >= if debian { 2 } else { 1 };
    if first && long_enough && bare.bytes().all(fits) {
        return Ok(());
    }
    if text.contains(char::is_whitespace) {
        return Err(Refusal::new(format!("{} has a blank", quote(text))));
    }
    Err(Refusal::new(format!("{} is not a package name", quote(name))))
}

/// `[epoch:]upstream[-revision]` of Debian policy 5.6.12.
fn debian_version(text: &str) -> Result<(), Refusal> {
    let refuse = |reason: &str| {
        Err(Refusal::new(format!("{} is not a Debian version: {reason}", quote(text)))
            .help("a version is `[epoch:]upstream[-revision]`, for example `1:2.41-5+deb13u1`"))
    };
    if text.is_empty() {
        return refuse("it is empty");
    }
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (Some(epoch), rest),
        None => (None, text),
    };
    if epoch.is_some_and(|epoch| epoch.parse::<u32>().is_err() || epoch.starts_with('+')) {
        return refuse("the epoch is not a number");
    }
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((upstream, revision)) => (upstream, Some(revision)),
        None => (rest, None),
    };
    if !upstream.starts_with(|first: char| first.is_ascii_digit()) {
        return refuse("the upstream version does not begin with a digit");
    }
    let character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '~');
    if let Some(bad) =
        upstream.chars().find(|&c| !(character(c) || c == '-' || (c == ':' && epoch.is_some())))
    {
        return refuse(&format!("`{}` is not allowed in it", bad.escape_debug()));
    }
    match revision {
        Some("") => refuse("the revision is empty"),
        Some(revision) if !revision.chars().all(character) => {
            refuse("the revision has a character that is not allowed")
        }
        _ => Ok(()),
    }
}

/// `1.2.3a_p1~hash-r4` as apk writes versions.
fn alpine_version(text: &str) -> Result<(), Refusal> {
    let refuse = |reason: &str| {
        Err(Refusal::new(format!("{} is not an Alpine version: {reason}", quote(text)))
            .help("a version is numbers with dots, an optional letter, suffixes and `-r<number>`, for example `1.2.3_p1-r0`"))
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, release) = match text.rsplit_once("-r") {
        Some((rest, release)) => (rest, Some(release)),
        None => (text, None),
    };
    if release.is_some_and(|release| !digits(release)) {
        return refuse("`-r` is not followed by a number");
    }
    // Published packages have versions such as `4.41.0-gitlab-r0`, so suffixes are not looked at.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~');
    if !rest.starts_with(|first: char| first.is_ascii_digit()) {
        return refuse("it does not begin with a digit");
    }
    if rest.bytes().all(fits) { Ok(()) } else { refuse("it has a character that is not allowed") }
}

/// An archive: a one-line Debian source (or a deb822 stanza), or the URL of an Alpine repository.
pub(crate) fn repository(text: &str, distribution: Option<Distribution>) -> Result<(), Refusal> {
    match distribution {
        Some(distribution) if distribution.is_debian() => debian_source(text),
        Some(distribution) if distribution.is_alpine() => alpine_source(text),
        _ if text.starts_with("deb") => debian_source(text),
        _ => alpine_source(text),
    }
}

fn alpine_source(text: &str) -> Result<(), Refusal> {
    let help = "an Alpine archive is one URL, for example `https://example.org/alpine/v3.24/main`";
    if text.starts_with("deb ") {
        return Err(Refusal::new("a Debian archive in an Alpine definition").help(help));
    }
    let url = match text.strip_prefix('@') {
        None => text,
        Some(rest) => rest.split_once(' ').map_or("", |(_tag, url)| url.trim_start()),
    };
    http_url(url).map_err(|refusal| refusal.help(help))
}

fn debian_source(text: &str) -> Result<(), Refusal> {
    let help = "a Debian archive is `deb [signed-by=/path/to/key.gpg] URL suite component…`";
    let refuse = |message: String| Err(Refusal::new(message).help(help));
    if text.contains('\n') {
        let has = |field: &str| text.lines().any(|line| line.starts_with(field));
        return match ["Types:", "URIs:", "Suites:"].iter().find(|field| !has(field)) {
            Some(field) => refuse(format!("the archive stanza has no `{field}` line")),
            None => Ok(()),
        };
    }
    let rest = match text.split_once(char::is_whitespace) {
        Some(("deb", rest)) => rest.trim_start(),
        Some(("deb-src", _)) => return refuse("source archives are not used".to_owned()),
        _ => return refuse(format!("{} does not begin with `deb`", quote(text))),
    };
    let rest = match rest.strip_prefix('[') {
        None => rest,
        Some(options) => {
            let Some((options, rest)) = options.split_once(']') else {
                return refuse("the options have no closing `]`".to_owned());
            };
            debian_options(options)?;
            rest.trim_start()
        }
    };
    let mut words = rest.split_whitespace();
    let Some(url) = words.next() else {
        return refuse("the archive has no URL".to_owned());
    };
    http_url(url).map_err(|refusal| refusal.help(help))?;
    let Some(suite) = words.next() else {
        return refuse("the archive has no suite".to_owned());
    };
    let components = words.count();
    match (suite.ends_with('/'), components) {
        (false, 0) => refuse(format!("the suite {} has no component", quote(suite))),
        (true, 1..) => refuse(format!("the exact path {} takes no component", quote(suite))),
        _ => Ok(()),
    }
}

fn debian_options(options: &str) -> Result<(), Refusal> {
    for option in options.split_whitespace() {
        let Some((key, value)) = option.split_once('=') else {
            return Err(Refusal::new(format!("{} is not `key=value`", quote(option))));
        };
        let key = key.trim_end_matches(['+', '-']);
        match (key, value) {
            ("trusted" | "allow-insecure" | "allow-weak", "yes") => {
                return Err(Refusal::new(format!("{} switches signatures off", quote(option)))
                    .help("every archive must be signed; name its key with `signed-by=`"));
            }
            (_, "") => return Err(Refusal::new(format!("{} has no value", quote(option)))),
            (
                "signed-by"
                | "arch"
                | "lang"
                | "target"
                | "pdiffs"
                | "by-hash"
                | "trusted"
                | "allow-insecure"
                | "allow-weak"
                | "allow-downgrade-to-insecure"
                | "check-valid-until"
                | "valid-until-min"
                | "valid-until-max"
                | "check-date"
                | "date-max-future"
                | "inrelease-path"
                | "snapshot",
                _,
            ) => {}
            _ => return Err(Refusal::new(format!("unknown option {}", quote(key)))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::assert_grammar;
    use super::*;

    const DEBIAN: Option<Distribution> = Some(Distribution::Debian { release: 13 });
    const ALPINE: Option<Distribution> = Some(Distribution::Alpine { major: 3, minor: 24 });

    #[test]
    fn requests() {
        for (text, distribution, expected) in [
            ("libc6", DEBIAN, ("libc6", None, None, false)),
            ("libc6=2.41-12+deb13u1", DEBIAN, ("libc6", None, Some("2.41-12+deb13u1"), false)),
            ("!mawk", DEBIAN, ("mawk", None, None, true)),
            ("libc6:arm64", DEBIAN, ("libc6:arm64", None, None, false)),
            ("git=1:2.47.3-0+deb13u1", DEBIAN, ("git", None, Some("1:2.47.3-0+deb13u1"), false)),
            ("openssl-dev~3", ALPINE, ("openssl-dev", Some("~"), Some("3"), false)),
            ("golang-1.26=1.26.7-r0", ALPINE, ("golang-1.26", None, Some("1.26.7-r0"), false)),
            ("cmd:resolvconf", ALPINE, ("cmd:resolvconf", None, None, false)),
            ("so:libc.musl-x86_64.so.1", ALPINE, ("so:libc.musl-x86_64.so.1", None, None, false)),
        ] {
            let request = package(text, distribution).expect(text);
            let found = (
                request.name.as_str(),
                request.operator.as_deref(),
                request.version.as_deref(),
                request.excluded,
            );
            assert_eq!(found, expected, "{text}");
            assert_eq!(request.to_string(), text);
        }
    }

    #[test]
    fn bad_requests() {
        use Code::{BadPackage, BadPackageVersion};
        for (text, distribution, expected) in [
            ("", DEBIAN, BadPackage),
            ("!", DEBIAN, BadPackage),
            ("!a=1", DEBIAN, BadPackage),
            ("Libc6", DEBIAN, BadPackage),
            ("x", DEBIAN, BadPackage),
            ("libc6 libc-bin", DEBIAN, BadPackage),
            ("libc6:riscv", DEBIAN, BadPackage),
            ("libc6/trixie", DEBIAN, BadPackage),
            ("libc6>=2", DEBIAN, BadPackage),
            ("=1", DEBIAN, BadPackage),
            ("libc6=", DEBIAN, BadPackageVersion),
            ("libc6=v2", DEBIAN, BadPackageVersion),
            ("libc6=2.41-", DEBIAN, BadPackageVersion),
            ("libc6=x:2.41-1", DEBIAN, BadPackageVersion),
            ("libc6=2.41_1", DEBIAN, BadPackageVersion),
            ("libc6==2.41", DEBIAN, BadPackageVersion),
            ("musl=1.2-r", ALPINE, BadPackageVersion),
            ("musl=", ALPINE, BadPackageVersion),
            ("musl=1.2+foo1", ALPINE, BadPackageVersion),
            ("musl=v1", ALPINE, BadPackageVersion),
            ("mu sl", ALPINE, BadPackage),
        ] {
            let (code, _) = package(text, distribution).expect_err(text);
            assert_eq!(code, expected, "{text}");
        }
    }

    #[test]
    fn archives() {
        assert_grammar(
            |text| repository(text, DEBIAN),
            &[
                "deb http://example.org/debian trixie main",
                "deb [signed-by=/usr/share/keyrings/k.gpg arch=amd64] https://example.org/debian trixie main contrib",
                "deb https://example.org/repo ./",
                "Types: deb\nURIs: https://example.org\nSuites: trixie\nComponents: main\n",
            ],
            &[
                "",
                "https://example.org/alpine/v3.24/main",
                "deb",
                "deb trixie main",
                "deb https://example.org/debian",
                "deb https://example.org/debian trixie",
                "deb https://example.org/debian ./ main",
                "deb [trusted=yes] https://example.org/debian trixie main",
                "deb [signed-by=/k https://example.org/debian trixie main",
                "deb [signedby=/k] https://example.org/debian trixie main",
                "deb [signed-by=] https://example.org/debian trixie main",
                "deb-src https://example.org/debian trixie main",
                "deb ftp://example.org/debian trixie main",
                "Types: deb\nURIs: https://example.org\n",
            ],
        );
        assert_grammar(
            |text| repository(text, ALPINE),
            &[
                "https://example.org/alpine/v3.24/main",
                "@edge https://example.org/alpine/edge/main",
            ],
            &["", "deb https://example.org/debian trixie main", "/local", "example.org", "@edge"],
        );
    }
}
