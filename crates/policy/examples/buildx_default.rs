// SPDX-License-Identifier: Apache-2.0
//! Runs the policy that buildx has built in, unchanged, on images with and without the signatures that it asks for.
//!
//! Its text is Docker's, and not in this repository: give the folder `policy` of buildx's source, with `default.rego` and
//! `builtins.rego`.
//!
//!     cargo run -p hardpan-policy --example buildx_default -- ../buildx/policy
#![allow(clippy::print_stdout, reason = "this is what it prints")]

#[path = "../src/tests/buildx_inputs.rs"]
mod buildx_inputs;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use buildx_inputs::{of, signature};
use hardpan_policy::{Module, Settings, decide};
use serde_json::{Value, json};

/// The start of 2026, in nanoseconds.
const NOW_NANOSECONDS: i64 = 1_767_225_600_000_000_000;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).context("name the folder with default.rego")?;
    let folder = PathBuf::from(folder);
    let read = |name: &str| -> anyhow::Result<Module> {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("{} can't be read", path.display()))?;
        Ok(Module { name: name.to_owned(), text })
    };
    let (policy, helpers) = (read("default.rego")?, read("builtins.rego")?);
    // With our helpers, and with buildx's own beside them.
    let both = [vec![policy.clone()], vec![policy, helpers]];
    let cases = cases();
    let settings = Settings {
        now_nanoseconds: NOW_NANOSECONDS,
        time_max: Duration::from_secs(5),
        files: Arc::new(|_| Err("it has no files".to_owned())),
    };
    let needs = "is not allowed by default policy: a verified docker-github-builder signature";
    for modules in &both {
        for (input, expected) in &cases {
            let decided = decide(modules, input, &settings)?;
            let [one] = decided.as_slice() else { anyhow::bail!("not one decision: {decided:?}") };
            ensure!(one.allow == *expected, "{input}: {:?}", one.reasons);
            ensure!(one.allow == one.reasons.is_empty(), "{input}: {:?}", one.reasons);
            ensure!(one.reasons.iter().all(|reason| reason.contains(needs)), "{:?}", one.reasons);
        }
    }
    println!("{} inputs, each with {} sets of helpers", cases.len(), both.len());
    Ok(())
}

/// Images, and whether the policy allows them.
fn cases() -> Vec<(Value, bool)> {
    let kit = |tag: &str| (format!("refs/tags/dockerfile/{tag}"), "moby/buildkit");
    let (front, next) = ("docker.io/docker/dockerfile", "docker.io/docker/dockerfile-upstream");
    let mut cases: Vec<(Value, bool)> = vec![
        (json!({"http": {"url": "https://a.example/a"}}), true),
        (of("docker.io/library/alpine", "latest", &[]), true),
        (json!({"image": {"fullRepo": front, "ref": "a", "isCanonical": true}}), true),
        (of(front, "1.20.0", &[]), true),
        (
            of(front, "1.21.0", &[signature("docker/dockerfile", "refs/tags/dockerfile/1.21.0")]),
            false,
        ),
        (of(front, "1.21.0", &[signature("moby/buildkit", "refs/tags/1.21.0")]), false),
        (of(next, "master", &[signature("moby/buildkit", "refs/heads/master")]), true),
    ];
    for tag in ["1.21.0", "1.21", "1", "2", "latest", "labs", "master", "1-labs", "1.21.0-labs"] {
        cases.push((of(front, tag, &[]), false));
        cases.push((of(next, tag, &[]), false));
    }
    for (tag, signed, expected) in [
        ("1.21.0", "1.21.0", true),
        ("1.21", "1.21.0", true),
        ("1", "1.30.2", true),
        ("latest", "1.30.0", true),
        ("1.21.0-labs", "1.21.0-labs", true),
        ("1.21-labs", "1.21.0-labs", true),
        ("1-labs", "1.21.0-labs", true),
        ("labs", "1.21.0-labs", true),
        ("1-labs", "1.21.0", false),
        ("1.21.0-labs", "1.22.0-labs", false),
        ("1.21.0", "1.22.0", false),
        ("1.22", "1.23.0", false),
    ] {
        let (reference, repository) = kit(signed);
        cases.push((of(front, tag, &[signature(repository, &reference)]), expected));
    }
    cases
}
