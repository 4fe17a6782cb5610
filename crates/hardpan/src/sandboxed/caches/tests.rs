// SPDX-License-Identifier: Apache-2.0

use super::*;

fn wish(index: &'static Index, inputs: &[(&str, &str)], source: &str) -> Wish {
    let input =
        |(path, text): &(&str, &str)| (TreePath::parse(path).unwrap(), Digest::of(text.as_bytes()));
    Wish {
        index,
        tool: "tool".to_owned(),
        packages: BTreeMap::from([("tool".to_owned(), source.to_owned())]),
        inputs: inputs.iter().map(input).collect(),
    }
}

fn index(name: &str) -> &'static Index {
    INDEXES.iter().find(|index| index.name == name).unwrap()
}

#[test]
fn the_key_has_all_that_decides_an_index() {
    let (amd64, arm64) = ("linux/amd64", "linux/arm64");
    let data = index("MIME database");
    let inputs = [("usr/share/mime/packages/a.xml", "a")];
    let same = key(&wish(data, &inputs, "tool 1"), amd64);
    assert_eq!(same, key(&wish(data, &inputs, "tool 1"), arm64), "data is the same everywhere");
    for (summary, other) in [
        ("another version", key(&wish(data, &inputs, "tool 2"), amd64)),
        ("another text", key(&wish(data, &[(inputs[0].0, "b")], "tool 1"), amd64)),
        ("another path", key(&wish(data, &[("usr/share/x.xml", "a")], "tool 1"), amd64)),
        ("no input", key(&wish(data, &[], "tool 1"), amd64)),
        ("another index", key(&wish(index("GSettings schemas"), &inputs, "tool 1"), amd64)),
    ] {
        assert_ne!(same, other, "{summary}");
    }
    let modules = wish(index("GIO modules"), &inputs, "tool 1");
    assert_ne!(key(&modules, amd64), key(&modules, arm64), "paths of modules are a platform's");
}
