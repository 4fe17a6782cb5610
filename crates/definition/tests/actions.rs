// SPDX-License-Identifier: Apache-2.0
//! Action files, and what steps say under `with`.

use std::collections::BTreeMap;

use hardpan_definition::{
    Action, Code, Diagnostic, InputValue, NoIncludes, Platform, Source, Step, Value,
    input_variable, parse, parse_action,
};

const GOOD: &str = "\
name: site/render
version: v1
description: Renders pages.
packages:
  - command: pandoc
    debian: [pandoc]
    alpine: [pandoc]
    if: inputs.format == \"pdf\" || inputs.pages
inputs:
  pages:
    type: list
    required: true
    description: The pages.
  format:
    type: string
    values: [html, pdf]
    default: html
    description: The format.
  output:
    type: path
    default: ${target.dir}/srv
    description: Where to.
  draft:
    type: bool
    aliases: [is_draft]
    default: false
    description: Whether drafts count.
  more:
    type: map
    description: More.
  any:
    type: json
    description: Anything.
environment:
  LANG: C
files:
  page.awk: |
    { print }
steps:
  - name: render
    if: \"!inputs.draft\"
    privileged: inputs.format == \"pdf\"
    work-dir: ${source.dir}/x
    environment:
      A: b
    runs: |
      echo \"${INPUT_OUTPUT}\" #{x}
";

fn read(text: &str) -> (Option<Action>, Vec<Diagnostic>) {
    parse_action(&Source::new("action.yaml", text))
}

fn good() -> Action {
    let (action, diagnostics) = read(GOOD);
    assert_eq!(diagnostics, []);
    action.expect("an action")
}

#[test]
fn a_good_file_is_understood() {
    let action = good();
    assert_eq!(action.reference(), "site/render@v1");
    assert_eq!(action.steps[0].runs, "echo \"${INPUT_OUTPUT}\" #{x}\n");
    assert_eq!(action.inputs["output"].default, Some(InputValue::Text("${target.dir}/srv".into())));
    assert_eq!(action.input("is_draft").map(|(name, _)| name), Some("draft"));
    assert_eq!(action.files["page.awk"], "{ print }\n");
    assert_eq!(input_variable("extra-args_x"), "INPUT_EXTRA_ARGS_X");
}

#[test]
fn mistakes_in_files_are_pointed_at() {
    // What is changed in the good file, the code, where it is, and a part of what is said.
    #[rustfmt::skip]
    let cases: &[(&str, &str, Code, &str, &str)] = &[
        ("name: site/render", "nam: site/render", Code::UnknownKey, "nam:", "nam"),
        ("name: site/render\n", "", Code::MissingKey, "", "has no `name`"),
        ("name: site/render", "name: site//render", Code::BadText, "site//render", "not the name of an action"),
        ("name: site/render", "name: ../x", Code::BadText, "../x", "not the name of an action"),
        ("version: v1", "version: v 1", Code::BadText, "v 1", "not the version"),
        ("version: v1", "version: a@b", Code::BadText, "a@b", "not the version"),
        ("description: Renders pages.", "description: \"\"", Code::EmptyValue, "\"\"", "is empty"),
        ("    type: list", "    type: lists", Code::UnknownValue, "lists", "unknown type"),
        ("    type: list\n    required: true\n", "    required: true\n", Code::MissingKey, "pages:", "has no `type`"),
        ("    required: true", "    required: 1", Code::WrongType, "1\n", "true or false"),
        ("  pages:\n", "  Pages:\n", Code::BadText, "Pages", "not the name of an input"),
        ("  more:\n", "  is-draft:\n", Code::Duplicate, "is-draft", "INPUT_IS_DRAFT"),
        ("    default: html", "    default: htm", Code::UnknownValue, "htm\n", "unknown value"),
        ("    default: false", "    default: [no]", Code::WrongType, "[no", "true or false"),
        ("    required: true", "    required: true\n    default: [a]", Code::Conflict, "default: [a]", "needs no `default`"),
        ("    aliases: [is_draft]", "    values: [a]", Code::Conflict, "values: [a]", "no meaning"),
        ("inputs.pages\n", "inputs.page\n", Code::UnknownName, "inputs.page\n", "no `inputs.page`"),
        ("\"!inputs.draft\"", "inputs.format", Code::ExpressionType, "inputs.format\n    priv", "needs a boolean"),
        ("\"!inputs.draft\"", "target.arch == \"x\"", Code::UnknownName, "target.arch", "no `target.arch`"),
        ("\"!inputs.draft\"", "true || inputs.format", Code::ExpressionType, "inputs.format\n    priv", "needs a boolean"),
        ("\"!inputs.draft\"", "inputs.draft &&", Code::BadExpression, "", "expected a value"),
        ("  LANG: C", "  INPUT_X: C", Code::BadEnvironmentName, "INPUT_X", "hardpan's own"),
        ("  LANG: C", "  1X: C", Code::BadEnvironmentName, "1X", "not the name"),
        ("  page.awk: |", "  ../page.awk: |", Code::BadPath, "../page.awk", "not the name of a file"),
        ("  - command: pandoc", "  - command: /bin/pandoc", Code::BadText, "/bin/pandoc", "not the name of a program"),
        ("    debian: [pandoc]\n    alpine: [pandoc]\n", "", Code::MissingKey, "command: pandoc", "some distribution"),
        ("debian: [pandoc]", "debian: [pandoc=1]", Code::BadPackage, "pandoc=1", "not the name of a package"),
        ("    work-dir: ${source.dir}/x", "    work-dir: /../x", Code::BadPath, "/../x", "has `..`"),
        ("    runs: |\n      echo \"${INPUT_OUTPUT}\" #{x}\n", "", Code::MissingKey, "name: render", "has no `runs`"),
        ("steps:\n", "steps: []\nx-steps:\n", Code::EmptyValue, "steps: []", "no step"),
    ];
    for (from, to, code, at, said) in cases {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        let (action, diagnostics) = read(&text);
        assert!(action.is_none(), "{to}: accepted");
        let changed = GOOD.find(from).expect("the place is there");
        let after = text[changed..].find(at).map(|start| changed + start);
        let start = if at.is_empty() { None } else { after.or_else(|| text.find(at)) };
        let hit = diagnostics.iter().any(|found| {
            found.code == *code
                && found.message.contains(said)
                && start.is_none_or(|start| {
                    found.span().is_some_and(|span| span.start as usize == start)
                })
        });
        assert!(hit, "{to:?}: expected {code} at {at:?}, found {diagnostics:#?}");
    }
    for text in ["", "- a\n", "a: [\n", "name: &x [*x]\n", "x\n"] {
        let (action, diagnostics) = read(text);
        assert!(action.is_none() && !diagnostics.is_empty(), "{text:?}");
    }
}

fn step(with: &str) -> (Step, String) {
    let text = format!(
        "# syntax=dhi.io/build:2-debian13\nimage: example.org/x\nvars:\n  V: \"1.2\"\ncontents:\n  builds:\n    - name: x\n      pipeline:\n        - uses: site/render@v1\n          with: {with}\n"
    );
    let parsed = parse(&Source::new("step.yaml", text.as_str()), &NoIncludes);
    let definition = parsed.render(Platform::LinuxAmd64).expect("a good definition");
    (definition.contents.builds[0].pipeline[0].value.clone(), text)
}

#[test]
fn values_are_of_their_types() {
    let action = good();
    let (step, _) = step(
        "{pages: one, output: -rf, is_draft: \"true\", more: {b: 1.30, a: \"${V}\"}, any: [{x: 1.30}], format: ~}",
    );
    let values = action.read_inputs(&step).expect("good inputs");
    let text = |text: &str| InputValue::Text(text.to_owned());
    let number = |text: &str| Value::Number(text.to_owned());
    let any = Value::List(vec![Value::Map(BTreeMap::from([("x".to_owned(), number("1.30"))]))]);
    let more = [("a", "1.2"), ("b", "1.30")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = BTreeMap::from([
        ("any", InputValue::Json(any)),
        ("draft", InputValue::Bool(true)),
        ("format", text("html")),
        ("more", InputValue::Map(BTreeMap::from(more))),
        ("output", text("./-rf")),
        ("pages", InputValue::List(vec!["one".to_owned()])),
    ]);
    assert_eq!(
        values,
        expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    );
    let condition = action.steps[0].condition.as_ref().expect("a condition");
    assert!(!condition.holds(&action, &values));
}

#[test]
fn mistakes_in_steps_are_pointed_at() {
    let action = good();
    #[rustfmt::skip]
    let cases: &[(&str, Code, &str, &str, &str)] = &[
        ("{}", Code::MissingKey, "site/render", "needs `pages`", "a list of strings"),
        ("{pages: ~}", Code::MissingKey, "pages", "is empty", ""),
        ("{pages: [a], page: b}", Code::UnknownKey, "page: b", "no input `page`", "did you mean `pages`?"),
        ("{pages: [a], zzzzzz: b}", Code::UnknownKey, "zzzzzz", "no input `zzzzzz`", "known are"),
        ("{pages: {a: b}}", Code::WrongType, "{a: b", "must be a list of strings, found a mapping", ""),
        ("{pages: [[a]]}", Code::WrongType, "[[a]]", "must be a string, found a list", ""),
        ("{pages: [\"a\\nb\"]}", Code::BadText, "[\"a", "line break", "item of its own"),
        ("{pages: a, format: pfd}", Code::UnknownValue, "pfd", "unknown value `pfd`", "did you mean `pdf`?"),
        ("{pages: a, output: \"\"}", Code::EmptyValue, "\"\"", "the path is empty", ""),
        ("{pages: a, output: \"a\\nb\"}", Code::BadPath, "\"a\\nb", "has the character", ""),
        ("{pages: a, draft: maybe}", Code::WrongType, "maybe", "must be true or false", ""),
        ("{pages: a, draft: true, is_draft: true}", Code::Conflict, "is_draft", "another spelling of `draft`", ""),
        ("{pages: a, more: [b]}", Code::WrongType, "[b", "must be a mapping of strings", ""),
        ("{pages: a, more: {\"a=b\": c}}", Code::BadText, "{\"a=b", "can't be a name", ""),
    ];
    for (with, code, at, said, help) in cases {
        let (step, text) = step(with);
        let diagnostics = action.read_inputs(&step).expect_err(with);
        let start = text.find(at).expect("the place is there");
        let hit = diagnostics.iter().any(|found| {
            found.code == *code
                && found.message.contains(said)
                && found.help.as_deref().unwrap_or_default().contains(help)
                && found.span().is_some_and(|span| span.start as usize == start)
        });
        assert!(hit, "{with}: expected {code} at {at:?}, found {diagnostics:#?}");
    }
    // All at once.
    let (step, _) = step("{page: b, draft: maybe}");
    assert_eq!(action.read_inputs(&step).expect_err("three mistakes").len(), 3);
    let long = format!("{{pages: a, format: {}}}", "x".repeat((64 << 10) + 1));
    let (step, _) = self::step(&long);
    assert_eq!(action.read_inputs(&step).expect_err("too long")[0].code, Code::Limit);
}
