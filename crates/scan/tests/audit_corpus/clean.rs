// SPDX-License-Identifier: Apache-2.0
//! Images as people make them that have none of the defects, with what others take for one.

use hardpan_scan::controls::Profile;
use hardpan_testkit::elf::elf;
use serde_json::{Value, json};

use crate::image::{Image, base, empty, image, statements};
use crate::programs::{dash, dynamic, fixed, library, with_text};

/// The accounts of Debian, with shells that let nobody in.
const DEBIAN: &str = "root:x:0:0:root:/root:/usr/sbin/nologin
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
games:x:5:60:games:/usr/games:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
_apt:x:42:65534::/nonexistent:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
postgres:x:999:999::/var/lib/postgresql:/usr/sbin/nologin
";
const DEBIAN_GROUPS: &str = "root:x:0:
daemon:x:1:
tty:x:5:
shadow:x:42:
www-data:x:33:
utmp:x:43:
staff:x:50:
postgres:x:999:
ssl-cert:x:101:postgres
nogroup:x:65534:
";

/// A key for tests, by a rule so that no search finds it in this file.
fn key() -> String {
    let line: String = (0..64_u8).map(|at| char::from(b'A' + at % 26)).collect();
    let (begin, end) = ("-----BEGIN", "-----END");
    format!("{begin} RSA PRIVATE KEY-----\n{line}\n{line}\n{line}\n{end} RSA PRIVATE KEY-----\n")
}

fn debian(name: &str) -> Image {
    base(name)
        .file("/etc/passwd", 0o644, DEBIAN)
        .file("/etc/group", 0o644, DEBIAN_GROUPS)
        .owner(0, 42)
        .file(
            "/etc/shadow",
            0o640,
            "root:*:19700:0:99999:7:::\nwww-data:!*:19700::::::\nsync:!:19700::::::\n",
        )
        .file("/etc/gshadow", 0o640, "root:*::\nstaff:!::\nssl-cert:!::postgres\n")
        .owner(0, 0)
        .packaged("coreutils", "/usr/bin/sync", 0o755, &dynamic().build())
        .packaged("login", "/usr/sbin/nologin", 0o755, &dynamic().build())
        .layer()
}

pub(crate) fn images() -> Vec<Image> {
    [applications(), servers(), bases()].concat()
}

fn applications() -> Vec<Image> {
    vec![
        debian("python: Django")
            .packaged("python3.11-minimal", "/usr/bin/python3.11", 0o755, &with_text(b"Py_BytesMain"))
            .packaged_link("python3-minimal", "/usr/bin/python3", "python3.11")
            .packaged("python3-cryptography", "/usr/lib/python3/dist-packages/cryptography/tests/key.pem", 0o644, key().as_bytes())
            .layer()
            .text("/app/site/settings.py", "import os\nSECRET_KEY = os.environ['SECRET_KEY']\nDATABASES = {'default': {'PASSWORD': os.environ['DB_PASSWORD']}}\nAUTH_PASSWORD_VALIDATORS = []\n")
            .text("/app/site/credentials.py", "def load():\n    return None\n")
            .text("/app/database.yml", "production:\n  password: <%= ENV['DB_PASSWORD'] %>\n")
            .text("/usr/local/lib/python3.11/site-packages/jwt/tests/keys/testkey_rsa.priv", &key())
            .text("/usr/local/lib/python3.11/site-packages/numpy/core/include/numpy/x.h", "int x;")
            .file("/usr/local/bin/gunicorn", 0o755, "#!/usr/bin/python3\nimport sys\n")
            .entrypoint(&["gunicorn", "site.wsgi"])
            .environment("PYTHONUNBUFFERED=1")
            .environment("PYTHONDONTWRITEBYTECODE=1")
            .environment("DJANGO_SETTINGS_MODULE=site.settings")
            .config("ExposedPorts", json!({"8000/tcp": {}})),
        debian("php: access.log in the environment")
            .packaged("php8.2-fpm", "/usr/sbin/php-fpm8.2", 0o755, &with_text(b"PHP_INI_SCAN_DIR"))
            .text("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\naccess.log = /proc/self/fd/2\nuser = www-data\n")
            .text("/var/www/html/index.php", "<?php $password = getenv('PASSWORD');")
            .user("33:33")
            .entrypoint(&["php-fpm8.2", "-F"])
            .environment("PHP_ACCESS_LOG=/var/log/php/access.log")
            .environment("PHP_SHA256=aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899")
            .environment("GPG_KEYS=39B641343D8C104B2B146DC3F9C39DC0B9698544 E60913E4DF209907D8E30D96659A97C9CF2A795A")
            .config("StopSignal", json!("SIGQUIT")),
        debian("node: keys of tests in node_modules")
            .packaged("nodejs", "/usr/bin/node", 0o755, &with_text(b"NODE_OPTIONS\0NODE_EXTRA_CA_CERTS"))
            .text("/app/server.js", "require('http').createServer().listen(3000)\n")
            .text("/app/node_modules/https-proxy/test/fixtures/server.key", &key())
            .text("/app/node_modules/nan/nan.h", "int x;")
            .text("/app/node_modules/npm-bin/lib/npm.js", "module.exports = 1\n")
            .file("/app/node_modules/.bin/tool", 0o755, "#!/usr/bin/node\n")
            .entrypoint(&["node", "/app/server.js"])
            .environment("NODE_ENV=production")
            .environment("NODE_OPTIONS=--max-old-space-size=4096")
            .environment("NODE_VERSION=22.11.0")
            .environment("YARN_VERSION=1.22.22"),
        debian("ruby: gems with specs")
            .packaged("ruby3.1", "/usr/bin/ruby3.1", 0o755, &dynamic().symbol("ruby_run_node").build())
            .packaged_link("ruby", "/usr/bin/ruby", "ruby3.1")
            .text("/usr/local/bundle/gems/net-ssh-7.2.0/spec/fixtures/id_rsa.txt", &key())
            .text("/usr/local/bundle/gems/bcrypt-3.1/ext/mri/x.h", "int x;")
            .text("/app/app.rb", "puts ENV['TOKEN']\n")
            .entrypoint(&["ruby", "/app/app.rb"])
            .environment("BUNDLE_SILENCE_ROOT_WARNING=1")
            .environment("RUBYOPT=--yjit")
            .environment("GEM_HOME=/usr/local/bundle"),
        debian("perl: the entrypoint needs it")
            .packaged("perl-base", "/usr/bin/perl", 0o755, &with_text(b"perl_parse\0boot_DynaLoader"))
            .hard_link("/usr/bin/perl5.36.0", "/usr/bin/perl")
            .file("/app/run", 0o755, "#!/usr/bin/perl -w\nuse strict;\n")
            .entrypoint(&["/app/run"]),
        debian("java: options without an agent")
            .packaged("temurin", "/opt/java/openjdk/bin/java", 0o755, &dynamic().symbol("JLI_Launch").build())
            .packaged("temurin", "/opt/java/openjdk/bin/keytool", 0o755, &dynamic().symbol("JLI_Launch").build())
            .packaged("temurin", "/opt/java/openjdk/lib/libjli.so", 0o644, &library("libjli.so").runpath("$ORIGIN").build())
            .packaged("temurin", "/opt/java/openjdk/lib/security/cacerts", 0o644, b"\xfe\xed\xfe\xed")
            .packaged("app", "/app/app.jar", 0o644, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
            .environment("PATH=/opt/java/openjdk/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .environment("JAVA_HOME=/opt/java/openjdk")
            .environment("JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=75")
            .entrypoint(&["java", "-jar", "/app/app.jar"]),
        debian("java: started by a script that reads another")
            .packaged("temurin", "/opt/java/bin/java", 0o755, &dynamic().symbol("JLI_Launch").build())
            .packaged("app", "/opt/app/bin/start.jar", 0o644, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .text("/opt/app/bin/settings.sh", "RUN=/opt/java/bin/java\n")
            .file("/opt/app/bin/catalina.sh", 0o755, "#!/bin/sh\n. /opt/app/bin/settings.sh\nexec \"$RUN\" \"$@\"\n")
            .profile(Profile::Compat)
            .entrypoint(&["/opt/app/bin/catalina.sh", "run"]),
        debian("dotnet: libraries beside the program")
            .packaged("dotnet", "/usr/share/dotnet/dotnet", 0o755, &dynamic().runpath("$ORIGIN").build())
            .packaged("dotnet", "/usr/share/dotnet/host/fxr/8.0/libhostfxr.so", 0o755, &library("libhostfxr.so").runpath("$ORIGIN:$ORIGIN/../lib").build())
            .packaged_link("dotnet", "/usr/bin/dotnet", "../share/dotnet/dotnet")
            .text("/app/appsettings.json", "{\"ConnectionStrings\": {\"Default\": \"Host=db;Username=app\"}}")
            .user("1654:1654")
            .owner(1654, 1654)
            .directory("/home/app", 0o750)
            .owner(0, 0)
            .environment("APP_UID=1654")
            .environment("DOTNET_RUNNING_IN_CONTAINER=true")
            .environment("ASPNETCORE_HTTP_PORTS=8080")
            .entrypoint(&["dotnet", "/app/app.dll"]),
        empty("go: one static program and certificates")
            .file("/etc/passwd", 0o644, "nonroot:x:65532:65532::/:/sbin/nologin\n")
            .text("/etc/ssl/certs/ca-certificates.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
            .file("/ko-app/app", 0o755, fixed().note(".note.go.buildid", go_note()).build())
            .text("/usr/share/sbom/app.spdx.json", &spdx("/ko-app/app"))
            .entrypoint(&["/ko-app/app"])
            .config("created", json!("1970-01-01T00:00:00Z"))
            .profile(Profile::RuntimeStatic),
        debian("rust: no canary by nature")
            .packaged("app", "/usr/bin/app", 0o755, &elf().load(".rodata", 4, b"/rustc/90b35a6239c3d8bdabc530a6a0816f7ff89a0aaf/library/core").stack(6).relro().tag(0x6fff_fffb, 0x0800_0001).interpreter("/lib64/ld-linux-x86-64.so.2").needed("libc.so.6").build())
            .entrypoint(&["/usr/bin/app"])
            .config("Healthcheck", json!({"Test": ["CMD", "app", "--healthcheck"]})),
    ]
}

fn servers() -> Vec<Image> {
    vec![
        debian("nginx: logs that are links, and a volume")
            .packaged("nginx", "/usr/sbin/nginx", 0o755, &dynamic().build())
            .packaged("nginx", "/etc/nginx/nginx.conf", 0o644, b"user www-data;\nssl_password_file /run/secrets/p;\n")
            .symlink("/var/log/nginx/access.log", "/dev/stdout")
            .symlink("/var/log/nginx/error.log", "/dev/stderr")
            .owner(33, 33)
            .directory("/var/cache/nginx", 0o755)
            .owner(0, 0)
            .user("33:33")
            .config("Volumes", json!({"/var/cache/nginx": {}}))
            .config("ExposedPorts", json!({"80/tcp": {}, "443/tcp": {}}))
            .config("StopSignal", json!("SIGQUIT"))
            .environment("NGINX_VERSION=1.27.3")
            .entrypoint(&["nginx", "-g", "daemon off;"]),
        debian("postgres: directories of its own")
            .packaged("postgresql-16", "/usr/lib/postgresql/16/bin/postgres", 0o755, &dynamic().runpath("/usr/lib/postgresql/16/lib").build())
            .packaged("postgresql-16", "/usr/share/postgresql/16/pg_hba.conf.sample", 0o644, b"host all all 127.0.0.1/32 trust\n")
            .owner(999, 999)
            .directory("/var/lib/postgresql", 0o755)
            .directory("/var/lib/postgresql/data", 0o1777)
            .directory("/var/run/postgresql", 0o3777)
            .owner(0, 0)
            .user("999:999")
            .environment("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/16/bin")
            .environment("PGDATA=/var/lib/postgresql/data")
            .config("Volumes", json!({"/var/lib/postgresql/data": {}}))
            .config("StopSignal", json!("SIGINT"))
            .config("ExposedPorts", json!({"5432/tcp": {}}))
            .entrypoint(&["postgres"]),
        debian("redis: a volume that everybody may write")
            .packaged("redis", "/usr/bin/redis-server", 0o755, &with_text(b"lua_newstate\0LUA_PATH"))
            .directory("/data", 0o777)
            .text("/etc/redis/redis.conf", "# requirepass foobared\nport 6379\n")
            .config("Volumes", json!({"/data/": {}}))
            .config("WorkingDir", json!("/data"))
            .config("StopSignal", json!("SIGTERM"))
            .entrypoint(&["redis-server", "/etc/redis/redis.conf"]),
        debian("exec health check and realtime signal")
            .packaged("app", "/usr/bin/app", 0o755, &dynamic().build())
            .config("Healthcheck", json!({"Test": ["CMD", "/usr/bin/app", "health"]}))
            .config("StopSignal", json!("SIGRTMIN+3"))
            .entrypoint(&["/usr/bin/app"]),
        debian("no health check at all")
            .packaged("app", "/usr/bin/app", 0o755, &dynamic().build())
            .config("Healthcheck", json!({"Test": ["NONE"]}))
            .entrypoint(&["/usr/bin/app"]),
    ]
}

fn bases() -> Vec<Image> {
    vec![
        empty("alpine: without busybox")
            .file("/etc/passwd", 0o644, "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
            .file("/etc/group", 0o644, "root:x:0:root\nshadow:x:42:\nnobody:x:65534:\n")
            .owner(0, 42)
            .file("/etc/shadow", 0o640, "root:*::0:::::\nnobody:!::0:::::\n")
            .owner(0, 0)
            .text("/etc/os-release", "ID=alpine\nVERSION_ID=3.22.1\n")
            .directory("/tmp", 0o1777)
            .text("/lib/apk/db/installed", "P:musl\nV:1.2.5-r10\nA:x86_64\nF:lib\nR:ld-musl-x86_64.so.1\n\nP:app\nV:1-r0\nA:x86_64\nF:usr/bin\nR:app\n\n")
            .text("/etc/apk/world", "app libcrypto3=3.1.4-r5\n")
            .file("/lib/ld-musl-x86_64.so.1", 0o755, library("libc.musl-x86_64.so.1").build())
            .symlink("/lib/libc.musl-x86_64.so.1", "ld-musl-x86_64.so.1")
            .file("/usr/bin/app", 0o755, elf().hardened().interpreter("/lib/ld-musl-x86_64.so.1").needed("libc.musl-x86_64.so.1").build())
            .user("65534:65534")
            .environment("PACKAGES=libcrypto3=3.1.4 libssl3=3.1.4")
            .entrypoint(&["/usr/bin/app"]),
        debian("a base that starts nothing")
            .config("Cmd", Value::Null),
        debian("libraries that find each other")
            .packaged("coreutils", "/usr/bin/expr", 0o755, &dynamic().runpath("/usr/lib/x86_64-linux-gnu").build())
            .packaged("libc-bin", "/usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", 0o644, &library("UTF-16.so").runpath("$ORIGIN").build())
            .packaged("systemd", "/usr/bin/systemctl", 0o755, &dynamic().runpath("/usr/lib/x86_64-linux-gnu/systemd").build())
            .entrypoint(&["/usr/bin/expr"]),
        debian("a certificate for tests")
            .owner(0, 101)
            .file("/etc/ssl/private/ssl-cert-snakeoil.key", 0o640, key())
            .owner(0, 0)
            .packaged("app", "/usr/bin/app", 0o755, &dynamic().build())
            .entrypoint(&["/usr/bin/app"]),
        debian("volumes and temporary directories")
            .packaged("app", "/usr/bin/app", 0o755, &dynamic().build())
            .owner(65532, 65532)
            .directory("/var/lib/app", 0o750)
            .directory("/home/nonroot", 0o700)
            .owner(0, 0)
            .directory("/run/app", 0o1777)
            .config("Volumes", json!({"/var/lib/app": {}, "/etc/app/certs": {}, "/usr/share/app/data": {}}))
            .entrypoint(&["/usr/bin/app"]),
        image("libraries: that of an interpreter")
            .packaged(
                "libpython",
                "/usr/lib/libpython3.13.so.1.0",
                0o755,
                &library("libpython3.13.so.1.0")
                    .needed("libc.so.6")
                    .load(".rodata", 4, b"\0Py_RunMain\0Py_BytesMain\0PyRun_SimpleString\0perl_parse\0boot_DynaLoader\0")
                    .build(),
            ),
        image("statements: all")
            .facts(|facts| facts.statements = Some(statements()))
            .facts(|facts| facts.distribution_end = Some(("Debian 12".to_owned(), 21_365))),
        image("layers: a small file that is changed")
            .text("/etc/app.conf", "a")
            .layer()
            .text("/etc/app.conf", "b"),
        debian("development: all that is its purpose")
            .profile(Profile::Dev)
            .user("")
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .packaged("apt", "/usr/bin/apt-get", 0o755, &dynamic().build())
            .packaged("gcc", "/usr/bin/gcc", 0o755, &dynamic().build())
            .packaged("libc6-dev", "/usr/include/stdio.h", 0o644, b"int puts();")
            .packaged("perl-base", "/usr/bin/perl", 0o755, &with_text(b"perl_parse\0boot_DynaLoader"))
            .config("Cmd", json!(["sh"])),
        debian("compatible: a shell for its script")
            .profile(Profile::Compat)
            .packaged("dash", "/usr/bin/dash", 0o755, &dash())
            .packaged_link("dash", "/usr/bin/sh", "dash")
            .packaged("app", "/usr/bin/app", 0o755, &dynamic().build())
            .file("/usr/local/bin/docker-entrypoint.sh", 0o755, "#!/bin/sh\nset -e\nexec \"$@\"\n")
            .entrypoint(&["docker-entrypoint.sh"])
            .config("Cmd", json!(["app"])),
    ]
}

fn go_note() -> Vec<u8> {
    [&4_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), &4_u32.to_le_bytes(), b"Go\0\0idid"].concat()
}

/// An SBOM that lists one file.
fn spdx(path: &str) -> String {
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "app",
        "documentNamespace": "https://sbom.example/app",
        "creationInfo": {"created": "2026-11-20T08:00:00Z", "creators": ["Tool: x"]},
        "packages": [{
            "name": "app", "SPDXID": "SPDXRef-app", "versionInfo": "1.2.3",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": "pkg:golang/git.example/app@v1.2.3"}],
        }],
        "files": [{
            "fileName": path, "SPDXID": "SPDXRef-file",
            "checksums": [{"algorithm": "SHA256", "checksumValue": "00".repeat(32)}],
        }],
        "relationships": [{"spdxElementId": "SPDXRef-app", "relationshipType": "CONTAINS",
            "relatedSpdxElement": "SPDXRef-file"}],
    })
    .to_string()
}
