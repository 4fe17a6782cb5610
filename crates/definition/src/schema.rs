// SPDX-License-Identifier: Apache-2.0
//! The JSON Schema of definitions, for editors. `parse` checks more than a schema can say.

use serde_json::{Map, Value, json};

use crate::decode::{
    ACTIONS, COMPRESSIONS, ENTITLEMENTS, OUTPUTS, PATH_KINDS, SCRIPTS, SHARING, TRACK_KINDS,
    VARIANTS, track_keys,
};
use crate::model::{Platform, TrackKind};

/// One property: key, schema, description.
type Property = (&'static str, Value, &'static str);

/// The schema of a definition: the DHI format, and `x-hardpan`.
///
/// Every property has a description and every object is closed, so that editors can complete and check.
pub fn json_schema() -> Value {
    let mut schema = object(&root_properties(), &["image"]);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("Hardened image definition");
    schema["description"] = json!("Defines a hardened container image, a package or a chart.");
    schema
}

/// An object that only takes the given properties.
fn object(properties: &[Property], required: &[&str]) -> Value {
    let mut map = Map::new();
    for (key, schema, description) in properties {
        let mut schema = schema.clone();
        schema["description"] = json!(description);
        map.insert((*key).to_owned(), schema);
    }
    let mut schema = json!({
        "type": "object",
        "properties": map,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn string() -> Value {
    json!({ "type": "string" })
}

fn boolean() -> Value {
    json!({ "type": "boolean" })
}

fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn words<T>(choices: &[(&'static str, T)]) -> Value {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    json!({ "type": "string", "enum": names })
}

fn with_default(mut schema: Value, default: Value) -> Value {
    schema["default"] = default;
    schema
}

fn list(items: Value) -> Value {
    json!({ "type": ["array", "null"], "items": items })
}

fn map(values: Value) -> Value {
    json!({ "type": ["object", "null"], "additionalProperties": values })
}

/// Text in mappings; YAML may write it as a number or boolean, whose spelling is kept.
fn text() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn id() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 4_294_967_294_u32 })
}

fn mode() -> Value {
    json!({ "type": ["string", "integer"], "examples": ["0755"] })
}

fn platforms() -> Value {
    let names = Platform::ALL.map(Platform::name);
    let items = json!({ "type": "string", "enum": names });
    with_default(list(items), json!(names))
}

const IF: &str =
    "Condition, for example `target.arch == \"amd64\"`; without it the entry always applies.";
const UID: &str = "User id of the owner.";
const GID: &str = "Group id of the owner.";
const MODE: &str = "Octal file mode, for example 0755.";
const ENTRY_PLATFORMS: &str = "Platforms that the entry is for.";
const INCLUDES: &str = "Patterns of paths to take; none means all.";
const EXCLUDES: &str = "Patterns of paths to leave out.";
const ENVIRONMENT: &str = "Environment variables.";

fn root_properties() -> Vec<Property> {
    let tag = json!({ "type": ["string", "number"], "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|.*\\$\\{.*)$" });
    let port = json!({ "type": ["string", "integer"], "examples": ["8080/tcp"] });
    vec![
        (
            "includes",
            list(string()),
            "Other files, relative to the catalog root, merged before variables are substituted. The including file wins; lists are appended.",
        ),
        ("track", list(track()), "How variables follow upstream versions."),
        ("name", string(), "Friendly name."),
        ("image", string(), "Name of the image without tag, for example dhi.io/python."),
        ("compression", words(&COMPRESSIONS), "Compression of the layers."),
        (
            "output",
            with_default(words(&OUTPUTS), json!("layered")),
            "Layers that other images can share, or a single one.",
        ),
        ("entitlement", words(&ENTITLEMENTS), "Who may have the image."),
        (
            "variant",
            with_default(words(&VARIANTS), json!("runtime")),
            "What the image is for: running (without shell and package manager), development, or a Helm chart.",
        ),
        ("flavor", string(), "Flavor, for example fips or fpm."),
        ("tags", list(tag), "Tags of the image."),
        ("suffix", string(), "Suffix of every tag."),
        ("platforms", platforms(), "Platforms to build for."),
        ("dates", dates(), "Life cycle of what is in the image."),
        (
            "vars",
            map(text()),
            "Variables, used as ${NAME} or ${NAME:regex}; the regular expression selects its first group. #{…} holds an expression.",
        ),
        ("contents", contents(true), "Packages, files and build stages."),
        ("accounts", accounts(), "Users, groups, and who runs the program."),
        ("os-release", os_release(), "Fields of /etc/os-release."),
        ("environment", map(text()), ENVIRONMENT),
        ("work-dir", string(), "Working directory."),
        ("stop-signal", string(), "Signal that stops the container, for example SIGQUIT."),
        ("entrypoint", list(text()), "Entry point, one argument per entry."),
        ("cmd", list(text()), "Default command, one argument per entry."),
        ("ports", list(port), "Exposed ports, for example 8080/tcp."),
        ("paths", list(path_rule()), "Changes to the file system, in order."),
        ("annotations", map(text()), "Annotations of the manifest."),
        ("labels", map(text()), "Labels of the image."),
        ("tests", list(test()), "Tests of the image."),
        (
            "fips-compliant",
            with_default(boolean(), json!(false)),
            "Whether the image claims FIPS compliance.",
        ),
        (
            "stig-certified",
            with_default(boolean(), json!(false)),
            "Whether the image claims STIG certification.",
        ),
        ("x-hardpan", hardpan(), "What hardpan adds to the format."),
    ]
}

fn hardpan() -> Value {
    object(
        &[
            (
                "scripts",
                with_default(words(&SCRIPTS), json!("declarative")),
                "Maintainer scripts: apply their known effects and warn about the rest, run the rest in the sandbox, or neither.",
            ),
            (
                "tests",
                list(container_test()),
                "Tests of the image, each in a container of its own.",
            ),
            ("pyc", boolean(), "Whether Python modules are compiled."),
            ("caches", boolean(), "Whether indexes that packages' triggers make are made."),
            (
                "vex",
                list(string()),
                "OpenVEX documents in the catalog, of which signed images state what is about them.",
            ),
            (
                "structure-tests",
                list(string()),
                "Files of container-structure-test in the catalog: more tests of the image.",
            ),
            ("audit", audit(), "What is accepted of what hardening controls find."),
        ],
        &[],
    )
}

fn audit() -> Value {
    let exception = object(
        &[
            ("control", string(), "The name of the control."),
            (
                "path",
                string(),
                "The path that is accepted, and all below it; without it, every path.",
            ),
            ("reason", text(), "Why."),
            (
                "until",
                pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
                "The last day on which it is accepted.",
            ),
        ],
        &["control", "reason"],
    );
    object(&[("exceptions", list(exception), "Findings that are accepted.")], &[])
}

fn dates() -> Value {
    let date = || pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}$");
    object(
        &[
            ("type", string(), "Where the dates come from, in words."),
            ("url", string(), "Where the dates come from."),
            ("release", date(), "Date of the first release."),
            ("end-of-life", date(), "Date after which there are no fixes."),
            ("end-of-support", date(), "Date after which there is no support."),
        ],
        &[],
    )
}

fn os_release() -> Value {
    let id_like = pattern("^[a-z0-9._-]+( [a-z0-9._-]+)*$");
    object(
        &[
            ("name", string(), "NAME"),
            ("id", string(), "ID, for example debian."),
            ("id-like", id_like, "ID_LIKE, ids separated by blanks."),
            ("version-id", text(), "VERSION_ID"),
            ("version-codename", string(), "VERSION_CODENAME"),
            ("pretty-name", string(), "PRETTY_NAME"),
            ("home-url", string(), "HOME_URL"),
            ("bug-report-url", string(), "BUG_REPORT_URL"),
        ],
        &[],
    )
}

fn accounts() -> Value {
    let user = object(
        &[
            ("name", text(), "Login name."),
            ("uid", id(), "User id."),
            ("gid", id(), "Id of the primary group."),
            ("mode", mode(), "Mode of the home directory."),
        ],
        &["name", "uid", "gid"],
    );
    let group = object(
        &[
            ("name", text(), "Group name."),
            ("gid", id(), "Group id."),
            ("members", list(text()), "Names of the members."),
        ],
        &["name", "gid"],
    );
    object(
        &[
            ("root", boolean(), "Whether root stays in passwd."),
            ("run-as", text(), "Name or number of the user that runs the program."),
            ("users", list(user), "Users."),
            ("groups", list(group), "Groups."),
        ],
        &[],
    )
}

fn contents(image: bool) -> Value {
    let mut properties: Vec<Property> = vec![
        (
            "repositories",
            list(string()),
            "Package archives: `deb [signed-by=…] URL suite component…` or Alpine URLs. None means the distribution's own.",
        ),
        ("keyring", list(string()), "URLs of the keys that sign the archives."),
        (
            "packages",
            list(string()),
            "Packages: `name`, `name=version`, or `!name` to keep one out.",
        ),
        ("files", list(file_source()), "Downloads."),
        ("mappings", map(string()), "Package URLs for the SBOM, by package name."),
        ("artifacts", list(artifact()), "Files from other images."),
    ];
    if image {
        properties.push(("builds", list(build_stage()), "Build stages."));
    }
    let mut schema = object(&properties, &[]);
    schema["type"] = json!(["object", "null"]);
    schema
}

fn file_source() -> Value {
    let package = object(
        &[
            ("name", string(), "Name of the package."),
            ("purl", string(), "Package URL."),
            ("license", string(), "SPDX licence expression."),
            ("path", string(), "Where the package is in the image."),
        ],
        &[],
    );
    let spdx = object(
        &[
            ("name", string(), "Name of the SBOM document."),
            ("version", text(), "Version of what was downloaded."),
            ("packages", list(package), "Packages in the download."),
        ],
        &[],
    );
    object(
        &[
            ("url", string(), "https://… or git+https://…#ref."),
            ("if", string(), IF),
            (
                "checksum",
                string(),
                "sha256:…, the commit of a git URL, or the URL of a checksum file.",
            ),
            (
                "path",
                string(),
                "Where it goes; an archive is unpacked there unless the path has an archive extension.",
            ),
            ("includes", list(string()), INCLUDES),
            ("excludes", list(string()), EXCLUDES),
            ("platforms", platforms(), ENTRY_PLATFORMS),
            ("spdx", spdx, "What the SBOM says about the download."),
            ("uid", id(), UID),
            ("gid", id(), GID),
            ("mode", mode(), MODE),
            ("secret-id", string(), "Secret that authenticates the download."),
        ],
        &["url", "path"],
    )
}

fn artifact() -> Value {
    object(
        &[
            ("name", string(), "Image reference, pinned by its digest."),
            ("if", string(), IF),
            ("includes", list(string()), INCLUDES),
            ("excludes", list(string()), EXCLUDES),
            ("uid", id(), UID),
            ("gid", id(), GID),
        ],
        &["name"],
    )
}

fn path_rule() -> Value {
    object(
        &[
            ("type", words(&PATH_KINDS), "What to make of the path."),
            ("path", string(), "Absolute path."),
            ("if", string(), IF),
            ("content", string(), "Content of a file."),
            ("uid", id(), UID),
            ("gid", id(), GID),
            ("mode", mode(), MODE),
            ("source", string(), "Target of a symlink, or a path of the catalog to copy."),
            ("recursive", boolean(), "Whether the owner applies to all below a directory."),
            ("platforms", platforms(), ENTRY_PLATFORMS),
        ],
        &["type", "path"],
    )
}

fn caches() -> Value {
    list(object(
        &[
            ("path", string(), "Directory of the cache."),
            ("sharing", words(&SHARING), "Who else may use the cache at the same time."),
        ],
        &["path"],
    ))
}

fn build_stage() -> Value {
    let axis = object(
        &[
            ("name", string(), "Name of the axis."),
            ("items", json!({ "type": "object" }), "Items of the axis."),
        ],
        &[],
    );
    let output = object(
        &[
            ("source", string(), "Path in the stage."),
            ("target", string(), "Path in the image."),
            ("if", string(), IF),
            ("uid", id(), UID),
            ("gid", id(), GID),
            ("mode", mode(), MODE),
            ("diff", boolean(), "Take only files that the steps changed."),
        ],
        &["source", "target"],
    );
    let attestation = object(
        &[
            ("if", string(), IF),
            ("predicate-type", string(), "Type of the predicate."),
            ("source", string(), "File with the predicate."),
            ("diff", boolean(), "Take only files that the steps changed."),
        ],
        &[],
    );
    object(
        &[
            ("name", string(), "Name of the stage."),
            ("if", string(), IF),
            ("entitlement", words(&ENTITLEMENTS), "Who may have it."),
            ("uses", string(), "Base image, pinned by its digest, instead of an empty root."),
            ("work-dir", string(), "Working directory of the steps."),
            ("shell", string(), "Shell of the scripts, for example `/bin/busybox sh`."),
            ("privileged", boolean(), "Whether the steps may use the network."),
            ("environment", map(text()), ENVIRONMENT),
            ("caches", caches(), "Cache directories."),
            ("matrix", list(axis), "Axes of a build matrix."),
            ("contents", contents(false), "Packages, files and artifacts of the stage."),
            ("pipeline", list(step()), "Steps."),
            ("paths", list(path_rule()), "Changes to the file system before the steps."),
            ("accounts", accounts(), "Users and groups of the stage."),
            ("outputs", list(output), "What goes from the stage into the image."),
            ("attestations", list(attestation), "Attestations that the stage makes."),
        ],
        &[],
    )
}

fn step() -> Value {
    let secret = object(
        &[
            ("id", string(), "Name of the secret."),
            ("if", string(), IF),
            ("env", string(), "Environment variable that gets it."),
            ("optional", boolean(), "Whether the step runs without it."),
        ],
        &["id", "env"],
    );
    let uses = json!({
        "anyOf": [{ "type": "string", "enum": ACTIONS.as_slice() }, { "type": "string" }],
    });
    object(
        &[
            ("name", string(), "Name of the step."),
            ("if", string(), IF),
            ("uses", uses, "Action, for example go/build@v1."),
            ("run-as", text(), "User that runs the step."),
            ("work-dir", string(), "Working directory."),
            ("shell", string(), "Shell of the script."),
            ("privileged", boolean(), "Whether the step may use the network."),
            ("environment", map(text()), ENVIRONMENT),
            ("caches", caches(), "Cache directories."),
            ("secrets", list(secret), "Secrets that the step gets."),
            ("with", json!({ "type": ["object", "null"] }), "Inputs of the action."),
            ("runs", string(), "Script."),
        ],
        &[],
    )
}

fn test() -> Value {
    object(
        &[
            ("name", string(), "What is tested."),
            ("directory", string(), "Folder to run in, relative to the catalog root."),
            ("commands", list(string()), "Shell commands."),
            ("exit-code", json!({ "type": "integer" }), "Expected exit code."),
            ("timeout", json!({ "type": "integer", "minimum": 0 }), "Limit in seconds."),
            ("output", string(), "Text that the output must contain."),
        ],
        &["exit-code"],
    )
}

fn container_test() -> Value {
    let port = json!({ "type": "integer", "minimum": 1, "maximum": 65_535 });
    let ask = object(
        &[
            ("port", port, "TCP port on the container's loopback."),
            ("send", string(), "What is sent to it."),
        ],
        &["port"],
    );
    object(
        &[
            ("if", string(), IF),
            ("name", string(), "What is tested."),
            (
                "directory",
                string(),
                "Folder that the container sees, relative to the catalog root.",
            ),
            ("user", text(), "Who runs it, in place of the image's user."),
            ("environment", map(text()), ENVIRONMENT),
            (
                "writable",
                list(pattern("^/")),
                "Paths in the container that can be written to; what is written stays until the test's end.",
            ),
            ("before", list(string()), "Commands that come first; each must end with 0."),
            (
                "service",
                with_default(boolean(), json!(false)),
                "Whether the image's own program runs beside the commands.",
            ),
            ("commands", list(string()), "Commands, run one after the other in one container."),
            ("ask", ask, "What a port of the service is asked."),
            (
                "exit-code",
                with_default(json!({ "type": "integer" }), json!(0)),
                "Exit code of each command.",
            ),
            (
                "timeout",
                with_default(json!({ "type": "integer", "minimum": 0 }), json!(60)),
                "Limit of all of it in seconds.",
            ),
            ("output", string(), "Text that the output, or the answer, must contain."),
        ],
        &["name"],
    )
}

fn track() -> Value {
    let kinds: Vec<Value> =
        TRACK_KINDS.iter().map(|&(name, kind)| track_kind(name, kind)).collect();
    json!({ "oneOf": kinds })
}

fn track_kind(name: &'static str, kind: TrackKind) -> Value {
    let (required, optional) = track_keys(kind);
    let mut properties: Vec<Property> =
        vec![("type", json!({ "type": "string", "enum": [name] }), "Where to look.")];
    for key in required.iter().chain(optional) {
        let (schema, description) = match *key {
            "set" => (track_set(kind), "Variables to set."),
            "use" => (json!({ "type": "string", "enum": ["release", "tag"] }), "Releases or tags."),
            "match" => (string(), "Regular expression that candidates must match."),
            "package" => (string(), "Package URL."),
            "increment" => (list(string()), "Variables whose change counts up."),
            "reset" => (list(string()), "Variables whose change resets the count."),
            "owner" => (string(), "Owner of the repository."),
            "repo" => (string(), "Name of the repository."),
            "branch" => (string(), "Branch."),
            "url" => (string(), "URL of the file."),
            _ => (string(), "Name."),
        };
        properties.push((key, schema, description));
    }
    let mut all_required = vec!["type"];
    all_required.extend(required);
    object(&properties, &all_required)
}

fn track_set(kind: TrackKind) -> Value {
    let value = object(
        &[
            ("var", string(), "Variable."),
            ("value", string(), "commit, tag, name, digest or reference."),
            ("match", string(), "Regular expression on the value."),
            (
                "selection",
                json!({ "type": "string", "enum": ["longest", "exact", "default"] }),
                "Which of several equal tags.",
            ),
        ],
        &["var", "value"],
    );
    match kind {
        TrackKind::GithubRelease | TrackKind::GithubTag => {
            json!({ "oneOf": [string(), { "type": "array", "items": value }] })
        }
        TrackKind::OciArtifact => json!({ "type": "array", "items": value }),
        TrackKind::GithubRepository | TrackKind::File | TrackKind::JsonFile => {
            json!({ "type": "object" })
        }
        _ => string(),
    }
}
