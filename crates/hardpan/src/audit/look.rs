// SPDX-License-Identifier: Apache-2.0
//! What is in an image, where it comes from, what is secret in it: three readers of the same layers.

use std::collections::BTreeMap;
use std::io::Read;

use hardpan_image::ImageConfig;
use hardpan_scan::audit::evidence::{Evidence, EvidenceBuilder, EvidenceError, EvidenceOptions};
use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogError, CatalogOptions};
use hardpan_scan::secrets::{Rules, SecretOptions, SecretScanner};
use hardpan_tree::TarEntry;

use super::AuditError;
use super::parallel;
use crate::error::Error;
use crate::sbom::{LayerVisitor, SbomError, Target, left_out_text};
use crate::secrets::SecretsError;

/// What came of a look at an image.
pub(super) struct Looked {
    pub(super) evidence: Evidence,
    pub(super) catalog: Catalog,
}

/// Reads all layers, the lowest first, each once.
pub(super) fn look(target: &Target<'_>) -> Result<Looked, Error> {
    let rules = Rules::builtin();
    let mut builder = Tree(EvidenceBuilder::new(EvidenceOptions::DEFAULT), &rules);
    let options = CatalogOptions { lowest_first: true, ..CatalogOptions::DEFAULT };
    let mut catalog = Packages(CatalogBuilder::new(options));
    let mut secrets = Secrets(SecretScanner::new(&rules, SecretOptions::DEFAULT));
    let left_out = parallel::visit(target, vec![&mut builder, &mut catalog, &mut secrets])?;
    let catalog = catalog.0.finish().map_err(of_catalog)?;
    let mut evidence = builder.0.finish(&catalog, Some(&secrets.0.finish())).map_err(of_tree)?;
    evidence.warnings.extend(left_out_text(&left_out));
    Ok(Looked { evidence, catalog })
}

fn of_tree(error: EvidenceError) -> Error {
    AuditError::Evidence(error).into()
}

fn of_catalog(source: CatalogError) -> Error {
    SbomError::Catalog { layer: None, source }.into()
}

struct Tree<'r>(EvidenceBuilder, &'r Rules);

impl LayerVisitor for Tree<'_> {
    fn config(&mut self, config: &ImageConfig) {
        self.0.config(config, self.1);
    }

    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        self.0.layer(reader).map_err(of_tree)
    }

    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error> {
        self.0.entry(entry, data).map_err(of_tree)
    }
}

struct Packages(CatalogBuilder);

impl LayerVisitor for Packages {
    fn config(&mut self, _config: &ImageConfig) {}

    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        self.0.layer(reader).map_err(of_catalog)
    }

    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error> {
        self.0.entry(entry, data).map_err(of_catalog)
    }
}

struct Secrets<'r>(SecretScanner<'r>);

impl LayerVisitor for Secrets<'_> {
    fn config(&mut self, config: &ImageConfig) {
        self.0.config(config);
    }

    fn annotations(&mut self, annotations: &BTreeMap<String, String>) {
        self.0.annotations(annotations);
    }

    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        Ok(self.0.layer(reader).map_err(SecretsError::Scan)?)
    }

    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error> {
        Ok(self.0.entry(entry, data).map_err(SecretsError::Scan)?)
    }
}
