// SPDX-License-Identifier: Apache-2.0
//! What the controls say of an image, judged: passed or not, excused or not, and what that comes to.
//!
//! [`evidence`] makes of layers what the controls look at, [`audit`] sorts what they found into an
//! [`AuditReport`], [`grade`] counts, [`Surface::of`] measures, [`benchmark`] and [`health`] say it in the words of others,
//! [`compare`] puts two images side by side, [`crypto`] lists cryptographic modules, and [`report`] draws.

pub mod benchmark;
pub mod compare;
pub mod crypto;
pub mod evidence;
pub mod exceptions;
mod grade;
pub mod health;
mod judge;
pub mod mappings;
mod model;
mod predicate;
mod profile_file;
pub mod report;
pub mod surface;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod traits;

pub use grade::{FAIL_POINTS, POINTS_MAX, STEPS, UnknownGrade, WARN_POINTS, grade};
pub use judge::{AuditPolicy, audit};
pub use model::{
    Acceptance, AuditFinding, AuditReport, AuditedImage, ControlResult, Deduction, Grade, GradeSum,
    Outcome, ProfileChoice, ProfileSource, Surface, Traits,
};
pub use predicate::predicate;
pub use profile_file::{ProfileFile, ProfileFileError};
