// SPDX-License-Identifier: Apache-2.0
//! Images as buildx describes them.

use serde_json::{Value, json};

/// A signature of Docker's builder on GitHub, as buildx shows it.
pub(super) fn signature(repository: &str, reference: &str) -> Value {
    json!({
        "kind": "docker-github-builder", "type": "bundle-v0.3",
        "timestamps": [{"type": "rekor", "uri": "https://log.example", "timestamp": "2024-01-01T00:00:00Z"}],
        "signer": {
            "certificateIssuer": "CN=sigstore-intermediate,O=sigstore.dev",
            "issuer": "https://token.actions.githubusercontent.com",
            "sourceRepositoryURI": format!("https://github.com/{repository}"),
            "sourceRepositoryRef": reference,
            "runnerEnvironment": "github-hosted",
        },
    })
}

pub(super) fn of(repository: &str, tag: &str, signatures: &[Value]) -> Value {
    json!({"image": {
        "ref": format!("{repository}:{tag}"), "fullRepo": repository, "tag": tag, "signatures": signatures,
    }})
}
