"""The house as a newcomer finds it: the README's example and commands, the set-up, a compiler's message from a chapter."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from house import ROOT


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


class Readme(unittest.TestCase):
    def setUp(self):
        self.text = (ROOT / "README.md").read_text(encoding="utf-8")

    def test_the_example_prints_what_the_readme_says(self):
        """Installed under a DESTDIR, found by pkg-config, compiled, linked and run, with both libraries."""
        source = re.search(r"```c\n(.*?)```", self.text, re.DOTALL).group(1)
        promised = re.search(r"&& ./example\n    (.*)\n", self.text).group(1)
        self.assertLessEqual(len([line for line in source.splitlines() if line.strip() not in ("", "{", "}")]), 10)
        with tempfile.TemporaryDirectory() as folder:
            made = run("make", "-C", ROOT, "install", "PREFIX=/usr", f"DESTDIR={folder}")
            self.assertEqual(made.returncode, 0, made.stderr)
            example = pathlib.Path(folder) / "example.c"
            example.write_text(source)
            environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": folder, "PKG_CONFIG_LIBDIR": f"{folder}/usr/lib/pkgconfig",
                           "LD_LIBRARY_PATH": f"{folder}/usr/lib"}
            for package in ("groundfloor", "groundfloort"):
                flags = run("pkg-config", "--cflags", "--libs", package, env=environment)
                self.assertEqual(flags.returncode, 0, flags.stderr)
                for static in ([], ["-static"]):
                    built = run("cc", "-Wall", "-Wextra", "-Werror", *static, example, *flags.stdout.split(), "-o", f"{folder}/example", env=environment)
                    self.assertEqual(built.returncode, 0, built.stderr)
                    self.assertEqual(run(f"{folder}/example", env=environment).stdout, promised + "\n")

    def test_install(self):
        """Readable by all under any umask, in a folder with a space, each file replaced; a relative PREFIX is this folder's."""
        with tempfile.TemporaryDirectory() as folder:
            top = pathlib.Path(folder, "a b")
            first = run("make", "-s", "-C", ROOT, "install", "PREFIX=/usr", f"DESTDIR={top}", umask=0o077)
            self.assertEqual(first.returncode, 0, first.stderr)
            made = [path for path in top.rglob("*") if not path.is_symlink()]
            self.assertEqual([path for path in made if path.stat().st_mode & 0o444 != 0o444], [])
            self.assertEqual({path.name for path in top.parent.iterdir()}, {"a b"})
            library = top / "usr/lib/libgroundfloor.so.0"
            with open(library, "rb") as mapped:         # as a running program has it
                self.assertEqual(run("make", "-s", "-C", ROOT, "install", "PREFIX=/usr", f"DESTDIR={top}").returncode, 0)
                self.assertEqual(os.fstat(mapped.fileno()).st_nlink, 0)
                self.assertNotEqual(os.fstat(mapped.fileno()).st_ino, library.stat().st_ino)
            self.assertEqual(list(top.rglob("*.new")), [])
            relative = os.path.relpath(top / "it's", ROOT)
            self.assertEqual(run("make", "-s", "-C", ROOT, "install", f"PREFIX={relative}").returncode, 0)
            environment = {**os.environ, "PKG_CONFIG_PATH": str(top / "it's/lib/pkgconfig")}
            flags = run("sh", "-c", "eval \"set -- $(pkg-config --cflags groundfloor)\"; for f; do echo \"$f\"; done", env=environment).stdout.splitlines()
            self.assertTrue(os.path.samefile(flags[0].removeprefix("-I"), top / "it's/include/groundfloor"), flags)


class Contracts(unittest.TestCase):
    def test_every_public_function_says_who_is_attached(self):
        """In the comment before it, or on a line of its own for the whole header. (Around a fork there is a protocol of its own.)"""
        silent = []
        for header in sorted((ROOT / "tangle").glob("*/*.h")):
            text = header.read_text(encoding="utf-8")
            if header.parent.name in ("simulation", "bench", "graft") or "// Attached: " in text.split("#ifndef")[0]:
                continue
            contract, whole = "", "Attached   every function here" in text
            for comment, name in re.findall(r"/\*(.*?)\*/|^(?:PyAPI_FUNC\([^)]*\)|extern PyLockStatus|extern int|extern void)(?: _Py_NO_RETURN)?\s+(\w+)\(",
                                            text, re.DOTALL | re.MULTILINE):
                contract = contract if name else comment
                if name and not whole and not re.search("attached", contract, re.IGNORECASE) and not re.search("Slow$|Fork", name):
                    silent.append(f"{header.parent.name}/{header.name}: {name}")
        self.assertEqual(silent, [])


class FromChapterToCompiler(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A house in which one chapter's suite is built, of which each test gets a copy."""
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.house = cls.built = pathlib.Path(folder.name) / "house"
        shutil.copytree(ROOT, cls.built, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
        for goals in (["tangle"], ["suites", "CHAPTER=03", "WHICH=gil", "RUN=true"]):
            made = cls.make(cls, *goals)
            if made.returncode:
                raise AssertionError(made.stderr)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.house = pathlib.Path(folder.name) / "house"
        shutil.copytree(self.built, self.house)
        self.chapter = self.house / "book/03-arena.md"

    def make(self, *goals, **environment):
        return run("make", "-C", self.house, *goals, env={k: v for k, v in {**os.environ, **environment}.items() if not k.startswith("MAKE")})

    def test_a_broken_line_is_named_by_chapter_and_line(self):
        lines = self.chapter.read_text(encoding="utf-8").split("\n")
        spot = next(i for i, line in enumerate(lines) if line.startswith("block_free("))
        lines[spot] = lines[spot].replace("block_free", "block_free ]")
        self.chapter.write_text("\n".join(lines), encoding="utf-8")
        made = self.make("test", "CHAPTER=03", "CONFIG=gil")
        self.assertNotEqual(made.returncode, 0)
        self.assertRegex(made.stdout + made.stderr, rf"book/03-arena\.md:{spot + 1}:\d+: error")

    def test_a_failing_claim_is_named_by_chapter_and_line(self):
        text = self.chapter.read_text(encoding="utf-8").replace("#define DEFAULT_BLOCK_SIZE 8192", "#define DEFAULT_BLOCK_SIZE 8184")
        self.chapter.write_text(text, encoding="utf-8")
        made = self.make("test", "CHAPTER=03", "CONFIG=gil")
        self.assertNotEqual(made.returncode, 0)
        self.assertRegex(made.stdout, r"book/03-arena\.md:\d+:")
        self.assertRegex(made.stderr, r"run: book/03-arena\.md:\d+: test_\w+ \(check_arena, gil\): \S")    # at the end again

    def test_a_claim_that_does_not_run_is_named(self):
        text, found = re.subn(r"\n(CLAIM_TEST\(test_\w+\)\n.*?\nEND_TEST)\n", r"\n#if 0\n\1\n#endif\n", self.chapter.read_text(encoding="utf-8"), count=1, flags=re.DOTALL)
        self.assertEqual(found, 1)
        self.chapter.write_text(text, encoding="utf-8")
        made = self.make("test", "CHAPTER=03", "CONFIG=gil")
        self.assertNotEqual(made.returncode, 0)
        self.assertRegex(made.stderr, r"book/03-arena\.md:\d+: claim 3\.1, [\w-]+: test_\w+ did not run \(gil\)")

    def test_prose_is_woven_beside_a_port_that_does_not_compile(self):
        """The figures play what was recorded before, and say so; the other way round, a mended port takes the word back."""
        lines = self.chapter.read_text(encoding="utf-8")
        self.chapter.write_text(lines.replace("\nblock_free(", "\nblock_free ]("), encoding="utf-8")
        for broken in (True, False):
            made = self.make("played")
            self.assertEqual(made.returncode, 0, made.stderr)
            self.assertEqual("weave: the port does not compile (above): the moving figures play what it did before" in made.stderr, broken)
            self.assertEqual((self.house / "build/traces.older").exists(), broken)
            self.assertEqual(self.make("traces").returncode != 0, broken)
            self.chapter.write_text(lines, encoding="utf-8")

    def test_one_chapter_alone_is_built_and_run(self):
        made = self.make("test", "CHAPTER=3", "CONFIG=gil")
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.assertIn("-- check_arena, gil", made.stdout)
        self.assertNotIn("-- check_host", made.stdout)
        self.assertEqual([path.name for path in (self.house / "build").glob("check_*.gil")], ["check_arena.gil"])

    def test_one_claim_alone(self):
        made = self.make("test", "CLAIM=3.2", "CONFIG=gil")
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.assertRegex(made.stdout, r"100%: Checks: [1-3],")
        made = self.make("test", "CLAIM=3.999", "CONFIG=gil")
        self.assertNotEqual(made.returncode, 0)
        self.assertRegex(made.stderr, r"run: no suite tests a claim 3\.999; there is 3\.1 [\w-]+, 3\.2 ")

    def test_a_chapter_or_a_build_that_is_not_there(self):
        for words, told in (("CHAPTER=77", "run: chapter 77 has no tests"), ("CONFIG=gill", "CONFIG is one or more of gil ft")):
            made = self.make("test", words)
            self.assertNotEqual(made.returncode, 0)
            self.assertIn(told, made.stderr)

    def test_other_flags_and_another_compiler_compile_again(self):
        """What is tested is what was asked for, never what lay there."""
        suite, once = self.house / "build/check_arena.gil", ("suites", "CHAPTER=03", "WHICH=gil", "RUN=true")
        self.assertEqual(self.make("tangle").returncode + self.make(*once).returncode, 0)
        before = suite.stat().st_mtime_ns
        self.assertEqual(self.make(*once).returncode, 0)
        self.assertEqual(suite.stat().st_mtime_ns, before)
        self.assertEqual(self.make(*once, "CFLAGS=-O1").returncode, 0)
        self.assertGreater(suite.stat().st_mtime_ns, before)
        made = self.make(*once, "CC=gcc -fno-such-thing")
        self.assertNotEqual(made.returncode, 0)
        self.assertIn("no-such-thing", made.stderr)

    def test_a_header_renamed(self):
        once = ("suites", "CHAPTER=03", "WHICH=gil", "RUN=true")
        self.assertEqual(self.make("tangle").returncode + self.make(*once).returncode, 0)
        for room in ("book", "tangle", "build/line", "tests"):
            for path in (self.house / room).rglob("*.[chm]*"):
                if path.is_file() and path.suffix in (".c", ".h", ".md") and "allow_threads.h" in path.read_text(encoding="utf-8"):
                    path.write_text(path.read_text(encoding="utf-8").replace("allow_threads.h", "let_threads.h"), encoding="utf-8")
        for path in self.house.rglob("allow_threads.h"):
            path.rename(path.with_name("let_threads.h"))
        made = self.make(*once)
        self.assertEqual(made.returncode, 0, made.stderr)

    def test_without_noweb_the_committed_c_serves(self):
        shutil.rmtree(self.house / "build")
        tools = self.house / "bin"
        tools.mkdir()
        for tool in ("make", "cc", "gcc", "as", "ld", "sh", "sed", "ar", "mkdir", "pkg-config", "python3", "echo", "env", "rm", "ln", "expr", "grep", "cmp", "mv", "nproc"):
            found = shutil.which(tool, path="/usr/bin:/bin")
            if found:
                (tools / tool).symlink_to(found)
        made = self.make("test", "CHAPTER=03", "CONFIG=gil", PATH=str(tools))
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.assertIn("no noweb here", made.stdout)


class Setup(unittest.TestCase):
    def test_on_another_system_it_names_what_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            for tool in ("sh", "sort", "printf"):
                pathlib.Path(folder, tool).symlink_to(shutil.which(tool, path="/usr/bin:/bin"))
            done = run("/bin/sh", ROOT / "setup", "book", env={"PATH": folder})
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"no Debian.*Please install:.* lualatex .*notangle .*pandoc")

    def fake(self, folder, apt="exit 0", uid="0"):
        for name, text in {"apt-get": apt, "dpkg-query": "exit 1", "id": f"echo {uid}", "sleep": 'echo "$@" >>"$0.log"'}.items():
            pathlib.Path(folder, name).write_text(f"#!/bin/sh\n{text}\n")
            pathlib.Path(folder, name).chmod(0o755)
        for tool in ("sh", "sort", "printf", "env", "mktemp", "rm", "tail", "sed", "cat"):
            pathlib.Path(folder, tool).symlink_to(shutil.which(tool, path="/usr/bin:/bin"))
        return run("/bin/sh", ROOT / "setup", "test", env={"PATH": folder})

    def test_it_says_what_it_installs(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.fake(folder, 'echo "$@" >>"$0.log"')
            asked = pathlib.Path(folder, "apt-get.log").read_text()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"setup: installing check gcc .*noweb")
        self.assertRegex(asked, r"update\n.* install .*check gcc")

    def test_a_failing_apt_ends_in_one_clear_line(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.fake(folder, "echo no network >&2; exit 100")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"no network\nsetup: apt-get update failed")

    HELD = "echo E: Could not get lock /var/lib/apt/lists/lock. It is held by process 77 '(apt-get)' >&2; exit 100"

    def test_another_apt_is_waited_for(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.fake(folder, f'echo >>"$0.log"; [ "$(cat "$0.log")" = "" ] && [ ! -e "$0.twice" ] && {{ echo >"$0.twice"; {self.HELD}; }}; exit 0')
            self.assertEqual(pathlib.Path(folder, "sleep.log").read_text(), "2\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"^setup: apt is in use: /var/lib/apt/lists/lock\. It is held by process 77 \(apt-get\) Waiting, two minutes at most\n$")

    def test_but_not_for_ever(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.fake(folder, self.HELD)
            self.assertEqual(pathlib.Path(folder, "sleep.log").read_text().split(), ["2"] * 60)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"process 77 \(apt-get\)\nsetup: apt-get update failed")

    def test_not_root_and_no_sudo(self):
        with tempfile.TemporaryDirectory() as folder:
            done = self.fake(folder, uid="1000")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"not root, and no sudo; as root, run: apt-get install .*check")


if __name__ == "__main__":
    unittest.main()
