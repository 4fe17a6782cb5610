// SPDX-License-Identifier: Apache-2.0
//! Private keys under a password, in cosign's form: JSON that names scrypt and NaCl's secretbox.

use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305};
use p256::elliptic_curve::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use super::private::{NoRandomness, PrivateKeyError};
use super::{base64, pem};

/// The label that is written.
const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
/// The label that cosign wrote before version 2.
const LABEL_OLD: &str = "ENCRYPTED COSIGN PRIVATE KEY";
/// The longest password, in bytes. scrypt hashes it first, so the limit is only against mistakes.
pub const PASSWORD_BYTES_MAX: usize = 64 << 10;

const SALT_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const KDF: &str = "scrypt";
const CIPHER: &str = "nacl/secretbox";

/// What trying a password costs: the three values of `N` that cosign reads. `r` is always 8 and `p` always 1, so
/// nobody's file can make us use more than 128 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScryptCost {
    /// 2^15, 32 MiB.
    Low,
    /// 2^16, 64 MiB: what cosign writes.
    #[default]
    Standard,
    /// 2^17, 128 MiB.
    High,
}

impl ScryptCost {
    const ALL: [Self; 3] = [Self::Low, Self::Standard, Self::High];

    fn log_n(self) -> u8 {
        match self {
            Self::Low => 15,
            Self::Standard => 16,
            Self::High => 17,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Serialize, Deserialize)]
struct Params {
    #[serde(rename = "N")]
    n: u64,
    r: u64,
    p: u64,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Returns whether a PEM label means that a password is needed.
pub(super) fn is_encrypted(label: &str) -> bool {
    matches!(label, LABEL | LABEL_OLD)
}

/// Encrypts a private key in PKCS #8.
pub(super) fn seal(
    pkcs8: &[u8],
    password: &[u8],
    cost: ScryptCost,
    fill: &mut dyn FnMut(&mut [u8]) -> Result<(), NoRandomness>,
) -> Result<String, PrivateKeyError> {
    let (mut salt, mut nonce) = ([0; SALT_BYTES], [0; NONCE_BYTES]);
    fill(&mut salt)?;
    fill(&mut nonce)?;
    let ciphertext = cipher(password, &salt, cost)?
        .encrypt(Nonce::from_slice(&nonce), pkcs8)
        .expect("a key is far shorter than what the cipher can take");
    let sealed = Sealed {
        kdf: Kdf {
            name: KDF.to_owned(),
            params: Params { n: 1 << cost.log_n(), r: 8, p: 1 },
            salt: base64::encode(&salt),
        },
        cipher: Cipher { name: CIPHER.to_owned(), nonce: base64::encode(&nonce) },
        ciphertext: base64::encode(&ciphertext),
    };
    let json = serde_json::to_vec(&sealed).expect("texts and numbers can be written as JSON");
    Ok(pem::encode(LABEL, &json))
}

/// Decrypts a private key to PKCS #8.
pub(super) fn open(json: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, PrivateKeyError> {
    let sealed: Sealed = serde_json::from_slice(json)
        .map_err(|_| PrivateKeyError::Sealed("it is not cosign's JSON"))?;
    if sealed.kdf.name != KDF {
        return Err(PrivateKeyError::Sealed("its key derivation is not scrypt"));
    }
    if sealed.cipher.name != CIPHER {
        return Err(PrivateKeyError::Sealed("its cipher is not nacl/secretbox"));
    }
    let params = sealed.kdf.params;
    let cost = (ScryptCost::ALL.into_iter())
        .find(|cost| (params.n, params.r, params.p) == (1 << cost.log_n(), 8, 1))
        .ok_or(PrivateKeyError::ScryptParameters { n: params.n, r: params.r, p: params.p })?;
    let salt = base64::decode(&sealed.kdf.salt).filter(|salt| salt.len() == SALT_BYTES);
    let salt = salt.ok_or(PrivateKeyError::Sealed("its salt is not 32 bytes in base64"))?;
    let nonce = base64::decode(&sealed.cipher.nonce).filter(|nonce| nonce.len() == NONCE_BYTES);
    let nonce = nonce.ok_or(PrivateKeyError::Sealed("its nonce is not 24 bytes in base64"))?;
    let ciphertext = base64::decode(&sealed.ciphertext)
        .ok_or(PrivateKeyError::Sealed("its ciphertext is not base64"))?;
    let cipher = cipher(password, &salt, cost)?;
    let opened = cipher.decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice());
    opened.map(Zeroizing::new).map_err(|_| PrivateKeyError::WrongPassword)
}

fn cipher(
    password: &[u8],
    salt: &[u8],
    cost: ScryptCost,
) -> Result<XSalsa20Poly1305, PrivateKeyError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PrivateKeyError::PasswordTooLong);
    }
    let params =
        scrypt::Params::new(cost.log_n(), 8, 1, 32).expect("the three costs are all possible");
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(password, salt, &params, key.as_mut_slice()).expect("32 bytes can be derived");
    Ok(XSalsa20Poly1305::new(key.as_slice().into()))
}
