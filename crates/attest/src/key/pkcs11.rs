// SPDX-License-Identifier: Apache-2.0
//! Keys in PKCS#11 tokens: how they are named (RFC 7512), and how what a token says becomes a key and a signature.
//!
//! Who loads the token's module is not here: a [`Pkcs11Signer`] is given a function that signs a digest.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use hardpan_tree::Digest;
use p256::ecdsa::Signature;
use p256::pkcs8::der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use p256::pkcs8::der::{Decode, Encode};
use p256::pkcs8::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::public::EC;
use super::{PublicKey, PublicKeyError, SignError, Signer};

/// What such a name begins with.
const SCHEME: &str = "pkcs11:";
/// The longest name that is read, in bytes: some labels, and a path.
const URI_BYTES_MAX: usize = 8 << 10;

/// Why a text names no key of a token. What a PIN could be is in none of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11UriError {
    /// Something else.
    #[error("not a PKCS#11 URI (expected pkcs11:token=NAME;object=LABEL?module-path=/PATH)")]
    Scheme,
    /// Longer than anybody would write.
    #[error("the PKCS#11 URI has more than {URI_BYTES_MAX} bytes")]
    TooLong,
    /// Not `NAME=VALUE`.
    #[error("a part of the PKCS#11 URI is not NAME=VALUE")]
    Part,
    /// Not what percent signs may be followed by, or not text.
    #[error("the value of {0} is not well encoded (RFC 7512: %20 for a space, and so on)")]
    Encoding(&'static str),
    /// A part that is not known, at this place.
    #[error(
        "the PKCS#11 URI has a part that is not known there; known are token, serial, manufacturer, model, slot-id, object, \
         id and type, and after the question mark module-path and pin-source"
    )]
    Unknown,
    /// A part that is there twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// The PIN itself.
    #[error("the PKCS#11 URI has a PIN in it, which everybody can see in the list of processes")]
    PinValue,
    /// A module by its name.
    #[error("module-name is not looked up anywhere; name the file with module-path")]
    ModuleName,
    /// No module, or one that would be looked for.
    #[error("module-path must be the absolute path of the token's module (a .so file)")]
    Module,
    /// Neither a label nor an id.
    #[error("neither object nor id says which key of the token it is")]
    NoObject,
    /// Not a private key.
    #[error("type must be private, or not be there")]
    Type,
    /// Not a number.
    #[error("slot-id is not a number")]
    Slot,
    /// Not where a PIN could be.
    #[error("pin-source must be file:PATH or env:VARIABLE")]
    PinSource,
}

/// Where the PIN of a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// In a file of that path.
    File(String),
    /// In an environment variable.
    Environment(String),
}

/// A key of a token, and how to get to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11Uri {
    text: String,
    /// The token's label.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Who made it.
    pub manufacturer: Option<String>,
    /// What it is.
    pub model: Option<String>,
    /// The slot that it is in.
    pub slot: Option<u64>,
    /// The key's label.
    pub object: Option<String>,
    /// Its id.
    pub id: Option<Vec<u8>>,
    /// The absolute path of the module.
    pub module: String,
    /// Where the PIN is.
    pub pin: Option<PinSource>,
}

impl Pkcs11Uri {
    /// Returns whether a text is meant to be such a name.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }
}

/// The values of a URI that are read, by their names.
#[derive(Default)]
struct Parts {
    path: [Option<Vec<u8>>; PATH.len()],
    query: [Option<Vec<u8>>; QUERY.len()],
}

const PATH: [&str; 8] =
    ["token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"];
const QUERY: [&str; 2] = ["module-path", "pin-source"];

impl Parts {
    fn read(text: &str) -> Result<Self, Pkcs11UriError> {
        let rest = text.strip_prefix(SCHEME).ok_or(Pkcs11UriError::Scheme)?;
        if text.len() > URI_BYTES_MAX {
            return Err(Pkcs11UriError::TooLong);
        }
        // Before anything else that is wrong: whoever wrote it has to know.
        if rest.split([';', '?', '&']).any(|part| part.starts_with("pin-value")) {
            return Err(Pkcs11UriError::PinValue);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parts = Self::default();
        for part in path.split(';').filter(|part| !part.is_empty()) {
            put(part, &PATH, &mut parts.path)?;
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            put(part, &QUERY, &mut parts.query)?;
        }
        Ok(parts)
    }
}

fn put(
    part: &str,
    names: &[&'static str],
    values: &mut [Option<Vec<u8>>],
) -> Result<(), Pkcs11UriError> {
    let (name, value) = part.split_once('=').ok_or(Pkcs11UriError::Part)?;
    if name == "module-name" {
        return Err(Pkcs11UriError::ModuleName);
    }
    let at = names.iter().position(|known| *known == name).ok_or(Pkcs11UriError::Unknown)?;
    let value = decoded(value).ok_or(Pkcs11UriError::Encoding(names[at]))?;
    match values[at].replace(value) {
        Some(_) => Err(Pkcs11UriError::Twice(names[at])),
        None => Ok(()),
    }
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte if byte.is_ascii_control() => return None,
            byte => byte,
        });
    }
    Some(bytes)
}

/// Reads a value that is text.
fn text_of(value: Option<Vec<u8>>, name: &'static str) -> Result<Option<String>, Pkcs11UriError> {
    let wrong = Pkcs11UriError::Encoding(name);
    let Some(value) = value else { return Ok(None) };
    let text = String::from_utf8(value).map_err(|_| wrong.clone())?;
    if text.contains('\0') { Err(wrong) } else { Ok(Some(text)) }
}

fn pin_source(text: &str) -> Result<PinSource, Pkcs11UriError> {
    if let Some(path) = text.strip_prefix("file:") {
        // Also as a URL without a host.
        let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        return match path {
            "" => Err(Pkcs11UriError::PinSource),
            path => Ok(PinSource::File(path.to_owned())),
        };
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match text.strip_prefix("env:") {
        Some(name) if !name.is_empty() && name.bytes().all(is_good) => {
            Ok(PinSource::Environment(name.to_owned()))
        }
        _ => Err(Pkcs11UriError::PinSource),
    }
}

impl FromStr for Pkcs11Uri {
    type Err = Pkcs11UriError;

    fn from_str(text: &str) -> Result<Self, Pkcs11UriError> {
        let Parts { path, query } = Parts::read(text)?;
        let [token, serial, manufacturer, model, slot, object, id, kind] = path;
        let [module, pin] = query;
        let kind = text_of(kind, "type")?;
        if kind.is_some_and(|kind| kind != "private") {
            return Err(Pkcs11UriError::Type);
        }
        let slot = text_of(slot, "slot-id")?;
        let slot = slot.map(|text| text.parse().map_err(|_| Pkcs11UriError::Slot)).transpose()?;
        let object = text_of(object, "object")?;
        if object.is_none() && id.is_none() {
            return Err(Pkcs11UriError::NoObject);
        }
        let module = text_of(module, "module-path")?;
        let module = module.filter(|path| path.starts_with('/')).ok_or(Pkcs11UriError::Module)?;
        let pin = text_of(pin, "pin-source")?.map(|text| pin_source(&text)).transpose()?;
        Ok(Self {
            text: text.to_owned(),
            token: text_of(token, "token")?,
            serial: text_of(serial, "serial")?,
            manufacturer: text_of(manufacturer, "manufacturer")?,
            model: text_of(model, "model")?,
            slot,
            object,
            id,
            module,
            pin,
        })
    }
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Makes a public key of what a token says of it: `CKA_EC_PARAMS`, and `CKA_EC_POINT`, which is a point in an OCTET STRING
/// (PKCS#11, "Elliptic curve public key objects"), though some tokens give the bare point.
pub fn public_key(parameters: &[u8], point: &[u8]) -> Result<PublicKey, PublicKeyError> {
    let malformed = |_| PublicKeyError::Malformed;
    let wrapped = OctetStringRef::from_der(point).map(|inner| inner.as_bytes());
    let point = wrapped.unwrap_or(point);
    let parameters = AnyRef::from_der(parameters).map_err(malformed)?;
    let info = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: EC, parameters: Some(parameters) },
        subject_public_key: BitStringRef::from_bytes(point).map_err(malformed)?,
    };
    PublicKey::parse_der(&info.to_der().map_err(malformed)?)
}

/// A token that gives something that is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token's signature has {0} bytes, or numbers that none of P-256 has; expected 64")]
pub struct NotASignature(usize);

/// A key of a token. `sign` signs a SHA-256 with `CKM_ECDSA`, and returns both numbers of the signature one after the other.
pub struct Pkcs11Signer<S> {
    public: PublicKey,
    sign: S,
}

impl<S> Pkcs11Signer<S> {
    /// Takes a key. Whether the token signs with it shows with the first signature, which is verified like all.
    pub fn new(public: PublicKey, sign: S) -> Self {
        Self { public, sign }
    }
}

impl<S> fmt::Debug for Pkcs11Signer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Signer({:?})", self.public)
    }
}

impl<S, E> Signer for Pkcs11Signer<S>
where
    S: Fn(&Digest) -> Result<Vec<u8>, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let raw =
            (self.sign)(&Digest::of(message)).map_err(|error| SignError::Key(error.into()))?;
        let signature = Signature::from_slice(&raw)
            .map_err(|_| SignError::Key(NotASignature(raw.len()).into()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{filler, key};
    use crate::key::{PrivateKey, sign_and_check};

    const MODULE: &str = "module-path=/lib/p11.so";

    #[test]
    fn every_part() {
        let text = "pkcs11:token=My%20token;serial=01;manufacturer=A;model=B;slot-id=7;object=k%3b1;id=%01%ff;type=private\
                    ?module-path=/lib/p11.so&pin-source=env:PIN_1";
        let uri: Pkcs11Uri = text.parse().unwrap();
        assert_eq!(uri.to_string(), text);
        assert_eq!(uri.token.as_deref(), Some("My token"));
        assert_eq!((uri.serial.as_deref(), uri.slot), (Some("01"), Some(7)));
        assert_eq!((uri.manufacturer.as_deref(), uri.model.as_deref()), (Some("A"), Some("B")));
        assert_eq!((uri.object.as_deref(), uri.id), (Some("k;1"), Some(vec![1, 255])));
        assert_eq!(uri.module, "/lib/p11.so");
        assert_eq!(uri.pin, Some(PinSource::Environment("PIN_1".to_owned())));
        for (source, expected) in
            [("file:/run/pin", "/run/pin"), ("file:///run/pin", "/run/pin"), ("file:pin", "pin")]
        {
            let text = format!("pkcs11:id=%01?{MODULE}&pin-source={source}");
            let uri: Pkcs11Uri = text.parse().unwrap();
            assert_eq!(uri.pin, Some(PinSource::File(expected.to_owned())));
            assert_eq!((uri.token, uri.object), (None, None));
        }
    }

    #[test]
    fn no_names_of_keys() {
        use Pkcs11UriError as E;
        let object = format!("pkcs11:object=a?{MODULE}");
        for (text, expected) in [
            ("", E::Scheme),
            ("PKCS11:object=a", E::Scheme),
            ("pkcs11:", E::NoObject),
            (&format!("pkcs11:token=a?{MODULE}"), E::NoObject),
            ("pkcs11:object=a", E::Module),
            ("pkcs11:object=a?module-path=", E::Module),
            ("pkcs11:object=a?module-path=libp11.so", E::Module),
            ("pkcs11:object=a?module-name=p11", E::ModuleName),
            ("pkcs11:object", E::Part),
            ("pkcs11:object=a;object=b", E::Twice("object")),
            ("pkcs11:object=%4", E::Encoding("object")),
            ("pkcs11:object=%zz", E::Encoding("object")),
            ("pkcs11:object=a\n", E::Encoding("object")),
            (&format!("pkcs11:object=%ff?{MODULE}"), E::Encoding("object")),
            (&format!("pkcs11:object=a%00?{MODULE}"), E::Encoding("object")),
            ("pkcs11:object=a;module-path=/lib/p11.so", E::Unknown),
            (&format!("{object}&token=a"), E::Unknown),
            ("pkcs11:name=a", E::Unknown),
            (&format!("pkcs11:object=a;type=public?{MODULE}"), E::Type),
            (&format!("pkcs11:object=a;slot-id=x?{MODULE}"), E::Slot),
            (&format!("{object}&pin-source=1234"), E::PinSource),
            (&format!("{object}&pin-source=file:"), E::PinSource),
            (&format!("{object}&pin-source=env:"), E::PinSource),
            (&format!("{object}&pin-source=env:A-B"), E::PinSource),
            (&format!("{object}&pin-source=%7cecho"), E::PinSource),
            (&format!("{object}&pin-value=1234"), E::PinValue),
            ("pkcs11:object=a;pin-value=1234", E::PinValue),
            ("pkcs11:nonsense;pin-value=1234?", E::PinValue),
            (&format!("pkcs11:object={}", "a".repeat(URI_BYTES_MAX)), E::TooLong),
        ] {
            let error = text.parse::<Pkcs11Uri>().unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("1234"), "{error}");
        }
    }

    /// Returns `CKA_EC_PARAMS` and `CKA_EC_POINT` of a key.
    fn attributes(key: &PrivateKey) -> (Vec<u8>, Vec<u8>) {
        let info = SubjectPublicKeyInfoRef::from_der(key.public_key().der()).unwrap();
        let parameters = info.algorithm.parameters.unwrap().to_der().unwrap();
        let point = info.subject_public_key.as_bytes().unwrap();
        (parameters, OctetStringRef::new(point).unwrap().to_der().unwrap())
    }

    #[test]
    fn a_token_s_key() {
        let key = key(1);
        let (parameters, point) = attributes(&key);
        assert_eq!(public_key(&parameters, &point).unwrap(), *key.public_key());
        assert_eq!(public_key(&parameters, &point[2..]).unwrap(), *key.public_key());
        // The curve P-384, and what is no curve.
        let other = [6, 5, 0x2b, 0x81, 4, 0, 0x22];
        let long = [&[4, 97, 4][..], &[1; 96]].concat();
        for (parameters, point, expected) in [
            (&other[..], &long[..], "ECDSA on the curve 1.3.132.0.34"),
            (&[], &point, "SubjectPublicKeyInfo"),
            (&[6, 1], &point, "SubjectPublicKeyInfo"),
            (&parameters, &[], "no uncompressed point"),
            (&parameters, &[4, 2, 4, 1], "no uncompressed point"),
            (&parameters, &point[..40], "no uncompressed point"),
        ] {
            let error = public_key(parameters, point).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn what_a_token_signs() {
        let inner = key(1);
        let raw = |message: &[u8]| -> Vec<u8> {
            let der = inner.sign(message).unwrap();
            Signature::from_der(&der).unwrap().to_bytes().to_vec()
        };
        // A token gets the digest and knows no message; the test knows it.
        let signature = raw(b"message");
        let expected = Digest::of(b"message");
        let signer = Pkcs11Signer::new(inner.public_key().clone(), |digest: &Digest| {
            assert_eq!(*digest, expected);
            Ok::<_, std::io::Error>(signature.clone())
        });
        assert!(!signer.is_deterministic());
        let der = sign_and_check(&signer, b"message").unwrap();
        inner.public_key().verify(b"message", &der).unwrap();
        let mut numbers = filler(3);
        let mut other = [0; 64];
        numbers(&mut other).unwrap();
        for (bytes, reason) in [
            (vec![], "has 0 bytes"),
            (vec![0; 64], "expected 64"),
            (vec![1; 63], "has 63 bytes"),
            (inner.sign(b"message").unwrap(), "expected 64"),
            (other.to_vec(), "does not verify"),
            (raw(b"another"), "does not verify"),
        ] {
            let signer = Pkcs11Signer::new(inner.public_key().clone(), |_: &Digest| {
                Ok::<_, std::io::Error>(bytes.clone())
            });
            let error = sign_and_check(&signer, b"message").unwrap_err();
            let text = crate::key::with_causes(&error);
            assert!(text.contains(reason), "{text}");
        }
    }
}
