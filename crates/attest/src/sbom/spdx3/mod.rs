// SPDX-License-Identifier: Apache-2.0
//! SPDX 3.0.1 in JSON-LD.

mod element;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::rfc3339;
use hardpan_tree::Digest;

use super::facts::{self, AllFacts, Facts, Party, Sources};
use super::ids::{self, Ids};
use super::license::{Licensing, Reference};
use super::{Component, Sbom};
use element::{
    Body, CreationInfo, Document, Element, Entry, Expression, ExternalIdentifier, Hash,
    LicenseText, Node, Package, Relationship, SoftwareSbom, SpdxDocument,
};

/// The license of the document's own data. SPDX allows no other.
const DATA_LICENSE: &str = "CC0-1.0";

/// Writes an SBOM as an SPDX 3.0.1 document. The same SBOM has the same bytes, and other ids than any other.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    let all = AllFacts::of(sbom);
    let to_bytes = |namespace: &str| {
        serde_json::to_vec(&Graph::new(sbom, &all, namespace).document())
            .expect("the document has strings only, and keys of ours")
    };
    let digest = Digest::of(&to_bytes("")).to_hex();
    to_bytes(&format!("https://spdx.org/spdxdocs/{}/{digest}", ids::plain(&sbom.tool.0)))
}

/// The ids of what elements refer to, which is all but relationships.
struct Graph<'s> {
    sbom: &'s Sbom,
    all: &'s AllFacts<'s>,
    namespace: &'s str,
    taken: Ids,
    packages: BTreeMap<&'s str, String>,
    files: BTreeMap<&'s str, String>,
    sources: Sources<'s>,
    source_ids: Vec<String>,
    agents: BTreeMap<&'s Party, String>,
    expressions: BTreeMap<&'s str, (String, Option<&'s Licensing>)>,
    references: BTreeMap<&'s str, (String, &'s Reference)>,
    nodes: Vec<Node>,
}

impl<'s> Graph<'s> {
    fn new(sbom: &'s Sbom, all: &'s AllFacts<'s>, namespace: &'s str) -> Self {
        let mut taken = Ids::default();
        let mut id = |what: &str, name: &str| format!("{namespace}#{}", taken.of(what, name));
        let packages =
            all.components.iter().map(|facts| (facts.id, id("Package", facts.id))).collect();
        let files = sbom.files.keys().map(|path| (path.as_str(), id("File", path))).collect();
        let sources = all.sources();
        let source_ids = sources.all.iter().map(|source| id("Source", &source.key())).collect();
        let named = all.components.iter().flat_map(|facts| [&facts.supplier, &facts.originator]);
        let parties: BTreeSet<&Party> =
            named.chain([&all.supplier]).filter_map(Option::as_ref).collect();
        let agents = parties.into_iter().map(|party| (party, id("Agent", &party.key()))).collect();
        let mut expressions = BTreeMap::from([(DATA_LICENSE, None)]);
        for licensing in all.components.iter().filter_map(|facts| facts.licensing.as_ref()) {
            expressions.insert(&licensing.expression, Some(licensing));
        }
        let expressions = (expressions.into_iter())
            .map(|(text, licensing)| (text, (id("License", text), licensing)))
            .collect();
        let references = (all.references().into_iter())
            .map(|(name, reference)| (name, (id("LicenseText", name), reference)))
            .collect();
        Self {
            sbom,
            all,
            namespace,
            packages,
            files,
            sources,
            source_ids,
            agents,
            expressions,
            references,
            nodes: Vec::new(),
            taken,
        }
    }

    fn document(mut self) -> Document {
        self.add_frame();
        self.add_agents();
        self.add_licenses();
        self.add_packages();
        for (path, file) in &self.sbom.files {
            let id = self.files[path.as_str()].clone();
            let mut element =
                Element::new("software_File", id, Body::Plain {}).named(format!("./{path}"));
            element.verified_using.push(Hash::sha256(file.sha256.to_hex()));
            self.nodes.push(element.into());
        }
        self.relate_parts();
        self.relate_components();
        Document::new(self.nodes)
    }

    /// An id of what there is once.
    fn one(&self, name: &str) -> String {
        format!("{}#SPDXRef-{name}", self.namespace)
    }

    fn image(&self) -> String {
        self.one("Image")
    }

    fn agent(&self, party: Option<&Party>) -> Option<String> {
        self.agents.get(party?).cloned()
    }

    /// What every document has: who made it and when, the document, and the SBOM in it.
    fn add_frame(&mut self) {
        let (name, version) = &self.sbom.tool;
        let program = facts::line(&format!("{name}-{version}"));
        let (tool, software) = (self.one("Tool"), self.one("SoftwareAgent"));
        // Who answers for the image answers for the document; without one the program does.
        let by = self.agent(self.all.supplier.as_ref());
        let creation = CreationInfo::new(
            rfc3339(self.sbom.epoch),
            by.clone().unwrap_or_else(|| software.clone()),
            tool.clone(),
        );
        self.nodes.push(Node::Creation(creation));
        self.nodes.push(Element::new("Tool", tool, Body::Plain {}).named(program.clone()).into());
        if by.is_none() {
            let agent = Element::new("SoftwareAgent", software, Body::Plain {}).named(program);
            self.nodes.push(agent.into());
        }
        let name = facts::name(&self.sbom.subject.name);
        let document = SpdxDocument {
            data_license: self.expressions[DATA_LICENSE].0.clone(),
            profile_conformance: ["core", "simpleLicensing", "software"],
            root_element: [self.one("SBOM")],
        };
        let document = Element::new("SpdxDocument", self.one("DOCUMENT"), Body::Document(document));
        self.nodes.push(document.named(name.clone()).into());
        let sbom = SoftwareSbom { root_element: [self.image()], sbom_type: ["analyzed"] };
        let sbom = Element::new("software_Sbom", self.one("SBOM"), Body::Sbom(sbom));
        self.nodes.push(sbom.named(name).into());
    }

    fn add_agents(&mut self) {
        for (party, id) in &self.agents {
            let class = if party.is_person { "Person" } else { "Organization" };
            let mut agent =
                Element::new(class, id.clone(), Body::Plain {}).named(party.name.clone());
            let email = party.email.iter().cloned();
            agent
                .external_identifier
                .extend(email.map(|email| ExternalIdentifier::new("email", email)));
            self.nodes.push(agent.into());
        }
    }

    fn add_licenses(&mut self) {
        for (expression, (id, licensing)) in &self.expressions {
            let own = licensing.iter().flat_map(|licensing| licensing.references.keys());
            let custom = own
                .filter_map(|name| {
                    let (text, _) = self.references.get(name.as_str())?;
                    Some(Entry::new(name.clone(), text.clone()))
                })
                .collect();
            let body = Expression {
                expression: (*expression).to_owned(),
                list_version: spdx::license_version(),
                custom,
            };
            let class = "simplelicensing_LicenseExpression";
            self.nodes.push(Element::new(class, id.clone(), Body::Expression(body)).into());
        }
        for (id, reference) in self.references.values() {
            let name = facts::name(&reference.name);
            // Without a text it is what the package says.
            let text = reference.text.clone().unwrap_or_else(|| name.clone());
            let class = "simplelicensing_SimpleLicensingText";
            let body = Body::LicenseText(LicenseText { text });
            self.nodes.push(Element::new(class, id.clone(), body).named(name).into());
        }
    }

    fn add_packages(&mut self) {
        let mut packages = vec![self.image_package()];
        packages.extend(self.all.components.iter().map(|facts| self.component_package(facts)));
        for (source, id) in self.sources.all.iter().zip(&self.source_ids) {
            let body = Package {
                supplied_by: self.agent(source.supplier),
                version: source.version.clone(),
                purpose: Some("source"),
                ..Package::default()
            };
            let element = Element::new("software_Package", id.clone(), Body::Package(body));
            packages.push(element.named(source.name.clone()));
        }
        self.nodes.extend(packages.into_iter().map(Node::from));
    }

    fn image_package(&self) -> Element {
        let subject = &self.sbom.subject;
        let body = Package {
            supplied_by: self.agent(self.all.supplier.as_ref()),
            version: facts::image_version(subject),
            purl: facts::image_purl(subject).map(|purl| purl.to_string()),
            purpose: Some("container"),
            ..Package::default()
        };
        let mut element = Element::new("software_Package", self.image(), Body::Package(body))
            .named(facts::name(&subject.name));
        element.verified_using.extend(subject.digest.map(|digest| Hash::sha256(digest.to_hex())));
        let platform = subject.platform.as_ref();
        element.comment = platform.map(|platform| format!("platform: {}", facts::line(platform)));
        element
    }

    fn component_package(&self, facts: &Facts<'_>) -> Element {
        let component: &Component = facts.component;
        let url = |text: &Option<String>| text.as_deref().and_then(facts::url).map(str::to_owned);
        let body = Package {
            supplied_by: self.agent(facts.supplier.as_ref()),
            originated_by: self.agent(facts.originator.as_ref()).into_iter().collect(),
            version: facts.version.clone(),
            purl: facts.purl.as_ref().map(ToString::to_string),
            download_location: url(&component.download_location),
            homepage: url(&component.homepage),
            source_info: facts.source_info(),
            copyright: component.copyright.clone().filter(|text| !text.trim().is_empty()),
            purpose: facts::purpose(component.kind).map(|purpose| purpose.spdx3),
        };
        let id = self.packages[facts.id].clone();
        let mut element =
            Element::new("software_Package", id, Body::Package(body)).named(facts.name.clone());
        element.summary =
            component.summary.as_deref().map(facts::line).filter(|text| !text.is_empty());
        element.comment = Some(facts.comment());
        element.verified_using.extend(component.sha256.map(|digest| Hash::sha256(digest.to_hex())));
        let cpe = super::cpe(component).map(|cpe| ExternalIdentifier::new("cpe23", cpe));
        element.external_identifier.extend(cpe);
        element
    }

    /// Adds a relationship, if there is something that it leads to.
    fn relate(&mut self, from: &str, relationship_type: &'static str, to: Vec<String>) {
        if to.is_empty() {
            return;
        }
        let own = from.strip_prefix(self.namespace).unwrap_or(from);
        let id = self.taken.of("Relationship", &format!("{relationship_type}/{own}"));
        let id = format!("{}#{id}", self.namespace);
        let body = Relationship { from: from.to_owned(), relationship_type, to };
        self.nodes.push(Element::new("Relationship", id, Body::Relationship(body)).into());
    }

    /// What has which components and files in it.
    fn relate_parts(&mut self) {
        let mut parts: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
        for (owner, ids) in self.all.parts() {
            let ids = ids.into_iter().map(|id| self.packages[id].clone());
            parts.entry(owner).or_default().extend(ids);
        }
        for (path, file) in &self.sbom.files {
            let owner = file.owner.as_deref().filter(|owner| self.packages.contains_key(owner));
            parts.entry(owner).or_default().push(self.files[path.as_str()].clone());
        }
        for (owner, ids) in parts {
            let from = owner.map_or_else(|| self.image(), |owner| self.packages[owner].clone());
            self.relate(&from, "contains", ids);
        }
    }

    /// What components need, were made from, and are licensed under.
    fn relate_components(&mut self) {
        let all = self.all;
        for facts in &all.components {
            let from = self.packages[facts.id].clone();
            let needed = facts.depends.iter().filter(|id| **id != facts.id);
            let needed = needed.map(|id| self.packages[id].clone()).collect();
            self.relate(&from, "dependsOn", needed);
            if let Some(licensing) = &facts.licensing {
                let license = self.expressions[licensing.expression.as_str()].0.clone();
                self.relate(&from, "hasDeclaredLicense", vec![license.clone()]);
                self.relate(&from, "hasConcludedLicense", vec![license]);
            }
        }
        let mut made: Vec<Vec<String>> = vec![Vec::new(); self.source_ids.len()];
        for (binary, number) in &self.sources.built {
            made[*number].push(self.packages[binary].clone());
        }
        for (id, made) in self.source_ids.clone().iter().zip(made) {
            self.relate(id, "generates", made);
        }
    }
}
