// SPDX-License-Identifier: Apache-2.0
//! buildx: `Dockerfile.rego`, which decides about images that a build uses.

use serde_json::json;

use super::names::{expression, is_of_repository, patterns};
use super::rego::literal;
use super::{ExportRequest, Remarks, expiry};

/// The largest number of a user.
const USER_MAX: u32 = u32::MAX;

/// Writes the module, and says how many rules it has.
pub(super) fn write(request: &ExportRequest<'_>, remarks: &mut Remarks) -> (String, usize) {
    let policy = request.policy;
    drop_signed(request, remarks);
    let mut rules: Vec<String> = Vec::new();
    if !policy.images.is_empty() {
        remarks.stricter("images", "an image without a name, as one of a folder, is denied");
        rules.push(allowed_names("images", "is none of those that the policy is for", request));
    }
    if policy.nonroot.is_some() {
        remarks.stricter("nonroot", "a user that is a name is denied: there is no audit");
        rules.push(nonroot());
    }
    if let Some(days) = policy.max_age_days {
        remarks.note(
            "max-age-days",
            "the time is that of provenance that nobody verified, or of the image",
        );
        rules.push(age(days));
    }
    if let Some(base) = &policy.base {
        remarks.stricter(
            "base",
            "only the label org.opencontainers.image.base.name counts, and not provenance",
        );
        let patterns: Vec<String> =
            base.allow.iter().map(hardpan_attest::policy::ImagePattern::whole).collect();
        rules.push(of_base(&patterns));
    }
    let count = rules.len();
    let mut text = HEAD.to_owned();
    for rule in &rules {
        text.push('\n');
        text.push_str(rule);
    }
    let exceptions = expiry::current(request);
    text.push('\n');
    text.push_str(&expiry::rego(&exceptions));
    (text, count)
}

const HEAD: &str = "package docker

# What is no image is not this policy's to decide.
decision := {\"allow\": true} if not input.image

decision := {
	\"allow\": count(problems) == 0,
	\"deny_msg\": [msg | some msg in problems],
} if input.image

# What has no name has problems, too.
image := object.get(input.image, \"ref\", \"an image without a name\")
";

fn drop_signed(request: &ExportRequest<'_>, remarks: &mut Remarks) {
    let policy = request.policy;
    let unsigned = "buildx verifies neither signatures nor attestations by keys of one's own";
    if !policy.keys.is_empty() {
        remarks.dropped("keys", unsigned);
    }
    for requirement in &policy.require {
        remarks.dropped(&format!("require {}", requirement.predicate), unsigned);
    }
    if !policy.builders.is_empty() {
        remarks.dropped("builders", unsigned);
    }
    if policy.vulnerabilities.is_some() {
        remarks.dropped("vulnerabilities", unsigned);
    }
    if policy.audit.is_some() {
        remarks.dropped("audit", unsigned);
    }
    super::drop_unknown_to_all(policy, remarks);
}

/// A rule that the image's name is one of the policy's patterns.
fn allowed_names(function: &str, problem: &str, request: &ExportRequest<'_>) -> String {
    let all: Vec<String> = patterns(request.policy);
    let (repositories, names): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|pattern| is_of_repository(pattern));
    let expressions = |patterns: &[String]| {
        literal(&json!(patterns.iter().map(|one| expression(one)).collect::<Vec<_>>()))
    };
    format!(
        "problems contains msg if {{\n\tnot is_one_of_{function}\n\tmsg := sprintf(\"%s {problem}\", [image])\n}}\n\n\
         is_one_of_{function} if {{\n\tsome pattern in {}\n\tregex.match(pattern, input.image.fullRepo)\n}}\n\n\
         is_one_of_{function} if {{\n\tsome pattern in {}\n\tsome name in [input.image.fullRepo, split(image, \"@\")[0], image]\n\tregex.match(pattern, name)\n}}\n",
        expressions(&repositories),
        expressions(&names),
    )
}

fn nonroot() -> String {
    format!(
        "problems contains msg if {{\n\tnot is_nonroot\n\tnot excused(\"nonroot\")\n\tmsg := sprintf(\"%s runs as %q, which is root or not a number\", [image, object.get(input.image, \"user\", \"\")])\n}}\n\n\
         is_nonroot if {{\n\tuser := split(input.image.user, \":\")[0]\n\tregex.match(`^[0-9]+$`, user)\n\tto_number(trim_left(user, \"0\")) > 0\n\tto_number(trim_left(user, \"0\")) <= {USER_MAX}\n}}\n"
    )
}

fn age(days: u32) -> String {
    format!(
        "problems contains msg if {{\n\tnot is_young\n\tmsg := sprintf(\"%s was not built within {days} days\", [image])\n}}\n\n\
         built := input.image.provenance.finishedOn\n\nbuilt := input.image.createdTime if not input.image.provenance.finishedOn\n\n\
         is_young if {{\n\tage := time.now_ns() - time.parse_rfc3339_ns(built)\n\tage <= {days} * 86400 * 1000000000\n\tage >= -300 * 1000000000\n}}\n"
    )
}

/// A rule that the image's base is one of some patterns.
fn of_base(patterns: &[String]) -> String {
    let expressions: Vec<String> = (patterns.iter())
        .map(|pattern| {
            let text = expression(pattern);
            // A tag and a digest of the base are no part of a pattern without them.
            if is_of_repository(pattern) {
                format!("{}(:[^/@]*)?(@.*)?$", text.trim_end_matches('$'))
            } else {
                format!("{}(@.*)?$", text.trim_end_matches('$'))
            }
        })
        .collect();
    format!(
        "problems contains msg if {{\n\tnot has_base\n\tmsg := sprintf(\"%s is not made of an image that is allowed\", [image])\n}}\n\n\
         has_base if {{\n\tsome pattern in {}\n\tregex.match(pattern, whole(base))\n}}\n\n\
         has_base if excused(base)\n\n\
         base := input.image.labels[\"org.opencontainers.image.base.name\"]\n\n\
         # Names without a registry are of Docker's.\n\
         whole(name) := name if regex.match(`^([^/]*[.:][^/]*|localhost)/`, name)\n\n\
         whole(name) := concat(\"/\", [\"docker.io\", name]) if {{\n\tcontains(name, \"/\")\n\tnot regex.match(`^([^/]*[.:][^/]*|localhost)/`, name)\n}}\n\n\
         whole(name) := concat(\"/\", [\"docker.io/library\", name]) if not contains(name, \"/\")\n",
        literal(&json!(expressions)),
    )
}
