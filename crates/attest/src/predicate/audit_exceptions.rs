// SPDX-License-Identifier: Apache-2.0
//! Findings of audits that somebody accepts. What controls there are is not known here, so it is the audit that reads it.

/// The type of the predicate.
pub const URI: &str = "https://hardpan.dev/audit-exceptions/v1";
