// SPDX-License-Identifier: Apache-2.0
//! What is stated about images, signed, published and verified.
//!
//! [`Session::attest`](crate::Session::attest) states what a build knows and signs it beside the image in its layout,
//! [`Session::publish`](crate::Session::publish) brings it to a registry, [`Session::verify`](crate::Session::verify) says what is
//! proven about an image wherever it lies, [`Session::rebuild`](crate::Session::rebuild) proves it by building it again.

mod add;
mod attest;
mod changes;
mod elsewhere;
mod error;
mod in_index;
mod inputs;
#[cfg(feature = "pkcs11")]
mod pkcs11;
pub mod policy;
mod policy_input;
mod policy_set;
mod publish;
mod rebuild;
mod record;
mod rules;
mod sign;
mod summary;
mod tested;
mod verify;
mod vex;
mod witness;

pub(crate) use add::About;
pub use add::AddRequest;
pub use attest::{AttestRequest, Attested, format_of};
pub use changes::ImageDifference;
#[cfg(feature = "keyless")]
pub use elsewhere::open_keyless;
pub use elsewhere::{
    AnySigner, ElsewhereError, TransitServer, open_plugin, open_service, open_transit,
};
pub use error::TrustError;
pub use inputs::{DifferentInput, Rebuilt};
#[cfg(feature = "pkcs11")]
pub use pkcs11::{Pkcs11Error, open_pkcs11};
pub use policy_set::{Bundle, PolicySet, limit_memory, read_beside};
pub use publish::{PublishRequest, Published};
pub use rebuild::{Comparison, PlatformDifference, RebuildPlan};
pub use record::BuiltBy;
pub use sign::SignRequest;
pub use summary::SummaryRequest;
pub use tested::TestedFile;
pub(crate) use verify::evidence;
pub use verify::{SubjectReport, VerifyReport};
pub use vex::{VexSummary, read_vex, read_vex_of};
pub use witness::{WitnessError, Witnesses};

pub use hardpan_attest::key;

/// Policies in Rego, and the policy in YAML for others.
pub mod rego {
    pub use hardpan_policy::export::{
        ExportError, ExportRequest, Exported, Remark, RemarkKind, Target, export,
    };
    pub use hardpan_policy::{
        Decision, Files, MODULE_BYTES_MAX, MODULES_MAX, Module, NoTests, RegoError, Selection,
        Settings, TestOutcome, TestResult, Tests, decide,
    };
}

/// The longest message that is signed, in bytes: a statement and what goes around it.
pub const MESSAGE_BYTES_MAX: usize = hardpan_attest::STATEMENT_BYTES_MAX + 1024;

pub use hardpan_attest::predicate;

/// SBOMs in the forms that others read.
pub mod sbom {
    pub use hardpan_attest::sbom::table::{Row, rows};
    pub use hardpan_attest::sbom::{ComponentKind, Sbom};
    use hardpan_attest::sbom::{cyclonedx, spdx2, spdx3};
    pub use hardpan_scan::drift::{Drift, Drifted};

    /// Writes SPDX 2.3 as JSON.
    pub fn write_spdx(sbom: &Sbom) -> Vec<u8> {
        spdx2::write(sbom)
    }

    /// Writes SPDX 3.0.1 as JSON-LD.
    pub fn write_spdx3(sbom: &Sbom) -> Vec<u8> {
        spdx3::write(sbom)
    }

    /// Writes CycloneDX 1.7 as JSON.
    pub fn write_cyclonedx_1_7(sbom: &Sbom) -> Vec<u8> {
        cyclonedx::write(sbom, cyclonedx::SpecVersion::V1_7)
    }

    /// Writes CycloneDX 1.6 as JSON.
    pub fn write_cyclonedx(sbom: &Sbom) -> Vec<u8> {
        cyclonedx::write(sbom, cyclonedx::SpecVersion::V1_6)
    }
}

pub use hardpan_attest::certificate::Identity;
pub use hardpan_attest::root::{ROOT_BYTES_MAX, RootError, TrustedRoot};
pub use hardpan_attest::signature::{AttachOptions, Format};
pub use hardpan_attest::verify::{
    Accepted, Claim, Evidence, LogPlace, Refusal, Rules, SeenAt, Witnessed,
};

/// Reads a file that the user names, if it is one and not too large.
pub(crate) fn read_file(path: &std::path::Path, max: usize) -> Result<Vec<u8>, TrustError> {
    use std::io::Read as _;
    let wrap = |source| TrustError::Read { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(wrap)?;
    let metadata = file.metadata().map_err(wrap)?;
    if !metadata.is_file() {
        return Err(wrap(std::io::Error::other("not a file")));
    }
    let mut bytes =
        Vec::with_capacity(usize::try_from(metadata.len()).map_or(0, |length| length.min(max)));
    file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(wrap)?;
    if bytes.len() > max {
        return Err(TrustError::FileTooLarge { path: path.to_owned(), max });
    }
    Ok(bytes)
}
