// SPDX-License-Identifier: Apache-2.0
//! URLs that can be fetched.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest URL, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 4096;

/// An `http:`, `https:` or `file:` URL. A user name and password are kept apart, and are neither
/// displayed nor in the `Debug` form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    /// All but user name, password and fragment.
    text: String,
    /// Length of `scheme://authority` in `text`.
    base_length: usize,
    /// `user:password`, still percent-encoded.
    credentials: Option<String>,
}

/// Why a text is not a [`Url`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Longer than 4096 bytes.
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
    /// No `http:`, `https:` or `file:` in front.
    #[error("does not begin with http://, https:// or file:/")]
    Scheme,
    /// No host, or a bad one.
    #[error("bad host or port")]
    Host,
    /// A character that must be percent-encoded, or a bad percent-encoding.
    #[error("bad character or percent-encoding")]
    Character,
}

impl Url {
    /// Returns the URL without user name, password and fragment.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the scheme: `http`, `https` or `file`.
    pub fn scheme(&self) -> &str {
        self.text.split(':').next().expect("a URL begins with its scheme")
    }

    /// Returns host and port as written; empty for files.
    pub(crate) fn authority(&self) -> &str {
        self.text[..self.base_length].split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Returns the host in lower case, without port and brackets.
    pub(crate) fn host(&self) -> String {
        split_port(self.authority()).0.trim_matches(['[', ']']).to_ascii_lowercase()
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        let default = if self.scheme() == "https" { 443 } else { 80 };
        split_port(self.authority()).1.and_then(|port| port.parse().ok()).unwrap_or(default)
    }

    /// Whether another URL leads to the same server: scheme, host and port.
    pub fn is_same_server(&self, other: &Self) -> bool {
        let server = |url: &Self| (url.scheme().to_owned(), url.host(), url.port());
        server(self) == server(other)
    }

    /// Whether what is sent can be read by nobody on the way: it is encrypted, or does not leave this
    /// machine.
    pub fn keeps_secrets(&self) -> bool {
        self.scheme() != "http" || matches!(self.host().as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    /// Returns the value of the `Authorization` header for the user name and password, if any.
    pub(crate) fn authorization(&self) -> Option<String> {
        let credentials = percent_decode(self.credentials.as_ref()?)?;
        Some(format!("Basic {}", base64(&credentials)))
    }

    /// Returns the file that a `file:` URL means.
    pub(crate) fn to_file_path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        if self.scheme() != "file" {
            return None;
        }
        let path = percent_decode(&self.text[self.base_length..])?;
        (!path.contains(&0)).then(|| PathBuf::from(std::ffi::OsString::from_vec(path)))
    }

    /// Resolves a reference found in this document (RFC 3986, section 5), as for redirects.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return reference.parse();
        }
        if reference.starts_with("//") {
            return format!("{}:{reference}", self.scheme()).parse();
        }
        let base = &self.text[..self.base_length];
        let path = &self.text[self.base_length..];
        let path = path.split('?').next().unwrap_or_default();
        let joined = if reference.starts_with('/') {
            reference.to_owned()
        } else if reference.starts_with('?') || reference.is_empty() {
            format!("{path}{reference}")
        } else {
            let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
            format!("{folder}{reference}")
        };
        let (joined, query) =
            joined.split_once('?').map_or((&*joined, None), |(p, q)| (p, Some(q)));
        let mut text = format!("{base}{}", remove_dot_segments(joined));
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        let mut url: Self = text.parse()?;
        url.credentials.clone_from(&self.credentials);
        Ok(url)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlError::TooLong);
        }
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        check_characters(rest)?;
        match scheme.as_str() {
            "file" => {
                // file:/path and file:///path are the same; a host other than this one is not.
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let path = path.strip_prefix("localhost").unwrap_or(path);
                if !path.starts_with('/') {
                    return Err(UrlError::Host);
                }
                let base = "file://";
                let text = format!("{base}{path}");
                Ok(Self { text, base_length: base.len(), credentials: None })
            }
            "http" | "https" => {
                let rest = rest.strip_prefix("//").ok_or(UrlError::Scheme)?;
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                let (credentials, host) = match authority.rsplit_once('@') {
                    Some((credentials, host)) => (Some(credentials.to_owned()), host),
                    None => (None, authority),
                };
                check_host(host)?;
                let base = format!("{scheme}://{host}");
                let slash = if path.starts_with('/') { "" } else { "/" };
                let text = format!("{base}{slash}{path}");
                Ok(Self { text, base_length: base.len(), credentials })
            }
            _ => Err(UrlError::Scheme),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({})", self.text)
    }
}

/// Makes a text that is not a URL fit to be shown: without what may be a password, and bounded.
pub(crate) fn redact(text: &str) -> String {
    let shown = match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &text[..scheme + 3], &text[at + 1..])
        }
        (None, Some(at)) => text[at + 1..].to_owned(),
        _ => text.to_owned(),
    };
    shown.chars().take(200).collect()
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    let bytes = text.as_bytes();
    let valid = bytes.iter().enumerate().all(|(position, byte)| match byte {
        b'%' => bytes
            .get(position + 1..position + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
        _ => byte.is_ascii_graphic(),
    });
    if valid { Ok(()) } else { Err(UrlError::Character) }
}

fn check_host(authority: &str) -> Result<(), UrlError> {
    let (host, port) = split_port(authority);
    let host_valid = match host.strip_prefix('[') {
        Some(address) => address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    let port_valid = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    if host_valid && port_valid { Ok(()) } else { Err(UrlError::Host) }
}

/// Splits `host:port`.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Removes `.` and `..` from a path (RFC 3986, section 5.2.4).
fn remove_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        match part {
            "." | ".." => {
                if part == ".." {
                    segments.pop();
                }
                if last {
                    segments.push("");
                }
            }
            _ => segments.push(part),
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn urls_parse() {
        for (text, shown) in [
            ("http://example.org", "http://example.org/"),
            ("HTTPS://Example.org:8443/a%7eb?c#d", "https://Example.org:8443/a%7eb?c"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("http://user:pa%40ss@example.org/x", "http://example.org/x"),
            ("file:/srv/mirror", "file:///srv/mirror"),
            ("file:///srv/a%20b", "file:///srv/a%20b"),
        ] {
            assert_eq!(url(text).to_string(), shown);
        }
        assert_eq!(url("file:///srv/a%20b").to_file_path(), Some(PathBuf::from("/srv/a b")));
        assert_eq!(
            (url("http://[::1]:81/x").host(), url("http://[::1]:81/x").port()),
            ("::1".into(), 81)
        );
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("example.org/x", UrlError::Scheme),
            ("ftp://example.org/", UrlError::Scheme),
            ("http:/example.org/", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///x", UrlError::Host),
            ("http://exa mple/", UrlError::Character),
            ("http://example.org/a\r\nHost: b", UrlError::Character),
            ("http://example.org/%zz", UrlError::Character),
            ("http://example.org/ä", UrlError::Character),
            ("http://example.org:99999/", UrlError::Host),
            ("http://[::g]/", UrlError::Host),
            ("file://host/x", UrlError::Host),
            ("file:x", UrlError::Host),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
        assert_eq!(format!("http://h/{}", "a".repeat(5000)).parse::<Url>(), Err(UrlError::TooLong));
    }

    #[test]
    fn credentials_are_used_but_never_shown() {
        let url = url("http://user:pa%40ss@example.org/x");
        assert_eq!(url.authorization().as_deref(), Some("Basic dXNlcjpwYUBzcw=="));
        assert!(!format!("{url} {url:?}").contains("ss"));
        assert_eq!(redact("htp://user:secret@host/x"), "htp://host/x");
        assert_eq!(redact("user:secret@host/x"), "host/x");
    }

    #[test]
    fn references_resolve() {
        let base = url("http://u:p@h/a/b?q");
        for (reference, joined) in [
            ("c", "http://h/a/c"),
            ("../c?x=/../y", "http://h/c?x=/../y"),
            ("../../../c", "http://h/c"),
            ("/c/./d/..", "http://h/c/"),
            ("?r", "http://h/a/b?r"),
            ("//other/c", "http://other/c"),
            ("https://other/c", "https://other/c"),
        ] {
            assert_eq!(
                base.join(reference).map(|u| u.to_string()),
                Ok(joined.into()),
                "{reference}"
            );
        }
        // A password is for the host that it was given for.
        assert_eq!(base.join("//other/c").unwrap().authorization(), None);
        assert!(base.join("c").unwrap().authorization().is_some());
        assert_eq!(base.join("ftp://other/c"), Err(UrlError::Scheme));
    }
}
