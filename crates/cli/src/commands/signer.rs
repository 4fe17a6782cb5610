// SPDX-License-Identifier: Apache-2.0
//! `hardpan signer`

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use hardpan::Error;
use hardpan::sandbox::StopSignals;
use hardpan::signer::{Audit, ServeError, Service, ServiceOptions};
use hardpan::trust::TrustError;
use hardpan::trust::key::KeyLocation;
use hardpan::trust::key::plugin::{Method, Reply, Request, answer};
use hardpan::trust::key::service::Rules;
use hardpan::trust::{AnySigner, MESSAGE_BYTES_MAX};
use serde::Serialize;

use crate::args::Common;
use crate::args::trust::{Signer, SignerCommand};
use crate::failure::Named;
use crate::keys::{Place, open_key};
use crate::text::{GOOD, note, styled};

/// What a reference of a plugin's key begins with, where the tool passes it on.
const SCHEME: &str = "hardpan://";

/// Holds a key.
pub(crate) fn run(common: &Common, command: &Signer) -> anyhow::Result<ExitCode> {
    match &command.command {
        SignerCommand::Serve { key, socket, allow_uid, layout_root, builder_id, log } => {
            let options = ServiceOptions {
                socket: socket.clone(),
                allowed_uids: allow_uid.clone(),
                layout_roots: layout_root.clone(),
                rules: Rules { builder: builder_id.clone() },
            };
            serve(common, key, options, log.as_deref())
        }
        SignerCommand::KmsPlugin { question } => plugin(common, question),
    }
}

/// A line of the log.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Line<'l> {
    time: String,
    key: &'l str,
    #[serde(flatten)]
    audit: &'l Audit,
}

fn serve(
    common: &Common,
    key: &str,
    options: ServiceOptions,
    log: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let fail = |error: ServeError| Error::from(TrustError::from(error));
    Service::protect_memory().map_err(fail)?;
    // Before there is a socket: who is told to stop meanwhile leaves none behind.
    let stop = StopSignals::listen()
        .map_err(|source| fail(ServeError::System { action: "listen to signals", source }))?;
    let signer = open_key(&Place { common, folder: Path::new(""), layout: None }, key)?;
    let output: Box<dyn Write + Send> = match log {
        Some(path) => Box::new(open_log(path)?),
        None => Box::new(io::stdout()),
    };
    let output = Mutex::new(output);
    let id = signer.public_key().id().to_string();
    let record = |audit: &Audit| {
        let time = jiff::Timestamp::now().to_string();
        let mut line = serde_json::to_vec(&Line { time, key: &id, audit })?;
        line.push(b'\n');
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        // In one piece, so that lines of two services in one file stay lines.
        output.write_all(&line)?;
        output.flush()
    };
    let service = Service::listen(options).map_err(fail)?;
    if !common.quiet {
        let socket = service.socket().display();
        note!("{} on {socket} with the key {id}", styled(GOOD, "listening"));
    }
    service.serve(&*signer, &stop, &record).map_err(fail)?;
    Ok(ExitCode::SUCCESS)
}

fn open_log(path: &Path) -> Result<std::fs::File, Error> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    file.map_err(|source| Error::Io { action: "open", path: PathBuf::from(path), source })
}

/// Answers one question. Whatever comes of it is an answer: nobody looks at the exit code.
fn plugin(common: &Common, question: &[String]) -> anyhow::Result<ExitCode> {
    let reply = match Request::parse(question) {
        Ok(request) => reply(common, &request)
            .unwrap_or_else(|error| Reply::Error(format!("hardpan: {error:#}"))),
        Err(error) => Reply::Error(format!("hardpan: {error}")),
    };
    let mut output = io::stdout().lock();
    output.write_all(&reply.to_bytes())?;
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn reply(common: &Common, request: &Request) -> anyhow::Result<Reply> {
    let signer = plugin_key(common, request.key.strip_prefix(SCHEME).unwrap_or(&request.key))?;
    let mut message = Vec::new();
    if matches!(request.method, Method::SignMessage { .. } | Method::VerifySignature { .. }) {
        io::stdin().lock().take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut message)?;
        if message.len() > MESSAGE_BYTES_MAX {
            return Ok(Reply::Error(
                "hardpan: the message is longer than any statement".to_owned(),
            ));
        }
    }
    Ok(answer(request, &message, &*signer))
}

fn plugin_key(common: &Common, name: &str) -> anyhow::Result<AnySigner> {
    // One plugin that asks another could go on for ever.
    if matches!(name.parse(), Ok(KeyLocation::Plugin(_))) {
        let message = format!("{name:?} is a key of another plugin");
        return Err(Named { message, help: None }.into());
    }
    open_key(&Place { common, folder: Path::new(""), layout: None }, name)
}
