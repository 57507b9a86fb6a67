"""The machine as it is: a full disk, two processes at once, folders with any name, a locale that knows no é, a tree of another
owner or of no repository, a set environment. Each is refused in one line, or does no harm."""
import http.client
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

from house import GOOD, House, ROOT

sys.path[:0] = [str(ROOT / "book/weave"), str(ROOT / "book")]
sys.dont_write_bytecode = True
import machine  # noqa: E402
import serve  # noqa: E402
import weave  # noqa: E402

ODD = "Bob's _a_ #1 %20 ~b~ -- <i>é$"       # what pandoc, TeX, a shell or JSON could stumble over


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)


class Whole(House):
    """A file is written whole or not at all, whoever made its text."""

    def test_a_full_disk_leaves_everything_as_it_was(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        before, stamp = self.made(), (self.root / "build/tangle.json").read_bytes()
        self.chapter(GOOD.replace("# Good\n", "# Good\n\nMore prose.\n").replace("return a + b;", "return b + a;" + " " * 3000))
        limited = "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));" \
                  "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
        done = run(sys.executable, "-c", limited, self.root / "book/tangle.py")
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stderr, r"^tangle: .*File too large\n$")
        self.assertEqual((self.made(), (self.root / "build/tangle.json").read_bytes()), (before, stamp))
        self.assertEqual([path for path in (self.root / "build").iterdir() if path.name.startswith("tangle.") and path.is_dir()], [])
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)      # with room again
        self.assertIn(b"return b + a;", self.made()["tangle/toy/toy.c"])

    def test_a_notangle_that_is_cut_off_in_silence(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        before = self.made()
        for cut in ("head -n 2", "head -c 60", "cat /dev/null; true"):
            self.write("bin/notangle", f"#!/bin/sh\n{shutil.which('notangle')} \"$@\" | {cut}\nexit 0\n").chmod(0o755)
            self.chapter(GOOD.replace("return a + b", "return b + a"))
            self.assertNotEqual(self.tool("book/tangle.py", PATH=f"{self.root}/bin:{os.environ['PATH']}"), 0, cut)
            self.assertRegex(self.err, "did not print the .* lines that the chapters make.*nothing was written")
            self.assertEqual(self.made(), before)

    def test_a_file_that_does_not_fit_stays_as_it_was(self):
        place = self.write("kept", "old")
        with mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")), self.assertRaises(OSError):
            machine.write(place, "new")
        self.assertEqual(place.read_text(), "old")
        self.assertEqual([path.name for path in self.root.iterdir() if path.name.startswith(".kept")], [])

    def test_what_the_filter_writes_is_whole_too(self):
        """io.open alone would leave half a picture, which the next run takes for the picture."""
        text = (ROOT / "book/weave/groundfloor.lua").read_text(encoding="utf-8")
        self.assertEqual(text.count('io.open('), 1)
        self.assertNotIn("--output=", text)

    def test_one_process_at_a_time(self):
        with machine.alone(self.root / "lock", "x"):
            other = subprocess.Popen([sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'book')!r}); import machine, pathlib\n"
                                      f"with machine.alone(pathlib.Path({str(self.root / 'lock')!r}), 'x'): print('in')"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.assertEqual(other.stderr.readline(), "x: another process is at the same work: waiting for it\n")
        self.assertEqual(other.communicate(timeout=60)[0], "in\n")

    def test_a_tree_that_cannot_be_written(self):
        self.root.chmod(0o755)
        as_other = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        if not as_other:
            for path in (self.root / "book", self.root):
                path.chmod(0o555)
                self.addCleanup(path.chmod, 0o755)
        done = run("/usr/bin/python3", self.root / "book/tangle.py", **as_other)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^tangle: .*build.*: Permission denied\n$")


class Names(House):
    def test_a_folder_with_an_odd_name_and_no_locale(self):
        """Tangling, ctags and pandoc with the real filter, in a folder that Markdown and addresses would read otherwise."""
        place = self.root / ODD
        for name in ("book/chapters.py", "book/machine.py", "book/tangle.py", "book/weave", "upstream-refs", "book/references.yaml"):
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, self.write(f"{ODD}/{name}", "").with_name(pathlib.Path(name).name)
                                                                         if (ROOT / name).is_file() else place / name)
        self.write(f"{ODD}/book/03-toy.md", GOOD.replace("Two and two", "As in [-@knuth1984], two and two") + "\n\n```{.dot #fig-x caption=\"c\" alt=\"a\"}\ndigraph { a -> b }\n```\n")
        self.write(f"{ODD}/book/91-bibliography.md", "# Bibliography\n\n::: {#refs}\n:::\n")
        references = (ROOT / "book/references.yaml").read_text(encoding="utf-8")
        entry = references[references.index("- id: knuth1984"):]
        self.write(f"{ODD}/book/references.yaml", "references:\n- id: knuth1984" + entry[15:].split("\n- id: ")[0] + "\n")
        environment = {**os.environ, "LC_ALL": "C", "CPYTHON": str(self.root / "cpython"), "PYTHONUTF8": "1", "PYTHONSAFEPATH": "1"}
        for command in (["book/tangle.py"], ["book/weave/weave.py", "html"]):
            done = run(sys.executable, *command, cwd=place, env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bibliography.html#ref-knuth1984", (place / "build/book/html/03-toy.html").read_text(encoding="utf-8"))
        self.assertIn("toy_add", (place / "build/book/html/identifiers.html").read_text(encoding="utf-8"))

    def test_every_script_finds_its_modules(self):
        """PYTHONSAFEPATH: the folder of a script is no place for modules then."""
        for script in ("book/tangle.py", "book/weave/weave.py", "book/weave/serve.py", "book/weave/traces.py", "upstream-refs/refs.py", "upstream-refs/fetch.py",
                       "tests/run.py", "tests/bench.py", "tests/litmus.py", "tests/museum.py", "tests/graft/graft.py", "tests/book/check_pages.py"):
            done = run(sys.executable, ROOT / script, "--help", env={**os.environ, "PYTHONSAFEPATH": "1"})
            self.assertEqual(done.returncode, 0, f"{script}: {done.stderr}")


class Git(House):
    """The book's date, and lockstep: git is asked about this tree's own repository, and its answer is looked at."""

    def setUp(self):
        super().setUp()
        for patch in (mock.patch.multiple(machine, ROOT=self.root), mock.patch.dict(os.environ)):
            patch.start()
            self.addCleanup(patch.stop)
        os.environ.pop("SOURCE_DATE_EPOCH", None)

    def commit(self, place, when):
        date = {"GIT_COMMITTER_DATE": f"{when} +0000", "GIT_AUTHOR_DATE": f"{when} +0000"}
        for command in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "--allow-empty", "-m", "x"]):
            self.assertEqual(run("git", *command, cwd=place, env={**os.environ, **date}).returncode, 0)

    def said(self):
        with mock.patch("weave.say") as say:
            return weave.epoch(), [call.args[0] for call in say.call_args_list]

    def test_the_date_of_the_last_commit(self):
        self.commit(self.root, 1700000000)
        self.assertEqual(self.said(), ("1700000000", []))

    def test_a_signature_that_is_shown(self):
        self.commit(self.root, 1700000000)
        run("git", "config", "log.showSignature", "true", cwd=self.root)
        signed = run("git", "cat-file", "commit", "HEAD", cwd=self.root).stdout.replace("\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n", 1)
        made = run("git", "hash-object", "-t", "commit", "-w", "--stdin", cwd=self.root, input=signed).stdout.strip()
        self.assertEqual(run("git", "update-ref", "HEAD", made, cwd=self.root).returncode, 0)
        self.assertEqual(self.said(), ("1700000000", []))

    def test_a_tree_of_another_owner(self):
        self.commit(self.root, 1700000000)
        os.environ["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"
        self.assertEqual(self.said(), ("1700000000", []))

    def test_a_tarball_inside_another_repository(self):
        inner = self.root / "inner"
        inner.mkdir()
        self.commit(self.root, 1700000000)
        with mock.patch.multiple(machine, ROOT=inner):
            self.assertEqual(self.said(), (weave.FIXED_EPOCH, []))

    def test_a_git_that_does_not_answer_is_told(self):
        (self.root / ".git").mkdir()
        epoch, said = self.said()
        self.assertEqual(epoch, weave.FIXED_EPOCH)
        self.assertRegex(said[0], "git does not say when the last commit was .*not a git repository.*: the book is dated 1 January 2026")

    def test_a_date_that_is_set(self):
        for bad in ("1667997441000", "1e9", "-1", "tomorrow", "4354819199", "٣"):
            os.environ["SOURCE_DATE_EPOCH"] = bad
            with self.assertRaisesRegex(weave.Failure, "SOURCE_DATE_EPOCH=.* is no time"):
                weave.epoch()
        for good in ("0", "1700000000", "4354819198"):
            os.environ["SOURCE_DATE_EPOCH"] = good
            self.assertEqual(weave.epoch(), good)

    def test_lockstep(self):
        self.assertEqual(self.tool("book/tangle.py"), 0, self.err)
        self.assertEqual(self.tool("book/tangle.py", "--committed"), 0, self.err)
        self.assertRegex(self.err, "no repository of its own")
        self.write(".gitignore", "build/\n__pycache__/\n")
        self.commit(self.root, 1700000000)
        self.assertEqual(self.tool("book/tangle.py", "--committed", GIT_TEST_ASSUME_DIFFERENT_OWNER="1"), 0, self.err)
        self.write("tests/check_left.c", "")
        self.assertEqual(self.tool("book/tangle.py", "--committed"), 1)
        self.assertRegex(self.err, r"tests/check_left\.c\nlockstep: .*commit what make tangle traces wrote")
        shutil.rmtree(self.root / ".git/objects")
        self.assertEqual(self.tool("book/tangle.py", "--committed"), 1)
        self.assertRegex(self.err, "lockstep: git does not say what was committed")


class Pandoc(unittest.TestCase):
    ITEM = '<li id="toc-li-{0}"><a href="text/ch00{0}.xhtml">X</a><ol class="toc"><li id="toc-li-9"><a href="text/ch00{0}.xhtml#s">s</a></li></ol></li>'

    def test_contents_without_the_chapters_ids(self):
        """As pandoc 3 writes them."""
        nav = "<nav><ol>" + "".join(self.ITEM.format(n) for n in (1, 2, 3)) + "</ol></nav>"
        made = weave.in_parts(nav, [{"number": "I", "title": "One", "stems": ["01-x"]}, {"number": "II", "title": "Two", "stems": ["02-x"]}])
        self.assertEqual(made, "<nav><ol>" + self.ITEM.format(1) + '<li><span>Part I · One</span><ol class="toc">' + self.ITEM.format(2) + "</ol></li>"
                         '<li><span>Part II · Two</span><ol class="toc">' + self.ITEM.format(3) + "</ol></li></ol></nav>")

    def test_a_citation_that_leads_nowhere_is_told(self):
        weaver = mock.Mock(index={"cited": {"knuth1984": ["01-a"]}})
        good = {"01-a": '<a href="91-bibliography.html#ref-knuth1984">1984</a>', "91-bibliography": '<div id="ref-knuth1984">'}
        self.assertEqual(weave.Weaver.cited(weaver, good), good)
        for stem, words in (("01-a", "does not lead to the bibliography"), ("91-bibliography", "has no entry")):
            with self.assertRaisesRegex(weave.Failure, rf"^book/{stem}\.md: @knuth1984 {words}"):
                weave.Weaver.cited(weaver, good | {stem: "(1984) ref-knuth1984b"})

    @unittest.skipUnless(shutil.which("pandoc"), "pandoc is not installed")
    def test_the_filter_makes_the_link(self):
        """Whatever citeproc of this version makes of link-citations."""
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "i.lua").write_text("return {chapters={{stem='01-x',number='1'}},chunks={},identifiers={},citations={},claims={},claimed={},reports={},marks={},traces={},trace_style='',terms={}}")
            pathlib.Path(folder, "r.json").write_text('{"references": [{"id": "k", "type": "book", "author": [{"family": "K"}], "issued": 1984}], "suppress-bibliography": true}')
            for text, words in (("[-@k]", '(<a href="91-bibliography.html#ref-k">1984</a>)'), ("[-@k, page 3]", '(<a href="91-bibliography.html#ref-k">1984, 3</a>)')):
                made = run("pandoc", "--from", "markdown", "--to", "html", "--citeproc", "--metadata-file=r.json", "--lua-filter", ROOT / "book/weave/groundfloor.lua",
                           "-M", "gf-target=html", "-M", "gf-index=i.lua", "-M", "gf-stem=01-x", "-M", f"gf-figures={folder}", input=f"# X\n\nBy K {text}.\n", cwd=folder)
                self.assertIn(words, made.stdout, made.stderr)


class Serving(unittest.TestCase):
    def test_all_that_a_page_depends_on_is_watched(self):
        watched = {str(path.relative_to(ROOT)) for path in serve.watched()}
        for name in ("book/references.yaml", "book/03-arena.md", "book/machine.py", "book/weave/groundfloor.lua", "book/weave/web/template.html", "book/weave/web/style.css",
                     "upstream-refs/refs.py", "upstream-refs/pins/3.13.5.json", *(f"book/traces/{path.name}" for path in (ROOT / "book/traces").glob("*.json")),
                     *(f"book/reports/{path.name}" for path in (ROOT / "book/reports").iterdir())):
            self.assertIn(name, watched)

    def test_a_port_out_of_range(self):
        for bad in ("99999", "-1", "web"):
            done = run(sys.executable, ROOT / "book/weave/serve.py", f"--port={bad}")
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"^serve: {bad} is no port: make serve PORT= takes a number from 0 \(any that is free\) to 65535\n$")

    def test_make_serve_names_a_port_only_when_told_to(self):
        self.assertNotIn("--port", run("make", "-n", "-C", ROOT, "serve").stdout)
        self.assertIn("--port 0\n", run("make", "-n", "-C", ROOT, "serve", "PORT=0").stdout)

    def test_an_address_that_is_none_is_answered(self):
        with tempfile.TemporaryDirectory() as folder:
            server = serve.Server(("127.0.0.1", 0), serve.functools.partial(serve.Handler, house=serve.House(), directory=folder))
            self.addCleanup(server.server_close)
            self.addCleanup(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with mock.patch.object(server, "handle_error") as traced:
                for address in ("/%00", "/%00.html", "/" + "a" * 300, "/" + "a" * 300 + ".html", "/%ff%fe", "//[", "/..%2f..%2fetc/passwd", "/a%0d%0ab"):
                    asked = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
                    asked.request("GET", address)
                    self.assertIn(asked.getresponse().status // 100, (4,), address)
                    asked.close()
                traced.assert_not_called()


class Make(unittest.TestCase):
    def test_make_n_runs_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            for tool in ("cc", "gcc", "clang", "node", "npm", "python3", "git", "ar", "install", "rm", "touch", "mkdir"):
                pathlib.Path(folder, tool).write_text('#!/bin/sh\necho "$0 $*" >>"$0.ran"\n')
                pathlib.Path(folder, tool).chmod(0o755)
            environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")} | {"PATH": f"{folder}:{os.environ['PATH']}"}
            done = run("make", "-n", "-C", ROOT, "weave", "pdf", "epub", "browser", "install", "lockstep", "tools", "graft", "PYTHON=python3", env=environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("weave.py html", done.stdout)
            self.assertEqual([path.read_text() for path in pathlib.Path(folder).glob("*.ran")], [])


if __name__ == "__main__":
    unittest.main()
