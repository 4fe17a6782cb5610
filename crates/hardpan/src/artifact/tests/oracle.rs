// SPDX-License-Identifier: Apache-2.0
//! A real registry, filled by a real client.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// A process that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a registry at any port, and returns its name.
fn start_registry(folder: &std::path::Path) -> Option<(Process, String)> {
    let config = folder.join("registry.yaml");
    let text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: 127.0.0.1:0\n",
        folder.join("registry").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let mut lines = BufReader::new(child.stderr.take()?).lines();
    let process = Process(child);
    let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("listening on ")?;
        Some(rest.split(['"', ' ']).next()?.to_owned())
    })?;
    // Whoever writes to a pipe that nobody reads waits for ever.
    std::thread::spawn(move || lines.for_each(drop));
    Some((process, address))
}

#[test]
fn a_real_registry_gives_what_skopeo_put_there() {
    let mut desk = Desk::online();
    let has_skopeo = Command::new("skopeo").arg("--version").output().is_ok();
    let registry = start_registry(desk.folder.path());
    let (Some((_process, address)), true) = (registry, has_skopeo) else {
        eprintln!("skipped: because docker-registry or skopeo is not installed");
        return;
    };
    let tar = Tar::default()
        .file("etc/motd", b"hello")
        .hard_link("etc/motd2", "etc/motd")
        .file("usr/share/big", &vec![b'x'; 3_000_000]);
    let layers =
        [Layer::gzip(&tar.end()), Layer::gzip(&Tar::default().file("etc/.wh.motd", b"").end())];
    let image = OciImage::new("amd64", &layers, &["A=b"]);
    let other = OciImage::new("arm64", &layers[..1], &[]);
    let index = OciImage::index(&[("linux/amd64", &image), ("linux/arm64", &other)]);
    let layout = desk.add_layout(&index, "app");
    desk.stages.artifact_layouts.clear();
    for (format, tag) in [("oci", "oci"), ("v2s2", "docker")] {
        let to = format!("docker://{address}/team/app:{tag}");
        let output = Command::new("skopeo")
            .args([
                "copy",
                "--insecure-policy",
                "--all",
                "--dest-tls-verify=false",
                "--format",
                format,
            ])
            .arg(format!("oci:{}:app", layout.display()))
            .arg(&to)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let name = format!("{address}/team/app:{tag}");
        let locked = desk.pin(&name, AMD64).unwrap();
        if format == "oci" {
            assert_eq!((locked.manifest, locked.index), (image.digest(), Some(index.digest())));
        }
        let tree = desk.pull(&name).unwrap().tree;
        let paths: Vec<String> = tree.walk().map(|(path, _)| path.to_string()).collect();
        let expected = ["/", "/etc", "/etc/motd2", "/usr", "/usr/share", "/usr/share/big"];
        assert_eq!(paths, expected, "{format}");
        assert_eq!(desk.text(&tree, "etc/motd2"), "hello");
    }
}
