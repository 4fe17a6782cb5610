// SPDX-License-Identifier: Apache-2.0
//! Building a catalog's definitions with the command that users call.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hardpan::Project;
use hardpan::definition::{Definition, Platform};
use serde_json::Value;

use super::tools::{attempt, tell};

const PLATFORM: &str = "linux/amd64";

/// A folder of definitions that may be written to: locks go beside definitions.
pub(crate) struct Catalog {
    root: PathBuf,
}

/// An image that was built.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) image_id: String,
    /// As in the image's configuration.
    pub(crate) user: String,
    pub(crate) warnings: Vec<String>,
    /// Steps that had the network, as `stage/step`.
    pub(crate) network_steps: Vec<String>,
    /// What stands in for what, as `WANTED: USED`.
    pub(crate) substitutes: Vec<String>,
    /// Packages of the lock with their versions.
    pub(crate) packages: BTreeMap<String, String>,
}

impl Catalog {
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Copies a catalog without its locks.
    pub(crate) fn copy_of(source: &Path, root: &Path) -> Self {
        copy(source, root);
        Self::at(root)
    }

    pub(crate) fn path(&self, definition: &str) -> PathBuf {
        self.root.join(format!("{definition}.yaml"))
    }

    /// Returns a definition as it is for the platform of the tests.
    pub(crate) fn definition(&self, definition: &str) -> Definition {
        let platform: Platform = PLATFORM.parse().unwrap();
        let project = Project::open(&self.path(definition), &[platform])
            .unwrap_or_else(|error| panic!("{definition}: {error}"));
        project.any_definition().clone()
    }

    /// Returns a command with a definition and the store of all tests, up to but without options.
    pub(crate) fn hardpan(&self, command: &str, definition: &str) -> Command {
        let mut hardpan = Command::new(env!("CARGO_BIN_EXE_hardpan"));
        hardpan.args([command, "--store"]);
        hardpan.arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("runs-store"));
        hardpan.arg(self.path(definition));
        hardpan
    }

    /// Builds a docker archive from the real package archive.
    pub(crate) fn build(&self, definition: &str, archive: &Path) -> Built {
        let path = self.path(definition);
        let options = ["--json", "--platform", PLATFORM, "--docker-archive"];
        let output = attempt(self.hardpan("build", definition).args(options).arg(archive)).ok();
        let output: Value = serde_json::from_str(&output).unwrap();
        let built = &output["built"];
        let platform = &built["platforms"][0];
        let image_id = text(&platform["image-id"]).trim_start_matches("sha256:").to_owned();
        let remarks = platform["remarks"].as_array().unwrap().iter();
        let remarks = remarks
            .filter(|remark| text(&remark["severity"]) == "warn")
            .map(|remark| format!("{}: {}", text(&remark["control"]), text(&remark["message"])));
        let own = platform["warnings"].as_array().unwrap().iter().map(|w| text(w).to_owned());
        let warnings: Vec<String> = own.chain(remarks).collect();
        tell(&format!(
            "{definition}: {} packages, {} bytes compressed, {} bytes unpacked, {} warnings",
            platform["packages"],
            platform["compressed-size-bytes"],
            platform["size-bytes"],
            warnings.len(),
        ));
        let accounts = self.definition(definition).accounts;
        let user = accounts.run_as_ids().map(|ids| format!("{}:{}", ids.uid, ids.gid));
        Built {
            name: text(&built["names"][0]).to_owned(),
            image_id,
            user: user.unwrap_or_default(),
            warnings,
            network_steps: list(&platform["network-steps"], |step| text(step).to_owned()),
            substitutes: list(&platform["substitutes"], |one| {
                format!("{}: {}", text(&one["wanted"]), text(&one["used"]))
            }),
            packages: locked(&path),
        }
    }
}

fn list(value: &Value, item: impl Fn(&Value) -> String) -> Vec<String> {
    value.as_array().unwrap().iter().map(item).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

fn locked(definition: &Path) -> BTreeMap<String, String> {
    let mut path = definition.as_os_str().to_owned();
    path.push(".lock");
    let lock: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let packages = lock["platforms"][PLATFORM]["packages"].as_array().unwrap();
    let pair =
        |package: &Value| (text(&package["name"]).to_owned(), text(&package["version"]).to_owned());
    packages.iter().map(pair).collect()
}

fn copy(source: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let target = target.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().extension().is_none_or(|end| end != "lock") {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
