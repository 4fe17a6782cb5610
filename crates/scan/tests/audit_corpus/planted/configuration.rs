// SPDX-License-Identifier: Apache-2.0
//! What the configuration says.

use hardpan_scan::controls::ControlId::{
    EntrypointShell, HealthcheckBroken, InterpreterMissing, Labels, LoaderPath, LoaderPreload,
    PrivilegedPort, Shell, StopSignal, SystemVolume, TagLatest, UnsafePath,
};
use serde_json::{Value, json};

use crate::image::{Image, image};
use crate::programs::{busybox, dash};

pub(super) fn images() -> Vec<Image> {
    [environment(), starts(), rest()].concat()
}

fn environment() -> Vec<Image> {
    let path = |name: &str, set: &str| image(name).environment(&format!("PATH={set}"));
    let loads =
        |name: &str, variable: &str| image(name).environment(variable).expect_image(LoaderPath);
    vec![
        path("path: relative", "/usr/bin:bin").expect_image(UnsafePath),
        path("path: an empty part", "/usr/bin::/bin").expect_image(UnsafePath),
        path("path: an empty part at the end", "/usr/bin:").expect_image(UnsafePath),
        path("path: of the user", "/opt/app/bin:/usr/bin")
            .owner(65532, 65532)
            .directory("/opt/app/bin", 0o755)
            .owner(0, 0)
            .expect(UnsafePath, "/opt/app/bin"),
        path("path: not there, where the user may make it", "/home/nonroot/.local/bin:/usr/bin")
            .owner(65532, 65532)
            .directory("/home/nonroot", 0o750)
            .owner(0, 0)
            .expect_path(UnsafePath, "/home/nonroot/.local/bin"),
        path("path: for everybody", "/usr/bin:/tmp").expect_in(UnsafePath, "/tmp", 0),
        image("preload: in the environment")
            .environment("LD_PRELOAD=/opt/x.so")
            .expect_image(LoaderPreload),
        image("preload: LD_AUDIT").environment("LD_AUDIT=/opt/x.so").expect_image(LoaderPreload),
        image("preload: in the entrypoint")
            .packaged("coreutils", "/usr/bin/env", 0o755, &crate::programs::dynamic().build())
            .entrypoint(&["env", "LD_PRELOAD=/opt/x.so", "app"])
            .expect_image(LoaderPreload),
        image("preload: in a file")
            .text("/etc/ld.so.preload", "/opt/x.so\n")
            .expect(LoaderPreload, "/etc/ld.so.preload"),
        loads("loads: libraries", "LD_LIBRARY_PATH=/opt/lib"),
        loads("loads: modules of Python", "PYTHONPATH=/opt/app"),
        loads("loads: an agent of Java", "JAVA_TOOL_OPTIONS=-Xmx1g -javaagent:/opt/a.jar"),
        loads("loads: a module of Node", "NODE_OPTIONS=--require=/opt/a.js"),
    ]
}

fn starts() -> Vec<Image> {
    let shell = |name: &str| {
        image(name)
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .expect(Shell, "/usr/bin/dash")
    };
    let health = |image: Image, test: Value| {
        image.config("Healthcheck", json!({"Test": test, "Interval": 30_000_000_000_u64}))
    };
    let broken =
        |name: &str, test: Value| health(image(name), test).expect_image(HealthcheckBroken);
    vec![
        shell("start: a text for a shell")
            .entrypoint(&["/bin/sh", "-c", "exec app --port $PORT"])
            .expect_image(EntrypointShell),
        shell("start: a text after tini")
            .packaged("tini", "/usr/bin/tini", 0o755, &crate::programs::fixed().build())
            .entrypoint(&["tini", "--", "sh", "-ec", "app"])
            .expect_image(EntrypointShell),
        shell("start: a shell by another name")
            .symlink("/opt/run", "/usr/bin/dash")
            .entrypoint(&["/opt/run", "-c", "app"])
            .expect_image(EntrypointShell),
        shell("start: nothing but a shell")
            .config("Entrypoint", Value::Null)
            .config("Cmd", json!(["sh"]))
            .expect_image(EntrypointShell),
        image("start: busybox's shell")
            .packaged("busybox", "/usr/bin/busybox", 0o755, &busybox())
            .expect(Shell, "/usr/bin/busybox")
            .entrypoint(&["busybox", "sh", "-c", "app"])
            .expect_image(EntrypointShell),
        broken("health: no shell", json!(["CMD-SHELL", "curl -f http://localhost/ || exit 1"])),
        broken("health: no such program", json!(["CMD", "curl", "-f", "http://localhost/"])),
        broken("health: a script without interpreter", json!(["CMD", "/opt/check"]))
            .file("/opt/check", 0o755, "#!/usr/bin/python3\n")
            .expect(InterpreterMissing, "/opt/check"),
        broken("health: not executable", json!(["CMD", "/opt/check"]))
            .text("/opt/check", "#!/usr/bin/app\n"),
        broken("health: a word that is none", json!(["CMD_SHELL", "app"])),
        health(
            shell("health: a shell, and no such program"),
            json!(["CMD-SHELL", "A=b curl -f http://x || exit 1"]),
        )
        .expect_image(HealthcheckBroken),
    ]
}

fn rest() -> Vec<Image> {
    let port = |name: &str, port: &str| {
        image(name).config("ExposedPorts", json!({ port: {} })).expect_image(PrivilegedPort)
    };
    let volume = |name: &str, volume: &str| {
        image(name).config("Volumes", json!({ volume: {} })).expect_image(SystemVolume)
    };
    let signal = |name: &str, signal: &str| {
        image(name).config("StopSignal", json!(signal)).expect_image(StopSignal)
    };
    vec![
        port("port: 80", "80/tcp"),
        port("port: without protocol", "443"),
        volume("volume: the root", "/"),
        volume("volume: /etc with slashes", "//etc//"),
        volume("volume: with dots", "/data/../usr/./lib"),
        volume("volume: /proc", "/proc/sys"),
        volume("volume: a link to the system", "/bin"),
        volume("volume: the runtime's socket", "/var/run/docker.sock"),
        signal("signal: KILL", "SIGKILL"),
        signal("signal: 9", "9"),
        signal("signal: kill", "kill"),
        signal("signal: none", "SIGFOO"),
        image("tag: latest")
            .facts(|facts| facts.tag = Some("latest".to_owned()))
            .expect_image(TagLatest),
        image("labels: an empty one")
            .config("Labels", json!({"org.opencontainers.image.source": " ", "org.opencontainers.image.revision": "1",
                "org.opencontainers.image.version": "1", "org.opencontainers.image.licenses": "MIT"}))
            .expect_image(Labels),
        port("port: a range", "1000-2000/tcp"),
        signal("signal: STOP", "19"),
        signal("signal: a number that is none", "65"),
        image("labels: none").config("Labels", json!({})).expect_image(Labels),
    ]
}
