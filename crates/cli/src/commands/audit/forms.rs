// SPDX-License-Identifier: Apache-2.0
//! The forms of an audit that are not for a terminal.

use hardpan::audit::crypto::{Certificate, certify};
use hardpan::audit::report::{Beside, badge, badge_markdown, html, junit, markdown, sarif, xccdf};
use hardpan::audit::{AuditError, Audited};

use crate::args::Common;
use crate::args::audit::AuditFormat;
use crate::text::{HELP, note, say, styled};

/// Prints an audit in a form.
pub(super) fn print(
    common: &Common,
    form: AuditFormat,
    audited: &Audited,
    standard: Option<&Audited>,
    certificates: &[Certificate],
) -> anyhow::Result<()> {
    let report = &audited.report;
    let mut modules = audited.modules.clone();
    certify(&mut modules, certificates)
        .map_err(|source| hardpan::Error::from(AuditError::Certificate { source }))?;
    let beside = Beside {
        standard: standard
            .map(|standard| (standard.report.image.name.as_str(), &standard.report.surface)),
        modules: Some(&modules),
        time: Some(audited.time),
    };
    let text = match form {
        AuditFormat::Table | AuditFormat::Json => serde_json::to_string(report)?,
        AuditFormat::Html => html(report, &beside),
        AuditFormat::Markdown => markdown(report, &beside),
        AuditFormat::Sarif => String::from_utf8_lossy(&sarif(report)).into_owned(),
        AuditFormat::Junit => junit(report),
        AuditFormat::Xccdf => xccdf(report, &beside),
        AuditFormat::Badge => badge(report),
    };
    say!("{}", text.trim_end());
    if form == AuditFormat::Badge && !common.quiet {
        let line = badge_markdown(report, "hardened.svg", "audit.html");
        note!("{} in Markdown: {line}", styled(HELP, "help:"));
    }
    Ok(())
}
