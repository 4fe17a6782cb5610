// SPDX-License-Identifier: Apache-2.0
//! What definitions say of downloads, as SPDX documents beside them.

use std::path::Path;

use hardpan_definition::{FileSource, Spanned, Spdx, SpdxPackage};
use hardpan_tree::{Kind, Metadata, Node, Origin, Tree, TreePath};
use serde_json::{Value, json};

use super::support::{Case, chain, file};
use crate::config::Workspace;
use crate::error::Trouble;

const FOLDER: &str = "/opt/docker/sbom";

fn said(
    mut file: Spanned<FileSource>,
    name: Option<&str>,
    packages: &[[&str; 3]],
) -> Spanned<FileSource> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let span = file.span;
    let package = |[name, purl, license]: &[&str; 3]| SpdxPackage {
        name: some(name),
        purl: some(purl).map(|purl| Spanned::new(purl, span)),
        license: some(license),
        path: None,
    };
    file.value.spdx = Some(Spdx {
        name: name.map(str::to_owned),
        version: Some("1.2".to_owned()),
        packages: packages.iter().map(package).collect(),
    });
    file
}

/// Returns a document of a tree, and checks it against the schema of SPDX, if that is there.
fn document(tree: &Tree, name: &str) -> Value {
    let path = TreePath::parse(format!("{FOLDER}/{name}/.spdx.{name}.json")).unwrap();
    let (node, file) = tree.file(&path).unwrap_or_else(|| panic!("{}", tree.dump()));
    assert_eq!((node.metadata.mode, node.metadata.uid, node.metadata.gid), (0o644, 0, 0));
    let hardpan_tree::Content::Inline(bytes) = &file.content else { panic!("it is in the tree") };
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let schema = above
        .map(|folder| folder.join("shared/vectors/schemas/spdx-2.3.schema.json"))
        .find_map(|path| std::fs::read(path).ok());
    match schema {
        Some(schema) => {
            let schema: Value = serde_json::from_slice(&schema).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert_eq!(errors, [""; 0], "{document}");
        }
        None => eprintln!("skipped: SPDX's schema because ../shared is not there"),
    }
    document
}

#[test]
fn a_download_has_a_document() {
    let case = Case::new();
    let url = case.serve("tool 1", b"x");
    let purl = "pkg:golang/example.org/tool@1.2";
    let tree =
        case.all(&[said(file(&url, "/usr/bin/tool"), Some("tool"), &[["tool", purl, "MIT"]])]);
    let tree = tree.unwrap();
    let found = document(&tree, "tool");
    assert_eq!(found["creationInfo"]["created"], "2027-01-15T08:00:00Z");
    assert_eq!(
        found["packages"],
        json!([{
            "SPDXID": "SPDXRef-Package-1",
            "name": "tool",
            "versionInfo": "1.2",
            "downloadLocation": url.replace(' ', "%20"),
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "MIT",
            "copyrightText": "NOASSERTION",
            "checksums": [{
                "algorithm": "SHA256",
                "checksumValue": hardpan_tree::Digest::of(b"x").to_hex(),
            }],
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }],
        }])
    );
    assert_eq!(found["relationships"][0]["relatedSpdxElement"], "SPDXRef-Package-1");
    // A file says nothing of itself, and neither does one without a name.
    let quiet = [file(&url, "/a"), said(file(&url, "/b"), None, &[["b", "", ""]])];
    assert!(!case.all(&quiet).unwrap().dump().contains("sbom"));
}

#[test]
fn downloads_of_one_name_share_a_document() {
    let case = Case::new();
    let (one, two) = (case.serve("one", b"1"), case.serve("two", b"2"));
    let files = [
        said(file(&one, "/one"), Some("both"), &[]),
        said(file(&two, "/two"), Some("other"), &[["o", "", ""]]),
        said(file(&two, "/three"), Some("both"), &[["x", "", ""], ["y", "", ""]]),
    ];
    let tree = case.all(&files).unwrap();
    let found = document(&tree, "both");
    let packages = found["packages"].as_array().unwrap();
    let names: Vec<&str> = packages.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["both", "x", "y"]);
    // A digest of two packages is that of neither.
    assert!(packages[0].get("checksums").is_some() && packages[1].get("checksums").is_none());
    let spaces = |name| document(&tree, name)["documentNamespace"].clone();
    assert_ne!(spaces("both"), spaces("other"));
    assert_eq!(document(&case.all(&files).unwrap(), "both"), found);
}

#[test]
fn a_document_says_only_what_is_known() {
    let mut case = Case::new();
    std::fs::write(case.catalog_path("local"), b"x").unwrap();
    let url = case.serve("other", b"other");
    let rule = format!(
        "[[downloads.override]]\nfrom = \"https://private.example/x\"\nto = \"{url}\"\nchecksum = \"{}\"\n",
        hardpan_tree::Digest::of(b"other")
    );
    case.workspace = Workspace::parse(&rule).unwrap();
    let files = [
        said(file("file:local", "/local"), Some("local"), &[]),
        said(file("https://private.example/x", "/x"), Some("private"), &[]),
    ];
    let tree = case.all(&files).unwrap();
    for name in ["local", "private"] {
        assert_eq!(document(&tree, name)["packages"][0]["downloadLocation"], "NOASSERTION");
    }
}

#[test]
fn names_that_are_none_and_places_that_are_taken() {
    let case = Case::new();
    let url = case.serve("tool", b"x");
    for name in ["", "..", "a/b", "/etc/passwd", "a\n"] {
        let error = case.all(&[said(file(&url, "/tool"), Some(name), &[])]).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Usage, "{name:?}");
        assert!(chain(&error).contains("can't be a folder's"), "{}", chain(&error));
        assert!(!error.spans().is_empty());
    }
    let files = [said(file(&url, "/tool"), Some("tool"), &[])];
    let locked = case.pin(&files).unwrap();
    for (path, is_error) in [
        // An older document gives way; a directory in its place, or a file above it, does not.
        ("/opt/docker/sbom/tool/.spdx.tool.json", false),
        ("/opt/docker/sbom/tool/.spdx.tool.json/x", true),
        ("/opt/docker/sbom", true),
    ] {
        let mut tree = Tree::new();
        let path = TreePath::literal(path);
        let metadata = Metadata::root(0o755, 5);
        tree.make_directories(&path.parent().unwrap(), &metadata, Origin::Definition).unwrap();
        let kind = Kind::File(hardpan_tree::File::inline(&b"old"[..]));
        tree.insert(path.clone(), Node { metadata, kind, origin: Origin::Definition }).unwrap();
        let placed = case.place_in(&mut tree, &files, &locked, Origin::Definition);
        assert_eq!(placed.is_err(), is_error, "{path}");
        if !is_error {
            assert_eq!(document(&tree, "tool")["name"], "tool");
        }
    }
}
