"""Checks of the woven book: python3 tests/book/check_pages.py [--reproducible] [--build build]

Reads what weave.py made in build/book and compares it with the index of the chapters. Every check names the page and
what is wrong with it. Tools that are not installed (epubcheck, qpdf, pdffonts) are skipped by name, never in silence.
"""
import argparse
import html.parser
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "book/weave"))
import weave  # noqa: E402

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr", "path", "polygon", "ellipse", "polyline"}


class Page(html.parser.HTMLParser):
    """What the checks need to know of one page: its ids, its links, what it loads, and whether its tags balance."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.loads, self.unbalanced, self.open, self.text = [], [], [], [], [], []
        self.feed(text)
        self.close()
        self.unbalanced += [f"<{tag}> is never closed" for tag in self.open if tag != "p"]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if attrs.get("id"):
            self.ids.append(attrs["id"])
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        else:
            self.loads += [attrs[key] for key in ("href", "src", "srcset", "action", "data", "poster", "xlink:href") if attrs.get(key)]
            self.loads += re.findall(r"url\(([^)]*)\)", attrs.get("style", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.unbalanced.append(f"</{tag}> closes {self.open[-1:] or 'nothing'} at {self.getpos()}")
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        self.text.append(data)


class Checks:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def check(self, name, findings):
        findings = list(findings)
        if findings:
            self.failed += 1
            print(f"FAIL {name}")
            for finding in findings[:12]:
                print(f"     {finding}")
            if len(findings) > 12:
                print(f"     and {len(findings) - 12} more")
        else:
            self.passed += 1
            print(f"ok   {name}")

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip {name}: {why}")


def local(target):
    return not re.match(r"[a-z][a-z0-9+.-]*:|//", target)


def dead_links(pages, files):
    """Links and fragments of a set of pages that lead nowhere. `files` are the other files beside them."""
    for name, page in pages.items():
        for target in page.links + page.loads:
            if not local(target):
                continue
            path, _, fragment = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if path not in pages and path not in files:
                yield f"{name}: {target} leads to no file"
            elif fragment and path in pages and fragment not in pages[path].ids:
                yield f"{name}: {target} leads to no id"


def foreign_loads(pages):
    for name, page in pages.items():
        yield from (f"{name} loads {target}" for target in page.loads if not local(target))


def double_ids(pages):
    for name, page in pages.items():
        yield from (f"{name}: id {i} occurs {page.ids.count(i)} times" for i in sorted(set(page.ids)) if page.ids.count(i) > 1)


def missing_from_pages(index, pages):
    """Chunk definitions and claims of the index that are on none of their chapter's pages."""
    ids = {}
    for page, content in pages.items():
        ids.setdefault(re.sub(r"(-\d)?\.html$", "", page), set()).update(content.ids)
    for name, chunk in index["chunks"].items():
        for definition in chunk["defs"]:
            if definition["id"] not in ids.get(definition["chapter"], ()):
                yield f"{definition['chapter']}.html lacks <<{name}>>, part {definition['n']}"
    for name, claim in index["claims"].items():
        if f"claim-{name}" not in ids.get(claim["chapter"], ()):
            yield f"{claim['chapter']}.html lacks claim {name}"


def on_demand(folder, bodies, pages):
    """What a page loads when it is asked: a body for each chunk of another page, a place for each contract and each section."""
    def data(path):
        text = (folder / path).read_text(encoding="utf-8") if (folder / path).is_file() else "groundfloor(\"\", {});"
        return json.loads("[" + text.strip().removeprefix("groundfloor(").removesuffix(");") + "]")[1]
    bodies_of = {}
    for name, body in bodies.items():
        for code in re.findall(r"<pre><code>(.*?)</code></pre>", body, re.S):
            for page, chunk in re.findall(r'<a class=ref href="?([\w-]+)\.html#(c-\w+)', code):
                if page not in bodies_of:
                    bodies_of[page] = data(f"chunks/{page}.js")
                if not bodies_of[page].get(chunk):
                    yield f"{name}: the code of {page}.html#{chunk} is not in chunks/{page}.js"
    contracts, search = data("contracts.js"), data("search.js")
    places = [(f"contract of {name}", entry[3]) for name, entry in contracts.items()]
    places += [(f"section {section[2]}", f"{section[0]}.html#{section[1]}") for section in search.get("sections", [])]
    if not contracts or not search.get("sections"):
        yield "contracts.js or search.js is empty"
    for what, place in places:
        page, _, fragment = place.partition("#")
        if page not in pages or fragment not in pages[page].ids:
            yield f"{what}: {place} leads nowhere"
    for name, page in pages.items():
        known = {section[1] for section in search.get("sections", []) if f"{section[0]}.html" == name}
        if known:
            yield from (f"search.js lacks {name}#{ident}" for ident in re.findall(r'<h[23] id="([^"]+)"', bodies[name]) if ident not in known)


def leftovers(pages):
    """noweb's escapes and the filter's own placeholders, which no reader should meet."""
    for name, page in pages.items():
        text = "".join(page.text)
        yield from (f"{name} shows {found!r}" for found in sorted(set(re.findall(r"@<<|@>>|gfreference\d+x", text))))


def css_loads(folder):
    for path in sorted(folder.glob("*.css")):
        for target in re.findall(r"""(?:url\(|@import\s+)["']?([^"')]+)""", path.read_text(encoding="utf-8")):
            if not local(target):
                yield f"{path.name} loads {target}"
            elif not (folder / target).is_file():
                yield f"{path.name} loads {target}, which is not there"


def excerpts(index, bodies):
    """Every citation shows its lines when the text is here, and says what is missing when it is not."""
    shown_at = {}
    for state, block in re.findall(r'<figure class="code upstream (\w+)"[^>]*>(.*?)</figure>', "".join(bodies.values()), re.S):
        shown_at.setdefault(weave.html.unescape(re.search(r'href="?([^ ">]+)', block).group(1)), []).append((state, block))
    for url, citation in index["citations"].items():
        blocks = shown_at.get(url, [])
        if not blocks:
            yield f"{url} is on no page"
        for state, block in blocks:
            if state != citation["state"]:
                yield f"{url} is shown as {state} and is {citation['state']}"
            if citation["text"] is None:
                if "make upstream" not in block or "<pre" in block:
                    yield f"{url} has no text, and its block does not say how to get it"
            else:
                shown = weave.html.unescape(re.sub(r"<[^>]+>", "", re.search(r"<code>(.*?)</code>", block, re.S).group(1)))
                if shown.strip("\n") != citation["text"].strip("\n"):
                    yield f"{url}: the lines on the page are not the excerpt"


def without_upstream(index, book):
    """The same chapters woven as on a machine that has no CPython source."""
    for citation in index["citations"].values():
        citation.update(state="missing", text=None, why="no source here")
    with tempfile.TemporaryDirectory() as folder:
        bodies = weave.Weaver(index, book, pathlib.Path(folder)).chapter_outputs("html")
        yield from excerpts(index, bodies)


def run(*command, **options):
    made = subprocess.run(command, capture_output=True, text=True, errors="replace", **options)
    return made.returncode, (made.stdout + made.stderr).strip()


# What tidy of 2017 does not know of HTML: names of ARIA, groups in a list of terms, the title of a drawing.
UNKNOWN_TO_TIDY = re.compile(r'proprietary attribute "aria-|<title> proprietary attribute "id"|missing </dl> before </div>|'
                             r"missing </div> before <dt>|inserting implicit <dl>|missing <dd>")


def invalid(paths):
    """What HTML Tidy finds wrong with pages."""
    for path in paths:
        _, text = run("tidy", "-quiet", "-errors", "-utf8", "--show-info", "no", "--drop-empty-elements", "no", str(path))
        yield from (f"{path.name}: {line}" for line in text.splitlines() if line and not UNKNOWN_TO_TIDY.search(line))


def epubcheck():
    """How to run epubcheck here, or None. Debian's command is the jar itself, which needs a kernel that knows jars."""
    jar = pathlib.Path("/usr/share/java/epubcheck.jar")
    if jar.is_file() and shutil.which("java"):
        return ["java", "-jar", str(jar)]
    return ["epubcheck"] if shutil.which("epubcheck") and not jar.is_file() else None


def epub_pages(path):
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return {n: Page(archive.read(n).decode()) for n in names if n.endswith(".xhtml")}, set(names)


def code_overflows(log):
    """Boxes more than 2 pt too wide, as LaTeX's log tells them."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        found = re.match(r"Overfull \\([hv])box \(([0-9.]+)pt", line)
        if found and float(found.group(2)) > 2:
            yield f"{log.name}: {line}"


def missing_letters(log):
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("Missing character"):
            yield line


def not_embedded(pdf):
    code, text = run("pdffonts", str(pdf))
    if code:
        yield text
    for line in text.splitlines()[2:]:
        if not re.search(r"\s(yes|no)\s+(yes|no)\s+(yes|no)\s+\d+\s+\d+$", line) or re.search(r"\sno\s+(?:yes|no)\s+(?:yes|no)\s+\d+\s+\d+$", line):
            yield f"not embedded: {line.split()[0]}"


def other_bytes(index, book, build):
    """Pages, PDF and EPUB made again from nothing must be the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        again = weave.Weaver(index, book, pathlib.Path(folder))
        for kept in ("results", "reports"):         # what runs said; and TeX's cache of the fonts
            if (build / kept).is_dir():
                shutil.copytree(build / kept, pathlib.Path(folder) / kept)
        if (build / "weave/texmf-var").is_dir():
            shutil.copytree(build / "weave/texmf-var", pathlib.Path(folder) / "weave/texmf-var")
        made = again.web().parent
        names = {path.relative_to(top) for top in (made, build / "book/html") for path in top.rglob("*") if path.is_file()}
        for name in sorted(names):
            first, second = build / "book/html" / name, made / name
            if not (first.is_file() and second.is_file() and first.read_bytes() == second.read_bytes()):
                yield f"html/{name} differs when it is made again from the chapters as they are now"
        for made in (again.pdf(), again.epub()):
            if made.read_bytes() != (build / "book" / made.name).read_bytes():
                yield f"{made.name} differs when it is made again from the chapters and the last commit as they are now"


def served(build, limit=30.0):
    """make serve in a copy of the house: a shorter and a longer chapter are saved, and how long it takes until their pages have the new words."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        house = pathlib.Path(folder) / "house"
        shutil.copytree(ROOT, house, ignore=shutil.ignore_patterns(".git", "build", "node_modules"))
        shutil.copytree(build, house / "build", symlinks=True, ignore=lambda at, names: set(names) - {"book", "weave", "line", "tangle.json", "results", "reports"} if pathlib.Path(at) == build else [])
        (house / "build/upstream").symlink_to(build / "upstream")
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        probe.close()
        server = subprocess.Popen([sys.executable, "book/weave/serve.py", "--port", address.rpartition(":")[2]], cwd=house, stderr=subprocess.PIPE, text=True)
        patience = threading.Timer(200, server.kill)
        patience.start()
        try:
            said = next((line for line in server.stderr if "open http" in line or "not woven" in line), "it ended")
            if "open http" not in said:
                yield f"serve.py does not begin: {said.strip()}"
                return
            threading.Thread(target=server.stderr.read, daemon=True).start()
            with urllib.request.urlopen(f"{address}/-/events", timeout=60) as events:
                for stem in ("07-sleeping", "12-taking-turns"):
                    chapter = house / f"book/{stem}.md"
                    started = time.monotonic()
                    chapter.write_text(chapter.read_text(encoding="utf-8").replace("\n## ", "\nThis was saved a moment ago.\n\n## ", 1), encoding="utf-8")
                    told = next((line for line in events if f'"{stem}.html"'.encode() in line or line.startswith(b"event: trouble")), None)
                    if told is None:
                        yield f"book/{stem}.md was saved, and {stem}.html was never told"
                        return
                    took = time.monotonic() - started
                    print(f"     book/{stem}.md saved: its page is told to reload after {took:.1f} s")
                    if b"saved a moment ago" not in urllib.request.urlopen(f"{address}/{stem}.html", timeout=10).read():
                        yield f"{stem}.html has not what was saved, though the page was told {told.decode().strip()}"
                    elif took > limit:
                        yield f"{stem}.html came {took:.1f} s after its chapter was saved; three are the aim, and {limit:.0f} the limit on a busy machine"
        finally:
            patience.cancel()
            server.kill()
            server.wait()


def main():
    parser = argparse.ArgumentParser(description="Check the woven book in build/book.")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--book", type=pathlib.Path, default=ROOT / "book")
    parser.add_argument("--reproducible", action="store_true", help="weave all of it once more and compare the bytes")
    options = parser.parse_args()
    checks, build = Checks(), options.build.resolve()
    folder = build / "book/html"
    paths = sorted(folder.glob("*.html"))
    if not paths:
        print(f"no pages in {folder}: run make weave first", file=sys.stderr)
        return 2
    index = weave.load(options.book.resolve())
    bodies = {path.name: path.read_text(encoding="utf-8") for path in paths}
    pages = {name: Page(text) for name, text in bodies.items()}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    checks.check("pages: every link and fragment leads somewhere", dead_links(pages, files))
    checks.check("pages: nothing is loaded from another host", [*foreign_loads(pages), *css_loads(folder)])
    checks.check("pages: ids are unique", double_ids(pages))
    checks.check("pages: tags balance", (f"{n}: {u}" for n, page in pages.items() for u in page.unbalanced))
    if shutil.which("tidy"):
        checks.check("pages: HTML Tidy finds nothing wrong", invalid(paths))
    else:
        checks.skip("pages: HTML Tidy finds nothing wrong", "tidy is not installed")
    checks.check("pages: every chunk and claim of the index is on its page", missing_from_pages(index, pages))
    checks.check("pages: what they load on demand is there and leads somewhere", on_demand(folder, bodies, pages))
    checks.check("pages: no escapes or placeholders are left", leftovers(pages))
    checks.check("pages: excerpts are the pinned lines, or say what is missing", excerpts(index, bodies))
    checks.check("pages: without CPython's source they say how to get it", without_upstream(index, options.book.resolve()))

    epub = build / "book/groundfloor.epub"
    if epub.is_file():
        inside, names = epub_pages(epub)
        checks.check("EPUB: every link and fragment leads somewhere", dead_links(inside, names))
        checks.check("EPUB: ids are unique", double_ids(inside))
        command = epubcheck()
        if command:
            code, text = run(*command, str(epub))
            checks.check("EPUB: epubcheck", text.splitlines()[:12] if code or "WARNING" in text else [])
        else:
            checks.skip("EPUB: epubcheck", "epubcheck is not installed")
    else:
        checks.skip("EPUB", "not woven (make epub)")

    pdf, log = build / "book/groundfloor.pdf", build / "weave/latex/groundfloor.log"
    if pdf.is_file():
        if shutil.which("qpdf"):
            code, text = run("qpdf", "--check", str(pdf))
            checks.check("PDF: qpdf --check", text.splitlines() if code else [])
        else:
            checks.skip("PDF: qpdf --check", "qpdf is not installed")
        if shutil.which("pdffonts"):
            checks.check("PDF: fonts are embedded", not_embedded(pdf))
        else:
            checks.skip("PDF: fonts are embedded", "poppler-utils is not installed")
        if log.is_file():
            checks.check("PDF: nothing runs over its margin by more than 2 pt", code_overflows(log))
            checks.check("PDF: no letter is missing from the fonts", missing_letters(log))
        if options.reproducible:
            checks.check("Pages, PDF and EPUB: the same bytes again", other_bytes(weave.load(options.book.resolve()), options.book.resolve(), build))
    else:
        checks.skip("PDF", "not woven (make pdf)")
    checks.check("make serve: a chapter that is saved is soon on its page", served(build))

    print(f"{checks.passed} passed, {checks.failed} failed" + (f", {checks.skipped} skipped" if checks.skipped else ""))
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
