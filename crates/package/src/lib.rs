// SPDX-License-Identifier: Apache-2.0
//! Packages of Debian and Alpine: indexes, signatures, dependency solving, unpacking, merging.

pub mod apk;
pub mod deb;
pub mod elf;
pub mod merge;
pub mod openpgp;
pub mod owners;
pub mod scripts;
pub mod segment;
pub mod solve;
pub mod strip;
pub mod unpack;
