// SPDX-License-Identifier: Apache-2.0
//! Names of images and the patterns of a policy for them, as others write both.
//!
//! Nobody may slip past by writing a name differently: with a digest beside the tag, without a tag, or without Docker's
//! registry. Where a target can't tell, its pattern is for more than the policy's.

use hardpan_attest::policy::{ImagePattern, Policy};

/// Docker's registry, as whole names have it.
const DOCKER: &str = "docker.io/";
/// Docker's registry with the folder that is meant where there is none.
const DOCKER_LIBRARY: &str = "docker.io/library/";
/// What is a name without a registry, for patterns that may stand for Docker's.
const WITHOUT_REGISTRY: &str = "^([^/.:]+/.*|[^/]+)$";

/// Returns the patterns of a policy with the registry in them, or one for everything.
pub(super) fn patterns(policy: &Policy) -> Vec<String> {
    if policy.images.is_empty() {
        return vec!["**".to_owned()];
    }
    policy.images.iter().map(ImagePattern::whole).collect()
}

/// Returns whether a pattern is for all of a repository.
pub(super) fn is_of_repository(pattern: &str) -> bool {
    let last = pattern.rsplit('/').next().unwrap_or_default();
    !last.contains([':', '@']) && !last.ends_with('*')
}

/// Returns repository and tag of a pattern that has a tag and no digest.
pub(super) fn tagged(pattern: &str) -> Option<(&str, &str)> {
    let (repository, tag) = pattern.rsplit_once(':')?;
    (!tag.contains(['/', '@']) && !repository.contains('@')).then_some((repository, tag))
}

/// Returns whether a policy has patterns with tags, which targets that don't see tags beside digests take for more.
pub(super) fn has_tags(policy: &Policy) -> bool {
    patterns(policy).iter().any(|pattern| tagged(pattern).is_some())
}

/// Returns a regular expression for a pattern. It has no backslash, which every target quotes differently.
pub(super) fn expression(pattern: &str) -> String {
    format!("^{}$", bare_expression(pattern))
}

fn bare_expression(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**") {
            text.push_str(".*");
            rest = after;
            continue;
        }
        match c {
            '*' => text.push_str("[^/]*"),
            '.' => text.push_str("[.]"),
            // Patterns have no other character that means something.
            c => text.push(c),
        }
        rest = &rest[c.len_utf8()..];
    }
    text
}

/// Returns regular expressions for names as people write them: with or without Docker's registry, tag and digest.
pub(super) fn written_expressions(policy: &Policy) -> Vec<String> {
    let mut all = Vec::new();
    for pattern in patterns(policy) {
        let (docker, rest) = if let Some(rest) = pattern.strip_prefix(DOCKER_LIBRARY) {
            ("((index[.])?docker[.]io/)?(library/)?", rest)
        } else if let Some(rest) = pattern.strip_prefix(DOCKER) {
            ("((index[.])?docker[.]io/)?", rest)
        } else {
            ("", pattern.as_str())
        };
        let end = if pattern.contains('@') { "" } else { "(@.*)?" };
        let name = match tagged(rest) {
            // One without a tag is `latest`.
            Some((repository, tag)) if tag == "latest" || tag.contains('*') => {
                format!("{}(:{})?", bare_expression(repository), bare_expression(tag))
            }
            None if is_of_repository(&pattern) => format!("{}(:[^/@]*)?", bare_expression(rest)),
            Some(_) | None => bare_expression(rest),
        };
        all.push(format!("^{docker}{name}{end}$"));
        // What begins with a star may stand for Docker's registry, which is not written; so may all that is in it.
        let is_everything = pattern == "**";
        let may_be_docker = (pattern.starts_with('*') && !is_everything)
            || rest.starts_with('*') && !docker.is_empty();
        if may_be_docker && !all.iter().any(|one| one == WITHOUT_REGISTRY) {
            all.push(WITHOUT_REGISTRY.to_owned());
        }
    }
    all
}

/// Returns the patterns as Kyverno has them: a star stands for any characters. It looks at a name with a digest without its
/// tag, and leaves Docker's folder out where people do.
pub(super) fn for_kyverno(policy: &Policy) -> Vec<String> {
    let mut all = Vec::new();
    for pattern in patterns(policy) {
        let mut forms = vec![pattern.replace("**", "*")];
        forms.extend(
            pattern
                .strip_prefix(DOCKER_LIBRARY)
                .map(|rest| format!("{DOCKER}{}", rest.replace("**", "*"))),
        );
        for loose in forms {
            if is_of_repository(&loose) {
                all.extend([format!("{loose}:*"), format!("{loose}@*")]);
                continue;
            }
            all.extend(tagged(&loose).map(|(repository, _)| format!("{repository}@*")));
            all.push(loose);
        }
    }
    all
}

/// Returns the patterns as policy-controller has them. It looks at whole names, where Docker's registry has another host,
/// and at one with a digest without its tag. Two patterns have a meaning of their own there, so they are not written.
pub(super) fn for_policy_controller(policy: &Policy) -> Vec<String> {
    let mut all = Vec::new();
    for pattern in patterns(policy) {
        let whole = match pattern.strip_prefix(DOCKER) {
            Some(rest) => format!("index.{DOCKER}{rest}"),
            None => pattern,
        };
        if is_of_repository(&whole) || matches!(whole.as_str(), "*" | "*/*") {
            all.extend([format!("{whole}:*"), format!("{whole}@*")]);
            continue;
        }
        all.extend(tagged(&whole).map(|(repository, _)| format!("{repository}@*")));
        all.push(whole);
    }
    all
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use super::*;

    fn policy(pattern: &str) -> Policy {
        let policy = json!({"images": [pattern], "nonroot": "required"});
        Policy::parse(policy.to_string().as_bytes()).unwrap()
    }

    /// Returns whether one of some patterns of Kyverno matches, where a star stands for anything.
    fn is_kyverno_s(patterns: &[String], name: &str) -> bool {
        let expression =
            |pattern: &String| format!("^{}$", regex::escape(pattern).replace("\\*", ".*"));
        patterns.iter().any(|pattern| Regex::new(&expression(pattern)).unwrap().is_match(name))
    }

    /// Returns a name, with the other host of Docker's registry where it begins with `index:`.
    fn with_host(name: &str) -> String {
        name.strip_prefix("index:")
            .map_or_else(|| name.to_owned(), |rest| format!("index.{DOCKER}{rest}"))
    }

    const TAGGED: &str = "registry.example/app:1";
    const WHOLE: &str = "registry.example/app";
    const DEBIAN: &str = "docker.io/library/debian";

    /// Patterns with names as people write them, and whether they are meant.
    const WRITTEN: [(&str, &str, bool); 33] = [
        (WHOLE, "registry.example/app", true),
        (WHOLE, "registry.example/app:1", true),
        (WHOLE, "registry.example/app@sha256:00", true),
        (WHOLE, "registry.example/app:1@sha256:00", true),
        (WHOLE, "registry.example/apps:1", false),
        (WHOLE, "registry-example/app:1", false),
        (WHOLE, "registry.example/app/more", false),
        (TAGGED, "registry.example/app:1", true),
        (TAGGED, "registry.example/app:1@sha256:00", true),
        (TAGGED, "registry.example/app:12", false),
        (TAGGED, "registry.example/app", false),
        ("registry.example/app:latest", "registry.example/app", true),
        ("registry.example/app:latest", "registry.example/app@sha256:00", true),
        ("registry.example/app:1*", "registry.example/app:12@sha256:00", true),
        ("registry.example:5000/app:1", "registry.example:5000/app:1@sha256:00", true),
        ("registry.example:5000/app", "registry.example:5000/app:7", true),
        ("registry.example/team/*", "registry.example/team/app:1@sha256:00", true),
        ("registry.example/team/*", "registry.example/team/app/b:1", false),
        ("registry.example/team/**", "registry.example/team/a/b:1@sha256:00", true),
        (DEBIAN, "debian", true),
        (DEBIAN, "debian:13@sha256:00", true),
        (DEBIAN, "library/debian:13", true),
        (DEBIAN, "docker.io/debian", true),
        (DEBIAN, "index:library/debian:13", true),
        (DEBIAN, "evil.example/debian", false),
        ("team/app", "team/app:1", true),
        ("team/app", "index:team/app:1", true),
        ("debian:13", "debian:13@sha256:00", true),
        ("docker.io/**", "debian:13", true),
        ("docker.io/*/app", "team/app", true),
        ("*/library/debian", "debian:13", true),
        ("*/library/debian", "registry.example/debian:13", false),
        ("**", "anything/at:all", true),
    ];

    #[test]
    fn names_are_meant_however_they_are_written() {
        for (pattern, name, expected) in WRITTEN {
            let all = written_expressions(&policy(pattern));
            let is_meant =
                all.iter().any(|one| Regex::new(one).unwrap().is_match(&with_host(name)));
            assert_eq!(is_meant, expected, "{pattern} {name} {all:?}");
            assert!(!all.concat().contains(['\\', '\'']), "{all:?}");
        }
    }

    #[test]
    fn names_are_meant_as_kyverno_has_them() {
        for (pattern, name, expected) in [
            (WHOLE, "registry.example/app:latest", true),
            (WHOLE, "registry.example/app@sha256:00", true),
            (WHOLE, "registry.example/apps:1", false),
            (TAGGED, "registry.example/app:1", true),
            // Of `app:1@sha256:00` it sees this.
            (TAGGED, "registry.example/app@sha256:00", true),
            (TAGGED, "registry.example/app:2", false),
            (DEBIAN, "docker.io/debian:latest", true),
            (DEBIAN, "docker.io/library/debian@sha256:00", true),
            ("debian:13", "docker.io/debian@sha256:00", true),
            ("registry.example/team/**", "registry.example/team/a/b@sha256:00", true),
            ("registry.example:5000/app:1", "registry.example:5000/app@sha256:00", true),
        ] {
            let all = for_kyverno(&policy(pattern));
            assert_eq!(is_kyverno_s(&all, name), expected, "{pattern} {name} {all:?}");
        }
    }

    #[test]
    fn names_are_meant_as_policy_controller_has_them() {
        for (pattern, name, expected) in [
            (WHOLE, "registry.example/app:latest", true),
            (WHOLE, "registry.example/app@sha256:00", true),
            (TAGGED, "registry.example/app:1", true),
            (TAGGED, "registry.example/app@sha256:00", true),
            (TAGGED, "registry.example/app:2", false),
            (DEBIAN, "index:library/debian:13", true),
            ("debian:13", "index:library/debian@sha256:00", true),
            ("team/app", "index:team/app:1", true),
            ("*/*", "registry.example/app:1", true),
            ("*/*", "registry.example/app@sha256:00", true),
            ("**", "index:library/debian:13", true),
        ] {
            let all = for_policy_controller(&policy(pattern));
            assert!(!all.iter().any(|one| one == "*/*" || one == "*"), "{all:?}");
            let is_meant = all
                .iter()
                .any(|one| Regex::new(&expression(one)).unwrap().is_match(&with_host(name)));
            assert_eq!(is_meant, expected, "{pattern} {name} {all:?}");
        }
    }
}
