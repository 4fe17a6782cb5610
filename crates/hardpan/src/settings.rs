// SPDX-License-Identifier: Apache-2.0
//! How the image runs, and what it says of itself: configuration, labels, annotations.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::Definition;
use hardpan_image::{ContainerConfig, ImageSettings, Platform};

use crate::built::Substitute;

/// Where programs are looked for in an image that does not say so itself.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What hardpan's own labels begin with.
pub const LABEL_PREFIX: &str = "dev.hardpan.";

/// Returns the user that the image runs as, in numbers: a runtime needs no passwd file for it, and
/// without the group it would take group 0.
pub(crate) fn user(definition: &Definition) -> String {
    match definition.accounts.run_as_ids() {
        Some(ids) => format!("{}:{}", ids.uid, ids.gid),
        None => "0:0".to_owned(),
    }
}

/// Returns the image's environment: the packages' own, then the definition's, with `${NAME}` of
/// other variables put in.
pub(crate) fn environment(
    definition: &Definition,
    packages: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    environment.extend(packages.iter().map(|(name, value)| (name.clone(), value.clone())));
    for (name, value) in &definition.environment {
        let mut text = value.value.clone();
        for (known, before) in environment.clone() {
            text = text.replace(&format!("${{{known}}}"), &before);
        }
        environment.insert(name.clone(), text);
    }
    environment
}

/// Returns everything of the image but its layers. `measured` are labels taken from the finished tree.
pub(crate) fn image_settings(
    definition: &Definition,
    name_in_catalog: &str,
    environment: &BTreeMap<String, String>,
    measured: &BTreeMap<&'static str, String>,
    network_steps: &[String],
    substitutes: &[Substitute],
    epoch: i64,
) -> ImageSettings {
    let mut labels = own_labels(definition, name_in_catalog);
    let mut label = |name: &str, value: String| {
        labels.insert(format!("{LABEL_PREFIX}{name}"), value);
    };
    if !network_steps.is_empty() {
        label("network-steps", network_steps.join(", "));
    }
    if !substitutes.is_empty() {
        let wanted: BTreeSet<&str> = substitutes.iter().map(|one| one.wanted.as_str()).collect();
        label("substitutes", wanted.into_iter().collect::<Vec<_>>().join(", "));
    }
    for (name, value) in measured {
        labels.insert(format!("{LABEL_PREFIX}{name}"), value.clone());
    }
    labels.insert(format!("{LABEL_PREFIX}user"), user(definition));
    // What a definition says of itself stands, but for what hardpan measured.
    for (name, value) in &definition.labels {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let config = ContainerConfig {
        user: user(definition),
        exposed_ports: definition.ports.iter().map(|port| port.value.to_string()).collect(),
        env: environment.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        entrypoint: definition.entrypoint.clone(),
        cmd: definition.cmd.clone(),
        working_dir: definition.work_dir.as_ref().map_or("/", |dir| dir.value.as_str()).to_owned(),
        labels,
        stop_signal: definition.stop_signal.as_ref().map_or("", |signal| &signal.value).to_owned(),
        ..ContainerConfig::default()
    };
    ImageSettings {
        platform: Platform::linux(definition.platform.architecture()),
        epoch,
        config,
        annotations: definition.annotations.clone(),
    }
}

fn own_labels(definition: &Definition, name_in_catalog: &str) -> BTreeMap<String, String> {
    let text = |value: &Option<hardpan_definition::Spanned<String>>| {
        value.as_ref().map_or_else(String::new, |value| value.value.clone())
    };
    let mut labels = BTreeMap::new();
    let mut label = |name: &str, value: String| {
        labels.insert(format!("{LABEL_PREFIX}{name}"), value);
    };
    label("definition", name_in_catalog.to_owned());
    label("name", definition.image.value.clone());
    label("title", text(&definition.name));
    label("variant", definition.variant.name().to_owned());
    label("flavor", text(&definition.flavor));
    label("distro", definition.syntax.distribution.to_string());
    if let Some(version) = definition.vars.get("VERSION") {
        label("version", version.value.clone());
    }
    for (name, date) in [
        ("date.release", &definition.dates.release),
        ("date.end-of-life", &definition.dates.end_of_life),
        ("date.end-of-support", &definition.dates.end_of_support),
    ] {
        if date.is_some() {
            label(name, text(date));
        }
    }
    labels
}
