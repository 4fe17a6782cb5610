// SPDX-License-Identifier: Apache-2.0
//! Names of licences and exceptions, as people write them, to SPDX's.

use super::aliases::{ALIASES, DEPRECATED, EXCEPTIONS};
use super::expression::Node;

/// Whether a statement says nothing.
pub(super) fn is_nothing(name: &str) -> bool {
    const NOTHING: [&str; 9] =
        ["", "none", "noassertion", "unknown", "n/a", "-", "osi approved", "license", "null"];
    NOTHING.contains(&name.trim().to_ascii_lowercase().as_str())
}

/// Whether a name stands for several licences, so that a text is better evidence than it.
pub(super) fn is_vague(name: &str) -> bool {
    const VAGUE: [&str; 10] =
        ["bsd", "mit", "gpl", "lgpl", "gfdl", "apache", "artistic", "other", "custom", "boost"];
    VAGUE.contains(&name.trim().to_ascii_lowercase().as_str())
}

/// Returns the expression that a name stands for.
pub(super) fn known(name: &str) -> Option<Node> {
    let name = name.trim();
    // Nothing with an SPDX id has a longer name; the searches below are then cheap.
    if is_nothing(name) || name.len() > 120 {
        return None;
    }
    if name.starts_with("LicenseRef-") && super::is_expression(name) && !name.contains(' ') {
        return None;
    }
    simple(name).or_else(|| with_exception(name))
}

/// A name without an exception.
fn simple(name: &str) -> Option<Node> {
    let lower = name.to_ascii_lowercase();
    let alias = |table: &[(&str, &'static str)]| {
        table.binary_search_by_key(&lower.as_str(), |&(from, _)| from).ok().map(|at| table[at].1)
    };
    if let Some(expression) = alias(&DEPRECATED).or_else(|| alias(&ALIASES)) {
        return Some(parse_own(expression));
    }
    if let Some(id) = spdx_id(name) {
        return Some(Node::Term(id.to_owned()));
    }
    if let Some(term) = gnu(&lower) {
        return Some(Node::Term(term));
    }
    // `AFL-2.1+`: only GNU's have ids for it.
    if let Some(id) = name.strip_suffix('+').and_then(spdx_id) {
        return Some(Node::Term(format!("{id}+")));
    }
    let shorter = ["the ", "a "].iter().find_map(|article| lower.strip_prefix(article));
    let shorter = shorter.or_else(|| {
        let endings = [" license", " licence", "-license", "-licence", " licensed"];
        endings.iter().find_map(|ending| lower.strip_suffix(ending))
    });
    shorter.filter(|shorter| !is_nothing(shorter)).and_then(simple)
}

/// Returns an SPDX id, whatever the case of its letters, that is not deprecated.
fn spdx_id(name: &str) -> Option<&'static str> {
    // The look-up ignores a plus at the end.
    let exact = spdx::license_id(name).map(|id| id.name).filter(|id| *id == name);
    let id = exact.or_else(|| {
        let mut names = spdx::identifiers::LICENSES.iter().map(|license| license.name);
        names.find(|id| id.eq_ignore_ascii_case(name))
    })?;
    (id != "NOASSERTION" && !spdx::license_id(id)?.is_deprecated()).then_some(id)
}

/// Reads an expression of the tables here: terms joined with OR.
fn parse_own(expression: &str) -> Node {
    let terms = expression.split(" OR ").map(|term| Node::Term(term.to_owned())).collect();
    Node::any(terms).expect("a text splits into at least one part")
}

/// Reads the names of GNU's licences: `GPL-2+`, `LGPLv2.1`, `GNU General Public License v3 or later (GPLv3+)`.
fn gnu(lower: &str) -> Option<String> {
    let mut text = lower.replace("licence", "license").replace("general public license", "gpl");
    for (from, to) in [
        ("free documentation license", "fdl"),
        ("lesser gpl", "lgpl"),
        ("library gpl", "lgpl"),
        ("affero gpl", "agpl"),
        ("library or lesser gpl", "lgpl"),
        ("version", ""),
        (" gpl license", " gpl"),
        (",", " "),
    ] {
        text = text.replace(from, to);
    }
    let text = text.trim().trim_start_matches("the ").trim_start_matches("gnu").trim();
    let text = text.trim_start_matches(['-', ' ']);
    // The rest of a classifier repeats it: `… v2 (GPLv2)`.
    let (text, repeated) = match text.split_once('(') {
        Some((before, rest)) if rest.contains("gpl") => (before.trim(), rest),
        _ => (text, ""),
    };
    let (family, versions, rest) = FAMILIES.iter().find_map(|&(prefix, family, versions)| {
        Some((family, versions, text.strip_prefix(prefix)?))
    })?;
    let rest = rest.trim_start_matches([' ', '-', 'v', '.', '(', '_']);
    let (is_at_least, rest) = match rest.strip_prefix(">=") {
        Some(rest) => (true, rest.trim_start_matches([' ', 'v'])),
        None => (false, rest),
    };
    let digits =
        rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (version, rest) = rest.split_at(digits);
    let rest = rest.trim_matches([' ', '-', '_', ')', '.']);
    let is_later = match rest {
        "+" | "or later" | "or-later" | "orlater" | "or newer" | "or any later" => true,
        "" | "only" => is_at_least || repeated.contains('+'),
        _ => return None,
    };
    let version = version.trim_end_matches('.');
    if version.is_empty() {
        // Without a version it is every version that was ever published (GPL 2, section 9).
        return Some(family.replace("{}", versions[0]) + "-or-later");
    }
    let version = if version.contains('.') { version.to_owned() } else { format!("{version}.0") };
    let version = versions.iter().find(|&&known| known == version)?;
    Some(family.replace("{}", version) + if is_later { "-or-later" } else { "-only" })
}

/// Prefix, id, and the versions that have ids.
const FAMILIES: [(&str, &str, &[&str]); 8] = [
    ("lgpl", "LGPL-{}", &["2.0", "2.1", "3.0"]),
    ("lpgl", "LGPL-{}", &["2.0", "2.1", "3.0"]),
    ("agpl", "AGPL-{}", &["1.0", "3.0"]),
    ("gpl", "GPL-{}", &["1.0", "2.0", "3.0"]),
    ("gfdl-niv", "GFDL-{}-no-invariants", &["1.1", "1.2", "1.3"]),
    ("fdl-niv", "GFDL-{}-no-invariants", &["1.1", "1.2", "1.3"]),
    ("gfdl", "GFDL-{}", &["1.1", "1.2", "1.3"]),
    ("fdl", "GFDL-{}", &["1.1", "1.2", "1.3"]),
];

/// Reads `GPL-2+ with Autoconf exception`, `GPL-3+-autoconf-exception`. An exception without an id makes the
/// whole a licence without one.
fn with_exception(name: &str) -> Option<Node> {
    let lower = name.to_ascii_lowercase();
    for (at, _) in lower.match_indices([' ', '-', '_']) {
        let rest = lower[at..].trim_start_matches([' ', '-', '_']);
        let is_named = rest.starts_with("with");
        let rest = rest.strip_prefix("with").unwrap_or(rest).trim_start_matches([' ', '-', '_']);
        if !is_named && !rest.contains("exception") {
            continue;
        }
        let (base, _) = name.split_at(at);
        let Some(Node::Term(base)) = simple(base) else { continue };
        if let Some(exception) = exception(rest, &base) {
            return Some(Node::Term(format!("{base} WITH {exception}")));
        }
    }
    None
}

/// Returns the id of an exception to a licence.
fn exception(name: &str, base: &str) -> Option<&'static str> {
    let exact = spdx::identifiers::EXCEPTIONS.iter().map(|exception| exception.name);
    if let Some(id) = exact.clone().find(|id| id.eq_ignore_ascii_case(name)) {
        return Some(id);
    }
    let mut name = name.trim();
    for ending in ["exceptions", "exception", "runtime library", "linking", "special"] {
        name = name.strip_suffix(ending).unwrap_or(name).trim_end_matches([' ', '-', '_']);
    }
    let is_3 = base.contains("GPL-3.0");
    let &(_, two, three) = EXCEPTIONS.iter().find(|&&(known, _, _)| known == name)?;
    let id = if is_3 { three } else { two };
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_valid() {
        for table in [&DEPRECATED[..], &ALIASES[..]] {
            assert!(
                table.is_sorted_by(|a, b| a.0 < b.0),
                "{:?}",
                table.windows(2).find(|w| w[0].0 >= w[1].0)
            );
            for (from, to) in table {
                assert!(super::super::is_expression(to), "{from}: {to}");
                assert_eq!(*from, from.to_ascii_lowercase());
            }
        }
        for (_, two, three) in EXCEPTIONS {
            for id in [two, three].into_iter().filter(|id| !id.is_empty()) {
                assert!(spdx::exception_id(id).is_some_and(|id| !id.is_deprecated()), "{id}");
            }
        }
    }

    #[test]
    fn every_id_that_is_deprecated_has_a_successor() {
        for license in spdx::identifiers::LICENSES {
            let is_deprecated = license.flags & spdx::flags::IS_DEPRECATED != 0;
            if is_deprecated && !matches!(license.name, "Net-SNMP" | "Nunit") {
                let node = known(license.name).unwrap_or_else(|| panic!("{}", license.name));
                assert!(super::super::is_expression(&node.to_string()), "{node}");
            }
        }
    }
}
