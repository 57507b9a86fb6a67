#!/usr/bin/env python3
"""Ask CPython for its hash secrets and hashes, and write down the answers for the tests of chapters 4 and 5.

  hash_oracle.py            print the fixture (upstream-refs/hash_oracle.txt is its output)
  hash_oracle.py --check    ask again, and compare with the fixture that is there; the version line may differ

Every secret comes out of a fresh process: PYTHONHASHSEED=N, and the 24 bytes of _Py_HashSecret read through ctypes. So
do the hashes of str and bytes, as hash() returns them. No installed Python hashes with FNV, SipHash-2-4 or a
small-string cutoff; these values come from the pinned Python/pyhash.c itself, compiled against a header of a few lines.

The fixture is text, one fact a line; `digest` is the 64-bit FNV-1a of the bytes spoken of.

  secret SEED HEX                       the 24 bytes
  secrets FIRST COUNT DIGEST            those of COUNT seeds from FIRST on
  rolled FIRST COUNT DIGEST             those of the roll's numbers FIRST … (the roll is Knuth's MMIX generator from 2011)
  env HEX seed HEX | random | error     PYTHONHASHSEED set to these bytes: the secret that follows from it, or what else
  message HEX                           what CPython prints when it refuses
  hash HOW SEED KIND LENGTH HASH        the hash of the first LENGTH characters of the stream KIND
  hashes HOW SEED KIND FIRST COUNT DIGEST   COUNT of them, from length FIRST on, eight bytes each
  double HEX HASH                       hash(float), which needs no secret
"""
import argparse
import concurrent.futures
import ctypes
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FIXTURE = HERE / "hash_oracle.txt"
TREE = pathlib.Path(os.environ.get("CPYTHON") or HERE.parent / "build/upstream/cpython-3.13.5")

# The first code point of a stream and how many there are to choose from: bytes, ASCII, Latin-1, two bytes, four.
KINDS = {"b": (0, 256), "a": (32, 95), "l": (128, 128), "u": (0x100, 0xFF00), "w": (0x10000, 0x100000)}
LONGEST = 4096
SEEDS = [0, 1, 2, 42, 1023, 2**31, 2**32 - 1]

# Prints its secret; then, for each value on its standard input, the hashes of all prefixes (of a list: of its items).
CHILD = """
import ctypes, sys
print(bytes((ctypes.c_ubyte * 24).in_dll(ctypes.pythonapi, "_Py_HashSecret")).hex())
for line in sys.stdin:
    value = eval(line)
    print(*map(hash, value if isinstance(value, list) else [value[:n] for n in range(len(value) + 1)]))
"""

# Inputs for PYTHONHASHSEED, as bytes: spaces, signs, limits, wrap-around, other bases and scripts, near misses.
INPUTS = [
    "", "random", "random ", " random", "Random", "RANDOM", "rand", "randomx", "0", "1", "42", "1023", "00", "007", "0" * 64,
    "0" * 64 + "42", "-0", "+0", "+1", "-1", "--1", "++1", "+-1", "-", "+", " ", "  ", "\t", " 1", "\t1", "\n1", "\v1", "\f1", "\r1",
    " \t\n\v\f\r42", "1 ", "1\n", "42\t", " +1", "+ 1", "- 1", " -0", "2147483647", "2147483648", "4294967295", "4294967296",
    "04294967295", "+4294967295", "-4294967295", "4294967300", "9223372036854775807", "9223372036854775808", "18446744073709551615",
    "18446744073709551616", "-18446744073709551615", "-18446744073709551614", "-18446744069414584321", "-18446744069414584320",
    "-18446744073709551616", "-9223372036854775808", "9" * 40, "-" + "9" * 40, "0x10", "0X1", "0b1", "0o7", "1e3", "1.0", "1,000", "1_000",
    "1L", "1u", "a", "1a", "a1", "inf", "nan", "None", "False", "~0", "\u00a01", "1\u00a0", "\uff11", "\u0661", "\u22121",
    "\x1b1", "\x7f", "1;", "$1", "'1'", '"1"',
]
INPUTS = [text.encode() for text in dict.fromkeys(INPUTS)] + [b"\xff", b"\x801", b"1\xff", b"\xc2\x85" b"7"]

DOUBLES = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -0.5, 0.1, 1e16, 1e300, -1e300, 5e-324, 2.0**61, 2.0**61 - 1024, 2.0**-61, 3.141592653589793,
           float("inf"), float("-inf"), 1.7976931348623157e308, 2.2250738585072014e-308, -2.0**62, 2305843009213693951.0, 123456789.125]


def roll(state, count):
    """The next `count` draws: Knuth's MMIX generator, upper 32 bits."""
    drawn = []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        drawn.append(state >> 32)
    return drawn


def digest(data):
    x = 0xcbf29ce484222325
    for byte in data:
        x = (x ^ byte) * 0x100000001b3 % 2**64
    return f"{x:016x}"


def stream(kind):
    first, span = KINDS[kind]
    return [first + draw % span for draw in roll(list(KINDS).index(kind), LONGEST)]


def ask(python, seed, lines=(), check=True):
    """A fresh process under PYTHONHASHSEED=seed (bytes, or None for unset): its secret, and a list of hashes for each line."""
    environment = {"PATH": os.environ.get("PATH", "")}
    if seed is not None:
        environment[b"PYTHONHASHSEED"] = seed
    done = subprocess.run([python, "-S", "-B", "-c", CHILD], env=environment, input="\n".join(lines).encode(),
                          capture_output=True)
    if done.returncode:
        if check:
            sys.exit(f"hash_oracle: {python}: {done.stderr.decode(errors='replace').strip()}")
        return done.stderr.decode(errors="replace"), None
    secret, *rest = done.stdout.decode().splitlines()
    return secret, [[int(word) for word in line.split()] for line in rest]


def number(seed):
    return str(seed).encode()


def secrets(python, put):
    """Every seed of 0..1023, the two edges, and ten thousand rolled ones."""
    rolled = roll(2011, 10000)
    seeds = [*range(1024), 2**31, 2**32 - 1, *rolled]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(seeds, pool.map(lambda seed: ask(python, number(seed))[0], seeds)))
    for seed in [*range(16), 42, 1023, 2**31, 2**32 - 1, *rolled[:16]]:
        put(f"secret {seed} {found[seed]}")
    for first in range(0, 1024, 64):
        put(f"secrets {first} 64 {digest(bytes.fromhex(''.join(found[s] for s in range(first, first + 64))))}")
    for first in range(0, 10000, 100):
        put(f"rolled {first} 100 {digest(bytes.fromhex(''.join(found[s] for s in rolled[first:first + 100])))}")


def environment(python, put):
    for text in INPUTS:
        first, hashes = ask(python, text, check=False)
        if hashes is None:
            message = first.split("init_hash_seed: ", 1)[-1].splitlines()[0]
            put(f"env {text.hex() or '-'} error")
        else:
            again = ask(python, text)[0]
            put(f"env {text.hex() or '-'} {'seed ' + first if first == again else 'random'}")
    put(f"message {message.encode().hex()}")


def report(put, how, seed, kind, hashes):
    """Samples in full, the rest as digests of 512 lengths."""
    for length in [*range(18), 63, 64, 65, 1000, LONGEST]:
        if length < len(hashes):
            put(f"hash {how} {seed} {kind} {length} {hashes[length]}")
    for first in range(0, len(hashes), 512):
        part = hashes[first:first + 512]
        put(f"hashes {how} {seed} {kind} {first} {len(part)} {digest(struct.pack(f'<{len(part)}q', *part))}")


def values(python, put):
    """hash() of every prefix of each stream, under each seed."""
    streams = [ascii(bytes(stream(kind)) if kind == "b" else "".join(map(chr, stream(kind)))) for kind in KINDS]
    for seed in SEEDS:
        for kind, hashes in zip(KINDS, ask(python, number(seed), streams)[1]):
            report(put, "siphash13", seed, kind, hashes)
    numbers = "[" + ", ".join(f"float.fromhex('{x.hex()}')" for x in DOUBLES) + "]"
    for x, h in zip(DOUBLES, ask(python, b"0", [numbers])[1][0]):
        put(f"double {struct.pack('>d', x).hex()} {h}")


SHIM = """
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#define Py_BUILD_CORE 1
#define PyAPI_FUNC(T) T
#define PyAPI_DATA(T) extern T
#define Py_BUILD_ASSERT(x) (void)sizeof(char[(x) ? 1 : -1])
#define Py_UNREACHABLE() __builtin_unreachable()
#define Py_IS_FINITE(x) isfinite(x)
#define Py_IS_INFINITY(x) isinf(x)
#define SIZEOF_VOID_P 8
#define SIZEOF_PY_UHASH_T 8
#define SIZEOF_PY_HASH_T 8
#define PY_LITTLE_ENDIAN 1
typedef struct _object PyObject;
typedef ssize_t Py_ssize_t, Py_hash_t;
typedef size_t Py_uhash_t;
#include "pyhash.h"
"""


def elsewhere(python, put):
    """The algorithms that no installed Python uses, out of the pinned source."""
    if not (TREE / "Python/pyhash.c").is_file():
        sys.exit(f"hash_oracle: no {TREE}/Python/pyhash.c: run make upstream, or name a tree with CPYTHON=…")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "Python.h").write_text(SHIM)
        for how, algorithm, cutoff in (("fnv", 2, 0), ("fnv7", 2, 7), ("siphash24", 1, 0)):
            made = f"{folder}/{how}.so"     # -Bsymbolic: its own secret, not that of the Python that loads it
            subprocess.run(["cc", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-O1", "-w", f"-DPy_HASH_ALGORITHM={algorithm}", f"-DPy_HASH_CUTOFF={cutoff}",
                            f"-I{folder}", f"-I{TREE}/Include", f"-I{TREE}/Include/internal", TREE / "Python/pyhash.c", "-o", made, "-lm"],
                           check=True)
            library = ctypes.CDLL(made)
            function = library._Py_HashBytes
            function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_char_p, ctypes.c_ssize_t]
            for seed in (0, 1, 42, 2**32 - 1):
                secret = bytes.fromhex(ask(python, number(seed))[0])
                ctypes.memmove((ctypes.c_ubyte * 24).in_dll(library, "_Py_HashSecret"), secret, 24)
                for kind in "bu":
                    text = bytes(stream(kind)) if kind == "b" else struct.pack(f"<{LONGEST}H", *stream(kind))
                    width = 1 if kind == "b" else 2
                    report(put, how, seed, kind, [function(text, n * width) for n in range(1025)])


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--check", action="store_true", help="compare with the fixture instead of printing one")
    arg.add_argument("--python", default=sys.executable, help="the CPython to ask, 3.11 or later (default: this one)")
    opt = arg.parse_args()
    about = subprocess.run([opt.python, "-S", "-c", "import platform, sys; i = sys.hash_info; print(platform.python_implementation(), "
                            "platform.python_version(), i.algorithm, i.width, i.cutoff, sys.byteorder)"], capture_output=True, text=True).stdout
    if not about.startswith("CPython 3.") or not about.endswith("siphash13 64 0 little\n"):
        sys.exit(f"hash_oracle: {opt.python} is {about.strip() or 'no Python'}; a 64-bit CPython 3.11 or later is needed")
    lines = ["# What CPython says of its hash secret. Made by upstream-refs/hash_oracle.py, which tells the format; not for editing.",
             f"# {about.strip()}; the other algorithms: Python/pyhash.c of 3.13.5"]
    for part in (secrets, environment, values, elsewhere):
        part(opt.python, lines.append)
    if not opt.check:
        print("\n".join(lines))
        return 0
    there = FIXTURE.read_text().splitlines()
    apart = [(a, b) for a, b in zip(there[2:], lines[2:]) if a != b]
    for old, new in apart[:10]:
        print(f"fixture: {old}\nnow:     {new}")
    if apart or len(there) != len(lines):
        sys.exit(f"hash_oracle: {len(apart)} of {len(there)} lines differ")
    print(f"hash_oracle: {len(lines) - 2} facts, all as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
