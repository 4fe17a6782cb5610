// SPDX-License-Identifier: Apache-2.0
//! Names of images.

use std::fmt;
use std::str::FromStr;

use hardpan_tree::Digest;

/// The longest repository, registry included, in bytes
/// (OCI distribution specification, "Pulling manifests").
const REPOSITORY_BYTES_MAX: usize = 255;
/// What Docker puts before a name without a registry. Nothing is fetched from there; it is a part of
/// names only (distribution/reference, `defaultDomain`).
const DOCKER_REGISTRY: &str = "docker.io";
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;

/// An image's name: `registry.example:5000/team/python:3.13@sha256:…`, where everything but the
/// repository (`team/python`) may be left out.
///
/// Nothing is filled in: a name without a registry has none, and what that means is the reader's
/// matter. The first part is a registry if it has a dot, a colon or an upper-case letter or is
/// `localhost`, as in Docker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not an [`ImageName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageNameError {
    /// Nothing there.
    #[error("the image name is empty")]
    Empty,
    /// Not a host name, address or `host:port`.
    #[error("not a registry: {0:?}")]
    BadRegistry(String),
    /// Not parts of lower-case letters and digits, with single separators inside, between slashes.
    #[error(
        "not a repository (lower-case letters, digits and single \".\", \"_\", \"__\" or dashes \
         between them, parts separated by \"/\"): {0:?}"
    )]
    BadRepository(String),
    /// Not a tag.
    #[error(
        "not a tag (up to {TAG_BYTES_MAX} letters, digits, \"_\", \".\" and \"-\", not starting \
         with \".\" or \"-\"): {0:?}"
    )]
    BadTag(String),
    /// Not a SHA-256 digest.
    #[error("not a sha256 digest: {0:?}")]
    BadDigest(String),
    /// Too long.
    #[error("the image name is longer than {REPOSITORY_BYTES_MAX} bytes")]
    TooLong,
}

impl ImageName {
    /// Returns the registry, `host` or `host:port`.
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Returns the repository, without the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns this name with a tag, in place of any other and of a digest.
    pub fn with_tag(&self, tag: &str) -> Result<Self, ImageNameError> {
        let tag = Some(parse_tag(tag)?);
        Ok(Self { tag, digest: None, ..self.clone() })
    }

    /// Returns the text of this name with its tag or else `latest`, and without a digest: how runtimes
    /// name an image that they load.
    pub fn tagged(&self) -> String {
        let tag = self.tag.clone().or_else(|| Some("latest".to_owned()));
        Self { tag, digest: None, ..self.clone() }.to_string()
    }

    /// Returns the text by which containerd knows the image that Docker calls [`ImageName::tagged`]. Docker
    /// completes a name before it looks in containerd's storage, so a short one would never be found.
    pub fn containerd(&self) -> String {
        match (&self.registry, self.repository.contains('/')) {
            (Some(_), _) => self.tagged(),
            (None, true) => format!("{DOCKER_REGISTRY}/{}", self.tagged()),
            (None, false) => format!("{DOCKER_REGISTRY}/library/{}", self.tagged()),
        }
    }

    /// Returns this name with a digest and without a tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageName {
    type Err = ImageNameError;

    fn from_str(text: &str) -> Result<Self, ImageNameError> {
        if text.is_empty() {
            return Err(ImageNameError::Empty);
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                let parsed = digest.parse().map_err(|_| ImageNameError::BadDigest(cut(digest)))?;
                (name, Some(parsed))
            }
            None => (text, None),
        };
        let (registry, rest) = match name.split_once('/') {
            Some((first, rest)) if is_registry(first) => (Some(parse_registry(first)?), rest),
            _ => (None, name),
        };
        // A registry's port is behind us, so the first colon starts the tag.
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(parse_tag(tag)?)),
            None => (rest, None),
        };
        let length_bytes = repository.len() + registry.as_ref().map_or(0, |name| name.len() + 1);
        if length_bytes > REPOSITORY_BYTES_MAX {
            return Err(ImageNameError::TooLong);
        }
        if !repository.split('/').all(is_component) {
            return Err(ImageNameError::BadRepository(cut(repository)));
        }
        // Docker refuses these, because they look like image ids.
        if registry.is_none() && is_id(repository) {
            return Err(ImageNameError::BadRepository(cut(repository)));
        }
        Ok(Self { registry, repository: repository.to_owned(), tag, digest })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_registry(first: &str) -> bool {
    first == "localhost"
        || first.contains(['.', ':', '['])
        || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn parse_registry(text: &str) -> Result<String, ImageNameError> {
    let error = || ImageNameError::BadRegistry(cut(text));
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(error)?;
            let address: std::net::Ipv6Addr = address.parse().map_err(|_| error())?;
            let port = match port {
                "" => None,
                _ => Some(port.strip_prefix(':').ok_or_else(error)?),
            };
            (format!("[{address}]"), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !host.starts_with('[') && !host.split('.').all(is_label) {
        return Err(error());
    }
    match port {
        None => Ok(host),
        Some(port) => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let number: u16 = port.parse().map_err(|_| error())?;
            if !is_number || number == 0 {
                return Err(error());
            }
            Ok(format!("{host}:{number}"))
        }
    }
}

fn parse_tag(text: &str) -> Result<String, ImageNameError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_good = text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
    if is_good { Ok(text.to_owned()) } else { Err(ImageNameError::BadTag(cut(text))) }
}

/// Says whether this is `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let is_separator = |separator: &[u8]| {
        matches!(separator, b"" | b"." | b"_" | b"__") || separator.iter().all(|&byte| byte == b'-')
    };
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(is_word)
        && bytes.last().copied().is_some_and(is_word)
        && bytes.split(|&byte| is_word(byte)).all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn good_names_round_trip() {
        for (text, registry, repository, tag) in [
            ("python", None, "python", None),
            ("python:3.13", None, "python", Some("3.13")),
            ("team/python:3.13", None, "team/python", Some("3.13")),
            ("localhost/python", Some("localhost"), "python", None),
            ("localhost:5000/python:a", Some("localhost:5000"), "python", Some("a")),
            ("registry.example/a/b/c", Some("registry.example"), "a/b/c", None),
            ("Registry/a", Some("Registry"), "a", None),
            ("127.0.0.1:5056/deb:test", Some("127.0.0.1:5056"), "deb", Some("test")),
            ("[::1]:5000/a:b", Some("[::1]:5000"), "a", Some("b")),
            ("[::1]/a", Some("[::1]"), "a", None),
            ("a__b/c-d/e.f/g--h/i_j:_.-", None, "a__b/c-d/e.f/g--h/i_j", Some("_.-")),
            ("0:0", None, "0", Some("0")),
        ] {
            let name: ImageName = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (name.registry(), name.repository(), name.tag()),
                (registry, repository, tag),
                "{text}"
            );
            assert_eq!(name.to_string(), text);
            let pinned = format!("{text}@{DIGEST}");
            let pinned_name: ImageName = pinned.parse().unwrap();
            assert_eq!(pinned_name.to_string(), pinned);
            assert_eq!(pinned_name.digest().map(|digest| digest.to_string()).unwrap(), DIGEST);
            assert_eq!(pinned_name.with_tag("x").unwrap(), name.with_tag("x").unwrap());
            assert_eq!(name.with_digest(DIGEST.parse().unwrap()).tag(), None);
        }
        let long = format!("{}:{}", "a".repeat(255), "b".repeat(128));
        assert_eq!(long.parse::<ImageName>().unwrap().to_string(), long);
    }

    #[test]
    fn names_for_runtimes_are_complete() {
        for (name, tagged, containerd) in [
            ("a", "a:latest", "docker.io/library/a:latest"),
            ("a:1", "a:1", "docker.io/library/a:1"),
            ("a/b:1", "a/b:1", "docker.io/a/b:1"),
            ("localhost/b:1", "localhost/b:1", "localhost/b:1"),
            ("registry.example:1/b", "registry.example:1/b:latest", "registry.example:1/b:latest"),
        ] {
            let name: ImageName = name.parse().unwrap();
            assert_eq!((name.tagged().as_str(), name.containerd().as_str()), (tagged, containerd));
            let pinned = name.with_digest(DIGEST.parse().unwrap());
            assert_eq!(pinned.tagged(), name.with_tag("latest").unwrap().to_string());
        }
    }

    #[test]
    fn bad_names_are_refused() {
        use ImageNameError::{BadDigest, BadRegistry, BadRepository, BadTag, Empty, TooLong};
        let s = |text: &str| text.to_owned();
        for (text, error) in [
            ("", Empty),
            ("/", BadRepository(s("/"))),
            (":tag", BadRepository(s(""))),
            ("Python", BadRepository(s("Python"))),
            ("a//b", BadRepository(s("a//b"))),
            ("a/", BadRepository(s("a/"))),
            ("/a", BadRepository(s("/a"))),
            ("-a", BadRepository(s("-a"))),
            ("a-", BadRepository(s("a-"))),
            ("a..b", BadRepository(s("a..b"))),
            ("a___b", BadRepository(s("a___b"))),
            ("a._b", BadRepository(s("a._b"))),
            ("a b", BadRepository(s("a b"))),
            ("a\n", BadRepository(s("a\n"))),
            ("é", BadRepository(s("é"))),
            ("../etc/passwd", BadRegistry(s(".."))),
            ("a/../b", BadRepository(s("a/../b"))),
            ("localhost/", BadRepository(s(""))),
            ("a:", BadTag(s(""))),
            ("a:.b", BadTag(s(".b"))),
            ("a:-b", BadTag(s("-b"))),
            ("a:b:c", BadTag(s("b:c"))),
            ("a:b/c:d", BadRegistry(s("a:b"))),
            ("a:b c", BadTag(s("b c"))),
            ("a:é", BadTag(s("é"))),
            ("host.example:/a", BadRegistry(s("host.example:"))),
            ("host.example:0/a", BadRegistry(s("host.example:0"))),
            ("host.example:+1/a", BadRegistry(s("host.example:+1"))),
            ("host.example:65536/a", BadRegistry(s("host.example:65536"))),
            ("-host.example/a", BadRegistry(s("-host.example"))),
            ("host..example/a", BadRegistry(s("host..example"))),
            ("user@host.example/a", BadDigest(s("host.example/a"))),
            ("[::1/a", BadRegistry(s("[::1"))),
            ("[::1]x/a", BadRegistry(s("[::1]x"))),
            ("[zz]/a", BadRegistry(s("[zz]"))),
            ("a@", BadDigest(s(""))),
            ("a@sha256:00", BadDigest(s("sha256:00"))),
            ("a@sha512:00", BadDigest(s("sha512:00"))),
            (&format!("@{DIGEST}"), BadRepository(s(""))),
            (&DIGEST[7..], BadRepository(s(&DIGEST[7..]))),
            (&"a".repeat(256), TooLong),
            (&format!("localhost/{}", "a".repeat(246)), TooLong),
            (&format!("a:{}", "b".repeat(129)), BadTag("b".repeat(100))),
        ] {
            assert_eq!(text.parse::<ImageName>(), Err(error), "{text:?}");
        }
        let name: ImageName = "a".parse().unwrap();
        assert_eq!(name.with_tag("/"), Err(BadTag(s("/"))));
    }
}
