// SPDX-License-Identifier: Apache-2.0
//! What an image says of itself: its configuration.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{ExpectedValue, MetadataTest};
use hardpan_image::ContainerConfig;
use hardpan_scan::re2::Pattern;

/// A metadata test with its expressions compiled.
#[derive(Debug, Clone)]
pub(super) struct MetadataCase {
    pub(super) test: MetadataTest,
    pub(super) environment: Vec<Value>,
    pub(super) labels: Vec<Value>,
}

/// What a variable or label has as its value.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) expected: ExpectedValue,
    /// Where an expression is meant.
    pub(super) pattern: Option<Pattern>,
}

impl MetadataCase {
    /// Returns what is not as it should be.
    pub(super) fn check(
        &self,
        config: &ContainerConfig,
        environment: &BTreeMap<String, String>,
    ) -> Vec<String> {
        let test = &self.test;
        let mut wrong = values("variable", &self.environment, environment);
        for name in &test.unset {
            if let Some(value) = environment.get(name) {
                wrong.push(format!("the variable {name} is set, to {value:?}"));
            }
        }
        wrong.extend(values("label", &self.labels, &config.labels));
        for (what, expected, actual) in
            [("entrypoint", &test.entrypoint, &config.entrypoint), ("cmd", &test.cmd, &config.cmd)]
        {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != actual) {
                wrong.push(format!("{what} is {actual:?}, not {expected:?}"));
            }
        }
        for (what, expected, actual) in
            [("workdir", &test.work_dir, &config.working_dir), ("user", &test.user, &config.user)]
        {
            if let Some(expected) = expected.as_ref().filter(|expected| *expected != actual) {
                wrong.push(format!("{what} is {actual:?}, not {expected:?}"));
            }
        }
        let is_exposed = |port: &str| is_exposed(port, &config.exposed_ports);
        let is_volume = |path: &str| config.volumes.contains(path);
        wrong.extend(missing("port", &test.exposed_ports, is_exposed));
        wrong.extend(there("port", &test.unexposed_ports, is_exposed));
        wrong.extend(missing("volume", &test.volumes, is_volume));
        wrong.extend(there("volume", &test.unmounted_volumes, is_volume));
        wrong
    }
}

fn values(what: &str, expected: &[Value], actual: &BTreeMap<String, String>) -> Vec<String> {
    let check = |value: &Value| {
        let ExpectedValue { key, value: text, .. } = &value.expected;
        let Some(actual) = actual.get(key) else {
            return Some(format!("the {what} {key} is not set"));
        };
        match &value.pattern {
            Some(pattern) if pattern.is_in(actual.as_bytes()) => None,
            Some(_) => {
                let text = &text.value;
                Some(format!("the {what} {key} is {actual:?}, which {text:?} does not match"))
            }
            None if *actual == text.value => None,
            None => Some(format!("the {what} {key} is {actual:?}, not {:?}", text.value)),
        }
    };
    expected.iter().filter_map(check).collect()
}

/// Whether a port is named. Without a protocol any will do, as in the original.
fn is_exposed(port: &str, exposed: &BTreeSet<String>) -> bool {
    let is_it = |own: &String| {
        let number = own.split_once('/').map_or(own.as_str(), |(number, _)| number);
        own == port || number == port || port.strip_suffix("/tcp") == Some(own)
    };
    exposed.iter().any(is_it)
}

fn missing(what: &str, names: &[String], is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let missing = names.iter().filter(|name| !is_there(name));
    missing.map(|name| format!("the image does not name the {what} {name}")).collect()
}

fn there(what: &str, names: &[String], is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let there = names.iter().filter(|name| is_there(name));
    there.map(|name| format!("the image names the {what} {name}")).collect()
}
