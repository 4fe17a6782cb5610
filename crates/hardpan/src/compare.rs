// SPDX-License-Identifier: Apache-2.0
//! `compare`: any two images side by side, whoever built them.

pub use hardpan_scan::audit::compare::{AuditComparison, Line, Meaning, Section, Side};
pub use hardpan_scan::audit::report::{comparison_html, comparison_markdown};

use crate::audit::AuditRequest;
use crate::error::Error;
use crate::sbom::SbomSource;
use crate::session::Session;

impl Session<'_> {
    /// Audits two images and puts them side by side. To be compared, both should be judged by the same profile and with the
    /// same advisory database.
    ///
    /// # Errors
    /// If one of them can't be audited.
    pub fn compare(
        &self,
        first: (&SbomSource, &AuditRequest<'_>),
        second: (&SbomSource, &AuditRequest<'_>),
    ) -> Result<AuditComparison, Error> {
        let first = self.audit_whole(first.0, first.1)?;
        let second = self.audit_whole(second.0, second.1)?;
        Ok(hardpan_scan::audit::compare::compare(first.into(), second.into()))
    }
}
