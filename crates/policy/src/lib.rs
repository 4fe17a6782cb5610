// SPDX-License-Identifier: Apache-2.0
//! Policies in Rego, and policies for admission controllers made of the one in YAML.
//!
//! [`decide`] holds an image, as [`input`] describes it, against [`Module`]s of Rego; [`Tests`] are theirs.
//! [`export`] writes a policy (`hardpan_attest::policy`) for Kyverno, Sigstore's policy-controller, Gatekeeper and buildx.
//!
//! **Invariant**: a policy decides from its input alone. There is no function that reaches the network, the present is an
//! argument, and files come through [`Files`]. What is not decided is denied.
//!
//! **Invariant**: nothing of a policy is left out of an export silently.

mod decision;
mod engine;
pub mod export;
mod functions;
pub mod input;
mod recursion;
mod shape;
mod testing;
mod times;

#[cfg(test)]
mod tests;

pub use decision::{Decision, decide};
pub use engine::{Files, MODULE_BYTES_MAX, MODULES_MAX, Module, RegoError, Settings};
pub use testing::{NoTests, Selection, TestOutcome, TestResult, Tests};
