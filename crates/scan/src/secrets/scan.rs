// SPDX-License-Identifier: Apache-2.0
//! Layers and configuration of an image, looked through.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use hardpan_image::ImageConfig;
use hardpan_tree::layers::Whiteout;
use hardpan_tree::{TarEntry, TarEntryKind, TarReadError, TreePath};

use super::configuration::{Text, texts};
use super::detect::{Detector, Hit};
use super::finding::{Finding, Place};
use super::names::{FileNumber, Names};
use super::owned::{Databases, Ownership, PackageManagers, Summing, Sums};
use super::rules::Rules;
use super::{SecretOptions, SecretReport, Skipped};
use crate::catalog::sums::SumList;
use crate::layer::{self, CHUNK_BYTES};

/// Files up to this length, in bytes, are kept until it is known whether their digests are needed; the digests of longer
/// ones are made while they go by.
const KEPT_BYTES_MAX: u64 = 8 << 20;
/// The most skipped files that are named.
const SKIPPED_MAX: usize = 1_000;

/// Looks for secrets in layers, the lowest first, and in a configuration.
///
/// ```
/// use hardpan_scan::secrets::{Rules, SecretOptions, SecretScanner};
/// # fn layers() -> Vec<&'static [u8]> { Vec::new() }
/// let rules = Rules::builtin();
/// let mut scanner = SecretScanner::new(&rules, SecretOptions::default());
/// for tar in layers() {
///     scanner.layer(tar)?; // the lowest first
/// }
/// assert!(scanner.finish().findings.is_empty());
/// # Ok::<(), hardpan_scan::secrets::SecretScanError>(())
/// ```
pub struct SecretScanner<'r> {
    rules: &'r Rules,
    options: SecretOptions,
    detector: Detector<'r>,
    /// The layer that is being read.
    layer: usize,
    is_open: bool,
    entries: u64,
    names: Names,
    databases: Databases,
    managers: PackageManagers,
    suspects: Vec<SuspectFile>,
    hits: usize,
    report: SecretReport,
    buffer: Vec<u8>,
    kept: Vec<u8>,
}

/// A file that rules found something in.
struct SuspectFile {
    path: TreePath,
    layer: usize,
    number: FileNumber,
    hits: Vec<Hit>,
    sums: Sums,
}

impl fmt::Debug for SecretScanner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in the buffers may be a secret.
        f.debug_struct("SecretScanner")
            .field("options", &self.options)
            .field("layer", &self.layer)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

/// Why an image can't be looked through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretScanError {
    /// A layer is no archive that is safe to read.
    #[error("layer {layer} can't be read")]
    Tar {
        /// Which, counted from 0 for the lowest.
        layer: usize,
        /// Why.
        #[source]
        source: TarReadError,
    },
    /// A file can't be read.
    #[error("{path} can't be read")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than a limit allows.
    #[error("the image has more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: u64,
    },
}

impl<'r> SecretScanner<'r> {
    /// Starts.
    pub fn new(rules: &'r Rules, options: SecretOptions) -> Self {
        Self {
            rules,
            options,
            detector: Detector::new(rules, options.file_findings_max),
            layer: 0,
            is_open: false,
            entries: 0,
            names: Names::default(),
            databases: Databases::default(),
            managers: PackageManagers::default(),
            suspects: Vec::new(),
            hits: 0,
            report: SecretReport::default(),
            buffer: vec![0; CHUNK_BYTES],
            kept: Vec::new(),
        }
    }

    /// Takes the next higher layer, an uncompressed tar archive.
    pub fn layer(&mut self, reader: impl Read) -> Result<(), SecretScanError> {
        if self.is_open {
            self.layer += 1;
        }
        self.is_open = true;
        if self.layer >= self.options.layers_max {
            let max = self.options.layers_max as u64;
            return Err(SecretScanError::TooMany { what: "layers", max });
        }
        let layer = self.layer;
        let fail = |source| SecretScanError::Tar { layer, source };
        let options = &self.options;
        let mut tar = layer::open(reader, options.entries_max, options.layer_bytes_max);
        while let Some(entry) = tar.next_entry().map_err(fail)? {
            self.entry(entry, &mut tar).map_err(|error| match error {
                SecretScanError::Read { source, .. } => fail(TarReadError::Io(source)),
                error => error,
            })?;
        }
        Ok(())
    }

    /// Takes an entry of a root file system that the caller walks, as the one layer that it is.
    pub fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), SecretScanError> {
        self.is_open = true;
        self.entries += 1;
        if self.entries > self.options.entries_max {
            return Err(SecretScanError::TooMany {
                what: "entries",
                max: self.options.entries_max,
            });
        }
        let TarEntry { path, kind, .. } = entry;
        let is_directory = matches!(kind, TarEntryKind::Directory);
        self.names.entry(&path, is_directory, self.layer);
        self.managers.see(&path);
        if Whiteout::of(&path).is_some() {
            return Ok(());
        }
        match kind {
            TarEntryKind::File(size_bytes) => self.file(path, size_bytes, data)?,
            TarEntryKind::HardLink(target) => self.names.link(&path, &target),
            _ => {}
        }
        Ok(())
    }

    /// Looks through environment, labels, history, commands and health check of an image.
    pub fn config(&mut self, config: &ImageConfig) {
        for text in texts(config) {
            self.text(&text);
        }
    }

    /// Looks through the annotations of an image's manifest and index.
    pub fn annotations(&mut self, annotations: &BTreeMap<String, String>) {
        for (name, value) in annotations {
            self.text(&Text::annotation(name, value));
        }
    }

    /// Returns what was found.
    pub fn finish(mut self) -> SecretReport {
        let paths = self.suspects.iter().map(|file| file.path.clone()).collect();
        let claims = self.databases.claims(&paths);
        for SuspectFile { path, layer, number, hits, sums } in std::mem::take(&mut self.suspects) {
            let owner = match claims.of(&path, &sums) {
                Ownership::Unmodified => {
                    self.report.trusted_files += 1;
                    continue;
                }
                Ownership::Modified(package) => Some(package),
                Ownership::None => None,
            };
            let deleted_in_layer = self.names.hidden_by(number);
            for hit in hits {
                let place = Place::File { layer, path: path.clone(), line: hit.line };
                let finding =
                    Finding { deleted_in_layer, owner: owner.clone(), ..self.finding(hit, place) };
                self.report.findings.push(finding);
            }
        }
        self.report.findings.sort();
        if self.report.findings.len() > self.options.findings_max {
            self.report.findings.truncate(self.options.findings_max);
            self.report.is_cut = true;
        }
        self.report.skipped.sort();
        self.report
    }

    fn finding(&self, hit: Hit, place: Place) -> Finding {
        let rule = &self.rules.all[hit.rule];
        Finding {
            place,
            rule: rule.id.clone(),
            description: rule.description.clone(),
            excerpt: hit.excerpt,
            fingerprint: hit.fingerprint,
            deleted_in_layer: None,
            owner: None,
            count: hit.count,
        }
    }

    fn text(&mut self, text: &Text<'_>) {
        let (hits, is_cut) = text.find(&mut self.detector, Detector::end);
        self.report.is_cut |= is_cut;
        for mut hit in hits {
            hit.line = None;
            let finding = self.finding(hit, text.place.clone());
            self.report.findings.push(finding);
        }
    }

    fn file(
        &mut self,
        path: TreePath,
        size_bytes: u64,
        data: &mut dyn Read,
    ) -> Result<(), SecretScanError> {
        let database = SumList::at(&path).filter(|_| self.databases.has_room(size_bytes));
        if size_bytes > self.options.file_bytes_max {
            let reason = format!("it has {size_bytes} bytes");
            self.skip(path, reason);
            return Ok(());
        }
        let place = Place::File { layer: self.layer, path: path.clone(), line: None };
        self.detector.begin(path.as_bytes(), place.stable());
        let keeps = size_bytes <= KEPT_BYTES_MAX || database.is_some();
        let mut summing = (!keeps).then(|| self.managers.summing());
        self.kept.clear();
        let mut read_bytes = 0;
        loop {
            let fail = |source| SecretScanError::Read { path: path.clone(), source };
            let count = read(data, &mut self.buffer).map_err(fail)?;
            if count == 0 {
                break;
            }
            let bytes = &self.buffer[..count];
            read_bytes += count as u64;
            // A walked file may grow while it is read.
            if read_bytes > size_bytes {
                break;
            }
            self.detector.feed(bytes);
            match &mut summing {
                Some(summing) => summing.update(bytes),
                None => self.kept.extend_from_slice(bytes),
            }
        }
        self.report.files += 1;
        self.report.bytes += size_bytes;
        let (hits, is_cut) = self.detector.end();
        if is_cut {
            let reason = format!("more than {} findings", self.options.file_findings_max);
            self.skip(path.clone(), reason);
        }
        if read_bytes != size_bytes {
            self.skip(path.clone(), "it changed while it was read".to_owned());
        }
        if !hits.is_empty() {
            self.suspect(path, hits, summing);
        }
        if let Some(list) = database {
            self.databases.add(list, std::mem::take(&mut self.kept));
        }
        Ok(())
    }

    fn suspect(&mut self, path: TreePath, hits: Vec<Hit>, summing: Option<Summing>) {
        self.hits += hits.len();
        // Files of packages come to nothing in the end, and are many.
        if self.hits > self.options.findings_max.saturating_mul(10) {
            self.report.is_cut = true;
            return;
        }
        let sums = summing.unwrap_or_else(|| {
            let mut summing = self.managers.summing();
            summing.update(&self.kept);
            summing
        });
        let number = self.names.add(&path, self.layer);
        let sums = sums.finish();
        self.suspects.push(SuspectFile { path, layer: self.layer, number, hits, sums });
    }

    fn skip(&mut self, path: TreePath, reason: String) {
        if self.report.skipped.len() < SKIPPED_MAX {
            self.report.skipped.push(Skipped { layer: self.layer, path, reason });
        } else {
            self.report.is_cut = true;
        }
    }
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
