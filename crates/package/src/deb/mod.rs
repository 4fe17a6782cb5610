// SPDX-License-Identifier: Apache-2.0
//! Debian's formats: control data, versions, archives, packages.

pub mod scripts;
