// SPDX-License-Identifier: Apache-2.0
//! OpenPGP keys and signatures, good and bad, made from seeds: always the same bytes.

use pgp::composed::{ArmorOptions, SignedKeyDetails, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::ed25519::{Mode, SecretKey};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::errors::Result as PgpResult;
use pgp::packet::{
    KeyFlags, PacketTrait, PubKeyInner, PublicKey, PublicSubkey, RevocationCode, Signature,
    SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{
    Duration, Ed25519PublicParams, EddsaLegacyPublicParams, Fingerprint, KeyDetails, KeyId,
    KeyVersion, Mpi, Password, PublicParams, SignatureBytes, SigningKey, Tag, Timestamp,
};
use ring::signature::Ed25519KeyPair;

pub use pgp::crypto::hash::HashAlgorithm;

/// When keys are made, unless told otherwise: 2025-01-01, in seconds since 1970.
pub const CREATED_SECONDS: u32 = 1_735_689_600;

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Version 4 with legacy EdDSA, as GnuPG and Debian make them.
    V4Legacy,
    /// Version 4 with the Ed25519 of RFC 9580.
    V4,
    /// Version 6.
    V6,
}

/// What a key shall be like.
#[derive(Debug, Clone)]
pub struct KeyOptions {
    /// Another seed makes another key.
    pub seed: u8,
    /// Its kind.
    pub kind: Kind,
    /// When it is made, in seconds since 1970.
    pub created_seconds: u32,
    /// How long it is valid, in seconds; 0 for ever.
    pub lifetime_seconds: u32,
    /// Whether it is revoked.
    pub revoked: bool,
    /// The hash algorithm of its self-signature; none to leave the self-signature out.
    pub self_signature: Option<HashAlgorithm>,
    /// Whether its self-signature lets it sign documents.
    pub may_sign: bool,
    /// A subkey that signs in its place.
    pub subkey: Option<SubkeyOptions>,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            kind: Kind::V4Legacy,
            created_seconds: CREATED_SECONDS,
            lifetime_seconds: 0,
            revoked: false,
            self_signature: Some(HashAlgorithm::Sha512),
            may_sign: true,
            subkey: None,
        }
    }
}

/// What a subkey shall be like.
#[derive(Debug, Clone)]
pub struct SubkeyOptions {
    /// How long it is valid, in seconds; 0 for ever.
    pub lifetime_seconds: u32,
    /// Whether it is revoked.
    pub revoked: bool,
    /// The hash algorithm of its binding.
    pub binding: HashAlgorithm,
    /// Whether the binding is really made by the primary key, or else by another one.
    pub bound_by_primary: bool,
    /// Whether its binding lets it sign documents.
    pub may_sign: bool,
    /// Whether it vouches for the primary key.
    pub back_signature: bool,
}

impl Default for SubkeyOptions {
    fn default() -> Self {
        Self {
            lifetime_seconds: 0,
            revoked: false,
            binding: HashAlgorithm::Sha512,
            bound_by_primary: true,
            may_sign: true,
            back_signature: true,
        }
    }
}

/// How to sign a text.
#[derive(Debug, Clone)]
pub struct SignOptions {
    /// When, in seconds since 1970.
    pub created_seconds: u32,
    /// How long the signature is valid, in seconds; 0 for ever.
    pub lifetime_seconds: u32,
    /// The hash algorithm.
    pub hash: HashAlgorithm,
    /// Whether line ends are made equal before (text), or not (binary).
    pub text: bool,
    /// Whether the signature says which key made it.
    pub names_key: bool,
    /// Whether it holds a critical part that nobody knows.
    pub unknown_critical: bool,
}

impl Default for SignOptions {
    fn default() -> Self {
        Self {
            created_seconds: CREATED_SECONDS + 86_400,
            lifetime_seconds: 0,
            hash: HashAlgorithm::Sha256,
            text: true,
            names_key: true,
            unknown_critical: false,
        }
    }
}

/// A key pair that signs with any hash algorithm, also with those that no sane program uses.
#[derive(Debug, Clone)]
struct Signer {
    public: PublicKey,
    seed: [u8; 32],
}

impl Signer {
    fn new(kind: Kind, seed: [u8; 32], created_seconds: u32) -> Self {
        let public = PublicKey::from_inner(inner(kind, seed, created_seconds));
        Self { public: public.expect("the parameters fit the version"), seed }
    }

    fn config(&self, kind: SignatureType, hash: HashAlgorithm, created: u32) -> SignatureConfig {
        let algorithm = self.public.algorithm();
        let mut config = if self.public.version() == KeyVersion::V6 {
            let salt = vec![7; hash.salt_len().unwrap_or(16)];
            SignatureConfig::v6_with_salt(kind, algorithm, hash, salt)
        } else {
            SignatureConfig::v4(kind, algorithm, hash)
        };
        config.hashed_subpackets =
            vec![regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(created)))];
        config
            .hashed_subpackets
            .push(regular(SubpacketData::IssuerFingerprint(self.public.fingerprint())));
        config
    }
}

impl KeyDetails for Signer {
    fn version(&self) -> KeyVersion {
        self.public.version()
    }
    fn legacy_key_id(&self) -> KeyId {
        self.public.legacy_key_id()
    }
    fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }
    fn algorithm(&self) -> PublicKeyAlgorithm {
        self.public.algorithm()
    }
    fn created_at(&self) -> Timestamp {
        self.public.created_at()
    }
    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        None
    }
    fn public_params(&self) -> &PublicParams {
        self.public.public_params()
    }
}

impl SigningKey for Signer {
    fn sign(&self, _: &Password, _: HashAlgorithm, digest: &[u8]) -> PgpResult<SignatureBytes> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&self.seed).expect("any seed is a key");
        let signature = pair.sign(digest);
        let bytes = signature.as_ref();
        Ok(match self.public.algorithm() {
            PublicKeyAlgorithm::EdDSALegacy => SignatureBytes::Mpis(vec![
                Mpi::from_slice(&bytes[..32]),
                Mpi::from_slice(&bytes[32..]),
            ]),
            _ => SignatureBytes::Native(bytes.to_vec().into()),
        })
    }

    fn hash_alg(&self) -> HashAlgorithm {
        HashAlgorithm::Sha512
    }
}

/// A key with which archives are signed.
#[derive(Debug, Clone)]
pub struct Key {
    signer: Signer,
    public: SignedPublicKey,
}

impl Key {
    /// Makes a plain key.
    pub fn new(seed: u8) -> Self {
        Self::with(KeyOptions { seed, ..KeyOptions::default() })
    }

    /// Makes a key.
    pub fn with(options: KeyOptions) -> Self {
        let created = options.created_seconds;
        let primary = Signer::new(options.kind, [options.seed; 32], created);
        let mut details = SignedKeyDetails::new(vec![], vec![], vec![], vec![]);
        if options.revoked {
            let mut config =
                primary.config(SignatureType::KeyRevocation, HashAlgorithm::Sha512, created + 1);
            config.hashed_subpackets.push(regular(SubpacketData::RevocationReason(
                RevocationCode::KeyCompromised,
                b"lost".to_vec().into(),
            )));
            details.revocation_signatures.push(sign_key(config, &primary));
        }
        if let Some(hash) = options.self_signature {
            add_self_signature(&mut details, &primary, hash, &options);
        }
        let mut signer = primary.clone();
        let mut subkeys = Vec::new();
        if let Some(subkey) = &options.subkey {
            signer = Signer::new(options.kind, [options.seed ^ 0x80; 32], created);
            subkeys.push(bind(&primary, &signer, subkey, &options));
        }
        let public =
            SignedPublicKey { primary_key: primary.public, details, public_subkeys: subkeys };
        Self { signer, public }
    }

    /// Returns the public key, binary.
    pub fn public(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.public.to_writer(&mut bytes).expect("memory can be written to");
        bytes
    }

    /// Returns the public key, armoured.
    pub fn public_armoured(&self) -> String {
        self.public.to_armored_string(ArmorOptions::default()).expect("memory can be written to")
    }

    /// Returns the fingerprint of the primary key, in upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.public.primary_key.fingerprint())
    }

    /// Returns the fingerprint of the key that signs, the subkey if there is one.
    pub fn signing_fingerprint(&self) -> String {
        format!("{:X}", self.signer.public.fingerprint())
    }

    /// Signs a text, and returns the signature packet.
    pub fn sign(&self, text: &[u8], options: &SignOptions) -> Vec<u8> {
        let kind = if options.text { SignatureType::Text } else { SignatureType::Binary };
        let mut config = self.signer.config(kind, options.hash, options.created_seconds);
        if !options.names_key {
            config.hashed_subpackets.truncate(1);
        }
        if options.lifetime_seconds > 0 {
            config.hashed_subpackets.push(regular(SubpacketData::SignatureExpirationTime(
                Duration::from_secs(options.lifetime_seconds),
            )));
        }
        if options.unknown_critical {
            let unknown = SubpacketData::Experimental(101, b"?".to_vec().into());
            let subpacket = Subpacket::critical(unknown).expect("a short subpacket");
            config.hashed_subpackets.push(subpacket);
        }
        let signature =
            config.sign(&self.signer, &Password::empty(), text).expect("the key fits the config");
        packet(&signature)
    }
}

/// Makes a cleartext-signed message of a text (that ends with a line end) and the signatures of
/// several keys.
pub fn cleartext(text: &str, signers: &[(&Key, SignOptions)]) -> Vec<u8> {
    let canonical = text.strip_suffix('\n').unwrap_or(text).replace('\n', "\r\n");
    let packets: Vec<u8> =
        signers.iter().flat_map(|(key, options)| key.sign(canonical.as_bytes(), options)).collect();
    let mut message = String::from("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n");
    for line in text.lines() {
        if line.starts_with('-') {
            message.push_str("- ");
        }
        message.push_str(line);
        message.push('\n');
    }
    message.push_str(&armour(&packets));
    message.into_bytes()
}

/// Makes the signatures of several keys over a text, in one armoured block.
pub fn detached(text: &[u8], signers: &[(&Key, SignOptions)]) -> Vec<u8> {
    let packets: Vec<u8> =
        signers.iter().flat_map(|(key, options)| key.sign(text, options)).collect();
    armour(&packets).into_bytes()
}

/// Wraps signature packets in armour.
pub fn armour(packets: &[u8]) -> String {
    struct Raw<'r>(&'r [u8]);
    impl Serialize for Raw<'_> {
        fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> PgpResult<()> {
            writer.write_all(self.0)?;
            Ok(())
        }
        fn write_len(&self) -> usize {
            self.0.len()
        }
    }
    let mut text = Vec::new();
    pgp::armor::write(&Raw(packets), pgp::armor::BlockType::Signature, &mut text, None, true)
        .expect("memory can be written to");
    String::from_utf8(text).expect("armour is ASCII")
}

fn add_self_signature(
    details: &mut SignedKeyDetails,
    primary: &Signer,
    hash: HashAlgorithm,
    options: &KeyOptions,
) {
    let kind = match options.kind {
        Kind::V6 => SignatureType::Key,
        _ => SignatureType::CertPositive,
    };
    let mut config = primary.config(kind, hash, options.created_seconds);
    add_properties(&mut config, options.may_sign, options.lifetime_seconds);
    if options.kind == Kind::V6 {
        details.direct_signatures.push(sign_key(config, primary));
        return;
    }
    let id =
        UserId::from_str(pgp::types::PacketHeaderVersion::New, "Archive <archive@example.org>")
            .expect("a short name");
    let signature = config
        .sign_certification(primary, &primary.public, &Password::empty(), Tag::UserId, &id)
        .expect("the key fits the config");
    details.users.push(pgp::types::SignedUser::new(id, vec![signature]));
}

fn bind(
    primary: &Signer,
    signer: &Signer,
    subkey: &SubkeyOptions,
    options: &KeyOptions,
) -> SignedPublicSubKey {
    let created = options.created_seconds;
    let seed = [options.seed ^ 0x80; 32];
    let public = PublicSubkey::from_inner(inner(options.kind, seed, created))
        .expect("the parameters fit the version");
    let none = Password::empty();
    let mut config = primary.config(SignatureType::SubkeyBinding, subkey.binding, created);
    add_properties(&mut config, subkey.may_sign, subkey.lifetime_seconds);
    if subkey.back_signature {
        let back = signer
            .config(SignatureType::KeyBinding, HashAlgorithm::Sha512, created)
            .sign_primary_key_binding(signer, &public, &none, &primary.public)
            .expect("the key fits the config");
        config.hashed_subpackets.push(regular(SubpacketData::EmbeddedSignature(Box::new(back))));
    }
    let stranger = Signer::new(options.kind, [options.seed ^ 0x40; 32], created);
    let binder = if subkey.bound_by_primary { primary } else { &stranger };
    let binding = config
        .sign_subkey_binding(binder, &primary.public, &none, &public)
        .expect("the key fits the config");
    let mut signatures = vec![binding];
    if subkey.revoked {
        let config =
            primary.config(SignatureType::SubkeyRevocation, HashAlgorithm::Sha512, created + 1);
        let revocation = config
            .sign_subkey_binding(primary, &primary.public, &none, &public)
            .expect("the key fits the config");
        signatures.push(revocation);
    }
    SignedPublicSubKey { key: public, signatures }
}

fn add_properties(config: &mut SignatureConfig, may_sign: bool, lifetime_seconds: u32) {
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    flags.set_sign(may_sign);
    config.hashed_subpackets.push(regular(SubpacketData::KeyFlags(flags)));
    if lifetime_seconds > 0 {
        let lifetime = Duration::from_secs(lifetime_seconds);
        config.hashed_subpackets.push(regular(SubpacketData::KeyExpirationTime(lifetime)));
    }
}

fn sign_key(config: SignatureConfig, primary: &Signer) -> Signature {
    config.sign_key(primary, &Password::empty(), &primary.public).expect("the key fits the config")
}

fn inner(kind: Kind, seed: [u8; 32], created_seconds: u32) -> PubKeyInner {
    let secret = |mode| SecretKey::try_from_bytes(seed, mode).expect("any seed is a key");
    let (version, algorithm, parameters) = match kind {
        Kind::V4Legacy => (
            KeyVersion::V4,
            PublicKeyAlgorithm::EdDSALegacy,
            PublicParams::EdDSALegacy(EddsaLegacyPublicParams::from(&secret(Mode::EdDSALegacy))),
        ),
        Kind::V4 | Kind::V6 => (
            if kind == Kind::V6 { KeyVersion::V6 } else { KeyVersion::V4 },
            PublicKeyAlgorithm::Ed25519,
            PublicParams::Ed25519(Ed25519PublicParams::from(&secret(Mode::Ed25519))),
        ),
    };
    PubKeyInner::new(version, algorithm, Timestamp::from_secs(created_seconds), None, parameters)
        .expect("the parameters fit the version")
}

fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).expect("a short subpacket")
}

fn packet(signature: &Signature) -> Vec<u8> {
    let mut bytes = Vec::new();
    signature.to_writer_with_header(&mut bytes).expect("memory can be written to");
    bytes
}
