// SPDX-License-Identifier: Apache-2.0
//! Exceptions that still count.

use std::fmt::Write as _;

use hardpan_attest::policy::Exception;
use serde_json::Value;

use super::ExportRequest;

/// Returns the exceptions that have not ended.
pub(super) fn current<'p>(request: &ExportRequest<'p>) -> Vec<&'p Exception> {
    request.policy.exceptions.iter().filter(|one| one.until >= request.today).collect()
}

/// Returns rules of Rego by which `excused(id)` holds while an exception counts.
pub(super) fn rego(exceptions: &[&Exception]) -> String {
    let mut text = "exceptions := {\n".to_owned();
    for one in exceptions {
        // It counts until the end of its day, in UTC.
        let after = one.until.tomorrow().unwrap_or(one.until);
        let (id, end) = (Value::from(one.id.as_str()), format!("{after}T00:00:00Z"));
        let _ = writeln!(text, "\t{id}: \"{end}\",");
    }
    text.push_str("}\n\n");
    text.push_str("excused(id) if time.now_ns() < time.parse_rfc3339_ns(exceptions[id])\n");
    text
}
