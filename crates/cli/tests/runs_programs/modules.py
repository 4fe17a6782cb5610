import bz2, ctypes, ctypes.util, curses, dbm.ndbm, hashlib, json, lzma, os, pwd, readline, socket, sqlite3, ssl
import subprocess, sys, tempfile, uuid, zlib, zoneinfo

database = sqlite3.connect(":memory:")
database.execute("create table t (x)")
database.executemany("insert into t values (?)", [(1,), (41,)])
assert database.execute("select sum(x) from t").fetchone() == (42,)
assert lzma.decompress(lzma.compress(b"x" * 1000)) == b"x" * 1000
assert bz2.decompress(bz2.compress(b"x")) == b"x" and zlib.decompress(zlib.compress(b"x")) == b"x"
assert ctypes.CDLL("libc.so.6").getuid() == os.getuid() == 65532
assert pwd.getpwuid(os.getuid()).pw_name == "nonroot"
assert socket.getservbyname("https") == 443 and socket.gethostbyname("localhost") == "127.0.0.1"
assert zoneinfo.ZoneInfo("Europe/Berlin").key == "Europe/Berlin"
assert hashlib.scrypt(b"x", salt=b"y", n=2, r=1, p=1)
assert subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True).stdout == b"42\n"
with tempfile.TemporaryFile() as file:
    file.write(b"x")
for directory in ["/", "/usr/bin", "/etc"]:
    assert not os.access(directory, os.W_OK), directory
assert not os.path.exists("/bin/sh")
print("modules ok", ssl.OPENSSL_VERSION)
