// SPDX-License-Identifier: Apache-2.0
//! A small real image for tests: a static program, two platforms, two layers of several parts.

#![allow(dead_code, reason = "each test file uses some of it")]

pub(crate) mod debian;
pub(crate) mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use hardpan_image::{
    BytesPart, Compression, ContainerConfig, Image, ImageIndex, ImageName, ImageSettings, Layer,
    LayerPart, Layout, LayoutWriter, Platform, directory_segment, layer_directories,
};
use hardpan_tree::{Kind, Metadata, Node, Origin, TarKind, TarWriter, Tree, TreePath};

/// What the program in the image prints.
pub(crate) const GREETING: &str = "hello from an image\n";
/// The user that the program insists on.
pub(crate) const USER: u32 = 65_532;
/// The time of all that is made.
pub(crate) const EPOCH: i64 = 1_767_225_600;

/// Returns a static program that prints [`GREETING`], or exits with 9 if its user is not [`USER`].
/// On other processors than x86-64 it is only a file.
pub(crate) fn program(architecture: &str) -> Vec<u8> {
    let machine: u8 = if architecture == "arm64" { 183 } else { 62 };
    let length = u8::try_from(GREETING.len()).unwrap();
    let code = [
        &[0xb8, 102, 0, 0, 0, 0x0f, 0x05][..],              // getuid()
        &[0x3d, 0xfc, 0xff, 0, 0, 0x75, 33],                // is it 65532? else go to the end
        &[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0],              // write(1,
        &[0x48, 0x8d, 0x35, 28, 0, 0, 0],                   //   the text behind the code,
        &[0xba, length, 0, 0, 0, 0x0f, 0x05],               //   its length)
        &[0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05],       // exit(0)
        &[0xb8, 60, 0, 0, 0, 0xbf, 9, 0, 0, 0, 0x0f, 0x05], // exit(9)
        GREETING.as_bytes(),
    ]
    .concat();
    let (base, head) = (0x0040_0000_u64, 120_u64);
    let size = head + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
    elf.extend([machine, 0, 1, 0, 0, 0]);
    for field in [base + head, 64, 0] {
        elf.extend(field.to_le_bytes());
    }
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for field in [0, base, base, size, size, 4096] {
        elf.extend(field.to_le_bytes());
    }
    assert_eq!(elf.len() as u64, head);
    elf.extend(code);
    elf
}

/// Returns bytes that compress somewhat.
pub(crate) fn varied(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut bytes = Vec::with_capacity(length + 64);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(format!("{} {:x}\n", state % 1000, state).bytes());
    }
    bytes.truncate(length);
    bytes
}

/// One file of a layer: path, mode, content.
pub(crate) type TestFile<'f> = (&'f str, u32, &'f [u8]);

/// Writes files as a segment.
pub(crate) fn segment(files: &[TestFile<'_>]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for &(path, mode, mut content) in files {
        let kind = TarKind::File(content.len() as u64);
        let path = TreePath::parse(path).unwrap();
        tar.write_entry(&path, &Metadata::root(mode, EPOCH), kind, &mut content).unwrap();
    }
    tar.into_inner()
}

/// Writes the directories above files as a segment.
pub(crate) fn directories(files: &[TestFile<'_>], also: &[(&str, u32)]) -> Vec<u8> {
    let mut tree = Tree::new();
    let paths: Vec<TreePath> =
        files.iter().map(|(path, ..)| TreePath::parse(path).unwrap()).collect();
    for path in &paths {
        let parent = path.parent().unwrap();
        tree.make_directories(&parent, &Metadata::root(0o755, 0), Origin::Definition).unwrap();
    }
    let also: Vec<TreePath> = (also.iter())
        .map(|(path, mode)| {
            let path = TreePath::parse(path).unwrap();
            let metadata = Metadata::root(*mode, 0);
            let node = Node { metadata, kind: Kind::Directory, origin: Origin::Definition };
            tree.insert(path.clone(), node).unwrap();
            path
        })
        .collect();
    let entries = paths.iter().map(|path| (path, EPOCH));
    directory_segment(&layer_directories(&tree, entries, &also, EPOCH).unwrap())
}

/// Makes the parts of a layer: its directories, then each list of files as a part.
pub(crate) fn parts(
    lists: &[&[TestFile<'_>]],
    also: &[(&str, u32)],
    compression: Compression,
) -> Vec<BytesPart> {
    let segments = std::iter::once(directories(&lists.concat(), also))
        .chain(lists.iter().map(|files| segment(files)));
    segments.map(|raw| BytesPart::new(raw, compression).unwrap()).collect()
}

pub(crate) fn borrowed(parts: &[BytesPart]) -> Vec<&dyn LayerPart> {
    parts.iter().map(|part| part as &dyn LayerPart).collect()
}

/// Makes the parts of the lower layer, which take some time, once for each compression.
fn base_parts(compression: Compression) -> Vec<BytesPart> {
    static MADE: Mutex<BTreeMap<Compression, Vec<BytesPart>>> = Mutex::new(BTreeMap::new());
    let make = || {
        let long = format!("usr/share/{}/{}", "long".repeat(30), "name".repeat(30));
        let data = varied(5 << 20);
        let passwd = b"root:x:0:0::/:/none\nnonroot:x:65532:65532::/:/none\n";
        parts(
            &[
                &[("etc/passwd", 0o644, passwd), ("etc/group", 0o644, b"nonroot:x:65532:\n")],
                &[("usr/share/data", 0o644, &data), (&long, 0o600, b"long")],
            ],
            &[("tmp", 0o1777)],
            compression,
        )
    };
    MADE.lock().unwrap().entry(compression).or_insert_with(make).clone()
}

/// Writes the layers of the sample image for a platform and returns the image.
pub(crate) fn sample_image(
    writer: &LayoutWriter,
    architecture: &str,
    compression: Compression,
) -> Image {
    let program = program(architecture);
    let base = base_parts(compression);
    let top = parts(&[&[("usr/bin/hello", 0o755, &program)]], &[], compression);
    let layers = [("packages", base), ("generated files", top)]
        .into_iter()
        .map(|(created_by, parts)| Layer {
            summary: writer.write_layer(&borrowed(&parts), compression).unwrap(),
            created_by: created_by.to_owned(),
        })
        .collect();
    let settings = ImageSettings {
        platform: Platform::linux(architecture),
        epoch: EPOCH,
        config: ContainerConfig {
            user: format!("{USER}:{USER}"),
            exposed_ports: BTreeSet::from(["8080/tcp".to_owned()]),
            env: vec!["PATH=/usr/bin".to_owned(), "LANG=C.UTF-8".to_owned()],
            entrypoint: vec!["/usr/bin/hello".to_owned()],
            cmd: vec!["argument".to_owned()],
            working_dir: "/tmp".to_owned(),
            labels: BTreeMap::from([("dev.hardpan.shell".to_owned(), String::new())]),
            stop_signal: "SIGTERM".to_owned(),
            ..ContainerConfig::default()
        },
        annotations: BTreeMap::from([(
            "org.opencontainers.image.title".to_owned(),
            "sample".to_owned(),
        )]),
    };
    Image::new(settings, layers).unwrap()
}

/// Writes the sample image for some platforms as a layout.
pub(crate) fn sample_layout(
    directory: &Path,
    architectures: &[&str],
    compression: Compression,
    names: &[&str],
) -> (Layout, ImageIndex) {
    let writer = LayoutWriter::create(directory).unwrap();
    let images = (architectures.iter())
        .map(|architecture| sample_image(&writer, architecture, compression))
        .collect();
    let index = ImageIndex::new(images, BTreeMap::new()).unwrap();
    let names: Vec<ImageName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let layout = writer.commit(&index, &names).unwrap();
    (layout, index)
}
