// SPDX-License-Identifier: Apache-2.0
//! The documents of the OCI image specification.
//!
//! Unknown fields are ignored when read, as the specification asks; what others wrote is passed on
//! by its bytes ([`crate::Raw`]), so nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::json::DocumentError;
use crate::{Platform, media_type};

/// The most manifests that an index may name.
pub const MANIFESTS_MAX: usize = 1_000;
/// The most layers that an image may have: what Docker's storage can stack.
pub const LAYERS_MAX: usize = 127;

/// Names a blob (OCI image specification, "Content Descriptors").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    #[serde(rename = "size")]
    pub size_bytes: u64,
    /// What it is for, in an artifact's manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What runs it, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Names a blob by type, digest and length alone.
    pub fn new(media_type: &str, digest: Digest, size_bytes: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size_bytes,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// An image manifest (OCI image specification, "Image Manifest").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::MANIFEST`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// What an artifact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// An image index (OCI image specification, "Image Index").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// [`media_type::INDEX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// What an artifact is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// Makes an index of manifests.
    pub fn new(manifests: Vec<Descriptor>, annotations: BTreeMap<String, String>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(media_type::INDEX.to_owned()),
            artifact_type: None,
            manifests,
            subject: None,
            annotations,
        }
    }
}

/// An image configuration (OCI image specification, "Image Configuration").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When the image was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The processor.
    pub architecture: String,
    /// The operating system.
    pub os: String,
    /// The processor's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// How it runs.
    #[serde(default)]
    pub config: ContainerConfig,
    /// What it is made of.
    pub rootfs: RootFs,
    /// How it was made: one entry for each layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
}

impl ImageConfig {
    /// Returns the platform.
    pub fn platform(&self) -> Platform {
        Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            variant: self.variant.clone(),
        }
    }
}

/// How a container of the image runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// `uid:gid` or names. Numbers should have both: a bare uid without a passwd entry runs in
    /// group 0.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// `8080/tcp`.
    #[serde(default, with = "set", skip_serializing_if = "BTreeSet::is_empty")]
    pub exposed_ports: BTreeSet<String>,
    /// `NAME=value`, in order.
    #[serde(default, with = "list", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The program and its first arguments.
    #[serde(default, with = "list", skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// The arguments, unless others are given.
    #[serde(default, with = "list", skip_serializing_if = "Vec::is_empty")]
    pub cmd: Vec<String>,
    /// Paths whose content outlives the container.
    #[serde(default, with = "set", skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// Where it starts.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Names and values for people and programs.
    #[serde(default, with = "map", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops it: `SIGTERM`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// How a runtime finds out whether the container is well. The OCI image specification has none: it is read from
    /// images of others and never written.
    #[serde(default, skip_serializing)]
    pub healthcheck: Option<HealthCheck>,
    /// The shell of the health check's text; empty is `/bin/sh -c`. Read and never written, too.
    #[serde(default, with = "list", skip_serializing)]
    pub shell: Vec<String>,
    /// Instructions for a build on the image. Read and never written, too.
    #[serde(default, with = "list", skip_serializing)]
    pub on_build: Vec<String>,
}

/// How a runtime finds out whether a container is well: the part of it that names a program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HealthCheck {
    /// `CMD` and a program with its arguments, `CMD-SHELL` and a text for the shell, `NONE`, or nothing.
    #[serde(default, with = "list")]
    pub test: Vec<String>,
}

/// The layers' contents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Digests of the uncompressed layers, the lowest first.
    pub diff_ids: Vec<Digest>,
}

/// What made a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct History {
    /// When, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether no layer belongs to this entry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// Documents that can be checked beyond their shape.
pub trait Document {
    /// Returns what is wrong with the values, if anything is.
    fn check(&self) -> Result<(), DocumentError>;
}

fn check_header(
    schema_version: u32,
    media_type: Option<&str>,
    is_right: fn(&str) -> bool,
) -> Result<(), DocumentError> {
    if schema_version != 2 {
        return Err(DocumentError::Invalid(format!("schemaVersion is {schema_version}, not 2")));
    }
    match media_type {
        Some(other) if !is_right(other) => {
            Err(DocumentError::Invalid(format!("mediaType is {other:?}")))
        }
        _ => Ok(()),
    }
}

impl Document for Manifest {
    fn check(&self) -> Result<(), DocumentError> {
        check_header(self.schema_version, self.media_type.as_deref(), media_type::is_manifest)?;
        if self.layers.len() > LAYERS_MAX {
            let count = self.layers.len();
            return Err(DocumentError::Invalid(format!("{count} layers, more than {LAYERS_MAX}")));
        }
        Ok(())
    }
}

impl Document for Index {
    fn check(&self) -> Result<(), DocumentError> {
        check_header(self.schema_version, self.media_type.as_deref(), media_type::is_index)?;
        if self.manifests.len() > MANIFESTS_MAX {
            let count = self.manifests.len();
            let reason = format!("{count} manifests, more than {MANIFESTS_MAX}");
            return Err(DocumentError::Invalid(reason));
        }
        Ok(())
    }
}

impl Document for ImageConfig {
    fn check(&self) -> Result<(), DocumentError> {
        if self.rootfs.kind != "layers" {
            return Err(DocumentError::Invalid(format!("rootfs.type is {:?}", self.rootfs.kind)));
        }
        let layers = self.rootfs.diff_ids.len();
        if layers > LAYERS_MAX {
            return Err(DocumentError::Invalid(format!("{layers} layers, more than {LAYERS_MAX}")));
        }
        let told = self.history.iter().filter(|entry| !entry.empty_layer).count();
        if !self.history.is_empty() && told != layers {
            let reason = format!("history tells of {told} layers, rootfs of {layers}");
            return Err(DocumentError::Invalid(reason));
        }
        Ok(())
    }
}

/// A set, written as an object with empty values; `null` is empty.
mod set {
    use std::collections::{BTreeMap, BTreeSet};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// How the specification writes members of a set.
    #[derive(Serialize)]
    struct Present {}

    pub(super) fn serialize<S: Serializer>(
        items: &BTreeSet<String>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_map(items.iter().map(|item| (item, Present {})))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeSet<String>, D::Error> {
        let items = Option::<BTreeMap<String, serde_json::Value>>::deserialize(input)?;
        Ok(items.unwrap_or_default().into_keys().collect())
    }
}

/// A text; `null`, as which Go reads it, is empty.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// A list; `null`, which Docker writes, is empty.
mod list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(items: &[String], out: S) -> Result<S::Ok, S::Error> {
        items.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<String>, D::Error> {
        Ok(Option::deserialize(input)?.unwrap_or_default())
    }
}

/// A map; `null`, which Docker writes, is empty.
mod map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        items: &BTreeMap<String, String>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        items.serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeMap<String, String>, D::Error> {
        Ok(Option::deserialize(input)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_as_if_nothing_were_there() {
        let names = [
            "User",
            "ExposedPorts",
            "Env",
            "Entrypoint",
            "Cmd",
            "Volumes",
            "WorkingDir",
            "Labels",
            "StopSignal",
            "Healthcheck",
            "Shell",
            "OnBuild",
        ];
        for name in names {
            let text = format!("{{\"{name}\":null}}");
            let read: ContainerConfig = serde_json::from_str(&text).unwrap();
            assert_eq!(read, ContainerConfig::default(), "{name}");
            // Anything else than what belongs there is refused.
            let text = format!("{{\"{name}\":17}}");
            assert!(serde_json::from_str::<ContainerConfig>(&text).is_err(), "{name}");
        }
    }
}
