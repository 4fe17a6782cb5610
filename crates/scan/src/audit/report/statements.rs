// SPDX-License-Identifier: Apache-2.0
//! The results of a scan in the shape that DHI attests it in (`https://docker.com/dhi/stig/v0.1`): a list with one scan, its
//! numbers, and its documents in base64 under `output`. Published of it are `output`, its `format` (`html`, `xccdf`) and `content`,
//! and that numbers, name and version of the profile are there; how these fields are called is ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Beside, Totals, html, xccdf};
use crate::audit::model::AuditReport;

/// Writes the predicate.
pub fn stig(report: &AuditReport, beside: &Beside<'_>) -> Value {
    let totals = Totals::of(report);
    let content = |text: String| STANDARD.encode(text);
    json!([{
        "name": xccdf::TITLE,
        "version": env!("CARGO_PKG_VERSION"),
        "profile": report.profile.name,
        "basis": xccdf::BASIS,
        "certified": false,
        "summary": {
            "passed": totals.passed,
            "failed": totals.failed + totals.warned,
            "notApplicable": totals.not_applicable,
            "notChecked": totals.unmeasured,
            "informational": totals.informed + totals.excepted,
        },
        "output": [
            {"format": "html", "content": content(html(report, beside))},
            {"format": "xccdf", "content": content(xccdf(report, beside))},
        ],
    }])
}
