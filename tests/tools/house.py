"""A small house in a temporary folder: the real tools, chapters and a CPython tree of the test's own making.

    python3 tests/tools/house.py [check_tangle.Traps …]

runs the tests of the tools, on all cores, a class of them at a time; `python3 -m unittest` in this folder runs them one by one.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOLS = [str(path.relative_to(ROOT)) for folder in ("book", "upstream-refs") for path in sorted((ROOT / folder).glob("*.py"))]
LONG = ("check_house.FromChapterToCompiler", "check_house.Readme", "check_tangle.Traps", "check_refs.Refs", "check_run.Runs")      # begun first

# A chapter with nothing wrong: a file of the port under its citation, and a claim with its test.
GOOD = """# Good

> **Ports.** `Python/toy.c`
>
> **Needs.** Nothing before it.

**Ours.** The outline of the file.

```c
<<toy/toy.c>>=
int toy_add(int a, int b);
<<add two numbers>>
@
```

[CPython: Python/toy.c, `toy_add`](https://github.com/python/cpython/blob/v3.13.5/Python/toy.c#L3-L7)

```c
<<add two numbers>>=
int toy_add(int a, int b) { return a + b; }
@
```

**Differs.** The order of the addends.

**Claim two-and-two.** Two and two are four.

```c
<<tests/check_toy.c>>=
CLAIM_TEST(test_two_and_two) { ck_assert_int_eq(toy_add(2, 2), 4); } END_TEST
void suite(void) { }
@
```
"""

# The upstream that the chapter cites; lines 3 to 7 are toy_add.
TOY = """#include "toy.h"

int
toy_add(int a, int b)
{
    return b + a;
}

#define TOY_LIMIT 7
#ifdef TOY_ONE
struct toy {
    int one;
};
#else
struct toy {
    long other;
};
#define TOY_OTHER 1
#endif
"""


class House(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for tool in TOOLS:
            (self.root / tool).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / tool, self.root / tool)
        (self.root / "upstream-refs/pins").mkdir()
        self.write("upstream-refs/ledger.toml", '["Python/toy.c"]\nport = ["toy/toy.c"]\ndropped = {TOY_LIMIT = "nothing is limited", TOY_OTHER = "one is enough", toy = "no struct"}\n')
        self.cpython("3.13.5")
        self.chapter(GOOD)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def chapter(self, text, name="03-toy.md"):
        return self.write(f"book/{name}", text)

    def cpython(self, version, toy=TOY, place="cpython"):
        self.write(f"{place}/Include/patchlevel.h", f'#define PY_VERSION "{version}"\n')
        self.write(f"{place}/Python/toy.c", toy)
        return self.root / place

    def tool(self, name, *arguments, **environment):
        """Run a tool of the house; its output is kept in self.out and self.err."""
        variables = {"CPYTHON": str(self.root / "cpython"), **environment}
        done = subprocess.run([sys.executable, str(self.root / name), *map(str, arguments)], capture_output=True, text=True,
                              env={**os.environ, **{k: v for k, v in variables.items() if v is not None}})
        self.out, self.err = done.stdout, done.stderr
        return done.returncode

    def made(self):
        """Everything that tangling made, by name."""
        return {str(p.relative_to(self.root)): p.read_bytes() for room in ("tangle", "tests", "build/line")
                for p in (self.root / room).rglob("*") if p.is_file()}


def classes(suite):
    """The names of a suite's test classes."""
    for test in suite:
        yield from classes(test) if isinstance(test, unittest.TestSuite) else [test.id().rpartition(".")[0]]


def main():
    found = unittest.defaultTestLoader.discover(str(ROOT / "tests/tools"), pattern="check_*.py", top_level_dir=str(ROOT / "tests/tools"))
    names = sys.argv[1:] or sorted(set(classes(found)), key=lambda name: (name not in LONG, name))

    def one(name):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "unittest", name], cwd=ROOT / "tests/tools", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        count = re.search(r"^Ran (\d+) tests?", done.stdout, re.MULTILINE)
        print(f"{'FAIL' if done.returncode else 'ok  '} {name}: {count.group(1) if count else 'no'} tests, {time.monotonic() - started:.1f} s"
              + (f"\n{done.stdout}" if done.returncode else ""), flush=True)
        return done.returncode
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = sum(map(bool, pool.map(one, names)))
    print(f"tools: {failed} of {len(names)} classes of tests failed" if failed else f"tools: {len(names)} classes of tests, all pass")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
