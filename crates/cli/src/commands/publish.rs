// SPDX-License-Identifier: Apache-2.0
//! `hardpan publish`

use std::process::ExitCode;

use hardpan::Error;
use hardpan::trust::{PublishRequest, Published};

use super::place;
use crate::args::Common;
use crate::args::trust::Publish;
use crate::keys;
use crate::progress::Progress;
use crate::text::{DIM, GOOD, WARNING, count, note, say, size, styled};

/// Publishes an image.
pub(crate) fn run(common: &Common, command: &Publish) -> anyhow::Result<ExitCode> {
    let from = place::existing(&command.from)?;
    let to = command
        .to
        .parse()
        .map_err(|source| Error::ImageName { name: command.to.clone(), source })?;
    let machine = place::machine(common)?;
    let signer = keys::open_signing(common, &command.signing, &machine, place::layout(&from))?;
    if signer.is_none() && keys::attaches_to_index(&command.signing) {
        return Err(keys::NO_KEY.into());
    }
    let progress = Progress::new(common);
    let request = PublishRequest {
        from,
        to,
        tags: command.tag.clone(),
        sign: (signer.as_ref())
            .map(|signer| keys::request(&command.signing, &**signer))
            .transpose()?,
        identity: command.sign_container_identity.clone(),
    };
    let published = machine.session(&progress).publish(&request);
    progress.clear();
    let published = published?;
    if common.json {
        say!("{}", serde_json::to_string(&published)?);
    } else if !common.quiet {
        summary(&published);
    }
    Ok(ExitCode::SUCCESS)
}

fn summary(published: &Published) {
    let Published { platforms, blobs, size_bytes, attached, .. } = published;
    let (platforms, blobs) = (count(*platforms, "platform"), count(*blobs, "blob"));
    say!(
        "{} {platforms}, {blobs} ({}), {}",
        styled(GOOD, "published"),
        size(*size_bytes),
        count(*attached, "attestation"),
    );
    if published.signed {
        say!("{} the signatures were read back and verified", styled(GOOD, "signed"));
    } else if *attached == 0 {
        note!("{} it is not signed; `--key` signs it", styled(WARNING, "warning:"));
    }
    for name in &published.names {
        say!("  {name}");
    }
    say!("{}", styled(DIM, &published.digest.to_string()));
}
