// SPDX-License-Identifier: Apache-2.0

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::data::DataFile;
use crate::source::Source;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[derive(Default)]
struct Whole {
    names: BTreeSet<String>,
    days: Option<u32>,
    small: u8,
    is_strict: bool,
    word: Option<Word>,
    rules: Vec<Rule>,
    other: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    Required,
    NeverMind,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(default, alias = "levels")]
    level: Option<u8>,
}

fn read(text: &str) -> Result<Whole, String> {
    let sources = [Source::new("p.yaml", text)];
    let file = DataFile::parse(&sources[0]).expect(text);
    file.decode("the policy").map_err(|diagnostic| diagnostic.render_plain(&sources))
}

#[test]
fn what_fits_is_read() {
    let text = "names: [a, '1']\ndays: 0x10\nsmall: 255\nis-strict: true\nword: never-mind\nrules:\n- name: \"x\"\n  level: 3\nother: {k: v}\n";
    let whole = read(text).unwrap();
    assert_eq!((whole.days, whole.small, whole.is_strict), (Some(16), 255, true));
    assert_eq!(whole.names, ["1".to_owned(), "a".to_owned()].into());
    assert_eq!(whole.rules, [Rule { name: "x".to_owned(), level: Some(3) }]);
    assert_eq!((whole.word, &*whole.other["k"]), (Some(Word::NeverMind), "v"));
    assert_eq!(read("{}").unwrap(), Whole::default());
}

/// What does not fit, and what is said of it.
const MISFITS: &[(&str, &str)] = &[
    (
        "",
        "1:1: error[wrong-type]: the policy must be a mapping, found nothing\n  help: known keys are days, is-strict, names, other, rules, small, word",
    ),
    (
        "[a]",
        "1:1: error[wrong-type]: the policy must be a mapping, found a list\n  help: known keys are days, is-strict, names, other, rules, small, word",
    ),
    (
        "a: 1",
        "1:1: error[unknown-key]: the policy has no key `a`\n  help: known keys are days, is-strict, names, other, rules, small, word",
    ),
    (
        "days: 1\nrule: []",
        "2:1: error[unknown-key]: the policy has no key `rule`\n  help: did you mean `rules`?",
    ),
    ("names: a", "1:8: error[wrong-type]: `names` must be a list, found a string"),
    ("names: {a: b}", "1:1: error[wrong-type]: `names` must be a list, found a mapping"),
    (
        "names:\n- a\n- 1.30",
        "3:3: error[wrong-type]: an entry of `names` must be a string, found a number\n  help: write it in quotes: '1.30'",
    ),
    ("names: [[a]]", "1:9: error[wrong-type]: an entry of `names` must be a string, found a list"),
    (
        "days: -1",
        "1:7: error[wrong-type]: `days` must be a whole number from 0 to 4294967295, found -1",
    ),
    (
        "days: 1.5",
        "1:7: error[wrong-type]: `days` must be a whole number from 0 to 4294967295, found 1.5",
    ),
    (
        "days: seven",
        "1:7: error[wrong-type]: `days` must be a whole number from 0 to 4294967295, found a string",
    ),
    (
        "days:",
        "1:1: error[wrong-type]: `days` must be a whole number from 0 to 4294967295, found nothing",
    ),
    (
        "small: 256",
        "1:8: error[wrong-type]: `small` must be a whole number from 0 to 255, found 256",
    ),
    (
        "is-strict: yes",
        "1:12: error[wrong-type]: `is-strict` must be true or false, found a string",
    ),
    (
        "word: true",
        "1:7: error[wrong-type]: `word` must be one of `required`, `never-mind`, found a boolean",
    ),
    (
        "word: {required: 1}",
        "1:1: error[wrong-type]: `word` must be one of `required`, `never-mind`, found a mapping",
    ),
    (
        "word: requird",
        "1:7: error[unknown-value]: `word` must be one of `required`, `never-mind`, found `requird`\n  help: did you mean `required`?",
    ),
    (
        "rules: [x]",
        "1:9: error[wrong-type]: an entry of `rules` must be a mapping, found a string\n  help: known keys are level, levels, name",
    ),
    ("rules:\n- level: 1", "2:3: error[missing-key]: an entry of `rules` must have the key `name`"),
    (
        "rules:\n- name: a\n  nam: b",
        "3:3: error[unknown-key]: an entry of `rules` has no key `nam`\n  help: did you mean `name`?",
    ),
    (
        "rules:\n- {name: a, level: 1, levels: 2}",
        "2:3: error[duplicate-key]: an entry of `rules` has the key `level` twice, once by another name",
    ),
    ("other: {k: [v]}", "1:9: error[wrong-type]: `k` must be a string, found a list"),
];

#[test]
fn what_does_not_fit_is_said_in_words() {
    for (text, expected) in MISFITS {
        assert_eq!(read(text).unwrap_err(), format!("p.yaml:{expected}"), "{text}");
    }
}

#[test]
fn pointers_lead_to_places() {
    let text = "a: 1\nb:\n- c: x\n- d: [y]\ne/f:\n";
    let source = Source::new("p.yaml", text);
    let file = DataFile::parse(&source).unwrap();
    for (pointer, at) in [
        ("", (1, 1)),
        ("/a", (1, 4)),
        ("/b", (2, 1)),
        ("/b/0", (3, 3)),
        ("/b/0/c", (3, 6)),
        ("/b/1/d", (4, 3)),
        ("/b/1/d/0", (4, 7)),
        ("/b/1/d/7", (4, 3)),
        ("/b/9", (2, 1)),
        ("/e~1f", (5, 1)),
        ("/z/a", (1, 1)),
    ] {
        let span = file.span_of(pointer);
        assert_eq!(source.line_column(span.range().start), at, "{pointer}");
    }
}
