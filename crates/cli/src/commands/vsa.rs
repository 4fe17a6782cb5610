// SPDX-License-Identifier: Apache-2.0
//! `--vsa` and `--attach-vsa` of `hardpan verify` and `hardpan policy eval`, and the levels of `--explain`.

use std::path::Path;

use hardpan::trust::key::Signer;
use hardpan::trust::policy::{BuildLevel, PolicyFile};
use hardpan::trust::{
    AnySigner, AttachOptions, Format, SignRequest, SummaryRequest, TrustError, VerifyReport,
};
use hardpan::{Error, Location, Session};

use super::place;
use crate::args::Common;
use crate::args::trust::Summary;
use crate::failure::{Named, Usage};
use crate::keys;
use crate::text::{DIM, GOOD, say, styled, visible};

/// Opens the key of a summary, before anything is verified.
pub(super) fn signer(
    common: &Common,
    command: &Summary,
    location: &Location,
) -> anyhow::Result<Option<AnySigner>> {
    if command.sign_key.is_some() && command.vsa.is_none() && !command.attach_vsa {
        let problem = "--sign-key signs a summary; say where it goes with --vsa or --attach-vsa";
        return Err(Usage(problem).into());
    }
    if command.attach_vsa
        && let Location::Archive(path) = location
    {
        let message = format!("{} is an archive, to which nothing can be added", path.display());
        let help = Some("`--vsa FILE` writes the summary beside it".to_owned());
        return Err(Named { message, help }.into());
    }
    let Some(name) = &command.sign_key else { return Ok(None) };
    keys::check_witnesses(common, &command.witnessing)?;
    let place = keys::Place { common, folder: Path::new(""), layout: place::layout(location) };
    keys::open_key(&place, name).map(Some)
}

/// Writes and attaches what the verification came to, also if that is a failure.
pub(super) fn write(
    session: &Session<'_>,
    command: &Summary,
    (location, report): (&Location, &VerifyReport),
    policy: &PolicyFile,
    passed: bool,
    signer: Option<&dyn Signer>,
) -> anyhow::Result<()> {
    let request = SummaryRequest {
        verifier: command.verifier_id.clone(),
        policy,
        passed,
        now_seconds: session.now_seconds(),
    };
    let summary = report.summary(&request).map_err(|error: TrustError| Error::from(error))?;
    let options = AttachOptions { format: Format::Both, dhi: false, buildkit: false };
    let sign = match signer {
        Some(signer) => {
            let witnesses = keys::witnesses(&command.witnessing)?;
            Some(SignRequest { signer, options, witnesses })
        }
        None => None,
    };
    if let Some(path) = &command.vsa {
        let bytes = session.write_summary(location, report, &summary, sign)?;
        hardpan::write_file(path, &bytes)?;
    }
    if let Some(sign) = sign.filter(|_| command.attach_vsa) {
        session.attach_summary(location, &summary, sign)?;
    }
    Ok(())
}

/// Prints which level is proven, and why not a higher one.
pub(super) fn print_levels(levels: &[(String, BuildLevel)]) {
    for (platform, found) in levels {
        let level = styled(GOOD, &format!("SLSA build level {}", found.level));
        say!("{level}  {}: {}", visible(platform), visible(&found.proof));
        for reason in &found.missing {
            let text = format!("not {}: {reason}", found.level + 1);
            say!("  {}", styled(DIM, &visible(&text)));
        }
    }
}
