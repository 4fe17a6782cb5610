// SPDX-License-Identifier: Apache-2.0
//! `Release` files: what an archive's suite consists of.
//!
//! The text must come from [`crate::openpgp`]: nothing here is worth anything unsigned.

use std::collections::BTreeMap;
use std::fmt;

use hardpan_tree::Digest;
use jiff::fmt::rfc2822;

/// Longest `Release` text, in bytes.
pub const RELEASE_BYTES_MAX: usize = 16 << 20;
/// Most files that a `Release` lists. Debian's largest suite lists about 1,500.
pub const ENTRIES_MAX: usize = 100_000;
/// Most words in `Architectures` or `Components`.
pub const WORDS_MAX: usize = 1_000;
/// Longest name of a listed file, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// How far `Date` may lie after the check time, in seconds: clocks differ.
pub const FUTURE_MAX_SECONDS: i64 = 24 * 60 * 60;

/// A parsed `Release` file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// `Origin`, who made the archive.
    pub origin: Option<String>,
    /// `Label`.
    pub label: Option<String>,
    /// `Suite`, such as `stable`.
    pub suite: Option<String>,
    /// `Codename`, such as `trixie`.
    pub codename: Option<String>,
    /// `Version`, such as `13.1`.
    pub version: Option<String>,
    /// `Date`, in seconds since 1970.
    pub date_seconds: i64,
    /// `Valid-Until`, in seconds since 1970.
    pub valid_until_seconds: Option<i64>,
    /// `Architectures`, in the order of the file.
    pub architectures: Vec<String>,
    /// `Components`, in the order of the file.
    pub components: Vec<String>,
    /// `Acquire-By-Hash`: whether files can be fetched by their digest.
    pub by_hash: bool,
    /// `No-Support-for-Architecture-all: Packages`: `all` packages stand in each architecture's
    /// index. Without it, and with `all` in `Architectures`, they may have an index of their own.
    pub no_index_for_all: bool,
    entries: BTreeMap<String, Entry>,
}

/// A file that a `Release` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its SHA-256 digest.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size_bytes: u64,
}

/// Why a text is not a [`Release`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Longer than [`RELEASE_BYTES_MAX`], or more than [`ENTRIES_MAX`] files or [`WORDS_MAX`] words.
    #[error("the Release file is too large")]
    TooLarge,
    /// A line that is neither a field nor the continuation of one.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// A field that must be there is not.
    #[error("field {field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A date that is none.
    #[error("field {field}: not a date: {value:?}")]
    Date {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// Why a `Release` must not be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseCheckError {
    /// `Valid-Until` has passed.
    #[error(
        "the Release file of {suite} expired {} ago ({}); update the mirror, or, for an archive \
         that is no longer updated, switch the check off with \"Check-Valid-Until: no\"",
        Duration(*by_seconds), Date(*valid_until_seconds)
    )]
    Expired {
        /// The suite that was asked for.
        suite: String,
        /// Until when it was valid, in seconds since 1970.
        valid_until_seconds: i64,
        /// How long ago that is, in seconds.
        by_seconds: i64,
    },
    /// `Date` is in the future.
    #[error(
        "the Release file of {suite} is from the future, by {} ({}); check this machine's clock",
        Duration(*by_seconds), Date(*date_seconds)
    )]
    Future {
        /// The suite that was asked for.
        suite: String,
        /// Its date, in seconds since 1970.
        date_seconds: i64,
        /// How far ahead that is, in seconds.
        by_seconds: i64,
    },
    /// It is older than one that was already used.
    #[error("the Release file of {suite} is older ({}) than the one used before ({})",
        Date(*date_seconds), Date(*previous_seconds))]
    Older {
        /// The suite that was asked for.
        suite: String,
        /// Its date, in seconds since 1970.
        date_seconds: i64,
        /// The date of the one used before, in seconds since 1970.
        previous_seconds: i64,
    },
    /// It is the `Release` of something else.
    #[error("conflicting distribution: asked for {wanted}, but the Release file is of {found}")]
    Suite {
        /// The suite that was asked for.
        wanted: String,
        /// What it says it is.
        found: String,
    },
}

/// What to check of a `Release`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether `Valid-Until` must not have passed (`Check-Valid-Until`).
    pub valid_until: bool,
    /// Whether `Date` must not lie in the future (`Check-Date`).
    pub date: bool,
    /// Longest age, in seconds, also if `Valid-Until` allows more (`Valid-Until-Max`).
    pub age_max_seconds: Option<i64>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { valid_until: true, date: true, age_max_seconds: None }
    }
}

/// Displays seconds since 1970 as a date.
struct Date(i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} seconds since 1970", self.0),
        }
    }
}

/// Displays a number of seconds for people.
struct Duration(i64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0 {
            0..120 => (self.0, "second"),
            120..7_200 => (self.0 / 60, "minute"),
            7_200..172_800 => (self.0 / 3_600, "hour"),
            _ => (self.0 / 86_400, "day"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

impl Release {
    /// Parses the text of a `Release` file (Debian's "RepositoryFormat").
    ///
    /// `Date` and the `SHA256` table must be there; the tables with weak digests are ignored.
    pub fn parse(text: &str) -> Result<Self, ReleaseError> {
        if text.len() > RELEASE_BYTES_MAX {
            return Err(ReleaseError::TooLarge);
        }
        let mut fields: BTreeMap<String, &str> = BTreeMap::new();
        let mut entries = None;
        let mut in_table = false;
        for (number, line) in text.lines().enumerate() {
            let problem = |problem| ReleaseError::Line { line: number + 1, problem };
            if line.trim().is_empty() {
                // One stanza only: what follows an empty line must be nothing.
                if text.lines().skip(number).all(|line| line.trim().is_empty()) {
                    break;
                }
                return Err(problem("unexpected empty line"));
            }
            if line.starts_with([' ', '\t']) {
                if in_table {
                    let entries: &mut BTreeMap<_, _> = entries.get_or_insert_default();
                    if entries.len() == ENTRIES_MAX {
                        return Err(ReleaseError::TooLarge);
                    }
                    let (name, entry) = parse_entry(line).map_err(problem)?;
                    match entries.insert(name, entry) {
                        Some(other) if other != entry => {
                            return Err(problem("the file stands in the table twice"));
                        }
                        _ => {}
                    }
                } else if fields.is_empty() {
                    return Err(problem("continuation line without a field"));
                }
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(problem("expected a field"))?;
            let name = name.to_ascii_lowercase();
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(problem("bad field name"));
            }
            in_table = name == "sha256";
            if in_table {
                entries.get_or_insert_default();
            }
            if fields.insert(name, value.trim()).is_some() {
                return Err(problem("the field stands here twice"));
            }
        }
        let entries = entries.ok_or(ReleaseError::Missing { field: "SHA256" })?;
        Self::from_fields(&fields, entries)
    }

    fn from_fields(
        fields: &BTreeMap<String, &str>,
        entries: BTreeMap<String, Entry>,
    ) -> Result<Self, ReleaseError> {
        let text = |name: &str| {
            fields.get(name).filter(|value| !value.is_empty()).map(|value| (*value).to_owned())
        };
        let words = |name: &str| {
            let words = fields.get(name).copied().unwrap_or_default().split_ascii_whitespace();
            let words: Vec<_> = words.take(WORDS_MAX + 1).map(ToOwned::to_owned).collect();
            if words.len() > WORDS_MAX { Err(ReleaseError::TooLarge) } else { Ok(words) }
        };
        let date =
            |key: &str, field| fields.get(key).map(|value| parse_date(field, value)).transpose();
        Ok(Self {
            origin: text("origin"),
            label: text("label"),
            suite: text("suite"),
            codename: text("codename"),
            version: text("version"),
            date_seconds: date("date", "Date")?.ok_or(ReleaseError::Missing { field: "Date" })?,
            valid_until_seconds: date("valid-until", "Valid-Until")?,
            architectures: words("architectures")?,
            components: words("components")?,
            by_hash: fields.get("acquire-by-hash") == Some(&"yes"),
            no_index_for_all: words("no-support-for-architecture-all")?
                .iter()
                .any(|word| word == "Packages"),
            entries,
        })
    }

    /// Returns a listed file, such as `main/binary-amd64/Packages.xz`.
    pub fn entry(&self, name: &str) -> Option<Entry> {
        self.entries.get(name).copied()
    }

    /// Returns all listed files with their names, sorted.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), *entry))
    }

    /// Returns the path of a file by its digest, beside the file itself (`Acquire-By-Hash`).
    pub fn by_hash_path(name: &str, digest: &Digest) -> String {
        let folder = name.rfind('/').map_or("", |slash| &name[..=slash]);
        format!("{folder}by-hash/SHA256/{}", digest.to_hex())
    }

    /// Checks that the file is not outdated and not from the future.
    ///
    /// `suite` is what was asked for, for the error; `at_seconds` the check time, in seconds since
    /// 1970.
    pub fn check_time(
        &self,
        suite: &str,
        at_seconds: i64,
        options: &CheckOptions,
    ) -> Result<(), ReleaseCheckError> {
        let ahead_seconds = self.date_seconds.saturating_sub(at_seconds);
        if options.date && ahead_seconds > FUTURE_MAX_SECONDS {
            return Err(ReleaseCheckError::Future {
                suite: suite.to_owned(),
                date_seconds: self.date_seconds,
                by_seconds: ahead_seconds,
            });
        }
        let by_age = options.age_max_seconds.map(|age| self.date_seconds.saturating_add(age));
        let valid_until = match (self.valid_until_seconds, by_age) {
            (Some(stated), Some(by_age)) => Some(stated.min(by_age)),
            (stated, by_age) => stated.or(by_age),
        };
        match valid_until {
            Some(valid_until_seconds)
                if options.valid_until && valid_until_seconds < at_seconds =>
            {
                Err(ReleaseCheckError::Expired {
                    suite: suite.to_owned(),
                    valid_until_seconds,
                    by_seconds: at_seconds.saturating_sub(valid_until_seconds),
                })
            }
            _ => Ok(()),
        }
    }

    /// Checks that this is the suite that was asked for, by `Suite` or `Codename`, as apt does.
    /// Else a mirror could serve one suite in the place of another.
    pub fn check_suite(&self, wanted: &str) -> Result<(), ReleaseCheckError> {
        // A flat archive (a path with a slash at its end) has no suite to compare with.
        if wanted.ends_with('/') {
            return Ok(());
        }
        let names = [self.suite.as_deref(), self.codename.as_deref()];
        // Until Debian 10 the security archive's suites were "buster/updates".
        let bare = wanted.strip_suffix("/updates").unwrap_or(wanted);
        if names.contains(&Some(wanted)) || names.contains(&Some(bare)) {
            return Ok(());
        }
        let found: Vec<_> = names.into_iter().flatten().collect();
        let found = if found.is_empty() { "no named suite".to_owned() } else { found.join(" or ") };
        Err(ReleaseCheckError::Suite { wanted: wanted.to_owned(), found })
    }

    /// Checks that this is not older than one used before: a mirror must not go back in time.
    pub fn check_not_older(
        &self,
        suite: &str,
        previous_seconds: i64,
    ) -> Result<(), ReleaseCheckError> {
        if self.date_seconds >= previous_seconds {
            return Ok(());
        }
        Err(ReleaseCheckError::Older {
            suite: suite.to_owned(),
            date_seconds: self.date_seconds,
            previous_seconds,
        })
    }
}

/// Parses ` digest size name`.
fn parse_entry(line: &str) -> Result<(String, Entry), &'static str> {
    let mut words = line.split_ascii_whitespace();
    let (Some(digest), Some(size), Some(name), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err("expected digest, size and name");
    };
    let digest = Digest::from_hex(digest).map_err(|_| "not a SHA-256 digest")?;
    if !size.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a size");
    }
    let size_bytes = size.parse().map_err(|_| "not a size")?;
    // Flat archives write "./Packages".
    let name = name.strip_prefix("./").unwrap_or(name);
    check_name(name)?;
    Ok((name.to_owned(), Entry { digest, size_bytes }))
}

/// Checks that a name stays below the folder of the `Release` file.
fn check_name(name: &str) -> Result<(), &'static str> {
    let segment_valid = |segment: &str| !matches!(segment, "" | "." | "..");
    if name.len() > NAME_BYTES_MAX
        || !name.split('/').all(segment_valid)
        || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err("not a name of a file below this folder");
    }
    Ok(())
}

/// Parses a date as RFC 2822 has it, with the zone name `UTC` that Debian writes.
fn parse_date(field: &'static str, value: &str) -> Result<i64, ReleaseError> {
    let error = || ReleaseError::Date { field, value: value.chars().take(80).collect() };
    let zoned = value.strip_suffix("UTC").map(|rest| format!("{rest}+0000"));
    rfc2822::DateTimeParser::new()
        .parse_timestamp(zoned.as_deref().unwrap_or(value))
        .map(jiff::Timestamp::as_second)
        .map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const DAY: i64 = 86_400;

    fn release(extra: &str) -> String {
        format!(
            "Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: trixie\nVersion: 13.1\n\
             Date: Sat, 06 Sep 2025 10:36:19 UTC\nAcquire-By-Hash: yes\n\
             No-Support-for-Architecture-all: Packages\nArchitectures: all amd64 arm64\n\
             Components: main contrib\nDescription: Debian 13.1\n{extra}\
             MD5Sum:\n 0ed6d4c8891eb86358b94bb35d9e4da4 1484322 contrib/Contents-all\n\
             SHA256:\n {EMPTY}        0 main/binary-amd64/Packages\n"
        )
    }

    #[test]
    fn fields_are_read() {
        let parsed = Release::parse(&release("")).unwrap();
        assert_eq!(parsed.suite.as_deref(), Some("stable"));
        assert_eq!(parsed.codename.as_deref(), Some("trixie"));
        assert_eq!(parsed.date_seconds, 1_757_154_979);
        assert_eq!(parsed.valid_until_seconds, None);
        assert_eq!(parsed.architectures, ["all", "amd64", "arm64"]);
        assert_eq!(parsed.components, ["main", "contrib"]);
        assert!(parsed.by_hash && parsed.no_index_for_all);
        let entry = Entry { digest: Digest::of(b""), size_bytes: 0 };
        assert_eq!(parsed.entry("main/binary-amd64/Packages"), Some(entry));
        assert_eq!(parsed.entry("contrib/Contents-all"), None, "only in the weak table");
        assert_eq!(
            Release::by_hash_path("main/binary-amd64/Packages.xz", &Digest::of(b"")),
            format!("main/binary-amd64/by-hash/SHA256/{EMPTY}")
        );
        assert_eq!(
            Release::by_hash_path("Packages", &Digest::of(b"")),
            format!("by-hash/SHA256/{EMPTY}")
        );
    }

    #[test]
    fn dates_have_several_forms() {
        for (text, seconds) in [
            ("Sat, 06 Sep 2025 10:36:19 UTC", 1_757_154_979),
            ("Sat, 6 Sep 2025 10:36:19 +0000", 1_757_154_979),
            ("Sat, 06 Sep 2025 12:36:19 +0200", 1_757_154_979),
            ("Sat, 06 Sep 2025 10:36:19 GMT", 1_757_154_979),
        ] {
            assert_eq!(parse_date("Date", text), Ok(seconds), "{text}");
        }
        for text in ["", "now", "2025-09-06", "Sat, 06 Sep 2025", "Sun, 06 Sep 2025 10:36:19 UTC"] {
            assert!(parse_date("Date", text).is_err(), "{text}");
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        let good = release("");
        let entry = |line: &str| format!("{good} {line}\n");
        for (text, message) in [
            (String::new(), "field SHA256 is missing"),
            (good.replace("SHA256:", "SHA1:"), "field SHA256 is missing"),
            (good.replace("Date:", "Dato:"), "field Date is missing"),
            (
                good.replace("Sat, ", "Sit, "),
                "field Date: not a date: \"Sit, 06 Sep 2025 10:36:19 UTC\"",
            ),
            (release("Suite: x\n"), "line 12: the field stands here twice"),
            (release("nonsense\n"), "line 12: expected a field"),
            (release("\n"), "line 12: unexpected empty line"),
            (format!(" x\n{good}"), "line 1: continuation line without a field"),
            (entry(&format!("{EMPTY} 0")), "line 16: expected digest, size and name"),
            (entry(&format!("{EMPTY} 0 a b")), "line 16: expected digest, size and name"),
            (entry("e3b0 0 a"), "line 16: not a SHA-256 digest"),
            (entry(&format!("{EMPTY} -1 a")), "line 16: not a size"),
            (entry(&format!("{EMPTY} 99999999999999999999 a")), "line 16: not a size"),
            (
                entry(&format!("{EMPTY} 0 /etc/passwd")),
                "line 16: not a name of a file below this folder",
            ),
            (
                entry(&format!("{EMPTY} 0 a/../../b")),
                "line 16: not a name of a file below this folder",
            ),
            (entry(&format!("{EMPTY} 0 a//b")), "line 16: not a name of a file below this folder"),
            (entry(&format!("{EMPTY} 0 ä")), "line 16: not a name of a file below this folder"),
            (
                entry(&format!("{EMPTY} 7 main/binary-amd64/Packages")),
                "line 16: the file stands in the table twice",
            ),
        ] {
            assert_eq!(Release::parse(&text).unwrap_err().to_string(), message);
        }
        let long = format!("{good}{}", " x".repeat(RELEASE_BYTES_MAX));
        assert_eq!(Release::parse(&long), Err(ReleaseError::TooLarge));
    }

    #[test]
    fn time_is_checked() {
        let text = release("Valid-Until: Sat, 13 Sep 2025 10:36:19 UTC\n");
        let release = Release::parse(&text).unwrap();
        let date = release.date_seconds;
        let check =
            |at, options| release.check_time("trixie", at, &options).map_err(|e| e.to_string());
        let strict = CheckOptions::default;
        assert_eq!(check(date, strict()), Ok(()));
        assert_eq!(check(date + 7 * DAY, strict()), Ok(()));
        assert_eq!(check(date - FUTURE_MAX_SECONDS, strict()), Ok(()));
        assert_eq!(
            check(date + 10 * DAY, strict()),
            Err(
                "the Release file of trixie expired 3 days ago (2025-09-13T10:36:19Z); update the \
                 mirror, or, for an archive that is no longer updated, switch the check off with \
                 \"Check-Valid-Until: no\""
                    .into()
            )
        );
        assert_eq!(
            check(date - 3 * DAY, strict()),
            Err(
                "the Release file of trixie is from the future, by 3 days (2025-09-06T10:36:19Z); \
                 check this machine's clock"
                    .into()
            )
        );
        let lax = CheckOptions { valid_until: false, date: false, age_max_seconds: None };
        assert_eq!(check(date + 10 * DAY, lax.clone()), Ok(()));
        assert_eq!(check(date - 3 * DAY, lax), Ok(()));
        let short = CheckOptions { age_max_seconds: Some(DAY), ..strict() };
        assert!(check(date + 2 * DAY, short).is_err());
        assert!(release.check_not_older("trixie", date).is_ok());
        assert!(release.check_not_older("trixie", date + 1).is_err());
    }

    #[test]
    fn suite_is_checked() {
        let release = Release::parse(&release("")).unwrap();
        for (wanted, fits) in [
            ("trixie", true),
            ("stable", true),
            ("trixie/updates", true),
            ("flat/", true),
            ("bookworm", false),
            ("trixie-updates", false),
            ("", false),
        ] {
            assert_eq!(release.check_suite(wanted).is_ok(), fits, "{wanted}");
        }
        assert_eq!(
            release.check_suite("bookworm").unwrap_err().to_string(),
            "conflicting distribution: asked for bookworm, but the Release file is of stable or trixie"
        );
    }
}
