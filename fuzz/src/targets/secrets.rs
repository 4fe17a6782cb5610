// SPDX-License-Identifier: Apache-2.0
//! Rules for secrets, and texts with secrets in them.

use std::sync::LazyLock;

use hardpan_scan::re2::Pattern;
use hardpan_scan::secrets::{Rules, SecretOptions, SecretReport, SecretScanner};

use crate::input::{layer, pieces, text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "secrets",
    bytes_max: 4 << 10,
    parts: &[
        Part::new("text", own_rules, secrets),
        Part::new("rules", other_rules, || texts(&[RULES])),
        Part::new("expression", expression, || texts(&EXPRESSIONS)),
    ],
};

const RULES: &str = "title = \"x\"\n[extend]\nuseDefault = false\n[allowlist]\npaths = ['''\\.md$''']\nregexes = ['''^a''']\nstopwords = [\"test\"]\n[[rules]]\nid = \"a\"\ndescription = \"b\"\nregex = '''key-([a-f0-9]{8})\\b'''\nsecretGroup = 1\nentropy = 1.5\nkeywords = [\"key-\"]\ntags = [\"t\"]\n[[rules.allowlists]]\ncondition = \"AND\"\nregexTarget = \"line\"\nregexes = ['''(?i)example''']\npaths = ['''^/usr/''']\n[[rules]]\nid = \"p\"\npath = '''(^|/)id_rsa$'''\n\x1ekey-0123abcd\nkey-deadbeef example\n";

/// Expressions of Go, and texts that they match.
const EXPRESSIONS: [&str; 4] = [
    "^[\\w-.]+@[^\\W\\d]$\x1ea-.b@c",
    "(?i-s:\\Qa.b\\E)[]a-c[:^alpha:]--]{2,3}\x1eA.b]-",
    "\\x{e4}\\xe4\\141\\pL\\P{^Greek}(?P<n>x{,3})\x1e\u{e4}\u{e4}ab\u{3b1}x{,3}",
    "\\<a\\>|\\bb\\z\x1e<a>",
];

static BUILT_IN: LazyLock<Rules> = LazyLock::new(Rules::builtin);

/// Texts with what looks like secrets. None of them is written down here as one.
fn secrets() -> Vec<Vec<u8>> {
    let letters = "a8Kd02LmQ9zXc7VbN4hT6yRw3Ep5Ug1Js0If".repeat(3);
    let key = format!(
        "-----BEGIN {0} KEY-----\n{1}\n{1}\n-----END {0} KEY-----\n",
        "PRIVATE",
        &letters[..64]
    );
    let token = format!("export GITHUB_TOKEN=gh{}_{}\n", "p", &letters[..36]);
    let cloud = format!(
        "aws_access_key_id = AKIA{}\naws_secret_access_key={}\n",
        "IOSFODNN7ABCDEFG",
        &letters[..40]
    );
    let url = format!(
        "https://user:{}@registry.example/v2/ password: \"{}\"\n",
        &letters[..20],
        &letters[3..23]
    );
    let docker =
        format!("{{\"auths\":{{\"registry.example\":{{\"auth\":\"{}==\"}}}}}}", &letters[..22]);
    let web = format!(
        "{{\"jwt\": \"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{}\"}}",
        &letters[..43]
    );
    [key, token, cloud, url, docker, web].map(String::into_bytes).to_vec()
}

/// Looks through a file. What was found lies in it.
fn scan(rules: &Rules, bytes: &[u8]) -> SecretReport {
    let mut scanner = SecretScanner::new(rules, SecretOptions::DEFAULT);
    let layer =
        layer(&[("etc/a", bytes), ("root/.docker/config.json", bytes), ("srv/id_rsa", bytes)]);
    scanner.layer(layer.as_slice()).expect("the layer is good");
    scanner.finish()
}

fn own_rules(bytes: &[u8]) -> bool {
    let report = scan(&BUILT_IN, bytes);
    assert_eq!(scan(&BUILT_IN, bytes).findings, report.findings, "it is not the same again");
    !report.findings.is_empty()
}

/// Compiles an expression for texts and for bytes, and looks for it.
fn expression(bytes: &[u8]) -> bool {
    let [source, searched] = pieces(bytes);
    let source = text(source);
    let (of_text, of_bytes) = (Pattern::for_text(&source), Pattern::parse(&source));
    for refused in [&of_text, &of_bytes].into_iter().filter_map(|one| one.as_ref().err()) {
        assert!(!refused.reason.is_empty(), "it is refused without a word");
    }
    // What is quoted is itself.
    if !source.contains("\\E") {
        let quoted = Pattern::parse(&format!("\\Q{source}\\E"));
        assert!(quoted.is_ok_and(|quoted| quoted.is_in(source.as_bytes())), "{source:?}");
    }
    let is_in = |pattern: &Pattern| pattern.is_in(text(searched).as_bytes());
    of_text.as_ref().is_ok_and(is_in) | of_bytes.as_ref().is_ok_and(is_in)
}

fn other_rules(bytes: &[u8]) -> bool {
    let [rules, searched] = pieces(bytes);
    let Ok(rules) = Rules::parse(&text(rules)) else { return false };
    rules.remarks();
    let count = rules.iter().count();
    scan(&rules, searched);
    count > 0
}
