// SPDX-License-Identifier: Apache-2.0
//! Properties of other programs. CycloneDX has no field for the source of a package, but data on vulnerabilities has
//! the names of sources: a scanner that does not find it where it looks finds nothing wrong.

use super::document::Property;
use crate::sbom::{Component, ComponentKind};

/// Returns what Syft and Trivy write of the source of a package, by which Grype and Trivy match.
pub(super) fn source_properties(component: &Component) -> Vec<Property> {
    let Some((name, version)) = &component.source else { return Vec::new() };
    let own = component.version.as_deref().unwrap_or_default();
    let version = if version.is_empty() { own } else { version };
    let mut properties = Vec::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            properties
                .push(Property { name: name.to_owned(), value: crate::sbom::facts::line(value) });
        }
    };
    match component.kind {
        ComponentKind::Deb => {
            let (epoch, rest) = version.split_once(':').unwrap_or(("", version));
            let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
            add("aquasecurity:trivy:SrcEpoch", epoch);
            add("aquasecurity:trivy:SrcName", name);
            add("aquasecurity:trivy:SrcRelease", revision);
            add("aquasecurity:trivy:SrcVersion", upstream);
            add("syft:metadata:source", name);
            add("syft:metadata:sourceVersion", if version == own { "" } else { version });
            add("syft:package:metadataType", "dpkg-db-entry");
            add("syft:package:type", "deb");
        }
        ComponentKind::Apk => {
            add("aquasecurity:trivy:SrcName", name);
            add("aquasecurity:trivy:SrcVersion", version);
            add("syft:metadata:originPackage", name);
            add("syft:package:metadataType", "apk-db-entry");
            add("syft:package:type", "apk");
        }
        _ => {}
    }
    properties
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(kind: ComponentKind, own: &str, source: Option<(&str, &str)>) -> String {
        let component = Component {
            version: Some(own.to_owned()),
            source: source.map(|(name, version)| (name.to_owned(), version.to_owned())),
            ..Component::new(kind, "x".to_owned())
        };
        let properties = source_properties(&component);
        let text = |property: &Property| {
            let name = property.name.replace("aquasecurity:trivy:", "t:").replace("syft:", "s:");
            format!("{name}={}", property.value)
        };
        properties.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn versions_are_split_as_trivy_has_them() {
        let deb = |own, source| properties(ComponentKind::Deb, own, source);
        let rest = "s:package:metadataType=dpkg-db-entry s:package:type=deb";
        assert_eq!(
            deb("1:2.3-4-5+b1", Some(("src", "1:2.3-4-5"))),
            format!(
                "t:SrcEpoch=1 t:SrcName=src t:SrcRelease=5 t:SrcVersion=2.3-4 s:metadata:source=src s:metadata:sourceVersion=1:2.3-4-5 {rest}"
            )
        );
        assert_eq!(
            deb("2.3", Some(("src", ""))),
            format!("t:SrcName=src t:SrcVersion=2.3 s:metadata:source=src {rest}")
        );
        assert_eq!(
            properties(ComponentKind::Apk, "3.5.1-r0", Some(("openssl", "3.5.1-r0"))),
            "t:SrcName=openssl t:SrcVersion=3.5.1-r0 s:metadata:originPackage=openssl s:package:metadataType=apk-db-entry s:package:type=apk"
        );
        assert_eq!(deb("1", None), "");
        assert_eq!(properties(ComponentKind::Golang, "1", Some(("src", "1"))), "");
    }
}
