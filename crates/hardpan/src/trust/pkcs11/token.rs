// SPDX-License-Identifier: Apache-2.0
//! A token, spoken to through its module.
//!
//! The module is a library of somebody else, in this process: it is loaded only for a key that the user names by its path.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use hardpan_attest::key::pkcs11::{Pkcs11Uri, public_key};
use hardpan_attest::key::{PublicKey, PublicKeyError};
use hardpan_tree::Digest;

use super::Pkcs11Error;

/// A private key of a token, with a session in which it can be used.
pub(super) struct TokenKey {
    public: PublicKey,
    key: ObjectHandle,
    /// A session does one thing at a time.
    session: Mutex<Session>,
}

fn failed(action: &'static str) -> impl Fn(Error) -> Pkcs11Error {
    move |error| Pkcs11Error::Failed { action, source: error.into() }
}

impl TokenKey {
    pub(super) fn open(uri: &Pkcs11Uri, pin: Option<String>) -> Result<Self, Pkcs11Error> {
        let module = module(Path::new(&uri.module))?;
        let (slot, info) = token(&module, uri)?;
        let session = module.open_ro_session(slot).map_err(failed("open a session"))?;
        log_in(&session, &info, pin)?;
        let key = private_key(&session, uri)?;
        let public = public_of(&session, key)?;
        Ok(Self { public, key, session: Mutex::new(session) })
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub(super) fn sign(&self, digest: &Digest) -> Result<Vec<u8>, Pkcs11Error> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.sign(&Mechanism::Ecdsa, self.key, digest.as_bytes()).map_err(failed("sign"))
    }
}

/// Loads a module. What it is not, the loader says.
fn module(path: &Path) -> Result<Pkcs11, Pkcs11Error> {
    let wrap =
        |error: Error| Pkcs11Error::Module { path: PathBuf::from(path), source: error.into() };
    let module = Pkcs11::new(path).map_err(wrap)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(module),
        Err(error) => Err(wrap(error)),
    }
}

/// Finds the one token that is meant.
fn token(module: &Pkcs11, uri: &Pkcs11Uri) -> Result<(Slot, TokenInfo), Pkcs11Error> {
    let slots = module.get_slots_with_initialized_token().map_err(failed("be looked for"))?;
    let mut all = Vec::with_capacity(slots.len());
    for slot in slots {
        match module.get_token_info(slot) {
            Ok(info) => all.push((slot, info)),
            // Pulled out meanwhile, or none that this module knows: not the one that is meant.
            Err(Error::Pkcs11(RvError::TokenNotPresent | RvError::TokenNotRecognized, _)) => {}
            Err(error) => return Err(failed("say what it is")(error)),
        }
    }
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.trim_end() == found.trim_end())
    };
    let is_meant = |(slot, info): &(Slot, TokenInfo)| {
        is(&uri.token, info.label())
            && is(&uri.serial, info.serial_number())
            && is(&uri.manufacturer, info.manufacturer_id())
            && is(&uri.model, info.model())
            && uri.slot.is_none_or(|wanted| wanted == slot.id())
    };
    let (meant, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_meant);
    let name = |(slot, info): &(Slot, TokenInfo)| {
        format!("{} (serial {}, slot {})", info.label(), info.serial_number(), slot.id())
    };
    match meant.len() {
        0 => Err(Pkcs11Error::NoToken {
            found: others.iter().map(|(_, info)| info.label().to_owned()).collect(),
        }),
        1 => Ok(meant.into_iter().next().expect("there is one")),
        _ => Err(Pkcs11Error::SeveralTokens { found: meant.iter().map(name).collect() }),
    }
}

/// Logs in, once: after some wrong PINs tokens lock themselves, and nobody but their officer opens them again.
fn log_in(session: &Session, info: &TokenInfo, pin: Option<String>) -> Result<(), Pkcs11Error> {
    if !info.login_required() {
        return Ok(());
    }
    if info.user_pin_locked() {
        return Err(Pkcs11Error::Locked);
    }
    // With a reader that has keys of its own the PIN is typed there.
    let pin = match pin {
        None if info.protected_authentication_path() => None,
        None => return Err(Pkcs11Error::NoPin),
        Some(pin) => Some(AuthPin::from(pin)),
    };
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(Pkcs11Error::Locked),
        Err(Error::Pkcs11(
            RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange,
            _,
        )) => Err(Pkcs11Error::WrongPin),
        Err(error) => Err(failed("let anybody in")(error)),
    }
}

/// Finds the one private key that is meant.
fn private_key(session: &Session, uri: &Pkcs11Uri) -> Result<ObjectHandle, Pkcs11Error> {
    let find = |wanted: &[Attribute]| session.find_objects(wanted).map_err(failed("find keys"));
    let private = Attribute::Class(ObjectClass::PRIVATE_KEY);
    let mut wanted = vec![private.clone()];
    wanted.extend(uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
    wanted.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
    let found = find(&wanted)?;
    match found[..] {
        [key] => Ok(key),
        [] => {
            let labels = find(&[private])?.into_iter().map(|key| label(session, key));
            let mut found = labels.collect::<Result<Vec<String>, _>>()?;
            found.sort();
            Err(Pkcs11Error::NoKey { found })
        }
        _ => Err(Pkcs11Error::SeveralKeys { count: found.len() }),
    }
}

fn label(session: &Session, key: ObjectHandle) -> Result<String, Pkcs11Error> {
    let attributes = attributes(session, key, &[AttributeType::Label])?;
    Ok(attributes
        .into_iter()
        .find_map(|attribute| match attribute {
            Attribute::Label(label) => Some(String::from_utf8_lossy(&label).into_owned()),
            _ => None,
        })
        .unwrap_or_default())
}

/// Returns those of the attributes that an object has.
fn attributes(
    session: &Session,
    object: ObjectHandle,
    wanted: &[AttributeType],
) -> Result<Vec<Attribute>, Pkcs11Error> {
    session.get_attributes(object, wanted).map_err(failed("say what a key is"))
}

/// Returns the public key of a private one: of the public key object beside it, or of what the private one says itself.
fn public_of(session: &Session, key: ObjectHandle) -> Result<PublicKey, Pkcs11Error> {
    let own = [AttributeType::KeyType, AttributeType::Id, AttributeType::Label];
    let mut beside = Vec::new();
    for attribute in attributes(session, key, &own)? {
        match attribute {
            Attribute::KeyType(kind) if kind != KeyType::EC => return Err(Pkcs11Error::NotEcdsa),
            Attribute::Id(id) if !id.is_empty() => beside.push(Attribute::Id(id)),
            Attribute::Label(label) if !label.is_empty() => beside.push(Attribute::Label(label)),
            _ => {}
        }
    }
    let mut candidates = Vec::new();
    // The id says which belong together, the label only where there is no id.
    for same in beside {
        let wanted = [Attribute::Class(ObjectClass::PUBLIC_KEY), same];
        candidates.extend(session.find_objects(&wanted).map_err(failed("find keys"))?);
    }
    candidates.push(key);
    for candidate in candidates {
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        let (mut parameters, mut point) = (None, None);
        for attribute in attributes(session, candidate, &wanted)? {
            match attribute {
                Attribute::EcParams(bytes) => parameters = Some(bytes),
                Attribute::EcPoint(bytes) if !bytes.is_empty() => point = Some(bytes),
                _ => {}
            }
        }
        if let (Some(parameters), Some(point)) = (parameters, point) {
            return public_key(&parameters, &point).map_err(|error| match error {
                error @ PublicKeyError::Algorithm(_) => Pkcs11Error::Curve(error),
                error => Pkcs11Error::PublicKey(error),
            });
        }
    }
    Err(Pkcs11Error::NoPublicKey)
}
