// SPDX-License-Identifier: Apache-2.0
//! URLs, checksums and package URLs.

use super::{Refusal, quote};
use crate::model::Checksum;

fn url(text: &str, schemes: &[&str], blanks: bool) -> Result<(), Refusal> {
    let help = format!("a URL begins with {}", schemes.join(", "));
    if text.is_empty() {
        return Err(Refusal::new("the URL is empty").help(help));
    }
    let Some(scheme) = schemes.iter().find(|scheme| text.starts_with(**scheme)) else {
        let message = match text.split_once("://") {
            Some((scheme, _)) => format!("the scheme {} is not allowed", quote(scheme)),
            None => format!("{} is not a URL", quote(text)),
        };
        return Err(Refusal::new(message).help(help));
    };
    let forbidden = |c: char| {
        c.is_control()
            || (c.is_whitespace() && !(blanks && c == ' '))
            || matches!(c, '"' | '<' | '>' | '\\' | '`')
    };
    if let Some(bad) = text.chars().find(|&c| forbidden(c)) {
        return Err(Refusal::new(format!("`{}` is not allowed in a URL", bad.escape_debug()))
            .help("write it with percent encoding"));
    }
    let rest = &text[scheme.len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if authority.contains('@') {
        return Err(Refusal::new("the URL holds a user name or password")
            .help("credentials come from secrets, not from definitions"));
    }
    let name = if host.starts_with('[') {
        host
    } else {
        let (name, port) = host.split_once(':').unwrap_or((host, "1"));
        if !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(Refusal::new(format!("the URL has the bad port {}", quote(port))));
        }
        name
    };
    if name.is_empty() {
        return Err(Refusal::new(format!("the URL {} has no host", quote(text))));
    }
    if name.contains(' ') {
        return Err(Refusal::new(format!("the host {} has a blank", quote(name))));
    }
    Ok(())
}

/// `https://…` or `http://…`.
pub(crate) fn http_url(text: &str) -> Result<(), Refusal> {
    url(text, &["https://", "http://"], false)
}

/// A download: also `git+https://…#ref`, and `file:` with a path in the catalog. Blanks in its path are
/// accepted, because published definitions have some.
pub(crate) fn file_url(text: &str) -> Result<(), Refusal> {
    if let Some(path) = text.strip_prefix("file:") {
        return super::catalog_path(path);
    }
    url(text, &["https://", "http://", "git+https://", "git+http://"], true)?;
    if text.starts_with("git+") {
        return match text.split_once('#') {
            Some((_, reference)) if !reference.is_empty() => Ok(()),
            _ => Err(Refusal::new("a git URL needs a commit, tag or branch")
                .help("write it after `#`, as in `git+https://example.org/x.git#v1.2`")),
        };
    }
    Ok(())
}

/// `sha256:<64 hex>`, `<40 hex>` for a git commit, or the URL of a checksum file.
pub(crate) fn checksum(text: &str) -> Result<Checksum, Refusal> {
    let help = "a checksum is `sha256:` and 64 hexadecimal digits, the 40 digits of a git commit, or the URL of a checksum file";
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix("sha256:") {
        if digits.len() == 64 && hexadecimal(digits) {
            return Ok(Checksum::Sha256(digits.to_ascii_lowercase()));
        }
        return Err(Refusal::new(format!(
            "a SHA-256 has 64 hexadecimal digits, this has {} characters",
            digits.chars().count()
        ))
        .help(help));
    }
    if text.contains("://") {
        http_url(text)?;
        return Ok(Checksum::Url(text.to_owned()));
    }
    if text.len() == 40 && hexadecimal(text) {
        return Ok(Checksum::GitCommit(text.to_ascii_lowercase()));
    }
    if text.len() == 64 && hexadecimal(text) {
        return Err(
            Refusal::new("a checksum without its algorithm").help(format!("write `sha256:{text}`"))
        );
    }
    Err(Refusal::new(format!("{} is not a checksum", quote(text))).help(help))
}

/// A package URL: `pkg:type/[namespace/]name[@version][?qualifiers][#subpath]`.
pub(crate) fn purl(text: &str) -> Result<(), Refusal> {
    let refuse = |message: String| {
        Err(Refusal::new(message)
            .help("a package URL is `pkg:type/namespace/name@version`, for example `pkg:github/nginx/nginx@1.29`"))
    };
    let Some(rest) = text.strip_prefix("pkg:") else {
        return refuse(format!("{} does not begin with `pkg:`", quote(text)));
    };
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        return refuse(format!("`{}` is not allowed in a package URL", bad.escape_debug()));
    }
    let rest = rest.split_once('#').map_or(rest, |(rest, _subpath)| rest);
    let (rest, qualifiers) = match rest.split_once('?') {
        Some((rest, qualifiers)) => (rest, qualifiers),
        None => (rest, ""),
    };
    let Some((kind, path)) = rest.trim_start_matches('/').split_once('/') else {
        return refuse(format!("{} has no name after its type", quote(text)));
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-');
    if !kind.starts_with(|first: char| first.is_ascii_alphabetic()) || !kind.bytes().all(fits) {
        return refuse(format!("{} is not a package type", quote(kind)));
    }
    // A scoped npm name may begin with a plain `@`, which is not a version.
    let version = path.rfind('@').filter(|&at| at > 0 && !path[at..].contains('/'));
    let name = version.map_or(path, |at| &path[..at]);
    if version.is_some_and(|at| at + 1 == path.len()) {
        return refuse(format!("{} has an empty version", quote(text)));
    }
    if name.trim_matches('/').is_empty() || name.ends_with('/') {
        return refuse(format!("{} has no name", quote(text)));
    }
    let valid = |pair: &str| pair.split_once('=').is_some_and(|(key, _)| !key.is_empty());
    if !qualifiers.is_empty() && !qualifiers.split('&').all(valid) {
        return refuse(format!("the qualifiers {} are not `key=value`", quote(qualifiers)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::assert_grammar;
    use super::*;

    #[test]
    fn grammars() {
        assert_grammar(
            http_url,
            &[
                "https://example.org",
                "http://h:8080/a?b#c",
                "http://[::1]:80/",
                "https://e.org/a@b.pub",
            ],
            &[
                "",
                "example.org/x",
                "ftp://example.org/",
                "https://",
                "https:///x",
                "https://e.org/a b",
                "https://u:p@e.org/",
                "https://e.org:x/",
                "https://e.org:0/",
                "https://:80/",
            ],
        );
        assert_grammar(
            file_url,
            &[
                "https://e.org/x.tar.gz",
                "https://e.org/a b",
                "git+https://e.org/x.git#v1",
                "file:vendor/x.tar.gz",
            ],
            &[
                "git+https://e.org/x.git",
                "git+https://e.org/x.git#",
                "git+ssh://e.org/x#v",
                "file:///x",
                "file:",
                "file:../x",
            ],
        );
        let sha = "0123456789abcdef".repeat(4);
        let (good, commit) = (format!("sha256:{sha}"), "a".repeat(40));
        assert_grammar(
            checksum,
            &[&good, &commit, "https://e.org/SHA256SUMS"],
            &["", "sha256:", "sha256:zz", &sha, "md5:x", "sha512:00", &sha[..39], "ftp://e.org/x"],
        );
        assert_grammar(
            purl,
            &[
                "pkg:deb/debian/curl@8.0?arch=amd64",
                "pkg:github/a/b",
                "pkg:npm/%40a/b@1",
                "pkg:npm/@a/b@1",
                "pkg:golang/x/y@1#z",
                "pkg:dhi/jemalloc@5.3.1",
            ],
            &[
                "",
                "deb/curl",
                "pkg:",
                "pkg:deb",
                "pkg:deb/",
                "pkg:1deb/x",
                "pkg:deb/x@",
                "pkg:deb/a b",
                "pkg:deb/x?y",
                "pkg:deb/x/@1",
            ],
        );
    }
}
