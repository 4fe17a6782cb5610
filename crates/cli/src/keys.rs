// SPDX-License-Identifier: Apache-2.0
//! Keys that the command line or the workspace names: private ones to sign with, public ones to trust.

#[cfg(feature = "keyless")]
mod keyless;
mod open;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use hardpan::Error;
use hardpan::trust::key::{
    Keyring, PEM_BYTES_MAX, PrivateKey, PublicKey, Signer, Standing, TrustedKey,
};
use hardpan::trust::{
    AnySigner, AttachOptions, Format, Identity, ROOT_BYTES_MAX, Rules, SignRequest, TrustError,
    TrustedRoot, Witnesses,
};

use crate::args::Common;
use crate::args::trust::{AttachChoice, FormatChoice, Keys, LogChoice, Signing, Witnessing};
use crate::failure::{Named, Usage};
use crate::machine::{Machine, caller_variable};

pub(crate) use open::{Place, open_key};

/// Variables that have the password of a private key, the first to look at first.
const PASSWORDS: [&str; 2] = ["HARDPAN_PASSWORD", "COSIGN_PASSWORD"];
/// Said where something is to be signed and nobody is named.
pub(crate) const NO_KEY: Usage = Usage(
    "who signs it? name a private key with --key or HARDPAN_KEY, or in [signing] of hardpan.toml",
);
/// The most files of a folder of keys that are looked at.
const KEY_FILES_MAX: usize = 1_000;

/// Returns the password of private keys; `None` if no variable has one. It may be empty.
pub(crate) fn password() -> Option<String> {
    PASSWORDS.iter().find_map(|name| caller_variable(name))
}

/// Reads a private key, which is called `name` in messages.
pub(crate) fn private_key(name: &str, text: &[u8]) -> anyhow::Result<PrivateKey> {
    let password = password();
    let key = PrivateKey::parse(text, password.as_deref().map(str::as_bytes));
    let wrap = |source| TrustError::PrivateKey { name: name.to_owned(), source };
    Ok(key.map_err(wrap).map_err(Error::from)?)
}

/// Opens the key of a command that signs: the one that is named, or else the workspace's; `None` where there is neither.
/// `layout` is where the images are that will be signed.
pub(crate) fn open_signing(
    common: &Common,
    signing: &Signing,
    machine: &Machine,
    layout: Option<&Path>,
) -> anyhow::Result<Option<AnySigner>> {
    check_signing(common, signing)?;
    // The service that may hold the key has another working directory.
    let wrap = |source| Error::Io { action: "find", path: PathBuf::from("."), source };
    let layout = layout.map(std::path::absolute).transpose().map_err(wrap)?;
    #[cfg(feature = "keyless")]
    if signing.keyless {
        return keyless::open(common, signing).map(Some);
    }
    let place = |folder| Place { common, folder, layout: layout.as_deref() };
    if let Some(name) = &signing.key {
        return open_key(&place(Path::new("")), name).map(Some);
    }
    let Some(name) = &machine.workspace().signing.key else { return Ok(None) };
    let signer = open_key(&place(machine.workspace_folder()), name)?;
    let trusted = keyring_of(&workspace_keys(machine))?;
    let id = signer.public_key().id();
    if !trusted.keys().is_empty() && trusted.get(id).is_none() {
        let message = format!("the key {name} is {id}, which is none of [signing] public-keys");
        let help = "add its public key there; `hardpan keygen --public KEY` prints it".to_owned();
        return Err(Named { message, help: Some(help) }.into());
    }
    Ok(Some(signer))
}

/// Returns who signs in which form, and who is told.
pub(crate) fn request<'k>(
    signing: &'k Signing,
    signer: &'k dyn Signer,
) -> Result<SignRequest<'k>, Error> {
    let format = match signing.signature_format {
        FormatChoice::Both => Format::Both,
        FormatChoice::Bundle => Format::Bundle,
        FormatChoice::Legacy => Format::Legacy,
    };
    // Older forms have no room for a certificate, and without it the key is nobody's.
    let format = if signer.issued().is_some() { Format::Bundle } else { format };
    let dhi = signing.attach.contains(&AttachChoice::Dhi);
    let buildkit = attaches_to_index(signing);
    let witnesses = witnesses(&signing.witnessing)?;
    Ok(SignRequest { signer, options: AttachOptions { format, dhi, buildkit }, witnesses })
}

/// Returns who is told of signatures.
pub(crate) fn witnesses(witnessing: &Witnessing) -> Result<Witnesses<'_>, Error> {
    let mut seed = [0; 32];
    if is_witnessed(witnessing) {
        let wrap = |source| Error::Io { action: "read", path: RANDOM.into(), source };
        fill_randomly(&mut seed).map_err(wrap)?;
    }
    Ok(Witnesses { log: log(witnessing), authority: witnessing.tsa.as_deref(), seed })
}

/// Returns whether attestations are to be in the image index, too.
pub(crate) fn attaches_to_index(signing: &Signing) -> bool {
    signing.attach.contains(&AttachChoice::Buildkit)
}

/// Refuses to put something into an index that is signed already.
pub(crate) fn refuse_index(signing: &Signing) -> Result<(), Usage> {
    if attaches_to_index(signing) {
        return Err(Usage(
            "`--attach buildkit` is for `build --sign` and `publish`: what is added to an image later can't be in its index, whose digest would be another one",
        ));
    }
    Ok(())
}

/// The system's source of randomness.
const RANDOM: &str = "/dev/urandom";

/// Fills bytes from the system's source of randomness.
pub(crate) fn fill_randomly(bytes: &mut [u8]) -> std::io::Result<()> {
    fs::File::open(RANDOM)?.read_exact(bytes)
}

fn log(witnessing: &Witnessing) -> Option<&str> {
    match &witnessing.tlog {
        Some(LogChoice::Rekor2(url)) => Some(url),
        Some(LogChoice::Nobody) | None => None,
    }
}

fn is_witnessed(witnessing: &Witnessing) -> bool {
    log(witnessing).is_some() || witnessing.tsa.is_some()
}

/// Refuses to tell others of signatures where that can't be done, before anything is built or published.
fn check_signing(common: &Common, signing: &Signing) -> Result<(), Usage> {
    if is_witnessed(&signing.witnessing) && signing.signature_format == FormatChoice::Legacy {
        return Err(Usage(
            "cosign's older tags have no room for proofs of a log and timestamps; --tlog and --tsa need bundles",
        ));
    }
    check_witnesses(common, &signing.witnessing)
}

/// Refuses to tell others of signatures where nobody can be asked.
pub(crate) fn check_witnesses(common: &Common, witnessing: &Witnessing) -> Result<(), Usage> {
    if is_witnessed(witnessing) && common.offline {
        return Err(Usage("--offline forbids to ask a log or a timestamp authority"));
    }
    Ok(())
}

/// Who is trusted.
pub(crate) struct Trusted {
    keyring: Keyring,
    root: Option<TrustedRoot>,
    identity: Option<Identity>,
    require_log: bool,
    require_timestamp: bool,
}

impl Trusted {
    /// Returns whether there is nobody.
    pub(crate) fn is_nobody(&self) -> bool {
        self.keyring.keys().is_empty() && self.identity.is_none()
    }

    /// Returns what those are called who are trusted.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let keys = self.keyring.keys().iter().map(|key| key.name.clone());
        keys.chain(self.identity.iter().map(ToString::to_string)).collect()
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules {
            keys: &self.keyring,
            root: self.root.as_ref(),
            identity: self.identity.as_ref(),
            certificates_alone: false,
            require_log: self.require_log,
            require_timestamp: self.require_timestamp,
        }
    }
}

/// Reads all who are trusted: keys, which are files and folders with `*.pub` and `keyring.json`, or somebody else.
pub(crate) fn trusted(keys: &Keys, machine: &Machine) -> anyhow::Result<Trusted> {
    let trusted = optional_trusted(keys, machine)?;
    if trusted.is_nobody() {
        return Err(Usage(
            "no key is trusted; name a public key or a folder of them with --key or HARDPAN_PUBLIC_KEY, or in [signing] of hardpan.toml",
        )
        .into());
    }
    Ok(trusted)
}

/// Reads all who are trusted, who may be nobody.
pub(crate) fn optional_trusted(keys: &Keys, machine: &Machine) -> anyhow::Result<Trusted> {
    let root = keys.trusted_root.as_deref().map(read_root).transpose()?;
    let names = (&keys.certificate_identity, &keys.certificate_oidc_issuer);
    let identity = match names {
        (Some(name), Some(issuer)) => Some(Identity { name: name.clone(), issuer: issuer.clone() }),
        _ => None,
    };
    Ok(Trusted {
        // Whoever names an identity trusts nobody else that is not named.
        keyring: match identity {
            Some(_) if keys.key.is_empty() => Keyring::default(),
            _ => optional_keyring(keys, machine)?,
        },
        root,
        identity,
        require_log: keys.require_tlog,
        require_timestamp: keys.require_timestamp,
    })
}

fn read_root(path: &Path) -> anyhow::Result<TrustedRoot> {
    let root = TrustedRoot::parse(&read_at_most(path, ROOT_BYTES_MAX)?);
    let wrap = |source| TrustError::Root { name: path.display().to_string(), source };
    Ok(root.map_err(wrap).map_err(Error::from)?)
}

/// Reads the trusted keys, of which there may be none: those that are named, or else the workspace's.
fn optional_keyring(keys: &Keys, machine: &Machine) -> anyhow::Result<Keyring> {
    match keys.key.as_slice() {
        [] => keyring_of(&workspace_keys(machine)),
        paths => keyring_of(paths),
    }
}

fn workspace_keys(machine: &Machine) -> Vec<PathBuf> {
    let paths = machine.workspace().signing.public_keys.iter();
    paths.map(|path| machine.workspace_folder().join(path)).collect()
}

pub(crate) fn keyring_of(paths: &[PathBuf]) -> anyhow::Result<Keyring> {
    let mut all: Vec<TrustedKey> = Vec::new();
    for path in paths {
        for key in read_keys(path)? {
            if !all.iter().any(|known| known.key.id() == key.key.id()) {
                all.push(key);
            }
        }
    }
    let name = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let wrap = |source| TrustError::Keyring { name, source };
    Ok(Keyring::new(all).map_err(wrap).map_err(Error::from)?)
}

fn read_keys(path: &Path) -> anyhow::Result<Vec<TrustedKey>> {
    let name = path.display().to_string();
    if path.is_dir() {
        return Ok(read_keyring(path)?.keys().to_vec());
    }
    let key = PublicKey::parse_pem(&read_small(path)?);
    let wrap = |source| TrustError::PublicKey { name: name.clone(), source };
    let key = key.map_err(wrap).map_err(Error::from)?;
    Ok(vec![TrustedKey { name, key, standing: Standing::default() }])
}

/// Reads a folder of keys.
pub(crate) fn read_keyring(folder: &Path) -> anyhow::Result<Keyring> {
    let wrap = |source| Error::Io { action: "list", path: folder.to_owned(), source };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrap)? {
        paths.push(entry.map_err(wrap)?.path());
        if paths.len() > KEY_FILES_MAX {
            return Err(Usage("a folder of keys has more than 1,000 files").into());
        }
    }
    paths.sort();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.extension().is_some_and(|end| end == "pub") || name == "keyring.json" {
            files.push((name.to_owned(), read_small(&path)?));
        }
    }
    let all = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let name = folder.display().to_string();
    let wrap = |source| TrustError::Keyring { name, source };
    Ok(Keyring::parse(all).map_err(wrap).map_err(Error::from)?)
}

/// Reads a small regular file.
pub(crate) fn read_small(path: &Path) -> anyhow::Result<Vec<u8>> {
    read_at_most(path, 4 * PEM_BYTES_MAX)
}

/// Reads a regular file, of a longer one a little more than the limit.
pub(crate) fn read_at_most(path: &Path, max: usize) -> anyhow::Result<Vec<u8>> {
    let wrap = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(wrap)?;
    if !file.metadata().map_err(wrap)?.is_file() {
        return Err(wrap(std::io::Error::other("not a file")).into());
    }
    let mut bytes = Vec::new();
    // What is longer is refused where it is parsed.
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(wrap)?;
    Ok(bytes)
}
