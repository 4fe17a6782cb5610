// SPDX-License-Identifier: Apache-2.0
//! Installed packages of Node: what `require` would find. Lock files only say what was wanted.

use hardpan_tree::TreePath;
use serde_json::Value;

use super::{FormatError, Package, PackageKind};

/// The most dependencies of a package.
const DEPENDENCIES_MAX: usize = 10_000;
const FORMAT: &str = "a package of Node";

/// Returns the directory of the package whose `package.json` this is: right in a directory of packages,
/// or one below in that of a scope.
pub(super) fn package_directory(path: &TreePath) -> Option<TreePath> {
    if path.name() != b"package.json" {
        return None;
    }
    let directory = path.parent()?;
    let mut above = directory.parent()?;
    if above.name().starts_with(b"@") {
        above = above.parent()?;
    }
    // The latter is where Debian has them.
    let is_root = above.name() == b"node_modules" || above.as_bytes() == b"usr/share/nodejs";
    (is_root && !directory.name().starts_with(b"@")).then_some(directory)
}

/// Reads a `package.json`; nothing if it describes no package that could be published.
pub(super) fn read(bytes: &[u8], path: &TreePath) -> Result<Option<Package>, FormatError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let bad = || FormatError::malformed(FORMAT, "not its JSON");
    let json: Value = serde_json::from_slice(bytes).map_err(|_| bad())?;
    let Value::Object(json) = json else { return Err(bad()) };
    let text = |name: &str| json.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (Some(name), Some(version)) = (text("name"), text("version")) else { return Ok(None) };
    let mut package = Package::found_at(PackageKind::Npm, name, Some(version), path, None);
    package.licenses = json.get("license").or_else(|| json.get("licenses")).and_then(licence);
    package.homepage = text("homepage").map(str::to_owned);
    package.summary = text("description").map(str::to_owned);
    package.maintainer = json.get("author").and_then(person);
    if let Some(needs) = json.get("dependencies").and_then(Value::as_object) {
        if needs.len() > DEPENDENCIES_MAX {
            return Err(FormatError::limit(FORMAT, "dependencies", DEPENDENCIES_MAX));
        }
        package.requires = needs.keys().cloned().collect();
    }
    Ok(Some(package))
}

/// Reads `"MIT"`, `{"type": "MIT"}`, or a list of such.
fn licence(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => fields.get("type")?.as_str().map(str::to_owned),
        Value::Array(all) => {
            let all: Vec<String> = all
                .iter()
                .take(64)
                .filter_map(|one| match one {
                    Value::Array(_) => None,
                    one => licence(one),
                })
                .collect();
            (!all.is_empty()).then(|| all.join(" OR "))
        }
        _ => None,
    }
}

/// Reads `"A <b@c>"` or `{"name": "A", "email": "b@c"}`.
fn person(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            let name = fields.get("name")?.as_str()?;
            let address = fields.get("email").and_then(Value::as_str);
            Some(address.map_or_else(|| name.to_owned(), |address| format!("{name} <{address}>")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories() {
        for (path, expected) in [
            ("a/node_modules/b/package.json", Some("/a/node_modules/b")),
            ("a/node_modules/@s/b/package.json", Some("/a/node_modules/@s/b")),
            ("usr/share/nodejs/b/package.json", Some("/usr/share/nodejs/b")),
            ("a/node_modules/@s/package.json", None),
            ("a/node_modules/b/c/package.json", None),
            ("a/node_modules/package.json", None),
            ("node_modules/package.json", None),
            ("package.json", None),
            ("a/nodejs/b/package.json", None),
            ("a/node_modules/b/package-lock.json", None),
        ] {
            let directory = package_directory(&TreePath::parse(path).unwrap());
            assert_eq!(directory.map(|path| path.to_string()).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn packages() {
        let path = TreePath::literal("usr/lib/node_modules/@s/a/package.json");
        let read = |text: &str| read(text.as_bytes(), &path);
        let text = "\u{feff}{\"name\":\"@s/a\",\"version\":\"1.0.0\",\"license\":{\"type\":\"MIT\"},\
            \"author\":{\"name\":\"A\",\"email\":\"b@c\"},\"dependencies\":{\"b\":\"^1\",\"c\":\"*\"}}";
        let package = read(text).unwrap().unwrap();
        assert_eq!(package.id.as_str(), "npm/@s/a@1.0.0:usr/lib/node_modules/@s/a/package.json");
        assert_eq!(package.licenses.as_deref(), Some("MIT"));
        assert_eq!(package.maintainer.as_deref(), Some("A <b@c>"));
        assert_eq!(package.requires, ["b", "c"]);
        for text in [
            "{}",
            r#"{"name":"a"}"#,
            r#"{"type":"module"}"#,
            r#"{"name":"","version":"1"}"#,
            r#"{"name":1,"version":"1"}"#,
        ] {
            assert_eq!(read(text), Ok(None), "{text}");
        }
        let deep = "[".repeat(100_000);
        for text in ["", "[]", "null", "{", "\0", &deep] {
            assert!(read(text).is_err());
        }
        let licences = r#"{"name":"a","version":"1","licenses":["A",{"type":"B"},3,[[]]]}"#;
        assert_eq!(read(licences).unwrap().unwrap().licenses.as_deref(), Some("A OR B"));
    }
}
