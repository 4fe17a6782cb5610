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
    "abuild-apk-v1.yaml",
    "abuild-build-v1.yaml",
    "abuild-bump-v1.yaml",
    "abuild-disable-v1.yaml",
    "abuild-setup-v1.yaml",
    "abuild-source-v1.yaml",
    "abuild-upload-v1.yaml",
    "cosign-verify-blob-v1.yaml",
    "deb-build-v1.yaml",
    "deb-install-v1.yaml",
    "dhi-build-pkg-0.yaml",
    "dpkg-build-v1.yaml",
    "dpkg-bump-v1.yaml",
    "dpkg-patch-v1.yaml",
    "dpkg-source-v1.yaml",
    "git-checkout-v1.yaml",
    "git-patch-v1.yaml",
    "go-build-v1.yaml",
    "go-bump-v1.yaml",
    "go-bump-v2.yaml",
    "go-hermetic-v1.yaml",
    "gpg-verify-v1.yaml",
    "gradle-mirror-v1.yaml",
    "mvn-mirror-v1.yaml",
    "mvn-patch-v1.yaml",
    "npm-bump-v1.yaml",
    "patch-v1.yaml",
    "sbom-v1.yaml",
    "spdx-v1.yaml",
    "strip-v1.yaml",
    "yarn-bump-v2.yaml",
}
