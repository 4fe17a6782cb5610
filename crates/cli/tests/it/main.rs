// SPDX-License-Identifier: Apache-2.0
//! Tests of the `hardpan` command as a user has it: the real program, real files, a real server.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod actions;
mod alpine;
mod attest_audit;
mod attest_scan;
mod audit;
mod audit_exceptions;
mod bad_archive;
mod bad_definition;
mod bad_disk;
mod bad_package;
mod bad_store;
mod build;
mod check;
mod compare;
mod completions;
mod containers;
mod contents;
mod db;
mod diff;
mod emulated;
mod explain;
mod init;
mod interrupted;
mod isolation;
mod keygen;
mod keys;
mod keys_elsewhere;
mod malware;
mod offline;
mod policy;
mod policy_refusals;
mod process_root;
mod provenance;
mod reproducible;
mod resolve;
mod rootless;
mod run;
mod sboms;
mod scan;
mod scripts;
mod secrets;
mod signer;
mod stages;
mod store;
mod structure_tests;
mod structure_tests_named;
mod support;
mod terminal;
mod test;
mod vex;
mod vex_documents;
mod vsa;
