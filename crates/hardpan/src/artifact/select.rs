// SPDX-License-Identifier: Apache-2.0
//! Which paths `includes` and `excludes` mean.
//!
//! A pattern that fits a path takes all below it too. `*` and `?` stop at slashes, `**` does not, `[a-z]` is one
//! of these letters, `\` takes away the meaning of what follows. A slash in front means nothing.

/// Returns whether a path, without a slash in front, is selected: by one of the includes or for want of any,
/// and by none of the excludes.
pub(super) fn selected(path: &[u8], includes: &[&[u8]], excludes: &[&[u8]]) -> bool {
    let covers = |pattern: &&[u8]| covers(pattern, path);
    (includes.is_empty() || includes.iter().any(covers)) && !excludes.iter().any(covers)
}

/// Returns whether a pattern fits a path or a directory above it.
pub(super) fn covers(pattern: &[u8], path: &[u8]) -> bool {
    let pattern: Vec<&[u8]> = names(pattern).collect();
    let path: Vec<&[u8]> = names(path).collect();
    fits_beginning(&pattern, &path)
}

fn names(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// Returns whether the pattern fits the first names of the path. `reached[n]`: all of the pattern that was looked
/// at fits the first n names.
fn fits_beginning(pattern: &[&[u8]], path: &[&[u8]]) -> bool {
    if pattern.is_empty() {
        return false;
    }
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for (position, name) in pattern.iter().enumerate() {
        let mut next = vec![false; path.len() + 1];
        if *name == b"**" {
            // At the end it means what is in a directory, not that itself.
            let least = usize::from(position + 1 == pattern.len());
            if let Some(first) = reached.iter().position(|&reached| reached) {
                next.iter_mut().skip(first + least).for_each(|reached| *reached = true);
            }
        } else {
            for end in 1..=path.len() {
                next[end] = reached[end - 1] && fits(name, path[end - 1]);
            }
        }
        reached = next;
    }
    reached.iter().any(|&reached| reached)
}

/// Returns whether a pattern without slashes fits a name: the last `*` is tried with ever more letters.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut in_pattern, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        if pattern.get(in_pattern) == Some(&b'*') {
            in_pattern += 1;
            star = Some((in_pattern, in_name));
        } else if let Some(length) = fits_one(&pattern[in_pattern..], name[in_name]) {
            in_pattern += length;
            in_name += 1;
        } else if let Some((after, taken)) = star {
            star = Some((after, taken + 1));
            (in_pattern, in_name) = (after, taken + 1);
        } else {
            return false;
        }
    }
    pattern[in_pattern..].iter().all(|&byte| byte == b'*')
}

/// Returns how much of the pattern one byte of a name uses up; nothing if it does not fit.
fn fits_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' => (*pattern.get(1)? == byte).then_some(2),
        b'[' => {
            let end = 2 + pattern.get(2..)?.iter().position(|&byte| byte == b']')?;
            let set = &pattern[1..end];
            let (is_negated, set) = match set {
                [b'!' | b'^', rest @ ..] if !rest.is_empty() => (true, rest),
                set => (false, set),
            };
            let mut rest = set;
            let mut is_in = false;
            while let Some(&first) = rest.first() {
                if let [from, b'-', to, ..] = *rest {
                    is_in |= (from..=to).contains(&byte);
                    rest = &rest[3..];
                } else {
                    is_in |= first == byte;
                    rest = &rest[1..];
                }
            }
            (is_in != is_negated).then_some(end + 1)
        }
        other => (other == byte).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_real_definitions() {
        for (pattern, path, is_covered) in [
            ("opt/**", "opt/x", true),
            ("opt/**", "opt/x/y", true),
            ("opt/**", "opt", false),
            ("opt/**", "optional/x", false),
            ("**", "etc/passwd", true),
            ("usr", "usr", true),
            ("usr", "usr/bin/x", true),
            ("usr", "usrs/bin", false),
            ("/usr/local/**", "usr/local/bin/x", true),
            ("usr/local/bin/", "usr/local/bin/x", true),
            ("usr/local/cuda-*", "usr/local/cuda-12/lib/x", true),
            ("usr/local/cuda-*", "usr/local/cuda", false),
            ("opt/python-*/**", "opt/python-3.13/bin/python", true),
            ("opt/python-*/**", "opt/python-3.13", false),
            ("usr/lib/*-linux-gnu/lib*.so*", "usr/lib/x86_64-linux-gnu/libz.so.1.3", true),
            ("usr/lib/*-linux-gnu/lib*.so*", "usr/lib/x86_64-linux-gnu/a/libz.so", false),
            (
                "usr/local/lib/python*/site-packages/**",
                "usr/local/lib/python3.13/site-packages/a",
                true,
            ),
            ("**/*.h", "usr/include/a.h", true),
            ("**/*.h", "a.h", true),
            ("usr/**/lib", "usr/lib", true),
            ("usr/**/lib", "usr/a/b/lib/c", true),
            ("usr/**/lib", "usr/a/b/library", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a[b-d]e", "ace", true),
            ("a[!b-d]e", "ace", false),
            ("a[]b]e", "a]e", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false),
            ("", "a", false),
            ("/", "a", false),
            ("[", "a", false),
        ] {
            assert_eq!(covers(pattern.as_bytes(), path.as_bytes()), is_covered, "{pattern} {path}");
        }
    }

    #[test]
    fn excludes_win() {
        let includes: [&[u8]; 2] = [b"etc", b"opt/**"];
        let excludes: [&[u8]; 1] = [b"etc/passwd"];
        for (path, is_selected) in [
            ("etc/group", true),
            ("etc/passwd", false),
            ("etc/passwd/below", false),
            ("opt/a", true),
            ("usr/a", false),
        ] {
            assert_eq!(selected(path.as_bytes(), &includes, &excludes), is_selected, "{path}");
        }
        assert!(selected(b"usr/a", &[], &excludes));
    }
}
