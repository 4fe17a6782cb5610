// SPDX-License-Identifier: Apache-2.0
//! Test support: in-memory packages, archives, keys and servers.

pub mod apk;
pub mod apk_adb;
pub mod archive;
pub mod authority;
pub mod browser;
pub mod deb;
pub mod der;
pub mod elf;
pub mod fixture;
pub mod git;
pub mod go_vex;
pub mod http;
pub mod keyless;
pub mod oci;
pub mod pgp;
pub mod registry;
pub mod server;
pub mod timestamps;
pub mod transparency;
pub mod zip;

pub use deb::deb;
