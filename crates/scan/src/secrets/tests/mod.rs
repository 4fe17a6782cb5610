// SPDX-License-Identifier: Apache-2.0
//! Rules, files of rules, and whole images in memory.
//!
//! Nothing here looks like a secret: what does is put together when a test runs.

mod files;
mod images;
mod own;

use super::*;

/// Fills in a template: `<a36>` are 36 letters and digits, `h` hexadecimal digits, `d` digits, `l` letters, `u` capitals and
/// digits, `s` small letters and digits, `z` capitals and `2` to `7`, `b` letters, digits, `+` and `/`. The same each time, and
/// as random as secrets are.
fn fill(template: &str) -> String {
    let mut out = String::new();
    let mut state: u64 = 0x5eed;
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let spec = after.split_once('>').filter(|(spec, _)| {
            spec.len() > 1 && spec[1..].bytes().all(|byte| byte.is_ascii_digit())
        });
        let Some((spec, after)) = spec else {
            out.push('<');
            rest = after;
            continue;
        };
        let alphabet: Vec<char> = match &spec[..1] {
            "a" => ('0'..='9').chain('a'..='z').chain('A'..='Z').collect(),
            "h" => ('0'..='9').chain('a'..='f').collect(),
            "d" => ('0'..='9').collect(),
            "l" => ('a'..='z').chain('A'..='Z').collect(),
            "u" => ('0'..='9').chain('A'..='Z').collect(),
            "s" => ('0'..='9').chain('a'..='z').collect(),
            "z" => ('2'..='7').chain('A'..='Z').collect(),
            "b" => ('0'..='9').chain('a'..='z').chain('A'..='Z').chain(['+', '/']).collect(),
            other => panic!("no alphabet {other}"),
        };
        for _ in 0..spec[1..].parse::<usize>().unwrap() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            out.push(alphabet[usize::try_from(state >> 33).unwrap() % alphabet.len()]);
        }
        rest = after;
    }
    out + rest
}

/// Makes a layer. A path with a slash at its end is a directory, `a -> b` a link, `a = b` a hard link.
fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    crate::catalog::tests::tar(entries)
}

/// Looks through layers, the lowest first.
fn scan(rules: &Rules, layers: &[Vec<u8>]) -> SecretReport {
    scan_within(rules, layers, SecretOptions::DEFAULT)
}

fn scan_within(rules: &Rules, layers: &[Vec<u8>], options: SecretOptions) -> SecretReport {
    let mut scanner = SecretScanner::new(rules, options);
    for layer in layers {
        scanner.layer(layer.as_slice()).unwrap();
    }
    scanner.finish()
}

/// Returns the rules that find something in a file.
fn found(rules: &Rules, path: &str, text: &str) -> Vec<String> {
    let report = scan(rules, &[tar(&[(path, text.as_bytes())])]);
    report.findings.iter().map(|finding| finding.rule.clone()).collect()
}
