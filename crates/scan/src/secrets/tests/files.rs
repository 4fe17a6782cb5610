// SPDX-License-Identifier: Apache-2.0
//! Files of rules that others wrote.

use super::*;

#[test]
fn a_file_stands_alone_or_adds_to_ours() {
    let text = r#"
        title = "mine"
        [[rules]]
        id = "acme"
        description = "a key of Acme"
        regex = '''acme-([0-9a-f]{16})'''
        keywords = ["acme-"]
        tags = ["mine"]
    "#;
    let github = fill("ghp_<a36>");
    let both = format!("{github} {}", fill("acme-<h16>"));
    let alone = Rules::parse(text).unwrap();
    assert_eq!(found(&alone, "a", &both), ["acme"]);
    assert!(alone.remarks().is_empty());
    let added = Rules::parse(&format!("[extend]\nuseDefault = true\n{text}")).unwrap();
    assert_eq!(found(&added, "a", &both), ["acme", "github-token"]);
    let without = format!("[extend]\nuseDefault = true\ndisabledRules = ['github-token']\n{text}");
    assert_eq!(found(&Rules::parse(&without).unwrap(), "a", &both), ["acme"]);
    let nothing = Rules::parse("").unwrap();
    assert_eq!((nothing.iter().count(), found(&nothing, "a", &both)), (0, Vec::new()));
}

#[test]
fn what_rules_may_say() {
    for (rule, path, text, expected) in [
        ("regex = 'k=(\\w+)'", "a", "k=abcdef", 1),
        // Keywords are looked for in any case; without one of them the expression is not tried.
        ("regex = '(?i)k=\\w+'\nkeywords = ['KEY']", "a", "a keY; k=abcdef", 1),
        ("regex = 'k=\\w+'\nkeywords = ['key']", "a", "k=abcdef", 0),
        // However far away the keyword is.
        (
            "regex = 'k=\\w+'\nkeywords = ['key']",
            "a",
            &format!("key{} k=abcdef", "\n".repeat(100_000)),
            1,
        ),
        ("regex = 'k=(a+)|k=(b+)'\nsecretGroup = 2", "a", "k=bbbb", 1),
        ("regex = 'k=(\\w+)'\nentropy = 2.5", "a", "k=aaaaaaaa k=abababab", 0),
        ("regex = 'k=(\\w+)'\nentropy = 2.5", "a", "k=abcdefgh", 1),
        ("regex = 'k=\\w+'\npath = '\\.conf$'", "a.conf", "k=abcdef", 1),
        ("regex = 'k=\\w+'\npath = '\\.conf$'", "a.txt", "k=abcdef", 0),
        ("path = '\\.kdbx$'", "a.kdbx", "", 1),
        ("path = '\\.kdbx$'", "a.kdb", "", 0),
        ("regex = 'k=(\\w+)'\n[[rules.allowlists]]\nregexes = ['^abc']", "a", "k=abcdef", 0),
        (
            "regex = 'k=(\\w+)'\n[[rules.allowlists]]\nregexTarget = 'match'\nregexes = ['^k=']",
            "a",
            "k=abcdef",
            0,
        ),
        (
            "regex = 'k=(\\w+)'\n[[rules.allowlists]]\nregexTarget = 'line'\nregexes = ['# fine$']",
            "a",
            "k=abcdef # fine",
            0,
        ),
        (
            "regex = 'k=(\\w+)'\n[[rules.allowlists]]\nregexTarget = 'line'\nregexes = ['# fine$']",
            "a",
            "k=abcdef\n# fine",
            1,
        ),
        ("regex = 'k=(\\w+)'\n[[rules.allowlists]]\npaths = ['^tests/']", "tests/a", "k=abcdef", 0),
        ("regex = 'k=(\\w+)'\n[[rules.allowlists]]\nstopwords = ['BCD']", "a", "k=abcdef", 0),
        (
            "regex = 'k=(\\w+)'\n[[rules.allowlists]]\ncondition = 'AND'\npaths = ['^t']\nregexes = ['^x']",
            "t",
            "k=abcdef",
            1,
        ),
        // As older files have it.
        ("regex = 'k=(\\w+)'\n[rules.allowlist]\nregexes = ['^abc']", "a", "k=abcdef", 0),
        (
            "regex = 'k=(\\w+)'\n[[allowlists]]\ntargetRules = ['r']\nregexes = ['^abc']",
            "a",
            "k=abcdef",
            0,
        ),
        ("regex = 'k=(\\w+)'\n[allowlist]\npaths = ['^a$']", "a", "k=abcdef", 0),
        ("regex = ''", "a", "k=abcdef", 1),
    ] {
        let file = format!("[[rules]]\nid = 'r'\n{rule}\n");
        let rules = Rules::parse(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        let found = found(&rules, path, text);
        assert_eq!(found.len().min(1), expected, "{file} {path}: {found:?}");
    }
}

#[test]
fn one_of_ours_can_be_changed() {
    let change = |text: &str| {
        Rules::parse(&format!(
            "[extend]\nuseDefault = true\n[[rules]]\nid = 'github-token'\n{text}"
        ))
        .unwrap()
    };
    let token = fill("ghp_<a36>");
    let allowed = format!("[[rules.allowlists]]\nregexes = ['^{}']\n", &token[..8]);
    assert_eq!(found(&change(&allowed), "a", &token), [""; 0]);
    assert_eq!(found(&change("entropy = 7.9"), "a", &token), [""; 0]);
    assert_eq!(found(&change("description = 'mine'"), "a", &token), ["github-token"]);
    assert_eq!(
        found(&change("regex = 'gho_x'\nentropy = 0\nkeywords = ['gho_x']"), "a", "gho_x"),
        ["github-token"]
    );
}

#[test]
fn files_that_are_wrong_say_where() {
    for (text, expected) in [
        ("x = ".to_owned(), "not TOML"),
        ("rules = 1".to_owned(), "[[rules]]"),
        ("rules = [1]".to_owned(), "rules number 1: it is not a table"),
        ("[[rules]]\nregex='a'".to_owned(), "rules number 1: id: every rule has one"),
        ("[[rules]]\nid=' '\nregex='a'".to_owned(), "every rule has one"),
        ("[[rules]]\nid='a'".to_owned(), "neither a regex nor a path"),
        ("[[rules]]\nid='a'\nregex=1".to_owned(), "rule \"a\": regex: it is not a text"),
        ("[[rules]]\nid='a'\nregex='('".to_owned(), "unclosed group"),
        ("[[rules]]\nid='a'\nregex='a(?=b)'".to_owned(), "looking ahead"),
        ("[[rules]]\nid='a'\npath='('".to_owned(), "unclosed group"),
        ("[[rules]]\nid='a'\nregex='a'\nsecretGroup=1".to_owned(), "no group 1"),
        ("[[rules]]\nid='a'\nregex='(a)'\nsecretGroup=-1".to_owned(), "not a number below 100"),
        ("[[rules]]\nid='a'\nregex='a'\nentropy=9".to_owned(), "from 0 to 8"),
        ("[[rules]]\nid='a'\nregex='a'\nentropy=nan".to_owned(), "from 0 to 8"),
        ("[[rules]]\nid='a'\nregex='a'\nkeywords=['']".to_owned(), "empty word"),
        ("[[rules]]\nid='a'\nregex='a'\nkeywords='a'".to_owned(), "not a list"),
        (
            "[[rules]]\nid='a'\nregex='a'\n[[rules]]\nid='a'\nregex='b'".to_owned(),
            "two rules with the id \"a\"",
        ),
        (
            "[[rules]]\nid='a'\nregex='a'\n[[rules.allowlists]]\nregexes=['(']".to_owned(),
            "unclosed group",
        ),
        (
            "[[rules]]\nid='a'\nregex='a'\n[[rules.allowlists]]\ncondition='XOR'\npaths=['a']"
                .to_owned(),
            "neither AND nor OR",
        ),
        (
            "[[rules]]\nid='a'\nregex='a'\n[[rules.allowlists]]\nregexTarget='file'\npaths=['a']"
                .to_owned(),
            "none of secret",
        ),
        (
            "[[rules]]\nid='a'\nregex='a'\n[[rules.allowlists]]\nstopwords=['']".to_owned(),
            "empty or too long",
        ),
        (
            "[[allowlists]]\ntargetRules=['no']\npaths=['a']".to_owned(),
            "no rule with the id \"no\"",
        ),
        ("[extend]\npath='other.toml'".to_owned(), "rules come from one file"),
        ("[extend]\nurl='https://x.example'".to_owned(), "rules come from one file"),
        ("[extend]\nuseDefault=true\ndisabledRules=['no']".to_owned(), "extend.disabledRules"),
    ] {
        refused(&text, expected);
    }
}

#[test]
fn files_with_too_much_are_refused() {
    let many = |text: &str, count: usize| text.repeat(count);
    let rules = |count: usize| {
        (0..count)
            .map(|n| format!("[[rules]]\nid='r{n}'\nregex='a'\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    let words = |count: usize| format!("'{}',", "w".repeat(90)).repeat(count);
    for (text, expected) in [
        (format!("title = '{}'", "x".repeat(5 << 20)), "more than 4194304 bytes"),
        (rules(5_001), "more than 5000 rules"),
        (
            format!("[[rules]]\nid='a'\nregex='a'\nkeywords=[{}]", many("'a',", 5_001)),
            "texts in a list",
        ),
        (
            format!(
                "[[rules]]\nid='a'\nregex='a'\nkeywords=[{}]",
                (0..4_000).map(|n| format!("'{n:080}',")).collect::<Vec<_>>().concat()
            ),
            "bytes of keywords",
        ),
        (format!("[[rules]]\nid='a'\nregex='{}'", "a".repeat(70_000)), "longer than"),
        ("[[rules]]\nid='a'\nregex='((a{100}){100}){100}'".to_owned(), "repetitions"),
        ("[[rules]]\nid='a'\nregex='(?:\\pL{1000}){500}'".to_owned(), "repetitions"),
        (format!("[[rules]]\nid='a'\nregex='{}a{}'", "(".repeat(1000), ")".repeat(1000)), "nest"),
        (
            format!(
                "[[rules]]\nid='a'\nregex='a'\n[[rules.allowlists]]\nstopwords=['{}']",
                "w".repeat(2_000)
            ),
            "too long",
        ),
        (format!("[[rules]]\nid='a'\nregex='a'\nkeywords=[{}]", words(5_001)), "texts in a list"),
    ] {
        refused(&text, expected);
    }
}

/// Checks that a file is refused, in a few words that name the reason.
fn refused(text: &str, expected: &str) {
    let start = &text[..text.len().min(200)];
    let Err(error) = Rules::parse(text) else { panic!("{start}") };
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let error = format!("{error} {}", source.unwrap_or_default());
    assert!(error.contains(expected), "{start}: {error}");
    assert!(error.len() < 2_000, "{error}");
}

#[test]
fn what_is_of_no_use_is_said() {
    let text = "[[rules]]\nid='a'\nregex='a'\nskipReport=true\nnew='x'\n[[rules.allowlists]]\ncommits=['abc']\n";
    let rules = Rules::parse(text).unwrap();
    let remarks = rules.remarks().join("; ");
    for expected in ["skipReport", "new: not known", "commits: an image has none", "allows nothing"]
    {
        assert!(remarks.contains(expected), "{remarks}");
    }
}

#[test]
fn expressions_that_fit_everywhere_end() {
    // Backtracking would take for ever, and each byte is a match.
    for regex in ["(a+)+$", "(a|aa)+$", "(.*)(.*)(.*)(.*)x", "", "a*", "(?s).{0,1000}", "[ab]"] {
        let rules = Rules::parse(&format!("[[rules]]\nid='r'\nregex='''{regex}'''\n")).unwrap();
        let text = format!("{}b", "a".repeat(200_000));
        let report = scan(&rules, &[tar(&[("a", text.as_bytes())])]);
        assert!(report.findings.len() <= SecretOptions::DEFAULT.file_findings_max, "{regex}");
    }
}

/// A file with nothing but an allowlist has expressions of a user, too.
#[test]
fn allowlists_of_files_without_rules_are_tried() {
    for default in ["false", "true"] {
        for list in ["paths = ['''(''']", "regexes = ['''\\2a''']", "regexes = ['''(?=a)''']"] {
            let file = format!("[extend]\nuseDefault = {default}\n[allowlist]\n{list}\n");
            let refused = Rules::parse(&file);
            assert!(matches!(refused, Err(RulesError::Pattern { .. })), "{file}: {refused:?}");
        }
        let file =
            format!("[extend]\nuseDefault = {default}\n[allowlist]\nregexes = ['''^a$''']\n");
        assert!(Rules::parse(&file).is_ok(), "{file}");
    }
}
