// SPDX-License-Identifier: Apache-2.0
//! DHI's own builder, `dhi.io/build`: its definition, unmodified, builds although a repository and two images that it
//! takes files from are private. What stands in for them is named in `hardpan.toml`, and made here of Debian's
//! packages; modules of Go come from a folder of the image that stands in for DHI's Go.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

#[path = "../runs_support/mod.rs"]
mod runs_support;

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use hardpan_testkit::git::{GitServer, Repository};
use serde_json::Value;

use runs_support::Suite;
use runs_support::catalog::{Built, Catalog};
use runs_support::dhi;
use runs_support::tools::{attempt, lack};

const DEFINITION: &str = "image/build/debian-13/2";
/// What the definition names and nobody else has.
const REPOSITORY: &str = "git+https://github.com/docker-hardened-images/frontend.git#v2.20.0";
const GOLANG: &str = "dhi.io/golang:1.26.7-debian13-dev@sha256:0ff9ace4c61aa79a6b6d039a0268884c4fffe253e480fe2449d055da7b88b579";
const BINUTILS: &str = "dhi.io/pkg-binutils:2.46-debian13@sha256:069179316afd8be7ba10ffb968dce13db5f4a349516553a98d77bfb85051f31d";
/// The step that has the network.
const PRIVILEGED: &str = "frontend/update go dependencies";

const MODULE: &str = "module github.com/docker-hardened-images/frontend

go 1.21

require (
	github.com/containerd/containerd/v2 v2.3.0
	go.opentelemetry.io/otel/sdk v1.39.0
	google.golang.org/grpc v1.82.0
)
";
const PROGRAM: &str = r#"package main

import (
	"fmt"

	containerd "github.com/containerd/containerd/v2"
	"go.opentelemetry.io/otel/sdk"
	"google.golang.org/grpc"
)

func main() { fmt.Println("dhi-build", containerd.Version, sdk.Version, grpc.Version) }
"#;

/// What stands in for what is private.
struct StandIns {
    commit: String,
    golang: String,
    binutils: String,
    server: GitServer,
}

impl StandIns {
    fn make(catalog: &Catalog, root: &Path) -> Self {
        let repository = Repository::new(&root.join("frontend"));
        repository.write("go.mod", MODULE.as_bytes(), 0o644);
        repository.write("cmd/dhi-build/main.go", PROGRAM.as_bytes(), 0o644);
        // Results of stages are remembered; a commit of this run's own makes them run again.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        repository.write("run", format!("{now} {}\n", std::process::id()).as_bytes(), 0o644);
        let commit = repository.commit("a builder");
        repository.git(&["tag", "v2.20.0"]);
        let server = GitServer::start(repository.directory());
        Self {
            commit,
            golang: image(catalog, root, "golang", include_str!("golang.yaml")),
            binutils: image(catalog, root, "binutils", include_str!("binutils.yaml")),
            server,
        }
    }

    /// Returns the lines of `hardpan.toml` that name them.
    fn rules(&self) -> String {
        let Self { commit, golang, binutils, server } = self;
        let url = server.url();
        format!(
            "\n[registries]\nlayouts = [\"layouts/golang\", \"layouts/binutils\"]\n\
             [[images.substitute]]\nfrom = \"{GOLANG}\"\nto = \"{golang}\"\n\
             [[images.substitute]]\nfrom = \"{BINUTILS}\"\nto = \"{binutils}\"\n\
             [[downloads.override]]\nfrom = \"{REPOSITORY}\"\nto = \"git+{url}#v2.20.0\"\nchecksum = \"{commit}\"\n"
        )
    }
}

/// Builds an image into a layout, and returns its name with its digest.
fn image(catalog: &Catalog, root: &Path, name: &str, definition: &str) -> String {
    fs::create_dir_all(root.join("stand-ins")).unwrap();
    let definition_name = format!("stand-ins/{name}");
    fs::write(catalog.path(&definition_name), definition).unwrap();
    let mut build = catalog.hardpan("build", &definition_name);
    build.args(["--json", "--output"]).arg(root.join("layouts").join(name));
    let output: Value = serde_json::from_str(&attempt(&mut build).ok()).unwrap();
    format!("localhost/{name}@{}", output["built"]["digest"].as_str().unwrap())
}

fn read(suite: &Suite, built: &Built, path: &str) -> String {
    let target = suite.folder("read").join("file");
    suite.podman.copy_out(built, path, &target);
    fs::read_to_string(target).unwrap()
}

/// Runs a program of the image, as the image's user.
fn run(suite: &Suite, built: &Built, arguments: &[&str]) -> String {
    let mut command = suite.podman.confined();
    command.arg(format!("--entrypoint={}", arguments[0])).arg(&built.name);
    attempt(command.args(&arguments[1..])).ok()
}

#[test]
fn the_builder_builds_and_runs() {
    if lack(&["git"]) {
        return;
    }
    let Some(shared) = dhi::shared() else { return };
    let mut stand_ins = None;
    let suite = Suite::new("dhi-build", |root| {
        dhi::unpack(&shared, root, &["definitions.tar.xz"], "image/build");
        let catalog = Catalog::at(root);
        let made = StandIns::make(&catalog, root);
        let workspace = root.join("hardpan.toml");
        let rules = fs::read_to_string(&workspace).unwrap() + &made.rules();
        fs::write(workspace, rules).unwrap();
        stand_ins = Some(made);
        catalog
    });
    let (Some(suite), Some(stand_ins)) = (suite, stand_ins) else { return };

    // Nothing runs that would have the network.
    let mut refused = suite.catalog.hardpan("build", DEFINITION);
    let refused = attempt(refused.args(["--no-network", "--docker-archive", "/dev/null"]));
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(refused.failed().contains("`privileged: true`"));

    let built = suite.image(DEFINITION);
    check_what_was_said(&suite, &built, &stand_ins);
    check_image(&suite, &built);
}

/// The lock, the build and the image say what stands in, and which step had the network.
fn check_what_was_said(suite: &Suite, built: &Built, stand_ins: &StandIns) {
    let StandIns { commit, golang, binutils, .. } = stand_ins;
    assert_eq!(built.network_steps, [PRIVILEGED]);
    let pairs = [(BINUTILS, binutils), (GOLANG, golang), (REPOSITORY, commit)];
    assert_eq!(built.substitutes, pairs.map(|(wanted, used)| format!("{wanted}: {used}")));
    let lock = suite.catalog.path(DEFINITION).with_extension("yaml.lock");
    let lock = fs::read_to_string(lock).unwrap();
    for line in [
        format!("\"stage frontend: file {REPOSITORY} as {commit}\""),
        format!("\"stage frontend: image {GOLANG} as {golang}\""),
        format!("\"image {BINUTILS} as {binutils}\""),
        format!("\"substitute\":\"{golang}\""),
        format!("\"substitute\":\"{binutils}\""),
        format!("\"commit\":\"{commit}\""),
    ] {
        assert!(lock.contains(&line), "{line} is not in {lock}");
    }
    let mut inspect = suite.podman.command();
    inspect.args(["image", "inspect", "--format", "{{json .Labels}}", &built.name]);
    let labels: Value = serde_json::from_str(&attempt(&mut inspect).ok()).unwrap();
    assert_eq!(labels["dev.hardpan.network-steps"], PRIVILEGED);
    assert_eq!(labels["dev.hardpan.substitutes"], format!("{GOLANG}, {BINUTILS}, {REPOSITORY}"));
    assert_eq!(labels["moby.buildkit.frontend.network.none"], "true");
    // A user sees it, too: the same again, from the store.
    let mut again = suite.catalog.hardpan("build", DEFINITION);
    again.args(["--locked", "--platform", "linux/amd64", "--docker-archive"]);
    let said = attempt(again.arg(suite.folder("again").join("image.tar")));
    assert_eq!(said.code, Some(0), "{said}");
    for line in [
        format!(
            "warning: {BINUTILS} is not the definition's: hardpan.toml puts {binutils} in its place"
        ),
        format!(
            "warning: stage frontend: {GOLANG} is not the definition's: hardpan.toml puts {golang} in its place"
        ),
        format!(
            "warning: stage frontend: {REPOSITORY} is not the definition's: hardpan.toml puts {commit} in its place"
        ),
        format!("warning: step {PRIVILEGED} had the network"),
    ] {
        assert!(said.errors.contains(&line), "{line} is not in {said}");
    }
}

fn check_image(suite: &Suite, built: &Built) {
    // The image's own program, with the modules that the privileged step chose.
    let mut own = suite.podman.confined();
    let said = attempt(own.arg(&built.name)).ok();
    assert_eq!(said, "dhi-build v2.3.2 v1.40.0 v1.82.1\n");
    let paths = [
        "/opt/docker/dhi/build",
        "/opt/docker/sbom/dhi-build/.spdx.dhi-build.json",
        "/etc/apt/sources.list.d/debian.sources",
        "/downloads",
        "/usr/bin/x86_64-linux-gnu-ld.bfd",
    ];
    let said = run(suite, built, &[&["/usr/bin/stat", "-c", "%n %u:%g %a"], &paths[..]].concat());
    assert_eq!(
        said,
        "/opt/docker/dhi/build 0:0 744\n/opt/docker/sbom/dhi-build/.spdx.dhi-build.json 0:0 644\n\
         /etc/apt/sources.list.d/debian.sources 0:0 644\n/downloads 0:0 755\n\
         /usr/bin/x86_64-linux-gnu-ld.bfd 0:0 755\n"
    );
    let sources = read(suite, built, "/etc/apt/sources.list.d/debian.sources");
    assert_eq!(sources.matches("Types: deb deb-src\n").count(), 2, "{sources}");
    let document = read(suite, built, "/opt/docker/sbom/dhi-build/.spdx.dhi-build.json");
    let document: Value = serde_json::from_str(&document).unwrap();
    let package = &document["packages"][0];
    assert_eq!(
        (&package["name"], &package["versionInfo"]),
        (&"dhi-build".into(), &"2.20.0".into())
    );
    assert_eq!(
        package["externalRefs"][0]["referenceLocator"],
        "pkg:golang/github.com/docker-hardened-images/frontend@2.20.0"
    );
    // It is not what is at the definition's URL.
    assert_eq!(package["downloadLocation"], "NOASSERTION");
    assert!(run(suite, built, &["/usr/bin/apt-get", "--version"]).starts_with("apt 3."));
    assert_eq!(run(suite, built, &["/usr/bin/dpkg", "--audit"]), "");
    assert!(run(suite, built, &["/usr/bin/ld", "--version"]).starts_with("GNU ld"));
    assert!(run(suite, built, &["/usr/bin/jq", "--version"]).starts_with("jq-"));
    assert_eq!(run(suite, built, &["/usr/bin/id", "-u", "_apt"]), "42\n");
}
