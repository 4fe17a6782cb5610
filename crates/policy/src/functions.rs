// SPDX-License-Identifier: Apache-2.0
//! Functions that policies may call beside those of the language: buildx's, and those of time.

use regorus::{Engine, Value};

use super::engine::Settings;
use super::times;

/// The package of buildx's policies.
pub(super) const PACKAGE: &str = "data.docker";
/// What the module below is called in messages.
pub(super) const HELPERS_NAME: &str = "hardpan/docker.rego";
/// The functions that buildx puts into its package, by their names there: whether an image, or one of its signatures, is of
/// Docker's builder on GitHub for a repository.
pub(super) const HELPERS: &str = r#"package docker

docker_github_builder_signature(signature, repository) if {
	required := {
		"kind": "docker-github-builder",
		"type": "bundle-v0.3",
	}
	every key, value in required { signature[key] == value }
	certified := {
		"certificateIssuer": "CN=sigstore-intermediate,O=sigstore.dev",
		"issuer": "https://token.actions.githubusercontent.com",
		"runnerEnvironment": "github-hosted",
		"sourceRepositoryURI": concat("/", ["https://github.com", repository]),
	}
	every key, value in certified { signature.signer[key] == value }
	count(signature.timestamps) >= 1
}

docker_github_builder(image, repository) if {
	image.hasProvenance
	some signature in image.signatures
	docker_github_builder_signature(signature, repository)
}

docker_github_builder_tag(image, repository, tag) if {
	docker_github_builder(image, repository)
	some signature in image.signatures
	signature.signer.sourceRepositoryRef == concat("", ["refs/tags/", tag])
}
"#;

/// The names of those.
pub(super) const HELPER_NAMES: [&str; 3] =
    ["docker_github_builder_signature", "docker_github_builder", "docker_github_builder_tag"];

/// Functions that reach the network, other files or the machine, with the number of their arguments. Calling one ends the
/// evaluation: where it gave nothing, `not` would make that an answer.
const FORBIDDEN: [(&str, u8); 4] =
    [("http.send", 1), ("net.lookup_ip_addr", 1), ("opa.runtime", 0), ("rego.parse_module", 2)];
/// What buildx asks of sources that are no images: of an image the answer is no.
const NOT_OF_IMAGES: [(&str, u8); 4] = [
    ("verify_git_signature", 2),
    ("verify_http_pgp_signature", 2),
    ("artifact_attestation", 2),
    ("github_attestation", 2),
];
/// The largest file that `load_json` reads, in bytes; buildx has the same limit.
const JSON_BYTES_MAX: usize = 4 << 20;

/// Adds all of them to an engine that has none of them.
pub(super) fn add(engine: &mut Engine, settings: &Settings) {
    for (name, arguments) in FORBIDDEN {
        put(engine, name, arguments, move |_| {
            Err(anyhow::anyhow!(
                "{name} is not there: a policy decides from its input alone, and reaches neither the network nor the machine"
            ))
        });
    }
    for (name, arguments) in NOT_OF_IMAGES {
        put(engine, name, arguments, |_| Ok(Value::from(false)));
    }
    put(engine, "pin_image", 2, |arguments| Ok(Value::from(is_pinned(&arguments))));
    let files = settings.files.clone();
    put(engine, "load_json", 1, move |arguments| {
        let path = text(&arguments, 0)?;
        let bytes = files(path).map_err(|reason| anyhow::anyhow!("load_json: {path}: {reason}"))?;
        if bytes.len() > JSON_BYTES_MAX {
            anyhow::bail!("load_json: {path} has more than {JSON_BYTES_MAX} bytes");
        }
        let value: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|error| anyhow::anyhow!("load_json: {path} is no JSON: {error}"))?;
        Ok(Value::from(value))
    });
    let now = settings.now_nanoseconds;
    put(engine, "time.now_ns", 0, move |_| Ok(Value::from(now)));
    for (name, arguments, function) in times::FUNCTIONS {
        put(engine, name, arguments, move |values| match function(&values) {
            Ok(value) => Ok(value.unwrap_or(Value::Undefined)),
            Err(error) => Err(anyhow::anyhow!("{name}: {error}")),
        });
    }
}

fn put(
    engine: &mut Engine,
    name: &str,
    arguments: u8,
    function: impl FnMut(Vec<Value>) -> anyhow::Result<Value> + Clone + Send + Sync + 'static,
) {
    // It fails only for a name that is there already, and each stands once in the tables above.
    let added = engine.add_extension(name.to_owned(), arguments, Box::new(function));
    debug_assert!(added.is_ok(), "{name} stands twice");
}

fn text(arguments: &[Value], at: usize) -> anyhow::Result<&str> {
    match arguments.get(at) {
        Some(Value::String(text)) => Ok(text),
        _ => anyhow::bail!("a text is expected"),
    }
}

/// Returns whether an image has a digest already: what is only looked at is not replaced by another.
fn is_pinned(arguments: &[Value]) -> bool {
    let image = arguments.first().and_then(|image| image.as_object().ok());
    let checksum = image.and_then(|image| image.get(&Value::from("checksum")));
    checksum.is_some() && checksum == arguments.get(1)
}
