// SPDX-License-Identifier: Apache-2.0

use hardpan_attest::sbom::{cyclonedx, spdx2, table};

use super::model;

fn pretty(bytes: &[u8]) -> String {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap();
    serde_json::to_string_pretty(&document).unwrap()
}

#[test]
fn spdx() {
    let mut sbom = model::small();
    sbom.components.retain(|id, _| id.starts_with("deb/"));
    insta::assert_snapshot!(pretty(&spdx2::write(&sbom)), @r###"
    {
      "SPDXID": "SPDXRef-DOCUMENT",
      "creationInfo": {
        "created": "2025-10-09T08:53:20Z",
        "creators": [
          "Tool: hardpan-0.1.0",
          "Organization: Example"
        ],
        "licenseListVersion": "3.29"
      },
      "dataLicense": "CC0-1.0",
      "documentNamespace": "https://spdx.org/spdxdocs/hardpan/67fc97b3bc91e170fb1ccbbd618da47f0e4b051f787d56c3fc00e2a1530e191c",
      "files": [
        {
          "SPDXID": "SPDXRef-File-af896a5f354b5297",
          "checksums": [
            {
              "algorithm": "SHA1",
              "checksumValue": "4813494d137e1631bba301d5acab6e7bb7aa74ce"
            },
            {
              "algorithm": "SHA256",
              "checksumValue": "4813494d137e1631bba301d5acab6e7bb7aa74ce1185d456565ef51d737677b2"
            }
          ],
          "fileName": "./etc/passwd"
        },
        {
          "SPDXID": "SPDXRef-File-3da692d78ac484f6",
          "checksums": [
            {
              "algorithm": "SHA1",
              "checksumValue": "7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5"
            },
            {
              "algorithm": "SHA256",
              "checksumValue": "7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d"
            }
          ],
          "fileName": "./opt/tool"
        },
        {
          "SPDXID": "SPDXRef-File-d350c05905732e01",
          "checksums": [
            {
              "algorithm": "SHA1",
              "checksumValue": "16c8c6eb85e05438f5d6c60ff9869072a3a3b161"
            },
            {
              "algorithm": "SHA256",
              "checksumValue": "16c8c6eb85e05438f5d6c60ff9869072a3a3b1618aa1481ac7a0cb049f06f51d"
            }
          ],
          "fileName": "./usr/lib/x86_64-linux-gnu/libc.so.6"
        },
        {
          "SPDXID": "SPDXRef-File-d01535f415faec8c",
          "checksums": [
            {
              "algorithm": "SHA1",
              "checksumValue": "f3d44afe098b06e0337688514eff15d3b8674887"
            },
            {
              "algorithm": "SHA256",
              "checksumValue": "f3d44afe098b06e0337688514eff15d3b8674887230b3f44f7a200d99041a304"
            }
          ],
          "fileName": "./usr/lib/x86_64-linux-gnu/libm.so.6"
        }
      ],
      "hasExtractedLicensingInfos": [
        {
          "extractedText": "Do as you like,\nbut say so.",
          "licenseId": "LicenseRef-Spencer-371dcb9a",
          "name": "LicenseRef-Spencer"
        }
      ],
      "name": "registry.example/team/python",
      "packages": [
        {
          "SPDXID": "SPDXRef-Image",
          "checksums": [
            {
              "algorithm": "SHA256",
              "checksumValue": "05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"
            }
          ],
          "comment": "platform: linux/amd64",
          "copyrightText": "NOASSERTION",
          "downloadLocation": "NOASSERTION",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:oci/python@sha256:aaaa?repository_url=registry.example%2Fteam%2Fpython",
              "referenceType": "purl"
            }
          ],
          "filesAnalyzed": true,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "NOASSERTION",
          "name": "registry.example/team/python",
          "packageVerificationCode": {
            "packageVerificationCodeValue": "6ea1ec680f5697be5c367f8079df2eb85c1223e3"
          },
          "primaryPackagePurpose": "CONTAINER",
          "supplier": "Organization: Example",
          "versionInfo": "3.14"
        },
        {
          "SPDXID": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44",
          "checksums": [
            {
              "algorithm": "SHA256",
              "checksumValue": "86a990f540824515266784345fa82b6a8fc58535fe0f1821ebea4ab0b00c88cc"
            }
          ],
          "comment": "kind: deb\nfound in: var/lib/dpkg/status.d/libc6",
          "copyrightText": "Copyright (C) 1991-2024 Free Software Foundation, Inc.",
          "downloadLocation": "NOASSERTION",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&distro=debian-13&upstream=glibc",
              "referenceType": "purl"
            }
          ],
          "filesAnalyzed": true,
          "homepage": "https://www.gnu.org/software/libc/libc.html",
          "licenseConcluded": "LGPL-2.1-or-later AND LicenseRef-Spencer-371dcb9a",
          "licenseDeclared": "LGPL-2.1-or-later AND LicenseRef-Spencer-371dcb9a",
          "name": "libc6",
          "originator": "Organization: GNU Libc Maintainers (debian-glibc@lists.debian.org)",
          "packageVerificationCode": {
            "packageVerificationCodeValue": "fa7deac7f5669d159695f808032b885b7d8253b9"
          },
          "sourceInfo": "built package from: glibc 2.41-12+deb13u4",
          "summary": "GNU C Library: Shared libraries",
          "supplier": "Organization: Debian",
          "versionInfo": "2.41-12+deb13u4"
        },
        {
          "SPDXID": "SPDXRef-Package-deb-python3-django-all-3138ce81bec95918",
          "comment": "kind: deb",
          "copyrightText": "NOASSERTION",
          "downloadLocation": "NOASSERTION",
          "externalRefs": [
            {
              "referenceCategory": "PACKAGE-MANAGER",
              "referenceLocator": "pkg:deb/debian/python3-django@5.1-1?arch=all&distro=debian-13",
              "referenceType": "purl"
            }
          ],
          "filesAnalyzed": false,
          "licenseConcluded": "BSD-3-Clause",
          "licenseDeclared": "BSD-3-Clause",
          "name": "python3-django",
          "supplier": "Organization: Debian",
          "versionInfo": "5.1-1"
        },
        {
          "SPDXID": "SPDXRef-Source-deb-glibc-2.41-12-deb13u4-4615f7b27bf39058",
          "copyrightText": "NOASSERTION",
          "downloadLocation": "NOASSERTION",
          "filesAnalyzed": false,
          "licenseConcluded": "NOASSERTION",
          "licenseDeclared": "NOASSERTION",
          "name": "glibc",
          "primaryPackagePurpose": "SOURCE",
          "supplier": "Organization: Debian",
          "versionInfo": "2.41-12+deb13u4"
        }
      ],
      "relationships": [
        {
          "relatedSpdxElement": "SPDXRef-Image",
          "relationshipType": "DESCRIBES",
          "spdxElementId": "SPDXRef-DOCUMENT"
        },
        {
          "relatedSpdxElement": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Image"
        },
        {
          "relatedSpdxElement": "SPDXRef-Package-deb-python3-django-all-3138ce81bec95918",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Image"
        },
        {
          "relatedSpdxElement": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44",
          "relationshipType": "DEPENDS_ON",
          "spdxElementId": "SPDXRef-Package-deb-python3-django-all-3138ce81bec95918"
        },
        {
          "relatedSpdxElement": "SPDXRef-File-af896a5f354b5297",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Image"
        },
        {
          "relatedSpdxElement": "SPDXRef-File-3da692d78ac484f6",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Image"
        },
        {
          "relatedSpdxElement": "SPDXRef-File-d350c05905732e01",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44"
        },
        {
          "relatedSpdxElement": "SPDXRef-File-d01535f415faec8c",
          "relationshipType": "CONTAINS",
          "spdxElementId": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44"
        },
        {
          "relatedSpdxElement": "SPDXRef-Source-deb-glibc-2.41-12-deb13u4-4615f7b27bf39058",
          "relationshipType": "GENERATED_FROM",
          "spdxElementId": "SPDXRef-Package-deb-libc6-amd64-2b7d734289025b44"
        }
      ],
      "spdxVersion": "SPDX-2.3"
    }
    "###);
}

#[test]
fn cyclonedx_1_6() {
    let mut sbom = model::small();
    sbom.components.retain(|id, _| id != "deb/python3-django/all");
    insta::assert_snapshot!(pretty(&cyclonedx::write(&sbom, cyclonedx::SpecVersion::V1_6)), @r###"
    {
      "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
      "bomFormat": "CycloneDX",
      "components": [
        {
          "authors": [
            {
              "email": "debian-glibc@lists.debian.org",
              "name": "GNU Libc Maintainers"
            }
          ],
          "bom-ref": "deb/libc6/amd64",
          "copyright": "Copyright (C) 1991-2024 Free Software Foundation, Inc.",
          "description": "GNU C Library: Shared libraries",
          "evidence": {
            "licenses": [
              {
                "license": {
                  "name": "LicenseRef-Spencer-371dcb9a",
                  "text": {
                    "content": "Do as you like,\nbut say so.",
                    "contentType": "text/plain"
                  }
                }
              }
            ],
            "occurrences": [
              {
                "location": "/var/lib/dpkg/status.d/libc6"
              }
            ]
          },
          "externalReferences": [
            {
              "type": "website",
              "url": "https://www.gnu.org/software/libc/libc.html"
            }
          ],
          "hashes": [
            {
              "alg": "SHA-256",
              "content": "86a990f540824515266784345fa82b6a8fc58535fe0f1821ebea4ab0b00c88cc"
            }
          ],
          "licenses": [
            {
              "acknowledgement": "declared",
              "expression": "LGPL-2.1-or-later AND LicenseRef-Spencer-371dcb9a"
            }
          ],
          "name": "libc6",
          "properties": [
            {
              "name": "hardpan:kind",
              "value": "deb"
            },
            {
              "name": "hardpan:source:name",
              "value": "glibc"
            },
            {
              "name": "hardpan:source:version",
              "value": "2.41-12+deb13u4"
            },
            {
              "name": "aquasecurity:trivy:SrcName",
              "value": "glibc"
            },
            {
              "name": "aquasecurity:trivy:SrcRelease",
              "value": "12+deb13u4"
            },
            {
              "name": "aquasecurity:trivy:SrcVersion",
              "value": "2.41"
            },
            {
              "name": "syft:metadata:source",
              "value": "glibc"
            },
            {
              "name": "syft:package:metadataType",
              "value": "dpkg-db-entry"
            },
            {
              "name": "syft:package:type",
              "value": "deb"
            }
          ],
          "purl": "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64&distro=debian-13&upstream=glibc",
          "supplier": {
            "name": "Debian"
          },
          "type": "library",
          "version": "2.41-12+deb13u4"
        },
        {
          "bom-ref": "download/tool",
          "evidence": {
            "occurrences": [
              {
                "location": "/opt/tool"
              }
            ]
          },
          "externalReferences": [
            {
              "type": "distribution",
              "url": "https://example.org/tool-1.0.tar.gz"
            }
          ],
          "hashes": [
            {
              "alg": "SHA-256",
              "content": "7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d"
            }
          ],
          "licenses": [
            {
              "acknowledgement": "declared",
              "expression": "LicenseRef-public-domain AND (Apache-2.0 OR MIT)"
            }
          ],
          "name": "tool",
          "properties": [
            {
              "name": "hardpan:kind",
              "value": "download"
            }
          ],
          "supplier": {
            "name": "Example"
          },
          "type": "application",
          "version": "sha256:7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d"
        },
        {
          "bom-ref": "os/debian",
          "cpe": "cpe:2.3:o:debian:debian_linux:13:*:*:*:*:*:*:*",
          "name": "debian",
          "properties": [
            {
              "name": "hardpan:kind",
              "value": "os"
            }
          ],
          "supplier": {
            "name": "Debian"
          },
          "type": "operating-system",
          "version": "13"
        },
        {
          "authors": [
            {
              "email": "dev@example.org",
              "name": "Django Developer"
            }
          ],
          "bom-ref": "pypi/django@5.1",
          "evidence": {
            "occurrences": [
              {
                "location": "/usr/lib/python3/dist-packages/Django.dist-info/METADATA"
              }
            ]
          },
          "licenses": [
            {
              "license": {
                "acknowledgement": "declared",
                "name": "BSD License"
              }
            }
          ],
          "name": "Django",
          "properties": [
            {
              "name": "hardpan:kind",
              "value": "pypi"
            }
          ],
          "purl": "pkg:pypi/django@5.1",
          "supplier": {
            "contact": [
              {
                "email": "dev@example.org"
              }
            ],
            "name": "Django Developer"
          },
          "type": "library",
          "version": "5.1"
        }
      ],
      "dependencies": [
        {
          "dependsOn": [
            "deb/libc6/amd64",
            "download/tool",
            "os/debian",
            "pypi/django@5.1"
          ],
          "ref": "image"
        },
        {
          "ref": "deb/libc6/amd64"
        },
        {
          "ref": "download/tool"
        },
        {
          "ref": "os/debian"
        },
        {
          "ref": "pypi/django@5.1"
        }
      ],
      "metadata": {
        "authors": [
          {
            "name": "Example"
          }
        ],
        "component": {
          "bom-ref": "image",
          "hashes": [
            {
              "alg": "SHA-256",
              "content": "05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"
            }
          ],
          "name": "registry.example/team/python",
          "properties": [
            {
              "name": "hardpan:platform",
              "value": "linux/amd64"
            }
          ],
          "purl": "pkg:oci/python@sha256:aaaa?repository_url=registry.example%2Fteam%2Fpython",
          "supplier": {
            "name": "Example"
          },
          "type": "container",
          "version": "3.14"
        },
        "supplier": {
          "name": "Example"
        },
        "timestamp": "2025-10-09T08:53:20Z",
        "tools": {
          "components": [
            {
              "name": "hardpan",
              "type": "application",
              "version": "0.1.0"
            }
          ]
        }
      },
      "serialNumber": "urn:uuid:08bbd0e1-c331-89dd-8849-67663dec962a",
      "specVersion": "1.6",
      "version": 1
    }
    "###);
}

#[test]
fn rows() {
    let rows: Vec<String> = table::rows(&model::small())
        .into_iter()
        .map(|row| {
            format!(
                "{} | {} | {} | {} | {}",
                row.name,
                row.version,
                row.kind.as_str(),
                row.license,
                row.evidence
            )
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @r###"
    Django | 5.1 | pypi | LicenseRef-BSD-License | /usr/lib/python3/dist-packages/Django.dist-info/METADATA
    debian | 13 | os |  | 
    libc6 | 2.41-12+deb13u4 | deb | LGPL-2.1-or-later AND LicenseRef-Spencer-371dcb9a | /var/lib/dpkg/status.d/libc6
    python3-django | 5.1-1 | deb | BSD-3-Clause | 
    tool | sha256:7c9bbe5ec9b3fb774e8fa0f54247e93c34ddf8e5d16fe3073420de0ae81a262d | download | LicenseRef-public-domain AND (Apache-2.0 OR MIT) | /opt/tool
    "###);
}
