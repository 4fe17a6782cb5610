// SPDX-License-Identifier: Apache-2.0
//! Debian's formats: control data, versions, archives, packages.

pub mod ar;
mod elf;
pub mod merge;
pub mod segment;
pub mod strip;
pub mod unpack;
