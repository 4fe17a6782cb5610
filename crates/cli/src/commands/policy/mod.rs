// SPDX-License-Identifier: Apache-2.0
//! `hardpan policy`

pub(super) mod eval;
mod export;
mod test;
mod worker;

use std::process::ExitCode;

use crate::args::Common;
use crate::args::policy::{Policy, PolicyCommand};

/// Evaluates, tests or exports policies.
pub(crate) fn run(common: &Common, command: &Policy) -> anyhow::Result<ExitCode> {
    match &command.command {
        PolicyCommand::Eval { image, keys, policy, print, summary } => {
            let eval = eval::Eval { image, keys, policies: policy, summary };
            if *print { eval::print(common, &eval) } else { eval::run(common, &eval) }
        }
        PolicyCommand::Test { path, filter } => test::run(common, path, filter.as_deref()),
        PolicyCommand::Export { policy, to, name, key, partial } => {
            let request = export::Export { policy, target: *to, name: name.as_deref(), keys: key };
            export::run(common, &request, *partial)
        }
        PolicyCommand::Worker => worker::serve(),
    }
}
