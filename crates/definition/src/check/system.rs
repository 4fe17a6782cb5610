// SPDX-License-Identifier: Apache-2.0
//! Paths, modes, ids, names, dates and signals.

use super::{Refusal, quote};

/// Highest user or group id: -1 (`u32::MAX`) means "no change" to the kernel.
pub(crate) const MAX_ID: u32 = u32::MAX - 1;

/// Longest path that Linux takes, in bytes.
const MAX_PATH_BYTES: usize = 4095;

/// An octal mode: `0755`, `755`, `1777`.
pub(crate) fn mode(text: &str) -> Result<u32, Refusal> {
    let help = "a mode is three or four octal digits, for example `0755`";
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if !octal || !(3..=5).contains(&digits.len()) {
        return Err(Refusal::new(format!("{} is not a file mode", quote(text))).help(help));
    }
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err(Refusal::new(format!("the mode {} is above 7777", quote(text))).help(help)),
    }
}

/// A user or group id.
pub(crate) fn id(text: &str) -> Result<u32, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(id) if digits && id <= MAX_ID => Ok(id),
        _ => Err(Refusal::new(format!("{} is not an id from 0 to {MAX_ID}", quote(text)))),
    }
}

/// A user or group name: what passwd(5) can hold and no tool mistakes for something else.
pub(crate) fn account_name(text: &str) -> Result<(), Refusal> {
    let help =
        "a name has up to 32 letters, digits, `_`, `-` and `.`, and does not begin with `-` or `.`";
    if text.is_empty() {
        return Err(Refusal::new("an account name cannot be empty").help(help));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let bare = text.strip_suffix('$').unwrap_or(text);
    if bare.bytes().all(fits) && !text.starts_with(['-', '.', '$']) && text.len() <= 32 {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not an account name", quote(text))).help(help))
}

/// The name of an environment variable.
pub(crate) fn environment_name(text: &str) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let first = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if first && text.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not the name of an environment variable", quote(text)))
        .help("names have letters, digits and `_`, and do not begin with a digit"))
}

/// The name of one of `vars`.
pub(crate) fn variable_name(text: &str) -> Result<(), Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let first = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if first && text.bytes().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not a variable name", quote(text)))
        .help("names have letters, digits, `_` and `-`, and do not begin with a digit"))
}

fn segments(text: &str) -> Result<(), Refusal> {
    if let Some(bad) = text.chars().find(|c| c.is_control()) {
        return Err(Refusal::new(format!("the path has the character `{}`", bad.escape_debug())));
    }
    if text.len() > MAX_PATH_BYTES {
        return Err(Refusal::new(format!("a path of {} bytes", text.len())));
    }
    if text.split('/').any(|segment| segment == "..") {
        return Err(Refusal::new(format!("the path {} has `..`", quote(text)))
            .help("write the path that is meant"));
    }
    Ok(())
}

/// An absolute path in the image.
pub(crate) fn absolute_path(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("the path is empty"));
    }
    if ["${source.dir}", "${target.dir}"].iter().any(|dir| text.starts_with(dir)) {
        return Err(Refusal::new(format!("{} is a path of a build stage", quote(text)))
            .help("here the path must be one of the image, beginning with `/`"));
    }
    if !text.starts_with('/') {
        return Err(Refusal::new(format!("the path {} is not absolute", quote(text)))
            .help("begin it with `/`"));
    }
    segments(text)
}

/// A path in a build stage: absolute, below `${source.dir}` or `${target.dir}`, or with a warning something else.
pub(crate) fn stage_path(text: &str) -> Result<Option<Refusal>, Refusal> {
    for directory in ["${source.dir}", "${target.dir}"] {
        if let Some(rest) = text.strip_prefix(directory) {
            if !rest.is_empty() && !rest.starts_with('/') {
                return Err(Refusal::new(format!("{} lacks a `/`", quote(text)))
                    .help(format!("write `{directory}/…`")));
            }
            return segments(rest).map(|()| None);
        }
    }
    segments(text)?;
    if text.starts_with('/') {
        return Ok(None);
    }
    Ok(Some(
        Refusal::new(format!("the path {} is not absolute", quote(text)))
            .help("it is taken from the stage's `work-dir`; begin it with `/`, `${source.dir}` or `${target.dir}`"),
    ))
}

/// A path in the catalog, relative to its root.
pub(crate) fn catalog_path(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("the path is empty"));
    }
    if text.starts_with('/') {
        return Err(Refusal::new(format!("the path {} is absolute", quote(text)))
            .help("sources are relative to the root of the catalog"));
    }
    segments(text)
}

/// A glob of members: any relative or absolute path with `*` and `**`.
pub(crate) fn glob(text: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("the pattern is empty"));
    }
    segments(text)
}

/// `YYYY-MM-DD`.
pub(crate) fn date(text: &str) -> Result<(), Refusal> {
    let refuse =
        || Refusal::new(format!("{} is not a date", quote(text))).help("a date is `YYYY-MM-DD`");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else {
        return Err(refuse());
    };
    let number = |digits: &str, length: usize| -> Option<u32> {
        let plain = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return Err(refuse());
    };
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return Err(refuse()),
    };
    if (1..=days).contains(&day) { Ok(()) } else { Err(refuse()) }
}

/// A signal: a name with or without `SIG`, `SIGRTMIN+n`, or a number.
pub(crate) fn signal(text: &str) -> Result<(), Refusal> {
    const NAMES: [&str; 33] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let offset = |rest: &str, sign: char| {
        rest.is_empty()
            || rest
                .strip_prefix(sign)
                .and_then(|digits| digits.parse::<u8>().ok())
                .is_some_and(|number| number <= 30)
    };
    let known = NAMES.contains(&name)
        || name.strip_prefix("RTMIN").is_some_and(|rest| offset(rest, '+'))
        || name.strip_prefix("RTMAX").is_some_and(|rest| offset(rest, '-'))
        || text.parse::<u8>().is_ok_and(|number| (1..=64).contains(&number));
    if known {
        return Ok(());
    }
    Err(Refusal::new(format!("{} is not a signal", quote(text)))
        .help("a signal is a name such as `SIGTERM` or a number from 1 to 64"))
}

#[cfg(test)]
mod tests {
    use super::super::assert_grammar;
    use super::*;

    #[test]
    fn grammars() {
        assert_grammar(
            mode,
            &["0755", "755", "1777", "0o644", "07777"],
            &["", "8", "0888", "75", "rwx", "17777", "-755", "0x755"],
        );
        assert_eq!(mode("01777"), Ok(0o1777));
        assert_grammar(
            id,
            &["0", "65532", "4294967294"],
            &["", "-1", "4294967295", "1.5", "+1", "nonroot"],
        );
        assert_grammar(
            account_name,
            &["nonroot", "_apt", "101", "a.b-c", "host$"],
            &["", "-a", ".a", "a:b", "a b", "a/b", "ä", "x\ny", &"a".repeat(33)],
        );
        assert_grammar(
            environment_name,
            &["PATH", "_x", "A.b-C1"],
            &["", "1A", "A=B", "A B", "Ä", "A\0"],
        );
        assert_grammar(variable_name, &["VERSION", "PATCH_CVE-2025-1"], &["", "1A", "A.B", "A B"]);
        assert_grammar(
            absolute_path,
            &["/", "/a/b", "/a..b", "/a/...", "/a//b"],
            &["", "a", "./a", "/a/../b", "/..", "/a\nb", "/a\0", "${source.dir}/a"],
        );
        assert_grammar(
            stage_path,
            &["a", "", "/a", "${source.dir}", "${target.dir}/a"],
            &["${source.dir}a", "a/../b", "${source.dir}/../a", "a\nb"],
        );
        assert_grammar(catalog_path, &["image/x/file", "a"], &["", "/a", "../a", "a/../../b"]);
        assert_grammar(glob, &["opt/**", "/usr/local/**", "**"], &["", "../x", "a/../b"]);
        assert_grammar(
            date,
            &["2025-01-31", "2024-02-29", "2000-02-29"],
            &[
                "",
                "2025-1-1",
                "2025-13-01",
                "2025-02-29",
                "1900-02-29",
                "2025-04-31",
                "2025-00-10",
                "01/02/2025",
                "2025-01-00",
                "2025-01-01T00:00:00Z",
            ],
        );
        assert_grammar(
            signal,
            &["SIGTERM", "TERM", "SIGRTMIN+3", "SIGRTMAX-1", "SIGRTMIN", "15"],
            &["", "SIGFOO", "sigterm", "0", "65", "SIGRTMIN-3", "SIGRTMIN+99"],
        );
    }
}
