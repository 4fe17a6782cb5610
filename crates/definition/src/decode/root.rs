// SPDX-License-Identifier: Apache-2.0
//! The top level of a definition.

use std::collections::BTreeMap;

use super::{Decoder, Fields, Place};
use crate::check;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    AuditException, Compression, Dates, Definition, Entitlement, Hardpan, OsRelease, Output,
    Platform, Scripts, Syntax, Variant,
};
use crate::scope::Facts;
use crate::source::{Span, Spanned};
use crate::template::{ENVIRONMENT, LOOSE, STRICT};
use crate::yaml::{Entry, Kind, Node};

/// The values of `variant`.
pub(crate) const VARIANTS: [(&str, Variant); 3] =
    [("dev", Variant::Dev), ("runtime", Variant::Runtime), ("helm", Variant::Helm)];
/// The values of `compression`.
pub(crate) const COMPRESSIONS: [(&str, Compression); 2] =
    [("zstd", Compression::Zstd), ("gzip", Compression::Gzip)];
/// The values of `output`.
pub(crate) const OUTPUTS: [(&str, Output); 2] =
    [("layered", Output::Layered), ("squashed", Output::Squashed)];
/// The values of `entitlement`.
pub(crate) const ENTITLEMENTS: [(&str, Entitlement); 3] = [
    ("public", Entitlement::Public),
    ("enterprise", Entitlement::Enterprise),
    ("els", Entitlement::Els),
];
/// The values of `x-hardpan.scripts`.
pub(crate) const SCRIPTS: [(&str, Scripts); 3] =
    [("declarative", Scripts::Declarative), ("sandbox", Scripts::Sandbox), ("none", Scripts::None)];

/// Reads what expressions may ask for before the definition is decoded. Never reports anything.
pub(crate) fn facts(root: &Node, platform: Platform) -> Facts {
    let text = |key: &str| match root.get(key).map(|entry| &entry.value.kind) {
        Some(Kind::Scalar(scalar)) if !scalar.is_null() => Some(scalar.text.clone()),
        _ => None,
    };
    Facts {
        platform,
        variant: text("variant").unwrap_or_else(|| Variant::default().name().to_owned()),
        flavor: text("flavor").unwrap_or_default(),
        fips: text("fips-compliant").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    }
}

impl<'n> Decoder<'n> {
    /// Decodes the root of a definition.
    pub(crate) fn root(&mut self, root: &'n Node, syntax: Option<Syntax>) -> Option<Definition> {
        let span = Span::new(root.span.source, 0..0);
        let mut fields = Fields::new(self, root, "the definition", span)?;
        let image = fields.require(self, "image").and_then(|entry| {
            let check = check::image_name;
            self.valid(&entry.value, "`image`", STRICT, Code::BadImageReference, check)
        });
        let name = fields.take("name");
        let name = name.and_then(|entry| self.text(&entry.value, "`name`", STRICT));
        let variant = self.pick(&mut fields, "variant", &VARIANTS);
        let flavor = fields.take("flavor").and_then(|entry| self.suffix(entry));
        let tags = self.tags(fields.take("tags"));
        let suffix = fields.take("suffix").and_then(|entry| self.suffix(entry));
        let platforms = self.root_platforms(fields.take("platforms"));
        let compression = self.pick(&mut fields, "compression", &COMPRESSIONS);
        let output = self.pick(&mut fields, "output", &OUTPUTS);
        let entitlement = self.entitlement(fields.take("entitlement"));
        let dates = self.dates(fields.take("dates"));
        let vars = self.vars(fields.take("vars"));
        let contents = self.contents(fields.take("contents"), Place::Image);
        let accounts = self.accounts(fields.take("accounts"), Place::Image);
        let os_release = self.os_release(fields.take("os-release"));
        let environment = self.environment(fields.take("environment"));
        let work_dir = self.work_dir(fields.take("work-dir"), Place::Image);
        let stop_signal = fields.take("stop-signal").and_then(|entry| {
            self.valid(&entry.value, "`stop-signal`", STRICT, Code::BadSignal, check::signal)
        });
        let entrypoint = self.texts(fields.take("entrypoint"), "an argument", ENVIRONMENT);
        let cmd = self.texts(fields.take("cmd"), "an argument", ENVIRONMENT);
        let ports = self.list(fields.take("ports"), |decoder, node| {
            decoder.parsed(node, "a port", Code::BadPort, check::port)
        });
        let paths = self.path_rules(fields.take("paths"), Place::Image);
        let annotations = self.keyed(fields.take("annotations"));
        let labels = self.keyed(fields.take("labels"));
        let tests = self.list(fields.take("tests"), Self::test);
        let fips_compliant = self.flag(&mut fields, "fips-compliant");
        let stig_certified = self.flag(&mut fields, "stig-certified");
        let track = self.list(fields.take("track"), Self::track);
        let x_hardpan = self.hardpan(fields.take("x-hardpan"));
        // Merged already; named here because it is a known key.
        fields.take("includes");
        fields.finish(self);
        Some(Definition {
            syntax: syntax?,
            platform: self.platform,
            name,
            image: image?,
            variant: variant.unwrap_or_default(),
            flavor,
            tags,
            suffix,
            platforms,
            compression,
            output: output.unwrap_or_default(),
            entitlement,
            dates,
            vars,
            contents,
            accounts,
            os_release,
            environment,
            work_dir,
            stop_signal,
            entrypoint,
            cmd,
            ports,
            paths,
            annotations,
            labels,
            tests,
            fips_compliant,
            stig_certified,
            track,
            x_hardpan,
        })
    }

    fn pick<T: Copy>(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<T> {
        let entry = fields.take(key)?;
        self.choice(&entry.value, key, choices)
    }

    /// `entitlement` of a definition or a stage.
    pub(crate) fn entitlement(&mut self, entry: Option<&'n Entry>) -> Option<Entitlement> {
        self.choice(&entry?.value, "entitlement", &ENTITLEMENTS)
    }

    /// `flavor` and `suffix`, which become parts of tags.
    fn suffix(&mut self, entry: &'n Entry) -> Option<Spanned<String>> {
        let what = format!("`{}`", entry.key);
        self.valid(&entry.value, &what, STRICT, Code::BadTag, |text| {
            check::tag(&format!("x{text}")).map_err(|_| {
                check::Refusal::new(format!("{} cannot be part of a tag", check::quote(text)))
                    .help("tags have letters, digits, `_`, `.` and `-`")
            })
        })
    }

    fn tags(&mut self, entry: Option<&'n Entry>) -> Vec<Spanned<String>> {
        let tags = self.list(entry, |decoder, node| {
            decoder.valid(node, "a tag", STRICT, Code::BadTag, check::tag)
        });
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for tag in &tags {
            match seen.get(tag.as_str()) {
                Some(first) => {
                    let message = format!("the tag `{tag}` stands here twice");
                    let diagnostic = Diagnostic::warning(Code::Duplicate, tag.span, message);
                    self.push(diagnostic.label(*first, "first here"));
                }
                None => {
                    seen.insert(tag, tag.span);
                }
            }
        }
        tags
    }

    fn root_platforms(&mut self, entry: Option<&'n Entry>) -> Vec<Platform> {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
            return Platform::ALL.to_vec();
        };
        if matches!(&entry.value.kind, Kind::List(items) if items.is_empty()) {
            let message = "`platforms` lists no platform";
            self.error(Code::EmptyValue, entry.key_span, message);
        }
        let mut platforms: Vec<Platform> =
            self.platforms(entry).into_iter().map(|platform| platform.value).collect();
        platforms.sort_unstable();
        platforms.dedup();
        platforms
    }

    fn dates(&mut self, entry: Option<&'n Entry>) -> Dates {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
            return Dates::default();
        };
        let Some(mut fields) = Fields::new(self, &entry.value, "`dates`", entry.key_span) else {
            return Dates::default();
        };
        let kind = self.optional(&mut fields, "type", STRICT);
        let url = fields.take("url").and_then(|entry| {
            self.valid(&entry.value, "`url`", STRICT, Code::BadUrl, check::http_url)
        });
        let dates = Dates {
            kind,
            url,
            release: self.date(&mut fields, "release"),
            end_of_life: self.date(&mut fields, "end-of-life"),
            end_of_support: self.date(&mut fields, "end-of-support"),
        };
        fields.finish(self);
        dates
    }

    fn date(&mut self, fields: &mut Fields<'n>, key: &'static str) -> Option<Spanned<String>> {
        let entry = fields.take(key)?;
        let what = format!("`{key}`");
        self.valid(&entry.value, &what, STRICT, Code::BadDate, check::date)
    }

    /// `vars`: their values are in the scope already.
    fn vars(&mut self, entry: Option<&'n Entry>) -> BTreeMap<String, Spanned<String>> {
        let Some(entry) = entry else {
            return BTreeMap::new();
        };
        let mut vars = BTreeMap::new();
        for entry in self.entries(&entry.value, "`vars`") {
            if let Err(refusal) = check::variable_name(&entry.key) {
                self.refuse(Code::BadVariableName, entry.key_span, refusal);
            }
            let what = format!("the variable `{}`", crate::template::shorten(&entry.key));
            if self.scalar(&entry.value, &what, "a string").is_some() {
                let value = self.scope.value(&entry.key).unwrap_or_default().to_owned();
                vars.insert(entry.key.clone(), Spanned::new(value, entry.value.span));
            }
        }
        vars
    }

    fn os_release(&mut self, entry: Option<&'n Entry>) -> Option<OsRelease> {
        let entry = entry.filter(|entry| !entry.value.is_null())?;
        let mut fields = Fields::new(self, &entry.value, "`os-release`", entry.key_span)?;
        let id_like = self.line(&mut fields, "id-like");
        let words = |text: &str| {
            text.split(' ').all(|word| {
                !word.is_empty()
                    && word.bytes().all(|byte| {
                        byte.is_ascii_lowercase()
                            || byte.is_ascii_digit()
                            || matches!(byte, b'.' | b'_' | b'-')
                    })
            })
        };
        if let Some(text) = id_like.as_ref().filter(|text| !words(text)) {
            let message = format!("{} is not a list of distribution ids", check::quote(text));
            self.error(Code::BadText, text.span, message);
        }
        let release = OsRelease {
            name: self.line(&mut fields, "name").map(|text| text.value),
            id: self.line(&mut fields, "id").map(|text| text.value),
            id_like: id_like.map(|text| text.value),
            version_id: self.line(&mut fields, "version-id").map(|text| text.value),
            version_codename: self.line(&mut fields, "version-codename").map(|text| text.value),
            pretty_name: self.line(&mut fields, "pretty-name").map(|text| text.value),
            home_url: self.line(&mut fields, "home-url").map(|text| text.value),
            bug_report_url: self.line(&mut fields, "bug-report-url").map(|text| text.value),
        };
        fields.finish(self);
        Some(release)
    }

    /// A string on one line: os-release cannot hold others.
    fn line(&mut self, fields: &mut Fields<'n>, key: &'static str) -> Option<Spanned<String>> {
        let entry = fields.take(key)?;
        let what = format!("`{key}`");
        self.valid(&entry.value, &what, STRICT, Code::BadText, |text| {
            match text.chars().find(|c| c.is_control()) {
                None => Ok(()),
                Some(bad) => Err(check::Refusal::new(format!(
                    "`{}` cannot stand in os-release",
                    bad.escape_debug()
                ))),
            }
        })
    }

    /// Annotations and labels.
    fn keyed(&mut self, entry: Option<&'n Entry>) -> BTreeMap<String, String> {
        let map = self.text_map(entry, LOOSE, |decoder, entry| {
            if entry.key.is_empty() || entry.key.chars().any(char::is_control) {
                decoder.error(Code::BadText, entry.key_span, "the name is empty or not printable");
                return false;
            }
            true
        });
        map.into_iter().map(|(key, value)| (key, value.value)).collect()
    }

    fn hardpan(&mut self, entry: Option<&'n Entry>) -> Hardpan {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else {
            return Hardpan::default();
        };
        let Some(mut fields) = Fields::new(self, &entry.value, "`x-hardpan`", entry.key_span)
        else {
            return Hardpan::default();
        };
        let scripts = self.pick(&mut fields, "scripts", &SCRIPTS);
        let tests = self.list(fields.take("tests"), Self::container_test);
        let vex = self.list(fields.take("vex"), |decoder, node| {
            decoder.valid(node, "a document of `vex`", LOOSE, Code::BadPath, check::catalog_path)
        });
        let structure_tests = self.list(fields.take("structure-tests"), |decoder, node| {
            let what = "a file of `structure-tests`";
            decoder.valid(node, what, LOOSE, Code::BadPath, check::catalog_path)
        });
        let mut switch = |key| {
            let entry = fields.take(key)?;
            self.boolean(&entry.value, key)
        };
        let (pyc, caches) = (switch("pyc"), switch("caches"));
        let audit_exceptions = self.audit(fields.take("audit"));
        fields.finish(self);
        let scripts = scripts.unwrap_or_default();
        Hardpan { scripts, tests, pyc, caches, vex, structure_tests, audit_exceptions }
    }

    fn audit(&mut self, entry: Option<&'n Entry>) -> Vec<AuditException> {
        let Some(entry) = entry.filter(|entry| !entry.value.is_null()) else { return Vec::new() };
        let Some(mut fields) = Fields::new(self, &entry.value, "`audit`", entry.key_span) else {
            return Vec::new();
        };
        let exceptions = self.list(fields.take("exceptions"), Self::audit_exception);
        fields.finish(self);
        exceptions
    }

    fn audit_exception(&mut self, node: &'n Node) -> Option<AuditException> {
        let mut fields = Fields::new(self, node, "an exception", node.span)?;
        let control = fields.require(self, "control");
        let control = control.and_then(|entry| self.text(&entry.value, "`control`", STRICT));
        let path = fields.take("path").and_then(|entry| {
            self.valid(&entry.value, "`path`", STRICT, Code::BadPath, check::absolute_path)
        });
        let reason = fields.require(self, "reason");
        let reason = reason.and_then(|entry| self.text(&entry.value, "`reason`", STRICT));
        let until = self.date(&mut fields, "until");
        fields.finish(self);
        if let Some(reason) = reason.as_ref().filter(|reason| reason.value.trim().is_empty()) {
            self.error(Code::EmptyValue, reason.span, "an exception needs a reason");
            return None;
        }
        Some(AuditException { control: control?, path, reason: reason?, until })
    }
}
