// SPDX-License-Identifier: Apache-2.0
//! `info.yaml`.

use super::{Decoder, Fields};
use crate::check;
use crate::diagnostic::{self, Code, Diagnostic};
use crate::model::{
    Advisory, Exclusion, IncludedTool, Info, Metadata, Platform, TrackIgnore, VexSource,
};
use crate::scope::{Facts, Scope};
use crate::source::{Source, Span, Spanned};
use crate::template::RAW;
use crate::yaml::{self, Entry, Node};

/// The categories of the published catalog.
pub(crate) const CATEGORIES: [&str; 16] = [
    "api-management",
    "content-management-system",
    "data-science",
    "databases-and-storage",
    "developer-tools",
    "integration-and-delivery",
    "internet-of-things",
    "languages-and-frameworks",
    "machine-learning-and-ai",
    "message-queues",
    "monitoring-and-observability",
    "networking",
    "operating-systems",
    "security",
    "web-analytics",
    "web-servers",
];

const ADVISORY_KINDS: [(&str, &str); 3] =
    [("github_advisories", "github_advisories"), ("github", "github"), ("nist", "nist")];
const ADVISORY_FORMATS: [(&str, &str); 4] =
    [("github", "github"), ("osv", "osv"), ("node", "node"), ("nist", "nist")];

/// Parses an `info.yaml`. Without errors there is an [`Info`]; warnings may come with it.
pub(crate) fn info(source: &Source) -> (Option<Info>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let sources = [source.clone()];
    let Some(root) = yaml::read(source, 0, &mut diagnostics) else {
        return (None, diagnostics);
    };
    let facts = Facts {
        platform: Platform::LinuxAmd64,
        variant: String::new(),
        flavor: String::new(),
        fips: false,
    };
    let (scope, _) = Scope::new(&sources, facts, None);
    let mut decoder = Decoder::new(&sources, scope, Platform::LinuxAmd64, None);
    let info = decoder.info(&root);
    diagnostics.extend(decoder.into_diagnostics());
    diagnostic::normalise(&mut diagnostics);
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    (info.filter(|_| !failed), diagnostics)
}

impl<'n> Decoder<'n> {
    fn info(&mut self, root: &'n Node) -> Option<Info> {
        let span = Span::new(0, 0..0);
        let mut fields = Fields::new(self, root, "the information", span)?;
        let metadata = fields.require(self, "metadata").and_then(|entry| self.metadata(entry));
        let advisories = self.list(fields.take("advisories"), Self::advisory);
        let track_ignore = self.list(fields.take("track-ignore"), Self::track_ignore);
        let vex_sources = self.list(fields.take("vex-sources"), Self::vex_source);
        fields.finish(self);
        Some(Info { metadata: metadata?, advisories, track_ignore, vex_sources })
    }

    fn metadata(&mut self, entry: &'n Entry) -> Option<Metadata> {
        let mut fields = Fields::new(self, &entry.value, "`metadata`", entry.key_span)?;
        let display_name = self.required_line(&mut fields, "display-name");
        let short_description = self.required_line(&mut fields, "short-description");
        let featured = self.flag(&mut fields, "featured");
        let fips = fields.take("fips-compliant");
        let fips_compliant = fips.and_then(|entry| self.boolean(&entry.value, "`fips-compliant`"));
        let fips_modules = self.texts(fields.take("fips-modules"), "a module", RAW);
        let stig = fields.take("stig-certified");
        let stig_certified = stig.and_then(|entry| self.boolean(&entry.value, "`stig-certified`"));
        let home_url = fields.take("home-url").and_then(|entry| {
            self.valid(&entry.value, "`home-url`", RAW, Code::BadUrl, check::http_url)
        });
        let categories = self.list(fields.take("categories"), |decoder, node| {
            let choices = CATEGORIES.map(|category| (category, category));
            let category = decoder.choice(node, "category", &choices)?;
            Some(Spanned::new(category.to_owned(), node.span))
        });
        let alternatives = self.texts(fields.take("alternatives"), "an alternative", RAW);
        let included_tools = self.list(fields.take("included-tools"), |decoder, node| {
            let mut fields = Fields::new(decoder, node, "a tool", node.span)?;
            let name = decoder.required_line(&mut fields, "name");
            let description = decoder.required_line(&mut fields, "description");
            fields.finish(decoder);
            Some(IncludedTool { name: name?.value, description: description?.value })
        });
        let advisories = self.list(fields.take("advisories"), Self::advisory);
        fields.finish(self);
        Some(Metadata {
            display_name: display_name?,
            short_description: short_description?,
            featured,
            fips_compliant,
            fips_modules,
            stig_certified,
            home_url,
            categories,
            alternatives,
            included_tools,
            advisories,
        })
    }

    fn required_line(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
    ) -> Option<Spanned<String>> {
        let entry = fields.require(self, key)?;
        let text = self.text(&entry.value, &format!("`{key}`"), RAW)?;
        if text.trim().is_empty() {
            self.error(Code::EmptyValue, text.span, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    fn required_choice(
        &mut self,
        fields: &mut Fields<'n>,
        key: &'static str,
        choices: &[(&'static str, &'static str)],
    ) -> Option<String> {
        let entry = fields.require(self, key)?;
        self.choice(&entry.value, key, choices).map(str::to_owned)
    }

    fn advisory(&mut self, node: &'n Node) -> Option<Advisory> {
        let mut fields = Fields::new(self, node, "an advisory source", node.span)?;
        let kind = self.required_choice(&mut fields, "type", &ADVISORY_KINDS);
        let source = self.required_line(&mut fields, "source");
        let format = self.required_choice(&mut fields, "format", &ADVISORY_FORMATS);
        let pattern = self.optional(&mut fields, "match", RAW);
        let exclusions = self.list(fields.take("exclusions"), |decoder, node| {
            let mut fields = Fields::new(decoder, node, "an exclusion", node.span)?;
            let package = decoder.optional(&mut fields, "package", RAW);
            let ecosystem = decoder.optional(&mut fields, "ecosystem", RAW);
            fields.finish(decoder);
            Some(Exclusion { package, ecosystem })
        });
        let packages = self.texts(fields.take("packages"), "a package", RAW);
        fields.finish(self);
        Some(Advisory {
            kind: kind?,
            source: source?.value,
            format: format?,
            pattern,
            exclusions,
            packages,
        })
    }

    fn track_ignore(&mut self, node: &'n Node) -> Option<TrackIgnore> {
        let mut fields = Fields::new(self, node, "an entry of `track-ignore`", node.span)?;
        let kinds = [("github_tag", "github_tag")];
        let kind = self.required_choice(&mut fields, "type", &kinds);
        let owner = self.required_line(&mut fields, "owner");
        let repo = self.required_line(&mut fields, "repo");
        let pattern = self.required_line(&mut fields, "match");
        fields.finish(self);
        Some(TrackIgnore {
            kind: kind?,
            owner: owner?.value,
            repo: repo?.value,
            pattern: pattern?.value,
        })
    }

    fn vex_source(&mut self, node: &'n Node) -> Option<VexSource> {
        let mut fields = Fields::new(self, node, "a VEX source", node.span)?;
        let formats = [("tuxcare-csaf", "tuxcare-csaf")];
        let format = self.required_choice(&mut fields, "format", &formats);
        let url = fields.require(self, "url").and_then(|entry| {
            self.valid(&entry.value, "`url`", RAW, Code::BadUrl, check::http_url)
        });
        let mut purl = std::collections::BTreeMap::new();
        if let Some(entry) = fields.require(self, "purl")
            && let Some(mut parts) = Fields::new(self, &entry.value, "`purl`", entry.key_span)
        {
            for key in ["type", "namespace", "name", "versionRegex", "keepQualifiers"] {
                if let Some(entry) = parts.take(key) {
                    purl.insert(key.to_owned(), self.value(&entry.value, RAW));
                }
            }
            parts.finish(self);
        }
        let destination = self.required_line(&mut fields, "destination");
        let packages = fields.require(self, "packages");
        let packages = self.texts(packages, "a package", RAW);
        let package_version_ref = self.required_line(&mut fields, "packageVersionRef");
        fields.finish(self);
        Some(VexSource {
            format: format?,
            url: url?,
            purl,
            destination: destination?.value,
            packages,
            package_version_ref: package_version_ref?.value,
        })
    }
}
