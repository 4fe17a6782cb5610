// SPDX-License-Identifier: Apache-2.0
//! `hardpan run`

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;

use hardpan::Error;
use hardpan::container::{ContainerError, ContainerMount, ContainerOptions};
use hardpan::sandbox::{Exit, Limits, Network, Streams};

use super::image::{open_named, ready};
use crate::args::{Common, NetworkChoice, Run};
use crate::failure::{self, Named};
use crate::machine::caller_variable;
use crate::progress::Progress;

/// What shells answer where there is no such program.
const EXIT_NO_PROGRAM: u8 = 127;
/// What shells add to the number of the signal that ended a program.
const EXIT_SIGNAL: i32 = 128;

/// Runs a container.
pub(crate) fn run(common: &Common, command: &Run) -> anyhow::Result<ExitCode> {
    let opened = open_named(common, &command.image)?;
    let options = options(command)?;
    let progress = Progress::new(common);
    let image = ready(&opened, &command.image, &progress);
    progress.clear();
    let session = opened.machine.session(&progress);
    match session.run_container(&image?, &options, Streams::Inherited) {
        Ok(Exit::Code(code)) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))),
        Ok(Exit::Signal(signal)) => {
            Ok(ExitCode::from(u8::try_from(EXIT_SIGNAL + signal).unwrap_or(u8::MAX)))
        }
        // Without limits of time and output there is no other end.
        Ok(_) => Ok(ExitCode::from(u8::MAX)),
        Err(error @ Error::Container(ContainerError::UnknownProgram { .. })) => {
            failure::report(&error.into(), common.json);
            Ok(ExitCode::from(EXIT_NO_PROGRAM))
        }
        Err(error) => Err(error.into()),
    }
}

fn options(command: &Run) -> anyhow::Result<ContainerOptions> {
    let mut mounts = Vec::new();
    for mount in &command.mount {
        let source = std::fs::canonicalize(&mount.source).map_err(|error| Named {
            message: format!("can't mount {}: {error}", mount.source.display()),
            help: None,
        })?;
        let (target, is_read_only) = (mount.target.clone(), mount.is_read_only);
        mounts.push(ContainerMount { source, target, is_read_only });
    }
    Ok(ContainerOptions {
        user: command.user.clone(),
        environment: environment(&command.env),
        work_dir: command.workdir.clone(),
        network: match command.network {
            NetworkChoice::None => Network::None,
            NetworkChoice::Loopback => Network::Loopback,
            NetworkChoice::Host => Network::Host,
        },
        mounts,
        temporary: command.tmpfs.clone(),
        is_writable: command.writable,
        keeps_volumes: false,
        entrypoint: command.entrypoint.clone().map(|program| vec![program]),
        command: command.command.clone(),
        limits: Limits::default(),
    })
}

/// Returns the variables that were asked for, and the kind of terminal if there is one.
fn environment(wanted: &[String]) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    if std::io::stdin().is_terminal()
        && let Some(terminal) = caller_variable("TERM")
    {
        environment.insert("TERM".to_owned(), terminal);
    }
    for variable in wanted {
        match variable.split_once('=') {
            Some((name, value)) => {
                environment.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = caller_variable(variable) {
                    environment.insert(variable.clone(), value);
                }
            }
        }
    }
    environment
}
