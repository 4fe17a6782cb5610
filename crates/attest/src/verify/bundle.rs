// SPDX-License-Identifier: Apache-2.0
//! Sigstore bundles.

use hardpan_image::Descriptor;
use hardpan_tree::Digest;

use super::found::Parsed;
use super::trust::{Trust, accepted};
use super::witness::{self, Witnessed};
use super::{Accepted, Claim, Refusal};
use crate::Statement;
use crate::certificate::SignerCertificate;
use crate::key::TrustedKey;
use crate::log::{Signed, Verifier};
use crate::signature::{BUNDLE_BYTES_MAX, Bundle, Material, SIGN_TYPE, SignedStatement};

/// Whether this is a bundle of any version; those that can't be read say so.
pub(super) fn is_any_bundle_type(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.dev.sigstore.bundle")
}

/// Who signed a bundle.
enum By<'k> {
    Key(&'k TrustedKey),
    Certificate(Box<SignerCertificate>),
}

/// A bundle with a signature of somebody who is trusted.
struct Opened<'k> {
    bundle: Bundle,
    message: Vec<u8>,
    statement: Statement,
    by: By<'k>,
}

pub(super) fn check(
    image: &Descriptor,
    one: &Parsed<'_>,
    trust: Trust<'_>,
) -> Result<Accepted, Refusal> {
    conclude(open(image, one, trust)?, trust)
}

/// Says what a bundle proves about what has this digest.
pub(super) fn check_bytes(
    bytes: &[u8],
    digest: &Digest,
    trust: Trust<'_>,
) -> Result<Accepted, Refusal> {
    conclude(open_bytes(bytes, digest, trust)?, trust)
}

/// Checks what others say of a signature, and says what it comes to.
fn conclude(opened: Opened<'_>, trust: Trust<'_>) -> Result<Accepted, Refusal> {
    let Opened { bundle, message, statement, by } = opened;
    let signature = bundle.envelope().signatures.first().map_or(&[][..], Vec::as_slice);
    let verifier = match &by {
        By::Key(key) => Verifier::Key(&key.key),
        By::Certificate(certificate) => Verifier::Certificate(certificate.der(), certificate.key()),
    };
    let signed = Signed { message: &message, signature, verifier };
    let examined = witness::examine(bundle.witness(), &signed, trust)?;
    // A bundle of any other type, by whatever key, is no signature of the image.
    let claim = if statement.predicate_type == SIGN_TYPE {
        Claim::Signature { identity: None }
    } else {
        Claim::Attestation(statement)
    };
    let witnessed = examined.witnessed;
    match by {
        By::Key(key) => Ok(Accepted { witnessed, ..accepted(key, claim) }),
        By::Certificate(certificate) => {
            check_certificate(&certificate, &examined.times, &witnessed, trust)?;
            let key_name = certificate.identity().to_string();
            Ok(Accepted { key: certificate.key().id(), key_name, claim, witnessed })
        }
    }
}

/// Returns a bundle that a key, or the key of a certificate, signed, as it was signed.
pub(super) fn signed_by(
    image: &Descriptor,
    one: &Parsed<'_>,
    trust: Trust<'_>,
) -> Result<SignedStatement, Refusal> {
    let Opened { bundle, statement, by, .. } = open(image, one, trust)?;
    let key = match by {
        By::Key(key) => key.key.clone(),
        By::Certificate(certificate) => {
            check_certificate(&certificate, &[], &Witnessed::default(), trust)?;
            certificate.key().clone()
        }
    };
    Ok(SignedStatement::of_bundle(&bundle, statement, key))
}

/// Reads a bundle, and checks its signature and what it is about.
fn open<'k>(image: &Descriptor, one: &Parsed<'_>, trust: Trust<'k>) -> Result<Opened<'k>, Refusal> {
    let [layer] = &one.manifest.value().layers[..] else {
        return Err(Refusal::Layers(one.manifest.value().layers.len()));
    };
    let bytes = one.content(layer, BUNDLE_BYTES_MAX, trust)?;
    let opened = open_bytes(bytes, &image.digest, trust)?;
    one.check_predicate_type(layer, &opened.statement.predicate_type)?;
    Ok(opened)
}

fn open_bytes<'k>(bytes: &[u8], digest: &Digest, trust: Trust<'k>) -> Result<Opened<'k>, Refusal> {
    let bundle = Bundle::parse(bytes).map_err(Refusal::Bundle)?;
    let envelope = bundle.envelope();
    let message = envelope.message();
    let by = match bundle.material() {
        Material::PublicKey(hint) => {
            By::Key(trust.signer(&message, &envelope.signatures, Some(hint))?)
        }
        Material::Certificate(der) => {
            By::Certificate(Box::new(signer(der, &message, &envelope.signatures, trust)?))
        }
    };
    let statement = statement(&envelope.payload, digest)?;
    Ok(Opened { bundle, message, statement, by })
}

/// Reads a certificate, and checks that its key signed and that it is of whom is trusted, if its authority is.
fn signer(
    der: &[u8],
    message: &[u8],
    signatures: &[Vec<u8>],
    trust: Trust<'_>,
) -> Result<SignerCertificate, Refusal> {
    let (Some(wanted), Some(_)) = (trust.rules.identity, trust.rules.root) else {
        return Err(Refusal::Certificate);
    };
    let certificate = SignerCertificate::parse(der).map_err(Refusal::BadCertificate)?;
    let made = |signature: &Vec<u8>| certificate.key().verify(message, signature).is_ok();
    if !signatures.iter().any(made) {
        return Err(Refusal::NotCertificates);
    }
    let found = certificate.identity();
    if found.name != wanted.name {
        return Err(Refusal::OtherIdentity { found: found.name.clone() });
    }
    if found.issuer != wanted.issuer {
        return Err(Refusal::OtherIssuer { found: found.issuer.clone() });
    }
    Ok(certificate)
}

/// Checks that an authority issued a certificate, which was valid whenever somebody saw the signature. Such certificates
/// live for minutes, so without a proven time they prove nothing.
fn check_certificate(
    certificate: &SignerCertificate,
    times: &[i64],
    witnessed: &Witnessed,
    trust: Trust<'_>,
) -> Result<(), Refusal> {
    let root = trust.rules.root.ok_or(Refusal::Certificate)?;
    if trust.rules.certificates_alone {
        return certificate.verify(root, certificate.valid_from()).map_err(Refusal::BadCertificate);
    }
    if times.is_empty() {
        return Err(Refusal::NoTime);
    }
    // Only a log lets the owner of an identity see what was signed in their name.
    if witnessed.entries.is_empty() && !root.logs().is_empty() {
        return Err(Refusal::NotLogged);
    }
    times
        .iter()
        .try_for_each(|time| certificate.verify(root, *time))
        .map_err(Refusal::BadCertificate)
}

/// Reads what was signed, and checks that it is about the image.
pub(super) fn statement(payload: &[u8], image: &Digest) -> Result<Statement, Refusal> {
    let statement = Statement::parse(payload).map_err(Refusal::Statement)?;
    if statement.is_about(image) { Ok(statement) } else { Err(Refusal::OtherImage(*image)) }
}
