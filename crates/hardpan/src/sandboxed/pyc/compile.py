# SPDX-License-Identifier: Apache-2.0
# Compiles the files that are listed in `list` beside them, and prints what came of each:
# a byte (0 compiled, 1 not Python), a length of four bytes, and the bytes.
import importlib._bootstrap_external as external
import sys
import warnings
import _imp

warnings.simplefilter("ignore")
directory, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
magic = external._RAW_MAGIC_NUMBER
if not isinstance(magic, int):
    magic = int.from_bytes(magic, "little")
with open(directory + "/list", "rb") as file:
    paths = file.read().split(b"\0")
for number in range(first, last):
    with open(directory + "/" + str(number), "rb") as file:
        source = file.read()
    path = sys.intern("/" + paths[number].decode("utf-8", "surrogateescape"))
    try:
        code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        result = external._code_to_hash_pyc(code, _imp.source_hash(magic, source), False)
        status = 0
    except (SyntaxError, ValueError, RecursionError, OverflowError) as error:
        line = getattr(error, "lineno", None)
        text = type(error).__name__ + (": line " + str(line) if line else "")
        result, status = text.encode(), 1
    output = sys.stdout.buffer
    output.write(bytes([status]) + len(result).to_bytes(4, "little") + result)
sys.stdout.buffer.flush()
