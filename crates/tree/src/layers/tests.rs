// SPDX-License-Identifier: Apache-2.0

use super::*;

/// Layers, the lowest first, each as entries: `a` is a file, `a/` a directory, `a -> b` a symbolic link, `a = b` a
/// hard link, `a!` a device node.
type Layers = &'static [&'static [&'static str]];

const LENIENT: StackRules = StackRules {
    files_make_room: true,
    entries_max: 1_000,
    steps_max: 10_000,
    keeps_said_by_links: false,
};
const STRICT: StackRules = StackRules { files_make_room: false, ..LENIENT };

fn entry(text: &str, number: usize) -> LayerEntry<(), String> {
    let (path, kind) = if let Some((path, target)) = text.split_once(" -> ") {
        (path, LayerKind::Symlink(target.as_bytes().to_vec()))
    } else if let Some((path, target)) = text.split_once(" = ") {
        (path, LayerKind::HardLink(TreePath::parse(target).unwrap()))
    } else if let Some(path) = text.strip_suffix('!') {
        (path, LayerKind::Special)
    } else if text.ends_with('/') {
        (text, LayerKind::Directory)
    } else {
        (text, LayerKind::File(format!("{text}@{number}")))
    };
    LayerEntry { path: TreePath::parse(path).unwrap(), metadata: (), above: (), kind }
}

/// Returns what is there in the end, and what was refused: files with the name and layer that they came with.
fn stacked(rules: StackRules, layers: Layers) -> (Stack<(), String>, Vec<StackError>) {
    let mut stack = Stack::new(rules);
    let mut errors = Vec::new();
    for (number, entries) in layers.iter().enumerate() {
        let entries = entries.iter().map(|text| entry(text, number));
        let (hides, brings): (Vec<_>, Vec<_>) =
            entries.partition(|entry| Whiteout::of(&entry.path).is_some());
        let hides = hides.iter().filter_map(|entry| Whiteout::of(&entry.path));
        let refused = |_: &TreePath, error| {
            errors.push(error);
            Ok::<_, std::convert::Infallible>(())
        };
        stack.apply(hides, brings, refused).unwrap();
    }
    (stack, errors)
}

fn say(stack: &Stack<(), String>) -> String {
    let item = |(path, item): (&TreePath, &Item<()>)| match item {
        Item::Directory(()) => format!("{path}/"),
        Item::File(number) => format!("{path}:{}", stack.file(*number)),
        Item::Symlink((), target) => format!("{path}>{}", String::from_utf8_lossy(target)),
        Item::Special(()) => format!("{path}!"),
    };
    stack.items().map(item).collect::<Vec<_>>().join(" ")
}

#[test]
fn upper_layers_hide_and_replace() {
    let cases: &[(&str, Layers, &str)] = &[
        ("no layers", &[], ""),
        ("a whiteout", &[&["a", "b"], &[".wh.a"]], "/b:b@0"),
        ("of a directory", &[&["a/b", "a/c/d", "a.b", "a0"], &[".wh.a"]], "/a.b:a.b@0 /a0:a0@0"),
        ("of an empty directory", &[&["a/"], &[".wh.a"]], ""),
        ("of a link, not of what it leads to", &[&["b", "a -> b"], &[".wh.a"]], "/b:b@0"),
        ("of a device node", &[&["a!"], &[".wh.a"]], ""),
        ("of what is not there", &[&["a"], &[".wh.b", "c/.wh.d"]], "/a:a@0"),
        ("makes no directories", &[&["a"], &["x/y/.wh.z"]], "/a:a@0"),
        ("in what is a file", &[&["a"], &["a/.wh.b"]], "/a:a@0"),
        ("of what its layer brings", &[&["a"], &["a", ".wh.a"]], "/a:a@1"),
        ("before what its layer brings", &[&["a"], &[".wh.a", "a"]], "/a:a@1"),
        ("of a directory that its layer brings", &[&["a/b"], &["a/c", ".wh.a"]], "/a/ /a/c:a/c@1"),
        ("is gone with its layer", &[&["a"], &[".wh.a"], &["a"]], "/a:a@2"),
        ("of what an upper layer brings", &[&[".wh.a"], &["a"]], "/a:a@1"),
        ("whose name begins like one", &[&[".wh"], &[".wh..wh"]], ""),
        ("opaque", &[&["a/b", "a/c/d", "e"], &["a/.wh..wh..opq"]], "/a/ /e:e@0"),
        ("opaque, with files", &[&["a/b"], &["a/f", "a/.wh..wh..opq"]], "/a/ /a/f:a/f@1"),
        ("an opaque root", &[&["a", "b/c"], &[".wh..wh..opq", "d"]], "/d:d@1"),
        ("opaque, of what is a file", &[&["a"], &["a/.wh..wh..opq"]], "/a:a@0"),
        ("opaque, of what is not there", &[&["a"], &["b/.wh..wh..opq"]], "/a:a@0"),
        ("drivers' own", &[&["a"], &[".wh..wh.plnk/", ".wh..wh.aufs"]], "/a:a@0"),
        ("nameless ones", &[&["a/b"], &["a/.wh.", "a/.wh..", "a/.wh..."]], "/a/ /a/b:a/b@0"),
        ("a file over a directory", &[&["a/b", "a/c/d"], &["a"]], "/a:a@1"),
        ("a link over a directory", &[&["a/b"], &["a -> c"]], "/a>c"),
        ("a device node over a directory", &[&["a/b"], &["a!"]], "/a!"),
        ("a directory over a file", &[&["a"], &["a/"]], "/a/"),
        ("a directory over a directory", &[&["a/b"], &["a/"]], "/a/ /a/b:a/b@0"),
        ("a directory over a link", &[&["x/a", "l -> x"], &["l/"]], "/l/ /x/ /x/a:x/a@0"),
        ("through a link", &[&["x/", "l -> x"], &["l/a"]], "/l>x /x/ /x/a:l/a@1"),
        ("a whiteout through a link", &[&["x/a", "l -> x"], &["l/.wh.a"]], "/l>x /x/"),
        ("opaque through a link", &[&["x/a", "l -> x"], &["l/.wh..wh..opq"]], "/l>x /x/"),
        ("a link that leads out", &[&["x/y", "l -> ../../x"], &["l/.wh.y"]], "/l>../../x /x/"),
        ("an absolute link", &[&["x/y", "l -> /x"], &["l/.wh.y"]], "/l>/x /x/"),
        ("links upwards", &[&["d/", "y", "d/l -> .."], &["d/l/.wh.y"]], "/d/ /d/l>.."),
        // What a whiteout means is decided before any of them hides something.
        ("of a link, and through it", &[&["x/a", "l -> x"], &[".wh.l", "l/.wh.a"]], "/x/"),
        ("the other way round", &[&["x/a", "l -> x"], &["l/.wh.a", ".wh.l"]], "/x/"),
        ("a hard link", &[&["a", "b = a"]], "/a:a@0 /b:a@0"),
        ("outlives its file", &[&["a", "b = a"], &[".wh.a"]], "/b:a@0"),
        ("outlives its file's change", &[&["a", "b = a"], &["a"]], "/a:a@1 /b:a@0"),
        ("is hidden alone", &[&["a", "b = a"], &[".wh.b"]], "/a:a@0"),
        ("to what lies below", &[&["a"], &["b = a"]], "/a:a@0 /b:a@0"),
        ("to a hard link", &[&["a", "b = a"], &["c = b", ".wh.a"]], "/b:a@0 /c:a@0"),
        ("to a symbolic link", &[&["a -> x", "b = a"]], "/a>x /b>x"),
        (
            "through a symbolic link",
            &[&["x/a", "l -> x", "b = l/a"]],
            "/b:x/a@0 /l>x /x/ /x/a:x/a@0",
        ),
        ("to itself", &[&["a"], &["a = a"]], "/a:a@0"),
    ];
    for (summary, layers, expected) in cases {
        for rules in [STRICT, LENIENT] {
            let (stack, errors) = stacked(rules, layers);
            assert_eq!(say(&stack), *expected, "{summary}, {rules:?}");
            assert_eq!(errors, [], "{summary}, {rules:?}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let cases: &[(&str, Layers, &str, &str)] = &[
        (
            "a hard link to nothing",
            &[&["b = a"]],
            "",
            "/b is a hard link to /a, which is not a file",
        ),
        ("to what comes later", &[&["b = a", "a"]], "/a:a@0", "/b is a hard link to /a, which"),
        ("to itself", &[&["a = a"]], "", "/a is a hard link to /a, which is not a file"),
        ("to a directory", &[&["a/", "b = a"]], "/a/", "/b is a hard link to /a, which is not"),
        ("to the root", &[&["b = /"]], "", "/b is a hard link to /, which is not a file"),
        ("to what is hidden", &[&["a"], &[".wh.a", "b = a"]], "", "/b is a hard link to /a, which"),
        (
            "links in a circle",
            &[&["a -> b", "b -> a"], &["a/c"]],
            "/a>b /b>a",
            "/a/c is reached by",
        ),
        ("a link to itself", &[&["a -> a"], &["a/.wh.b"]], "/a>a", "/a/b is reached by too many"),
        ("a target with a NUL", &[&["a -> b\0c"], &["a/x"]], "/a>b\0c", "/a/x is reached by too"),
    ];
    for (summary, layers, expected, error) in cases {
        for rules in [STRICT, LENIENT] {
            let (stack, errors) = stacked(rules, layers);
            assert_eq!(say(&stack), *expected, "{summary}, {rules:?}");
            let [found] = errors.as_slice() else { panic!("{summary}: {errors:?}") };
            assert!(found.to_string().starts_with(error), "{summary}: {found}");
        }
    }
}

#[test]
fn only_where_files_make_room_something_is_put_into_them() {
    let cases: &[(&str, Layers, &str, &str)] = &[
        ("a file", &[&["a"], &["a/b"]], "/a/ /a/b:a/b@1", "/a:a@0"),
        ("in one layer", &[&["a", "a/b"]], "/a/ /a/b:a/b@0", "/a:a@0"),
        ("a device node", &[&["a!"], &["a/b"]], "/a/ /a/b:a/b@1", "/a!"),
        ("through a link", &[&["l -> a", "a"], &["l/b"]], "/a/ /a/b:l/b@1 /l>a", "/a:a@0 /l>a"),
    ];
    for (summary, layers, lenient, strict) in cases {
        let (stack, errors) = stacked(LENIENT, layers);
        assert_eq!((say(&stack).as_str(), errors.len()), (*lenient, 0), "{summary}");
        let (stack, errors) = stacked(STRICT, layers);
        assert_eq!(say(&stack), *strict, "{summary}");
        assert!(matches!(errors.as_slice(), [StackError::NotADirectory { .. }]), "{errors:?}");
    }
}

#[test]
fn the_root_is_a_directory() {
    let mut stack: Stack<(), ()> = Stack::new(STRICT);
    let root = |kind| LayerEntry { path: TreePath::root(), metadata: (), above: (), kind };
    for (kind, expected) in [
        (LayerKind::Directory, Ok(())),
        (LayerKind::File(()), Err(StackError::Root)),
        (LayerKind::Symlink(b"a".to_vec()), Err(StackError::Root)),
        (LayerKind::HardLink(TreePath::literal("a")), Err(StackError::Root)),
        (LayerKind::Special, Err(StackError::Root)),
    ] {
        assert_eq!(stack.apply([], [root(kind)], |_, error| Err(error)), expected);
    }
    // Not even a whiteout hides it, wherever it is from.
    let hides = [Whiteout::At(TreePath::root()), Whiteout::Below(TreePath::root())];
    stack.apply(hides, [], |_, error| Err(error)).unwrap();
    assert_eq!(stack.get(&TreePath::root()), Some(&Item::Directory(())));
}

#[test]
fn limits_end_it() {
    let strict = |rules: StackRules, whiteouts: &[Whiteout], entries: &[String]| {
        let mut stack: Stack<(), String> = Stack::new(rules);
        let entries: Vec<_> = entries.iter().map(|text| entry(text, 0)).collect();
        stack.apply(whiteouts.iter().cloned(), entries, |_, error| Err(error))
    };
    // Each of a hundred entries goes through a thousand names.
    let long = format!("link -> {}there", "./".repeat(1_000));
    let entries: Vec<String> =
        [long].into_iter().chain((0..100).map(|number| format!("link/{number}/"))).collect();
    for (steps_max, expected) in [(50_000, Err(StackError::TooLong)), (150_000, Ok(()))] {
        assert_eq!(strict(StackRules { steps_max, ..STRICT }, &[], &entries), expected);
    }
    let hides = vec![Whiteout::At(TreePath::literal("a")); 3];
    // The directory that the link leads to counts, too, though no entry names it.
    for (entries_max, is_taken) in [(105, true), (104, false), (2, false)] {
        let rules = StackRules { entries_max, steps_max: 1_000_000, ..STRICT };
        let expected =
            if is_taken { Ok(()) } else { Err(StackError::TooMany { maximum: entries_max }) };
        assert_eq!(strict(rules, &hides, &entries), expected, "{entries_max}");
    }
}

#[test]
fn trees_have_the_content_at_one_name() {
    let file = |path: &str| LayerEntry {
        path: TreePath::parse(path).unwrap(),
        metadata: Metadata::root(0o644, 5),
        above: Metadata::root(0o755, 5),
        kind: LayerKind::File(File::inline(path.as_bytes())),
    };
    let link = |path: &str, target: &str| LayerEntry {
        kind: LayerKind::HardLink(TreePath::parse(target).unwrap()),
        ..file(path)
    };
    let device = LayerEntry { kind: LayerKind::Special, ..file("null") };
    let layers = [
        (vec![], vec![file("d/m"), link("a", "d/m"), link("z", "a"), device]),
        (vec![Whiteout::At(TreePath::literal("d/m"))], vec![link("b", "z")]),
    ];
    for (count, content, expected) in [
        (1, ContentName::First, "/a:3 /d/ /d/m=/a /z=/a"),
        (1, ContentName::AsWritten, "/a=/d/m /d/ /d/m:3 /z=/d/m"),
        (2, ContentName::First, "/a:3 /b=/a /d/ /z=/a"),
        (2, ContentName::AsWritten, "/a:3 /b=/a /d/ /z=/a"),
    ] {
        let mut stack = Stack::new(StackRules::STRICT);
        for (hides, entries) in layers.iter().take(count) {
            stack.apply(hides.clone(), entries.clone(), |_, error| Err(error)).unwrap();
        }
        let tree = stack.into_tree(Origin::Definition, content);
        let nodes = tree.walk().skip(1).map(|(path, node)| match &node.kind {
            Kind::File(file) => format!("{path}:{}", file.size_bytes),
            Kind::HardLink(target) => format!("{path}={target}"),
            _ => format!("{path}/"),
        });
        assert_eq!(nodes.collect::<Vec<_>>().join(" "), expected, "{count} {content:?}");
    }
}
