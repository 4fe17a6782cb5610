// SPDX-License-Identifier: Apache-2.0
//! Gatekeeper: it asks a provider of external data about images' signatures. A provider gives an image a value, or an error
//! where nobody signed it who is trusted; who is, is set where the provider runs.

use serde_json::{Value, json};

use super::names::written_expressions;
use super::{ExportError, ExportRequest, Remarks, drop_unknown_to_all, note_other_images, yaml};

/// The kind of the constraint.
const KIND: &str = "HardpanSignedImages";
/// The name of the provider, as that of Sigstore's example for Gatekeeper calls itself.
const PROVIDER: &str = "cosign-gatekeeper-provider";

/// Writes the objects, and says how many rules they are.
pub(super) fn write(
    request: &ExportRequest<'_>,
    remarks: &mut Remarks,
) -> Result<(String, usize), ExportError> {
    let policy = request.policy;
    let only =
        "providers of external data say whether an image is signed, and nothing of attestations";
    for requirement in &policy.require {
        remarks.dropped(&format!("require {}", requirement.predicate), only);
    }
    for (rule, is_there) in [
        ("builders", !policy.builders.is_empty()),
        ("max-age-days", policy.max_age_days.is_some()),
        ("nonroot", policy.nonroot.is_some()),
        ("base", policy.base.is_some()),
        ("vulnerabilities", policy.vulnerabilities.is_some()),
        ("audit", policy.audit.is_some()),
    ] {
        if is_there {
            remarks.dropped(rule, only);
        }
    }
    drop_unknown_to_all(policy, remarks);
    if policy.keys.is_empty() {
        return Ok((String::new(), 0));
    }
    let pem = request.own_pem()?;
    note_other_images(policy, remarks);
    remarks.note(
        "keys",
        "give these keys to the provider, and its certificate to the object Provider",
    );
    let objects = [provider(&pem), template(), constraint(request, &pem)];
    Ok((yaml::documents(&objects), 1))
}

fn provider(pem: &[&str]) -> Value {
    json!({
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
        "kind": "Provider",
        "metadata": {
            "name": PROVIDER,
            "annotations": {"hardpan.dev/public-keys": pem.concat()},
        },
        "spec": {
            "url": format!("https://{PROVIDER}.gatekeeper-system:8090/validate"),
            "timeout": 30,
            "caBundle": "",
        },
    })
}

/// The module of the template: every image that is meant has to have an answer, and that is no error. It imports nothing: the
/// template's version says that it is Rego 1, and Gatekeeper refuses imports of anything but its libraries.
pub(super) const MODULE: &str = "package hardpansignedimages

images contains container.image if {
	some field in [\"containers\", \"initContainers\", \"ephemeralContainers\"]
	some container in input.review.object.spec[field]
	is_meant(container.image)
}

is_meant(image) if {
	some pattern in input.parameters.images
	regex.match(pattern, image)
}

response := external_data({\"provider\": input.parameters.provider, \"keys\": [image | some image in images]})

default problem := \"no answer\"

problem := response.system_error

violation contains {\"msg\": msg} if {
	count(images) > 0
	problem != \"\"
	msg := sprintf(\"%s: %s\", [input.parameters.provider, problem])
}

violation contains {\"msg\": msg} if {
	some pair in response.errors
	msg := sprintf(\"%s is not signed by a trusted key: %s\", [pair[0], pair[1]])
}

violation contains {\"msg\": msg} if {
	some image in images
	response.system_error == \"\"
	not is_answered(image)
	msg := sprintf(\"nothing says who signed %s\", [image])
}

is_answered(image) if {
	some pair in response.responses
	pair[0] == image
}

is_answered(image) if {
	some pair in response.errors
	pair[0] == image
}
";

fn template() -> Value {
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": KIND.to_ascii_lowercase()},
        "spec": {
            "crd": {"spec": {
                "names": {"kind": KIND},
                "validation": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "provider": {"type": "string"},
                        "images": {"type": "array", "items": {"type": "string"}},
                    },
                }},
            }},
            "targets": [{
                "target": "admission.k8s.gatekeeper.sh",
                "code": [{"engine": "Rego", "source": {"version": "v1", "rego": MODULE}}],
            }],
        },
    })
}

fn constraint(request: &ExportRequest<'_>, pem: &[&str]) -> Value {
    let expressions = written_expressions(request.policy);
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1",
        "kind": KIND,
        "metadata": {
            "name": request.name,
            "annotations": {"hardpan.dev/public-keys": pem.concat()},
        },
        "spec": {
            "enforcementAction": "deny",
            "match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]},
            "parameters": {"provider": PROVIDER, "images": expressions},
        },
    })
}
