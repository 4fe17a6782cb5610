// SPDX-License-Identifier: Apache-2.0
//! Image configuration that a package carries: `/opt/docker/config/<name>.yaml`.
//!
//! It has two keys of a definition, `environment` and `paths`, with the same meaning; they go into
//! every image that has the package. There are no variables, but `#{ … }` knows the platform.

use std::collections::BTreeMap;

use crate::decode::{self, Decoder, Fields, Place};
use crate::diagnostic::{self, Diagnostic};
use crate::model::{Distribution, PathRule, Platform};
use crate::scope::Scope;
use crate::source::{Source, Spanned};
use crate::yaml;

/// What a package brings to an image's configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackageConfig {
    /// Environment of the image.
    pub environment: BTreeMap<String, Spanned<String>>,
    /// Changes to the file system, in order.
    pub paths: Vec<Spanned<PathRule>>,
}

/// Parses a package's image configuration for one platform.
///
/// # Errors
/// All that is wrong with it, if any of it is an error.
pub fn parse_package_config(
    source: &Source,
    platform: Platform,
    distribution: Distribution,
) -> Result<PackageConfig, Vec<Diagnostic>> {
    let sources = [source.clone()];
    let mut diagnostics = Vec::new();
    let mut config = PackageConfig::default();
    let root = yaml::read(source, 0, &mut diagnostics);
    // A file without content configures nothing.
    if let Some(root) = root.as_ref().filter(|root| !root.is_null()) {
        let (scope, mut found) = Scope::new(&sources, decode::facts(root, platform), None);
        diagnostics.append(&mut found);
        let mut decoder = Decoder::new(&sources, scope, platform, Some(distribution));
        if let Some(mut fields) =
            Fields::new(&mut decoder, root, "the configuration of a package", root.span)
        {
            config.environment = decoder.environment(fields.take("environment"));
            config.paths = decoder.path_rules(fields.take("paths"), Place::Image);
            fields.finish(&mut decoder);
        }
        diagnostics.append(&mut decoder.into_diagnostics());
    }
    diagnostic::normalise(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) { Err(diagnostics) } else { Ok(config) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PathKind;

    fn parse(text: &str) -> Result<PackageConfig, Vec<Diagnostic>> {
        let source = Source::new("/opt/docker/config/x.yaml", text);
        parse_package_config(&source, Platform::LinuxAmd64, Distribution::Debian { release: 13 })
    }

    #[test]
    fn environment_and_paths_are_read() {
        let config = parse(
            "environment:\n  JAVA_HOME: /opt/java\n  PATH: /opt/java/bin:${PATH}\n\
             paths:\n  - type: directory\n    path: /var/x\n    mode: \"0750\"\n",
        )
        .unwrap();
        assert_eq!(config.environment["JAVA_HOME"].value, "/opt/java");
        assert_eq!(config.environment["PATH"].value, "/opt/java/bin:${PATH}");
        assert_eq!(config.paths[0].kind, PathKind::Directory);
        assert_eq!(config.paths[0].mode, Some(0o750));
    }

    #[test]
    fn what_is_empty_configures_nothing() {
        for text in ["", "# only a remark\n", "environment:\n", "paths: []\n"] {
            assert_eq!(parse(text), Ok(PackageConfig::default()), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "entrypoint: [x]\n",
            "environment: [x]\n",
            "environment:\n  1X: y\n",
            "paths:\n  - type: device\n    path: /x\n",
            "paths:\n  - type: directory\n    path: relative\n",
            "paths:\n  - type: directory\n    path: /../x\n",
            "- a\n",
            "a: [\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
