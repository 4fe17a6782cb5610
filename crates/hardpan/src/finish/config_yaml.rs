// SPDX-License-Identifier: Apache-2.0
//! Image configuration that packages bring: `/opt/docker/config/*.yaml`.
//!
//! Files are taken in the order of their names. Where two set one variable, the later file wins,
//! and the definition's own `environment` wins over all; their `paths` are followed before the
//! definition's.

use std::collections::BTreeMap;

use hardpan_definition::{Source, parse_package_config};
use hardpan_tree::{Tree, TreePath};

use super::{FinishError, Inputs, Report, conf, paths};

/// The finisher's name.
pub const NAME: &str = "config-yaml";

/// Follows the files' `paths` and returns their environment.
///
/// # Errors
/// If a file is not what it should be: a package of this kind is made for images, so its mistakes
/// are not to be passed over.
pub fn apply(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<BTreeMap<String, String>, FinishError> {
    let mut environment = BTreeMap::new();
    let directory = TreePath::literal("opt/docker/config");
    for file in conf::files_with_suffix(tree, &[directory], b".yaml", inputs, NAME)? {
        let source = Source::new(file.path.to_string(), file.text());
        let definition = inputs.definition;
        let config =
            parse_package_config(&source, definition.platform, definition.syntax.distribution);
        let config = config.map_err(|diagnostics| FinishError::Config {
            path: file.path.clone(),
            problems: diagnostics
                .iter()
                .map(|diagnostic| diagnostic.render_plain(std::slice::from_ref(&source)))
                .collect(),
        })?;
        let package = file.package.as_deref();
        paths::follow(tree, &config.paths, package, inputs, report).map_err(|(_, source)| {
            let package = Some(package.unwrap_or("the catalog").to_owned());
            FinishError::Paths { package, span: None, source }
        })?;
        environment.extend(config.environment.into_iter().map(|(name, value)| (name, value.value)));
    }
    Ok(environment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, add, dump, tree};

    #[test]
    fn files_are_merged_in_the_order_of_their_names() {
        let mut root = tree(&["opt/docker/config/ignored.txt"]);
        add(&mut root, "opt/docker/config/b.yaml", "environment:\n  A: b\n  B: b\n");
        add(
            &mut root,
            "opt/docker/config/a.yaml",
            "environment:\n  A: a\npaths:\n  - type: emptyfile\n    path: /made\n",
        );
        let environment =
            apply(&mut root, &Fixture::default().inputs(), &mut Report::default()).unwrap();
        let expected = [("A", "b"), ("B", "b")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(environment, BTreeMap::from(expected));
        assert!(dump(&root).contains("/made file"));
    }

    #[test]
    fn bad_files_are_errors() {
        for text in [
            "user: root\n",
            "environment: 3\n",
            "paths:\n  - type: file\n    path: /opt\n    content: x\n",
            "paths:\n  - type: file\n    path: /x\n    source: not/in/the/catalog\n",
        ] {
            let mut root = tree(&[]);
            add(&mut root, "opt/docker/config/a.yaml", text);
            let error = apply(&mut root, &Fixture::default().inputs(), &mut Report::default());
            let error = error.unwrap_err();
            assert_eq!(error.span(), None, "{text}");
        }
    }
}
