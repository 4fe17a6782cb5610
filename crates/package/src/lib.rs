// SPDX-License-Identifier: Apache-2.0
//! Debian packages: indexes, signatures, dependency solving, unpacking.

pub mod deb;
pub mod openpgp;
pub mod solve;
