// SPDX-License-Identifier: Apache-2.0
//! `hardpan keygen`

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use hardpan::Error;
use hardpan::trust::TrustError;
use hardpan::trust::key::{Keyring, NoRandomness, PrivateKey, ScryptCost, Signer as _};
use serde_json::json;

use crate::args::Common;
use crate::args::trust::Keygen;
use crate::failure::{Named, Usage};
use crate::keys;
use crate::text::{DIM, GOOD, say, styled};

/// Writes bytes to a path.
type Write = fn(&Path, &[u8]) -> Result<(), Error>;
/// Where nothing is, and with --force in the place of what is there: never into a pipe or through a link.
const WRITE_PRIVATE: [Write; 2] = [hardpan::create_private_file, hardpan::replace_private_file];
const WRITE_PUBLIC: [Write; 2] = [hardpan::create_file, hardpan::replace_file];

/// Makes a key pair.
pub(crate) fn run(common: &Common, command: &Keygen) -> anyhow::Result<ExitCode> {
    if let Some(name) = &command.public {
        return print_public(common, name);
    }
    let password = keys::password()
        .ok_or(Usage("the private key needs a password; set HARDPAN_PASSWORD (it may be empty)"))?;
    let [private_path, public_path] = [".key", ".pub"].map(|suffix| {
        let mut name = command.name.clone().into_os_string();
        name.push(suffix);
        std::path::PathBuf::from(name)
    });
    for path in [&private_path, &public_path] {
        // A link that leads nowhere is there, too.
        if path.symlink_metadata().is_ok() && !command.force {
            return Err(there_already(path).into());
        }
    }
    let mut fill = |bytes: &mut [u8]| keys::fill_randomly(bytes).map_err(|_| NoRandomness);
    let wrap = |source| {
        let name = private_path.display().to_string();
        Error::from(TrustError::PrivateKey { name, source })
    };
    let key = match &command.import {
        Some(path) => keys::private_key(&path.display().to_string(), &keys::read_small(path)?)?,
        None => PrivateKey::generate(&mut fill).map_err(wrap)?,
    };
    let pem = key.to_encrypted_pem(password.as_bytes(), ScryptCost::default(), &mut fill);
    let pem = pem.map_err(wrap)?;
    let public = key.public_key();
    let keyring = match &command.keyring {
        Some(folder) => Some(rotated(folder, public.clone())?),
        None => None,
    };
    write(command.force, &private_path, pem.as_bytes(), WRITE_PRIVATE)?;
    write(command.force, &public_path, public.to_pem().as_bytes(), WRITE_PUBLIC)?;
    if let (Some(folder), Some(keyring)) = (&command.keyring, keyring) {
        fs::create_dir_all(folder).map_err(io_error("create", folder))?;
        for (name, bytes) in keyring.to_files() {
            hardpan::replace_file(&folder.join(name), &bytes)?;
        }
    }
    if common.json {
        say!(
            "{}",
            json!({
                "key": private_path, "public-key": public_path, "id": public.id().to_string(), "keyring": command.keyring,
            })
        );
    } else if !common.quiet {
        let names = format!("{} and {}", private_path.display(), public_path.display());
        say!("{} {names}", styled(GOOD, "wrote"));
        say!("{}", styled(DIM, &format!("key {}", public.id())));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes half of a pair, unless something came into its place meanwhile: deriving a key from a password takes a while.
fn write(is_forced: bool, path: &Path, bytes: &[u8], ways: [Write; 2]) -> anyhow::Result<()> {
    let [create, replace] = ways;
    if is_forced {
        return Ok(replace(path, bytes)?);
    }
    create(path, bytes).map_err(|error| match &error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            there_already(path).into()
        }
        _ => error.into(),
    })
}

fn there_already(path: &Path) -> Named {
    let message = format!("{} is there already", path.display());
    let help = Some("choose another name, or overwrite it with --force".to_owned());
    Named { message, help }
}

/// Prints the public key of a private one.
fn print_public(common: &Common, name: &str) -> anyhow::Result<ExitCode> {
    let place = keys::Place { common, folder: Path::new(""), layout: None };
    let signer = keys::open_key(&place, name)?;
    let public = signer.public_key();
    if common.json {
        say!("{}", json!({ "public-key": public.to_pem(), "id": public.id().to_string() }));
    } else {
        say!("{}", public.to_pem().trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns a keyring with one key more.
fn rotated(folder: &Path, key: hardpan::trust::key::PublicKey) -> anyhow::Result<Keyring> {
    let mut keyring =
        if folder.is_dir() { keys::read_keyring(folder)? } else { Keyring::default() };
    let name = folder.display().to_string();
    let wrap = |source| Error::from(TrustError::Keyring { name, source });
    keyring.rotate(key).map_err(wrap)?;
    Ok(keyring)
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
