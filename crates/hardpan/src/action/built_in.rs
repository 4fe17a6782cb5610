// SPDX-License-Identifier: Apache-2.0
//! The actions that hardpan brings, from the folder `actions/` of the repository.

macro_rules! files {
    ($($name:literal,)*) => {
        /// Names and texts of the files.
        pub(super) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../../actions/", $name)))),*];
    };
}

files! {
    "patch-v1.yaml",
}
