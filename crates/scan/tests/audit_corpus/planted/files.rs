// SPDX-License-Identifier: Apache-2.0
//! Modes, owners and kinds of files, and what is there for nothing.

use hardpan_scan::controls::ControlId::{
    Documentation, DuplicateFile, InterpreterMissing, LinkDangling, Locale, MachineId, SpecialFile,
    UnownedFile, WastedBytes, WhiteoutFile, WorldWritableDirectory, WorldWritableFile,
    WritablePath, WritableProgram, WritableSystemFile,
};

use crate::image::{Image, image};
use crate::programs::{fixed, library};

pub(super) fn images() -> Vec<Image> {
    let large = |byte: u8| vec![byte; 2 << 20];
    vec![
        image("writable file: 0666")
            .file("/srv/data", 0o666, "x")
            .expect(WorldWritableFile, "/srv/data"),
        image("writable file: write only")
            .file("/opt/app/log", 0o602, "x")
            .expect(WorldWritableFile, "/opt/app/log"),
        image("writable directory: 0777")
            .directory("/srv/data", 0o777)
            .expect(WorldWritableDirectory, "/srv/data"),
        image("writable directory: setgid is not sticky")
            .directory("/opt/app/cache", 0o2773)
            .expect(WorldWritableDirectory, "/opt/app/cache"),
        image("system file: passwd for its group")
            .file(
                "/etc/passwd",
                0o664,
                "root:x:0:0::/root:/usr/sbin/nologin\nnonroot:x:65532:65532::/:/usr/sbin/nologin\n",
            )
            .expect(WritableSystemFile, "/etc/passwd"),
        image("system file: the loader's configuration")
            .owner(65532, 65532)
            .text("/etc/ld.so.conf.d/app.conf", "/opt/lib\n")
            .owner(0, 0)
            .expect(WritableSystemFile, "/etc/ld.so.conf.d/app.conf"),
        image("system file: the directory")
            .owner(65532, 65532)
            .directory("/etc", 0o755)
            .owner(0, 0)
            .expect(WritableSystemFile, "/etc"),
        image("system file: the directory of libraries, for the image's group")
            .owner(0, 65532)
            .directory("/usr/lib", 0o775)
            .owner(0, 0)
            .expect(WritableSystemFile, "/usr/lib"),
        image("writable program: of the user")
            .owner(65532, 65532)
            .packaged("tool", "/usr/lib/tool/tool", 0o755, &fixed().build())
            .owner(0, 0)
            .expect(WritableProgram, "/usr/lib/tool/tool"),
        image("writable program: a library of the group")
            .owner(0, 65532)
            .packaged("tool", "/usr/lib/libtool.so.1", 0o664, &library("libtool.so.1").build())
            .owner(0, 0)
            .expect(WritableProgram, "/usr/lib/libtool.so.1"),
        image("writable program: the directory of the entrypoint")
            .owner(65532, 65532)
            .directory("/opt/app", 0o755)
            .owner(0, 0)
            .file("/opt/app/run", 0o755, "#!/usr/bin/app\n")
            .entrypoint(&["/opt/app/run"])
            .expect(WritableProgram, "/opt/app/run"),
        image("writable program: a script")
            .owner(65532, 65532)
            .file("/opt/app/run", 0o744, "#!/usr/bin/app\n")
            .owner(0, 0)
            .expect(WritableProgram, "/opt/app/run"),
        image("documentation")
            .packaged("app-doc", "/usr/share/man/man1/app.1.gz", 0o644, b"x")
            .expect(Documentation, "/usr/share/man/man1/app.1.gz"),
        image("documentation: of nobody, in a directory of its own")
            .text("/usr/local/share/doc/app/README.md", "x")
            .expect(Documentation, "/usr/local/share/doc/app/README.md"),
        image("locale: a translation")
            .text("/usr/share/locale/de/LC_MESSAGES/app.mo", "x")
            .expect(Locale, "/usr/share/locale/de/LC_MESSAGES/app.mo"),
        image("locale")
            .packaged("locales", "/usr/lib/locale/locale-archive", 0o644, b"x")
            .expect(Locale, "/usr/lib/locale/locale-archive"),
        image("machine id").text("/etc/machine-id", "4c\n").expect(MachineId, "/etc/machine-id"),
        image("machine id: of D-Bus")
            .text("/var/lib/dbus/machine-id", "4c\n")
            .expect(MachineId, "/var/lib/dbus/machine-id"),
        image("script without interpreter")
            .file("/usr/local/bin/start", 0o755, "#!/usr/bin/env zzz\n")
            .expect(InterpreterMissing, "/usr/local/bin/start"),
        image("dangling link")
            .symlink("/opt/app/current", "v1")
            .expect(LinkDangling, "/opt/app/current"),
        image("dangling link: in a circle")
            .symlink("/opt/app/a", "b")
            .symlink("/opt/app/b", "a")
            .expect(LinkDangling, "/opt/app/b"),
        image("owner: a user")
            .owner(501, 0)
            .text("/opt/app/settings", "x")
            .owner(0, 0)
            .expect(UnownedFile, "/opt/app/settings"),
        image("owner: a group, of a directory")
            .owner(0, 4321)
            .directory("/opt/app/data", 0o750)
            .owner(0, 0)
            .expect(UnownedFile, "/opt/app/data"),
        image("owner: of a link")
            .owner(1234, 1234)
            .symlink("/opt/app/bin", "/usr/bin")
            .owner(0, 0)
            .expect(UnownedFile, "/opt/app/bin"),
        image("special: a disk").special("/dev/sda", b'4').expect(SpecialFile, "/dev/sda"),
        image("special: memory, elsewhere")
            .special("/opt/app/mem", b'3')
            .expect(SpecialFile, "/opt/app/mem"),
        image("special: a pipe")
            .special("/var/lib/app/pipe", b'6')
            .expect(SpecialFile, "/var/lib/app/pipe"),
        image("special: a usual device")
            .special("/dev/null", b'3')
            .expect(SpecialFile, "/dev/null"),
        image("whiteout: of what is not there")
            .text("/opt/app/.wh.nothing", "")
            .expect_path(WhiteoutFile, "/opt/app/.wh.nothing"),
        image("whiteout: a driver's")
            .text("/opt/.wh..wh.plnk", "")
            .expect_path(WhiteoutFile, "/opt/.wh..wh.plnk"),
        image("wasted: a file that is deleted")
            .file("/opt/dump", 0o644, large(1))
            .layer()
            .text("/opt/.wh.dump", "")
            .expect_in(WastedBytes, "/opt/dump", 2),
        image("wasted: a file that is changed")
            .file("/opt/data", 0o644, large(2))
            .layer()
            .file("/opt/data", 0o600, large(2))
            .expect_in(WastedBytes, "/opt/data", 2),
        image("duplicate")
            .file("/opt/one", 0o644, large(3))
            .file("/opt/two", 0o644, large(3))
            .expect(DuplicateFile, "/opt/two"),
        image("duplicate: three layers")
            .file("/opt/a/one", 0o644, large(4))
            .layer()
            .file("/opt/b/one", 0o644, large(4))
            .expect(DuplicateFile, "/opt/b/one"),
        image("writable place: a file in a directory of root")
            .owner(0, 65532)
            .file("/etc/app.state", 0o660, "x")
            .owner(0, 0)
            .expect(WritablePath, "/etc/app.state"),
        image("writable place: beside a volume")
            .owner(65532, 65532)
            .directory("/srv/data", 0o755)
            .directory("/srv/data-old", 0o755)
            .owner(0, 0)
            .config("Volumes", serde_json::json!({"/srv/data": {}}))
            .expect(WritablePath, "/srv/data-old"),
        image("writable place")
            .owner(65532, 65532)
            .directory("/var/lib/app", 0o750)
            .owner(0, 0)
            .expect(WritablePath, "/var/lib/app"),
    ]
}
