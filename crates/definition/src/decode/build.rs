// SPDX-License-Identifier: Apache-2.0
//! `contents.builds`.

use std::collections::BTreeMap;

use super::contents::unpinned;
use super::{Decoder, Fields, Place};
use crate::check;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    AttestationSource, BuildStage, Cache, CacheSharing, MatrixAxis, Secret, StageOutput, Step,
    Value,
};
use crate::source::Spanned;
use crate::template::{ENVIRONMENT, LOOSE, RAW, SHELL, STRICT};
use crate::yaml::{Entry, Node};

/// The values of `sharing`.
pub(crate) const SHARING: [(&str, CacheSharing); 3] = [
    ("shared", CacheSharing::Shared),
    ("private", CacheSharing::Private),
    ("locked", CacheSharing::Locked),
];

/// The actions that the schema names, and `dhi/build-pkg:0`, which definitions use. Which ones there are is known to
/// who runs them; here they are what an editor may suggest.
pub(crate) const ACTIONS: [&str; 43] = [
    "abuild/apk@v1",
    "abuild/build@v1",
    "abuild/bump@v1",
    "abuild/disable@v1",
    "abuild/setup@v1",
    "abuild/source@v1",
    "abuild/upload@v1",
    "cosign/verify-blob@v1",
    "deb/build@v1",
    "deb/install@v1",
    "dhi/build-pkg:0",
    "dpkg/build@v1",
    "dpkg/bump@v1",
    "dpkg/extract@v1",
    "dpkg/patch@v1",
    "dpkg/source@v1",
    "dpkg/upload@v1",
    "git/checkout@v1",
    "git/patch@v1",
    "go/build@v1",
    "go/bump@v1",
    "go/bump@v2",
    "go/hermetic@v1",
    "gpg/verify@v1",
    "gradle/mirror@v1",
    "helm/annotations@v1",
    "helm/cmd@v1",
    "helm/login@v1",
    "helm/logout@v1",
    "helm/package@v1",
    "helm/rudder@v1",
    "mvn/mirror@v1",
    "mvn/patch@v1",
    "npm/bump@v1",
    "npm/patch@v1",
    "patch@v1",
    "sbom@v1",
    "spdx@v1",
    "strip@v1",
    "yarn/bump@v1",
    "yarn/bump@v2",
    "yarn/patch@v1",
    "yq/patch@v1",
];

impl<'n> Decoder<'n> {
    pub(crate) fn build_stage(&mut self, node: &'n Node) -> Option<Spanned<BuildStage>> {
        let mut fields = Fields::new(self, node, "a build stage", node.span)?;
        let stage = self.gated(&mut fields, super::Decoder::stage_fields);
        fields.finish(self);
        stage.map(|stage| Spanned::new(stage, node.span))
    }

    fn stage_fields(&mut self, fields: &mut Fields<'n>) -> BuildStage {
        let name = fields.take("name").and_then(|entry| self.text(&entry.value, "`name`", LOOSE));
        let uses = fields.take("uses").and_then(|entry| {
            let check = check::image_reference;
            self.parsed(&entry.value, "`uses`", Code::BadImageReference, check)
        });
        let entitlement = self.entitlement(fields.take("entitlement"));
        let work_dir = self.work_dir(fields.take("work-dir"), Place::Stage);
        let shell = self.shell(fields.take("shell"));
        let privileged = self.flag(fields, "privileged");
        let environment = self.environment(fields.take("environment"));
        let caches = self.list(fields.take("caches"), Self::cache);
        let matrix = self.list(fields.take("matrix"), Self::matrix_axis);
        let contents = self.contents(fields.take("contents"), Place::Stage);
        let pipeline = self.list(fields.take("pipeline"), Self::step);
        let paths = self.path_rules(fields.take("paths"), Place::Stage);
        let accounts = self.accounts(fields.take("accounts"), Place::Stage);
        let outputs = self.list(fields.take("outputs"), Self::stage_output);
        let attestations = self.list(fields.take("attestations"), Self::attestation);
        BuildStage {
            name,
            entitlement,
            uses,
            work_dir,
            shell,
            privileged,
            environment,
            caches,
            matrix,
            contents,
            pipeline,
            paths,
            accounts,
            outputs,
            attestations,
        }
    }

    /// Warns of images that can change their meaning; a stage's name means that stage.
    pub(crate) fn check_stage_images(&mut self, stages: &[Spanned<BuildStage>]) {
        let names: Vec<&str> =
            stages.iter().filter_map(|stage| Some(stage.name.as_ref()?.value.as_str())).collect();
        for stage in stages {
            let artifacts = stage.contents.artifacts.iter().map(|artifact| &artifact.name);
            for image in stage.uses.iter().chain(artifacts) {
                let is_stage = image.tag.is_none() && names.contains(&image.name.as_str());
                if image.digest.is_none() && !is_stage {
                    self.push(unpinned(image));
                }
            }
        }
    }

    pub(crate) fn check_stage_names(&mut self, stages: &[Spanned<BuildStage>]) {
        let mut seen: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
        for name in stages.iter().filter_map(|stage| stage.name.as_ref()) {
            if let Some(first) = seen.get(name.as_str()) {
                let message = format!("two build stages have the name `{name}`");
                let diagnostic = Diagnostic::warning(Code::Duplicate, name.span, message);
                self.push(diagnostic.label(first.span, "first here"));
            } else {
                seen.insert(name, name);
            }
        }
    }

    /// An optional boolean that defaults to false.
    pub(crate) fn flag(&mut self, fields: &mut Fields<'n>, key: &'static str) -> bool {
        let entry = fields.take(key);
        let value = entry.and_then(|entry| self.boolean(&entry.value, &format!("`{key}`")));
        value.unwrap_or(false)
    }

    fn shell(&mut self, entry: Option<&'n Entry>) -> Option<Spanned<String>> {
        let shell = self.text(&entry?.value, "`shell`", STRICT)?;
        if shell.trim().is_empty() {
            self.error(Code::EmptyValue, shell.span, "`shell` is empty");
            return None;
        }
        Some(shell)
    }

    /// `work-dir` of an image, a stage or a step.
    pub(crate) fn work_dir(
        &mut self,
        entry: Option<&'n Entry>,
        place: Place,
    ) -> Option<Spanned<String>> {
        self.path(&entry?.value, "`work-dir`", place)
    }

    /// `environment` of an image, a stage or a step.
    pub(crate) fn environment(
        &mut self,
        entry: Option<&'n Entry>,
    ) -> BTreeMap<String, Spanned<String>> {
        self.text_map(entry, ENVIRONMENT, |decoder, entry| {
            match check::environment_name(&entry.key) {
                Ok(()) => true,
                Err(refusal) => {
                    decoder.refuse(Code::BadEnvironmentName, entry.key_span, refusal);
                    false
                }
            }
        })
    }

    fn cache(&mut self, node: &'n Node) -> Option<Spanned<Cache>> {
        let mut fields = Fields::new(self, node, "a cache", node.span)?;
        let path = fields
            .require(self, "path")
            .and_then(|entry| self.path(&entry.value, "`path`", Place::Stage));
        let sharing =
            fields.take("sharing").and_then(|entry| self.choice(&entry.value, "sharing", &SHARING));
        fields.finish(self);
        Some(Spanned::new(Cache { path: path?, sharing: sharing.unwrap_or_default() }, node.span))
    }

    fn matrix_axis(&mut self, node: &'n Node) -> Option<Spanned<MatrixAxis>> {
        let mut fields = Fields::new(self, node, "a matrix axis", node.span)?;
        let name = self.optional(&mut fields, "name", STRICT);
        let mut items = BTreeMap::new();
        if let Some(entry) = fields.take("items") {
            for entry in self.entries(&entry.value, "`items`") {
                items.insert(entry.key.clone(), self.value(&entry.value, SHELL));
            }
        }
        fields.finish(self);
        Some(Spanned::new(MatrixAxis { name, items }, node.span))
    }

    fn step(&mut self, node: &'n Node) -> Option<Spanned<Step>> {
        let mut fields = Fields::new(self, node, "a step", node.span)?;
        let step = self.gated(&mut fields, super::Decoder::step_fields);
        fields.finish(self);
        step.map(|step| Spanned::new(step, node.span))
    }

    fn step_fields(&mut self, fields: &mut Fields<'n>) -> Step {
        let name = self.optional(fields, "name", LOOSE);
        let uses_entry = fields.take("uses");
        let uses = uses_entry.and_then(|entry| self.text(&entry.value, "`uses`", STRICT));
        let run_as = fields.take("run-as").and_then(|entry| self.run_as(&entry.value));
        let work_dir = self.work_dir(fields.take("work-dir"), Place::Stage);
        let shell = self.shell(fields.take("shell"));
        let privileged = self.flag(fields, "privileged");
        let environment = self.environment(fields.take("environment"));
        let caches = self.list(fields.take("caches"), Self::cache);
        let secrets = self.list(fields.take("secrets"), Self::secret);
        let with_entry = fields.take("with");
        let mut with: BTreeMap<String, Spanned<Value>> = BTreeMap::new();
        let mut with_keys = BTreeMap::new();
        if let Some(entry) = with_entry {
            for entry in self.entries(&entry.value, "`with`") {
                let value = self.value(&entry.value, SHELL);
                with.insert(entry.key.clone(), Spanned::new(value, entry.value.span));
                with_keys.insert(entry.key.clone(), Spanned::new((), entry.key_span));
            }
        }
        let runs_entry = fields.take("runs");
        let runs = runs_entry.and_then(|entry| self.text(&entry.value, "`runs`", SHELL));
        if uses_entry.is_none() && runs_entry.is_none() {
            let message = "a step needs `runs` or `uses`";
            self.error(Code::MissingKey, fields.span(), message);
        }
        if let Some(entry) = with_entry.filter(|_| uses_entry.is_none()) {
            let message = "`with` has no meaning without `uses`";
            self.error(Code::Conflict, entry.key_span, message);
        }
        Step {
            name,
            uses,
            run_as,
            work_dir,
            shell,
            privileged,
            environment,
            caches,
            secrets,
            with,
            with_keys,
            runs,
        }
    }

    fn secret(&mut self, node: &'n Node) -> Option<Spanned<Secret>> {
        let mut fields = Fields::new(self, node, "a secret", node.span)?;
        let secret = self.gated(&mut fields, |decoder, fields| {
            let id = fields
                .require(decoder, "id")
                .and_then(|entry| decoder.text(&entry.value, "`id`", STRICT));
            let env = fields.require(decoder, "env").and_then(|entry| {
                let check = check::environment_name;
                decoder.valid(&entry.value, "`env`", STRICT, Code::BadEnvironmentName, check)
            });
            let optional = decoder.flag(fields, "optional");
            Some(Secret { id: id?, env: env?, optional })
        });
        fields.finish(self);
        secret.flatten().map(|secret| Spanned::new(secret, node.span))
    }

    fn stage_output(&mut self, node: &'n Node) -> Option<Spanned<StageOutput>> {
        let mut fields = Fields::new(self, node, "an output", node.span)?;
        let output = self.gated(&mut fields, |decoder, fields| {
            let source = fields
                .require(decoder, "source")
                .and_then(|entry| decoder.path(&entry.value, "`source`", Place::Stage));
            let target = fields
                .require(decoder, "target")
                .and_then(|entry| decoder.path(&entry.value, "`target`", Place::Image));
            let (uid, gid) = decoder.owner(fields);
            let mode = decoder.mode(fields.take("mode"));
            let diff = decoder.flag(fields, "diff");
            Some(StageOutput { source: source?, target: target?, uid, gid, mode, diff })
        });
        fields.finish(self);
        output.flatten().map(|output| Spanned::new(output, node.span))
    }

    fn attestation(&mut self, node: &'n Node) -> Option<Spanned<AttestationSource>> {
        let mut fields = Fields::new(self, node, "an attestation", node.span)?;
        let attestation = self.gated(&mut fields, |decoder, fields| {
            let predicate_type = fields
                .take("predicate-type")
                .and_then(|entry| decoder.text(&entry.value, "`predicate-type`", RAW));
            let source = fields
                .take("source")
                .and_then(|entry| decoder.path(&entry.value, "`source`", Place::Stage));
            let diff = decoder.flag(fields, "diff");
            AttestationSource { predicate_type, source, diff }
        });
        fields.finish(self);
        attestation.map(|attestation| Spanned::new(attestation, node.span))
    }
}
