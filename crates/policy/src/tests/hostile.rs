// SPDX-License-Identifier: Apache-2.0
//! Policies that never end, are too deep, too large, or write too much.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{module, settings};
use crate::{Decision, MODULE_BYTES_MAX, RegoError, Settings, decide};

/// Decides within a second: what never ends does not, and what is refused is refused before it runs.
fn hurried(text: &str) -> Result<Vec<Decision>, RegoError> {
    within(Duration::from_secs(1), text)
}

/// Decides on a stack that is larger than that of tests: who runs policies gives them one.
fn within(time_max: Duration, text: &str) -> Result<Vec<Decision>, RegoError> {
    let text = text.to_owned();
    let run = move || {
        let settings = Settings { time_max, ..settings() };
        decide(&[module("p.rego", &text)], &json!({"image": {}}), &settings)
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap()
}

#[test]
fn what_never_ends_is_ended() {
    let start = Instant::now();
    for text in [
        // A thousand million pairs.
        "package a\nallow if {\n count([1 | some i in numbers.range(1, 30000); some j in numbers.range(1, 30000); i * j == 7]) > 100\n}",
        "package a\nallow if {\n some a in numbers.range(1, 2000)\n some b in numbers.range(1, 2000)\n some c in numbers.range(1, 2000)\n a + b + c < 0\n}",
    ] {
        let error = hurried(text).unwrap_err();
        assert!(matches!(error, RegoError::Time { .. }), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn recursion_is_an_error() {
    for text in [
        "package a\nallow if b\nb if allow",
        "package a\nf(x) := f(x)\nallow if f(1)",
        "package a\nf(x) := g(x + 1)\ng(x) := f(x + 1)\nallow if f(1) == 2",
        "package a\nallow if data.a.allow",
        "package a\nimport data.a as b\nf(x) := b.f(x)\nallow if f(1)",
        "package a\nf(x) := [y | some z in x; y := f(z)]\nallow if f([1])",
        "package a\nf(x) if { every y in x { not r[y] } }\nr contains y if f(y)\nallow if f([1])",
    ] {
        let error = hurried(text).unwrap_err();
        assert!(matches!(error, RegoError::Recursive(_)), "{text}: {error}");
    }
    // Names that only look alike.
    for text in [
        "package a\nf(allow) := allow\nallow if f(true)",
        "package a\nf(x) := x.f\nallow if f({\"f\": true})",
        "package a\nf(x) := g(x)\ng(x) := x\nallow if f(g(true))",
        "package a\nallow if input.allow != data.b.allow",
        "package a\nf(1) := 1\nf(2) := 2\nallow if f(f(1)) == 1",
    ] {
        let result = hurried(text);
        assert!(!matches!(result, Err(RegoError::Recursive(_))), "{text}: {result:?}");
    }
}

#[test]
fn depth_and_size_have_limits() {
    let deep = |open: &str, close: &str| {
        format!("package a\nallow if {}1{} == 1", open.repeat(5_000), close.repeat(5_000))
    };
    for text in [
        deep("(", ")"),
        deep("[", "]"),
        deep("{\"a\": ", "}"),
        format!("package a\nallow if {}true", "not ".repeat(5_000)),
        format!("package a\nallow := {}1", "-".repeat(5_000)),
        format!("package a\nallow if {} == 1", vec!["1"; 50_000].join("+\n")),
        format!("package {}\nallow := true", vec!["a"; 5_000].join(".")),
    ] {
        assert!(hurried(&text).is_err(), "{}", &text[..60]);
    }
    let large = format!("package a\nallow := true\n#{}", "x".repeat(MODULE_BYTES_MAX));
    assert!(matches!(hurried(&large), Err(RegoError::TooLarge { .. })));
}

#[test]
fn outputs_are_cut() {
    let reasons = "package a\ndeny contains msg if { some i in numbers.range(1, 3000); msg := sprintf(\"%d %s\", [i, concat(\"\", [\"x\" | some j in numbers.range(1, 5000)])]) }";
    let many = "package a\ndeny contains msg if { some i in numbers.range(1, 3000); msg := sprintf(\"%d\", [i]) }";
    let decided = within(Duration::from_mins(1), many).unwrap();
    assert_eq!((decided[0].allow, decided[0].reasons.len()), (false, 1_000));
    if let Ok(decided) = hurried(reasons) {
        assert!(decided[0].reasons.iter().all(|reason| reason.len() <= 2_000));
    }
    let prints = "package a\nallow if { every i in numbers.range(1, 5000) { print(\"a line of thirty-two characters\", i) } }";
    let decided = within(Duration::from_mins(1), prints).unwrap();
    let printed: usize = decided[0].printed.iter().map(String::len).sum();
    assert!(decided[0].allow && printed <= 64 << 10, "{printed}");
}
