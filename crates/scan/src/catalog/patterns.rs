// SPDX-License-Identifier: Apache-2.0
//! Programs and libraries that were built from source and of which nothing says what they are: known by
//! their file's name, and their version by the text around it in their bytes.
//!
//! Only files that no package owns are named so.

/// How many bytes before a match and after it are needed to read it.
const CONTEXT_BYTES: usize = 128;
/// The longest version, in bytes.
const VERSION_BYTES_MAX: usize = 32;

/// A program and where its version stands.
#[derive(Debug)]
struct Rule {
    /// What the file is called: `x` exactly, `x*` with anything after it, `x#` with a version after it.
    files: &'static [&'static str],
    /// What the package is called.
    package: &'static str,
    version: Place,
}

/// Where a version stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// After this text.
    After(&'static str),
    /// After this text, which is the start of a string.
    AtStart(&'static str),
    /// As a string of its own that begins with the version in the file's name: `3.13` and a dot.
    Own,
    /// Before the builder's host of 12 letters, a time and a commit, as Redis writes it (`release.c`).
    BeforeBuildId,
}

/// The table. The texts are in what the projects themselves publish and print with `--version`.
const RULES: &[Rule] = &[
    Rule { files: &["python#", "libpython#"], package: "python", version: Place::Own },
    Rule { files: &["node"], package: "node", version: Place::After("node.js/v") },
    Rule {
        files: &["redis-server", "valkey-server"],
        package: "redis",
        version: Place::BeforeBuildId,
    },
    Rule { files: &["postgres"], package: "postgresql", version: Place::AtStart("PostgreSQL ") },
    Rule { files: &["nginx"], package: "nginx", version: Place::After("nginx version: nginx/") },
    Rule {
        files: &["openssl", "libcrypto.so*", "libssl.so*"],
        package: "openssl",
        version: Place::AtStart("OpenSSL "),
    },
    Rule { files: &["busybox"], package: "busybox", version: Place::After("BusyBox v") },
    Rule { files: &["bash"], package: "bash", version: Place::After("@(#)Bash version ") },
    Rule { files: &["curl"], package: "curl", version: Place::AtStart("curl/") },
    Rule { files: &["libcurl.so*"], package: "curl", version: Place::AtStart("libcurl/") },
    Rule { files: &["httpd"], package: "httpd", version: Place::AtStart("Apache/") },
    Rule { files: &["memcached"], package: "memcached", version: Place::AtStart("memcached ") },
    Rule {
        files: &["php", "php#", "php-fpm", "php-fpm#", "libphp.so"],
        package: "php",
        version: Place::After("X-Powered-By: PHP/"),
    },
    Rule { files: &["perl", "perl#"], package: "perl", version: Place::After("/lib/perl5/") },
    Rule {
        files: &["ruby", "ruby#", "libruby*"],
        package: "ruby",
        version: Place::AtStart("ruby "),
    },
    Rule { files: &["jq"], package: "jq", version: Place::AtStart("jq-") },
    Rule { files: &["libc.so.6"], package: "glibc", version: Place::After(" release version ") },
];

/// What a file turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) package: &'static str,
    pub(super) version: String,
}

/// Looks for a version in bytes that stream by.
#[derive(Debug)]
pub(super) struct Scanner {
    package: &'static str,
    place: Place,
    needle: Vec<u8>,
    /// What was not looked at yet, and some context before it.
    window: Vec<u8>,
    /// How much of the window is only context.
    context: usize,
    found: Option<String>,
}

impl Scanner {
    /// Returns a scanner for a file of that name, if the name is in the table.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let (rule, in_name) = RULES.iter().find_map(|rule| {
            rule.files.iter().find_map(|pattern| Some((rule, named(name, pattern)?)))
        })?;
        let needle = match rule.version {
            Place::After(text) => text.as_bytes().to_vec(),
            Place::AtStart(text) => [b"\0", text.as_bytes()].concat(),
            Place::Own => format!("\0{in_name}.").into_bytes(),
            Place::BeforeBuildId => b"-".to_vec(),
        };
        Some(Self {
            package: rule.package,
            place: rule.version,
            needle,
            window: Vec::new(),
            context: 0,
            found: None,
        })
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.found.is_none() {
            self.window.extend_from_slice(bytes);
            self.search(self.window.len().saturating_sub(CONTEXT_BYTES));
        }
    }

    pub(super) fn finish(mut self) -> Option<Found> {
        if self.found.is_none() {
            // So that a version at the very end has its context.
            self.window.extend([0; CONTEXT_BYTES]);
            self.search(self.window.len().saturating_sub(CONTEXT_BYTES));
        }
        self.found.map(|version| Found { package: self.package, version })
    }

    /// Looks at all matches that begin before `end`.
    fn search(&mut self, end: usize) {
        if end <= self.context {
            return;
        }
        let stop = (end + self.needle.len()).min(self.window.len());
        for at in memchr::memmem::find_iter(&self.window[..stop], &self.needle) {
            if at < self.context {
                continue;
            }
            let (before, after) = (&self.window[..at], &self.window[at + self.needle.len()..]);
            self.found = match self.place {
                Place::After(_) | Place::AtStart(_) => version(after),
                Place::Own => self.own_version(after),
                Place::BeforeBuildId => before_build_id(before, after),
            };
            if self.found.is_some() {
                self.window = Vec::new();
                return;
            }
        }
        let context_start = end.saturating_sub(CONTEXT_BYTES);
        self.window.drain(..context_start);
        self.context = end - context_start;
    }

    fn own_version(&self, after: &[u8]) -> Option<String> {
        let length = after.iter().take(VERSION_BYTES_MAX + 1).position(|&byte| byte == 0)?;
        let text = std::str::from_utf8(&after[..length]).ok()?;
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_rest = digits.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
        if digits.len() == text.len() || !is_rest || length > VERSION_BYTES_MAX {
            return None;
        }
        let start = String::from_utf8_lossy(&self.needle[1..]);
        Some(format!("{start}{}", text.trim_end_matches('+')))
    }
}

/// Returns what a pattern's `#` or `*` stands for in a name, if the name is of the pattern.
fn named<'n>(name: &'n str, pattern: &str) -> Option<&'n str> {
    if let Some(start) = pattern.strip_suffix('*') {
        return name.strip_prefix(start);
    }
    let Some(start) = pattern.strip_suffix('#') else { return (name == pattern).then_some("") };
    let rest = name.strip_prefix(start)?;
    let version = rest.split(".so").next().unwrap_or(rest);
    let version = version.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let is_version = version.split('.').count() >= 2
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    is_version.then_some(version)
}

/// Reads a version: numbers with dots between them, and a letter, `p1`, `rc1` or the like after them.
fn version(bytes: &[u8]) -> Option<String> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let length = bytes.iter().take(VERSION_BYTES_MAX + 1).take_while(|byte| is_part(byte)).count();
    if length > VERSION_BYTES_MAX {
        return None;
    }
    let text = std::str::from_utf8(&bytes[..length]).ok()?.trim_end_matches('.');
    let numbers = text.find(|c: char| c.is_ascii_alphabetic()).map_or(text, |end| &text[..end]);
    let numbers = numbers.strip_suffix('.').unwrap_or(numbers);
    let parts = numbers.split('.');
    let is_version = parts.clone().all(|part| !part.is_empty())
        && (parts.count() >= 2 || numbers.len() < text.len());
    (is_version && text.starts_with(|c: char| c.is_ascii_digit())).then(|| text.to_owned())
}

/// Reads the version before a build id: `7.2.4` of `7.2.4` `1a2b3c4d5e6f` `-` and 19 digits.
fn before_build_id(before: &[u8], after: &[u8]) -> Option<String> {
    if after.len() < 19 || !after[..19].iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let is_number = after[..11].iter().all(u8::is_ascii_digit);
    // No further back than a version can be.
    let before = &before[before.len().saturating_sub(12 + VERSION_BYTES_MAX)..];
    let start = before.iter().rposition(|&byte| byte == 0).map(|nul| nul + 1)?;
    let text = std::str::from_utf8(&before[start..]).ok()?;
    let (version, host) = text.split_at_checked(text.len().checked_sub(12)?)?;
    let is_host = host.chars().all(|c| c.is_ascii_alphanumeric());
    let is_version = version.split('.').count() == 3
        && version
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    (is_number && is_host && is_version).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str, bytes: &[u8], chunk_bytes: usize) -> Option<String> {
        let mut scanner = Scanner::of(name.as_bytes())?;
        for chunk in bytes.chunks(chunk_bytes) {
            scanner.feed(chunk);
        }
        scanner.finish().map(|found| format!("{} {}", found.package, found.version))
    }

    #[test]
    fn versions_in_bytes() {
        for (name, text, expected) in [
            ("python3.13", "\x003.13.5\0", Some("python 3.13.5")),
            ("python3.14", "\x003.14.0rc2+\0", Some("python 3.14.0rc2")),
            ("libpython3.12.so.1.0", "\x003.12.3\0", Some("python 3.12.3")),
            ("python3.13", "\x003.12.5\0", None),
            ("python3.13", "x3.13.5\0", None),
            ("python3.13", "\x003.13.\0", None),
            ("python3.13", "\x003.13.5 \0", None),
            ("python3", "\x003.13.5\0", None),
            ("python3.13-config", "\x003.13.5\0", None),
            ("node", "https://node.js/v22.11.0/x", Some("node 22.11.0")),
            ("node", "node.js/vx", None),
            ("nodejs", "node.js/v22.11.0", None),
            ("redis-server", "\x007.2.4ab12cd34ef56-1706000000000000000\0", Some("redis 7.2.4")),
            ("redis-server", "\x007.2.4ab12cd34ef5-1706000000000000000\0", None),
            ("redis-server", "\x007.2ab12cd34ef56-1706000000000000000\0", None),
            ("redis-server", "\x007.2.4ab12cd34ef56-170600000\0", None),
            ("postgres", "\0PostgreSQL 17.2 on x", Some("postgresql 17.2")),
            ("postgres", "\0PostgreSQL 18beta1\0", Some("postgresql 18beta1")),
            ("postgres", "a PostgreSQL 17.2", None),
            ("postgres", "\0PostgreSQL 17 is", None),
            ("nginx", "nginx version: nginx/1.27.3\0", Some("nginx 1.27.3")),
            ("libcrypto.so.3", "\0OpenSSL 3.5.1 1 Jul 2025\0", Some("openssl 3.5.1")),
            ("openssl", "\0OpenSSL 1.1.1w  11 Sep 2023\0", Some("openssl 1.1.1w")),
            ("openssl", "\0OpenSSL %s\0\0OpenSSL 3.0.1\0", Some("openssl 3.0.1")),
            ("busybox", "BusyBox v1.37.0 (x)", Some("busybox 1.37.0")),
            ("busybox", "BusyBox v", None),
            ("busybox", "BusyBox v1..2", None),
            ("bash", "@(#)Bash version 5.2.37(1) release", Some("bash 5.2.37")),
            ("ruby", "\0ruby 3.3.6 (2024-11-05", Some("ruby 3.3.6")),
            ("jq", "\0jq-1.7.1\0", Some("jq 1.7.1")),
            ("libc.so.6", "stable release version 2.41.\n", Some("glibc 2.41")),
            ("cat", "BusyBox v1.37.0", None),
        ] {
            for chunk_bytes in [1, 2, 3, 7, 64, 10_000] {
                let bytes = [&vec![b'.'; 300], text.as_bytes(), &vec![b'.'; 300]].concat();
                let actual = find(name, &bytes, chunk_bytes);
                assert_eq!(actual.as_deref(), expected, "{name} {text:?} {chunk_bytes}");
            }
        }
        // At both ends, and too long.
        assert_eq!(find("jq", b"\0jq-1.8", 4).as_deref(), Some("jq 1.8"));
        assert_eq!(find("jq", b"\0jq-", 4), None);
        assert_eq!(find("jq", b"", 4), None);
        assert_eq!(find("jq", format!("\0jq-1.{}", "2".repeat(40)).as_bytes(), 9), None);
    }
}
