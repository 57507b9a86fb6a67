"""Weave the book: the chapters become web pages, a PDF and an EPUB.

    python3 book/weave/weave.py html|pdf|epub|all

pandoc reads each chapter through groundfloor.lua, which turns chunks, citations, claims and figures into what the
format needs; this program gives it the part of the book's index that the chapter depends on, keeps what did not
change, and builds what goes round the chapters: page frames, contents and indexes. Everything it makes is in build/.
"""
import argparse
import collections
import concurrent.futures
import functools
import hashlib
import html
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import lanes  # noqa: E402
import machine  # noqa: E402
import moved  # noqa: E402
import pages as paging  # noqa: E402
import pairs  # noqa: E402
import traces  # noqa: E402
from machine import write  # noqa: E402

TITLE = "Ground Floor"
SUBTITLE = "CPython’s runtime primitives, told and rebuilt in C"
ABOUT = ("Under every dictionary, every lock and every <code>compile()</code> of Python lies a floor of small, sharp pieces of C: "
         "memory that is handed out and taken back at once, locks of a single byte, a hash that attackers cannot predict. This book "
         "takes up that floor board by board. It shows CPython’s own text, rebuilds it under the same names, and tests every claim it makes.")
IDENTIFIER = "urn:uuid:6b1c2f0e-9d0d-5c3e-8a51-67726e64666c"
FIXED_EPOCH = "1767225600"      # when there is no commit to date the book by: 2026-01-01
LAST_EPOCH = 4354819198         # the last moment that a ZIP archive can name: the end of 2107
READER = "markdown+gfm_auto_identifiers-tex_math_dollars-raw_tex-latex_macros"
GLOSSARY, BIBLIOGRAPHY = "90-glossary", "91-bibliography"
FONT_FOLDERS = ["/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts", "/Library/Fonts"]
FONTS = {"serif": ("Charis SIL", "fonts-sil-charis", "CharisSIL-{}.ttf", ["Regular", "Italic", "Bold", "BoldItalic"]),
         "mono": ("JetBrains Mono", "fonts-jetbrains-mono", "JetBrainsMono-{}.ttf", ["Regular", "Italic", "Bold"])}
FIGURE = re.compile(r'<figure class="drawing[^"]*" id="([^"]+)"(?:(?!</figure>).)*<figcaption><span class="number">([^<]+)</span>(.*?)</figcaption>', re.S)
UPSTREAM_BLOCK = re.compile(r'<figure class="code upstream \w+" id=([^ >]+)><figcaption class=bar><span class=source>[^<]*<a href="?([^ ">]+)')
LUNR = ["/usr/share/javascript/lunr/lunr.min.js", "/usr/share/nodejs/lunr/lunr.min.js"]
PAGES = [("chunks", "Chunks"), ("identifiers", "Identifiers"), ("upstream", "Upstream symbols"), ("claims", "Claims"), ("figures", "Figures")]


class Failure(Exception):
    """One clear line for the reader: what is wrong, and what to do."""


def say(message):
    print(f"weave: {message}", file=sys.stderr, flush=True)


# Files ---------------------------------------------------------------------------------------------------------

def digest(*parts):
    total = hashlib.sha256()
    for part in parts:
        part = part.read_bytes() if isinstance(part, pathlib.Path) else part if isinstance(part, bytes) else str(part).encode()
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def read(path):
    return path.read_text(encoding="utf-8")


def need(program, package):
    if not shutil.which(program):
        raise Failure(f"{program} not found: install {package} (make setup does it on Debian)")
    return program


def epoch():
    """The time that stands in the PDF and the EPUB: the last commit's, so that two builds give the same bytes."""
    told = os.environ.get("SOURCE_DATE_EPOCH")
    if told:
        if not re.fullmatch("[0-9]{1,10}", told) or int(told) > LAST_EPOCH:
            raise Failure(f"SOURCE_DATE_EPOCH={told} is no time: it takes whole seconds since 1970, {LAST_EPOCH} at most (the end of 2107)")
        return str(int(told))
    try:
        answer = machine.git("rev-list", "--max-count=1", "--timestamp", "HEAD")
    except machine.Unanswered as why:
        say(f"note: git does not say when the last commit was ({why}): the book is dated 1 January 2026")
        return FIXED_EPOCH
    return answer.split()[0] if answer else FIXED_EPOCH


def font_files(kind):
    """{"Regular": path, …} of one of the book's families, or None when it is not installed."""
    _, _, pattern, styles = FONTS[kind]
    for folder in FONT_FOLDERS:
        for regular in sorted(pathlib.Path(folder).expanduser().rglob(pattern.format("Regular"))):
            found = {style: regular.with_name(pattern.format(style)) for style in styles}
            if all(path.is_file() for path in found.values()):
                return found
    return None


def near(path):
    """A file's name as a child that runs in ROOT is told it: relative, since pandoc takes names for Markdown or addresses, and TeX for more."""
    return os.path.relpath(path, ROOT)


def environment(**more):
    """The environment of a child: its text is UTF-8, whatever the locale."""
    return {**os.environ, "LC_ALL": "C.UTF-8", **more}


# The index, for one chapter ------------------------------------------------------------------------------------

def lua(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r") + '"'
    if isinstance(value, list):
        return "{" + ",".join(lua(item) for item in value) + "}"
    return "{" + ",\n".join(f"[{lua(key)}]={lua(item)}" for key, item in value.items() if item is not None) + "}"


def own_ids(picture, svg):
    """A picture's ids and what refers to them, made its own: the tools give every picture of a page the same."""
    stem = picture.rpartition(".")[0]
    return re.sub(r"""(\bid=["']|href=["']#|url\(#)""", rf"\g<1>{stem}-", svg)


def reports(text, build):
    """What the .report blocks of a chapter show: the last run's report, or the one that is kept beside the chapters."""
    found = {}
    for name in re.findall(r"^```+ *\{\.report src=\"([\w.-]+)\"", text, re.M):
        room = next((room for room in (build / "reports", HERE.parent / "reports") if (room / name).is_file()), None)
        if room:
            body = read(room / name)
            pictures = {picture: own_ids(picture, read(room / picture)) for picture in re.findall(r"\]\(([\w.-]+\.svg)\)", body) if (room / picture).is_file()}
            found[name] = {"text": body, "pictures": pictures}
    return found


def recordings(text):
    """The recorded runs that a chapter's .trace blocks play, each step with its picture."""
    names = re.findall(r"^```+ *\{\.trace [^\n]*?src=\"([\w-]+)\"", text, re.M)
    return {name: traces.load(HERE.parent / f"traces/{name}.json") for name in names if (HERE.parent / f"traces/{name}.json").is_file()}


def dependencies(index, chapter, text, build):
    """The part of the index that one chapter's page depends on. No line numbers: moving prose about changes nothing else."""
    stem = chapter["stem"]
    words, small = set(re.findall(r"[A-Za-z_]\w*", text)), text.lower()
    own = {name for name, chunk in index["chunks"].items() if chunk["defs"][0]["chapter"] == stem}
    near = own | {other for name in own for d in index["chunks"][name]["defs"] for other in d["uses"]}
    near |= {user for name in own for user in index["chunks"][name]["used_in"]}
    chunks = {}
    for name in sorted(near & index["chunks"].keys()):
        chunk = index["chunks"][name]
        chunks[name] = {key: chunk[key] for key in ("target", "role", "files", "used_in")}
        chunks[name]["defs"] = [{key: d[key] for key in ("chapter", "id", "uses")} | (proof(index, d) if name in own else {}) for d in chunk["defs"]]
    claims = {name: claim for name, claim in index["claims"].items() if claim["chapter"] == stem}
    told = {name for name in re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", text) if name in index["claims"]}
    told |= {name for chunk in chunks.values() for d in chunk["defs"] for name in d.get("claims", ())}
    return {"version": index["version"],
            "chapters": [{"stem": c["stem"], "number": c["number"]} for c in index["chapters"]],
            "chunks": chunks,
            "marks": pairs.marks(index["pairs"][stem], index["citations"], index["chunks"]),
            "identifiers": {name: {"chapter": entry["chapter"], "def_id": entry["def_id"], "test": entry["file"].startswith("tests/") or None, "only": reach(entry["file"], entry["public"])}
                            for name, entry in sorted(index["identifiers"].items()) if name in words and meant(name, entry, stem)},
            "citations": {url: citation for url, citation in sorted(index["citations"].items()) if url in text},
            "claims": {name: {key: claim[key] for key in ("results", "state", "tests")} for name, claim in claims.items()},
            "claimed": {name: {key: index["claims"][name][key] for key in ("number", "chapter")} for name in sorted(told | set(claims))},
            "wholes": {name: whole(index, stem, name) for name in re.findall(r"^```\{\.whole\}\n(\w+)\n```$", text, re.M)},
            "tested_at": index["tested_at"] if claims else None, "standing": standing(list(claims.values())) if claims else None,
            "terms": {form: term for form, term in sorted(index["terms"].items()) if form in small} if stem != GLOSSARY else {},
            "cited": index["cited"] if stem == BIBLIOGRAPHY else None,
            "reports": reports(text, build), "traces": recordings(text), "traces_older": bool(recordings(text)) and (build / "traces.older").exists(), "trace_style": traces.PRINT_STYLE,
            "lanes": {figure["src"]: lanes.load(figure["src"]) for figure in lanes.figures([text]) if lanes.load(figure["src"])}}


def whole(index, stem, name):
    """A function of the port as it stands in its file."""
    entry = index["identifiers"].get(name, {})
    found = entry.get("kind") == "function" and re.search(rf"^(?:\w[\w *]*\n)?{name}\([^;{{]*\n\{{\n.*?^\}}$", read(ROOT / entry["file"]), re.M | re.S)
    if not found:
        raise Failure(f"book/{stem}.md: ```{{.whole}} names {name}, which is no function of the port")
    return {"text": found.group(), "file": entry["file"].removeprefix("tangle/")}


def glossary(text):
    """{a form of a term: {id, brief}} of the glossary: a heading, perhaps a comment with other forms, a paragraph."""
    terms = {}
    for title, also, brief in re.findall(r"^### (.+)\n\n(?:<!-- (.+) -->\n\n)?(.+(?:\n.+)*)", text, re.M):
        entry = {"id": re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-"),
                 "brief": re.split(r"(?<=\.)\s", re.sub(r"[`*]|\]\([^)]*\)|\[", "", " ".join(brief.split())))[0]}
        if also != "not linked":
            forms = [title.lower()] + (also.removeprefix("also: ").lower().split(", ") if also else [])
            terms.update((form, entry) for form in forms)
    return terms


def citations(texts, known):
    """{key: stems of the chapters that cite it}, checked: every reference is cited, and by a key that exists."""
    import chapters
    cited = {}
    for stem, text in texts.items():
        for line, key in chapters.cited(text):
            if key not in known:
                raise Failure(f"book/{stem}.md:{line}: {chapters.unknown(key, known)}")
            if stem not in cited.setdefault(key, []):
                cited[key].append(stem)
    for key in sorted(known - set(cited)):
        raise Failure(f"book/references.yaml: no chapter cites {key}: cite it as [-@{key}], or take it out")
    return cited


def meant(name, entry, stem):
    """Whether a chapter can mean this definition by the name: another suite's helpers are its own, and malloc is the system's, whoever has a macro for it."""
    stands_in = entry["kind"] == "macro" and name.islower() and re.match(r"tests/|tangle/(?:bench|simulation|graft)/", entry["file"])
    return entry["chapter"] == stem or not (entry["file"].startswith("tests/check_") or stands_in)


def reach(file, public):
    """Where alone a name means what this file defines: the file itself, its room, or (None) everywhere."""
    room = re.match(r"tangle/(?:bench|simulation|graft)/", file)
    return (room.group() if room else None) if public else file


def proof(index, definition):
    """What bears out the functions of the port that a definition holds: their citation, and the claims that name them."""
    entries = {name: index["identifiers"][name] for name in definition["defines"]}
    functions = [name for name, e in entries.items() if e["kind"] == "function" and not e["file"].startswith("tests/")]
    if not functions:
        return {}
    order = list(index["claims"])
    claims = sorted({claim for name in functions for claim in entries[name]["claims"]},         # this chapter's first
                    key=lambda name: (index["claims"][name]["chapter"] != definition["chapter"], order.index(name)))
    return {"functions": functions, "cited": entries[functions[0]]["cited"], "claims": claims}


# The weaver ----------------------------------------------------------------------------------------------------

def alone(make):
    """One process at a time makes a thing: the files on the way to it have fixed names."""
    @functools.wraps(make)
    def waiting(self, *arguments):
        with machine.alone(self.work / f"{make.__name__}.lock", "weave"):
            return make(self, *arguments)
    return waiting


class Weaver:
    def __init__(self, index, book, build):
        import chapters     # those of the book that was loaded
        self.index, self.book = index, book
        self.out, self.work = build / "book", build / "weave"
        self.chapters = index["chapters"]
        self.texts = {c["stem"]: read(book / f"{c['stem']}.md") for c in self.chapters}
        self.filter = HERE / "groundfloor.lua"
        self.woven = set()      # stems of the chapters that pandoc read this time
        self.references = book / "references.yaml"
        index["terms"] = glossary(self.texts.get(GLOSSARY, ""))
        index["cited"] = citations(self.texts, chapters.references(book))
        for end in (False, True):       # a chapter cites; the bibliography lists; the filter links the one to the other
            write(self.work / f"cite-{end}.yaml", json.dumps({"bibliography": near(self.references), "nocite": "@*", "suppress-bibliography": not end}))

    def chapter_outputs(self, target):
        """Every chapter through pandoc, two at a time; what did not change is taken from the last time."""
        program = shutil.which(need("pandoc", "pandoc"))
        if any("{.dot" in text for text in self.texts.values()):
            need("dot", "graphviz")
        if target == "latex" and any("{.report" in text or "{.trace" in text for text in self.texts.values()):
            need("rsvg-convert", "librsvg2-bin")
        folder = self.work / target
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        outputs, jobs = {}, []
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            try:
                # what was edited last is begun while the others are looked at
                for chapter in sorted(self.chapters, key=lambda c: -(self.book / f"{c['stem']}.md").stat().st_mtime):
                    stem = chapter["stem"]
                    table = "return " + lua(dependencies(self.index, chapter, self.texts[stem], self.work.parent)) + "\n"
                    key = digest(self.texts[stem], table, self.filter, *filter(pathlib.Path.is_file, [self.references]), READER, target, os.stat(program).st_mtime_ns)
                    outputs[stem] = folder / f"{stem}.out"
                    stamp = folder / f"{stem}.key"
                    if not (outputs[stem].is_file() and stamp.is_file() and read(stamp) == key):
                        write(folder / f"{stem}.lua", table)
                        jobs.append(pool.submit(self.pandoc, target, chapter, outputs[stem], stamp, key))
                for job in concurrent.futures.as_completed(jobs):
                    job.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return self.cited({c["stem"]: read(outputs[c["stem"]]) for c in self.chapters})

    def cited(self, bodies):
        """The same bodies: each citation leads to its entry of the bibliography, and the entry is there."""
        for key, stems in self.index["cited"].items():
            lost = next((stem for stem in [*stems, BIBLIOGRAPHY] if not re.search(rf"\bref-{re.escape(key)}(?![\w-])", bodies.get(stem, ""))), None)
            if lost:
                raise Failure(f"book/{lost}.md: @{key} " + ("has no entry" if lost == BIBLIOGRAPHY else "does not lead to the bibliography")
                              + f" in what pandoc made of it")
        return bodies

    def pandoc(self, target, chapter, output, stamp, key):
        stem, started = chapter["stem"], time.monotonic()
        writer = {"html": "html", "latex": "latex", "epub": "json"}[target]
        command = ["pandoc", "--from", READER, "--to", writer, "--wrap=none", "--top-level-division=chapter",
                   *(["--citeproc", f"--metadata-file={near(self.work / f'cite-{stem == BIBLIOGRAPHY}.yaml')}"] if self.references.is_file() else []),
                   "--lua-filter", near(self.filter),
                   "-M", f"gf-target={target}", "-M", f"gf-index={near(self.work / target / f'{stem}.lua')}", "-M", f"gf-stem={stem}",
                   "-M", f"gf-figures={near(self.work / target / 'figures')}", "-M", f"gf-code={near(self.work / f'{stem}.code.lua')}", near(self.book / f"{stem}.md")]
        made = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment())
        if made.returncode:
            lines = made.stderr.decode(errors="replace").strip().splitlines() or ["pandoc failed and said nothing"]
            ours = next((line for line in lines if line.startswith("book/")), f"book/{stem}.md: pandoc: " + " ".join(lines))
            raise Failure(ours + next((f" ({line})" for line in lines if line.startswith("Error: <stdin>")), ""))
        write(output, made.stdout)
        write(stamp, key)
        self.woven.add(stem)
        say(f"book/{stem}.md -> {target} ({time.monotonic() - started:.1f} s)")

    # Web -------------------------------------------------------------------------------------------------------

    @alone
    def web(self, early=None):
        """The pages. Those of chapters that were woven now are written first, and early(names) is told of them."""
        bodies = self.chapter_outputs("html")
        out = self.out / "html"
        facts = {c["stem"]: page_facts(bodies[c["stem"]]) for c in self.chapters}
        fonts, rules = self.web_fonts()
        cut = [page for c in self.chapters for page in paging.cut(c["stem"], bodies[c["stem"]])]
        leaves = [page for name, title in PAGES for page in paging.cut(name, getattr(self, f"{name}_page")(bodies))]
        home = paging.homes(cut + leaves)
        pages, sooner = {}, []
        for i, page in sorted(enumerate(cut), key=lambda place: place[1].stem not in self.woven):
            if early and sooner and page.stem not in self.woven:
                early(sooner)
                early = None
            near = [(cut[j] if 0 <= j < len(cut) else None) for j in (i - 1, i + 1)]
            name = f"{page.name}.html"
            pages[name] = paging.relink(self.frame(self.title_of(page), self.headed(page), facts, page, near, facts[page.stem]["covers"]), page, home)
            if early and write(out / name, pages[name]):
                sooner.append(name)
        for page in leaves:
            pages[f"{page.name}.html"] = paging.relink(self.frame(self.title_of(page), self.headed(page), facts, page, [None, None], f"{dict(PAGES)[page.stem]} of {TITLE}"), page, home)
        page = paging.Page("index", 1, 1, self.contents_page(facts))
        pages["index.html"] = paging.relink(self.frame(None, page.body, facts, page, [None, cut[0]], SUBTITLE), page, home)
        scripts = self.scripts({page.name: paging.relink(page.body, page, home) for page in cut}, home)
        pages |= moved.stubs({c["stem"]: numbered(c) for c in self.chapters}, home)
        files = {**pages, **scripts, **{f"fonts/{name}": path.read_bytes() for name, path in fonts.items()},
                 "style.css": rules.replace("FOLDER", "fonts") + read(HERE / "web/style.css"), "book.js": read(HERE / "web/book.js"), "trace.js": read(HERE / "web/trace.js")}
        lunr = next((path for path in map(pathlib.Path, LUNR) if path.is_file()), None)
        if lunr:
            files["lunr.js"] = lunr.read_bytes()
        else:
            say("note: lunr is not installed (libjs-lunr); the pages' search finds names only")
        self.changed = [name for name, text in files.items() if write(out / name, text)]
        for old in [*out.glob("*.html"), *out.glob("*.js"), *out.glob("chunks/*.js")]:
            if str(old.relative_to(out)) not in files:
                old.unlink()
        if self.changed:
            say(f"{len(self.changed)} of {len(files)} files changed in {shown(out)}")
        return out / "index.html"

    @alone
    def web_fonts(self):
        """Subsets of the two families: {file name: path}, and their @font-face rules with FOLDER for the address."""
        shown = "".join([*self.texts.values(), *(c["text"] or "" for c in self.index["citations"].values())])
        shown += "".join(read(path) for path in [self.filter, pathlib.Path(__file__), *sorted((HERE / "web").iterdir())])
        letters = {ord(c) for c in set(shown) if ord(c) > 0x7e} | set(range(0x20, 0x17f))
        unicodes = ",".join(f"{letter:x}" for letter in sorted(letters))
        files, rules, folder = {}, [], self.work / "fonts"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, (family, package, _, styles) in FONTS.items():
            found = font_files(kind)
            if not found:
                say(f"note: {family} is not installed ({package}); pages and EPUB fall back on the reader's own fonts")
                continue
            features = "kern,liga,smcp,c2sc,mark,mkmk" if kind == "serif" else ""
            for style in styles:
                made, stamp = folder / f"{kind}-{style.lower()}.woff2", folder / f"{kind}-{style.lower()}.key"
                key = digest(found[style], unicodes, features)
                if not (made.is_file() and stamp.is_file() and read(stamp) == key):
                    command = ["/usr/bin/python3", "-m", "fontTools.subset", str(found[style]), f"--unicodes={unicodes}",
                               f"--layout-features={features}", "--flavor=woff2", "--output-file=/dev/stdout"]
                    ran = subprocess.run(command, capture_output=True, env=environment())
                    if ran.returncode or int.from_bytes(ran.stdout[8:12], "big") != len(ran.stdout):      # a WOFF2 file says its own length
                        why = (ran.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
                        say(f"note: no fonts in pages and EPUB: install fonttools and python3-brotli (make setup) [{why}]")
                        return {}, ""
                    write(made, ran.stdout)
                    write(stamp, key)
                files[made.name] = made
                weight, slant = ("700" if "Bold" in style else "400"), ("italic" if "Italic" in style else "normal")
                rules.append(f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {slant}; font-display: fallback; '
                             f'src: url("FOLDER/{made.name}") format("woff2"); }}\n')
        return files, "".join(rules)

    def scripts(self, bodies, home):
        """What a page loads only when it is asked for: chunks of other pages, contracts, the text to search. By file name."""
        contracts = {}
        for name, entry in sorted(self.index["identifiers"].items()):
            if not entry["file"].startswith("tests/check_"):
                page = home.get((entry["chapter"], entry["def_id"]), entry["chapter"])
                contracts[name] = [declaration(name, entry), entry["contract"], f'{entry["kind"]} in {entry["file"].removeprefix("tangle/")}, {self.place(entry["chapter"])}',
                                   f'{page}.html#{entry["def_id"]}']
        text = [section for page, body in bodies.items() for section in paging.sections(page, body)]
        titles = {page: next(numbered(c) for c in self.chapters if home.get((c["stem"], "top")) == page or page.startswith(c["stem"])) for page in bodies}
        far = {f"chunks/{page}.js": paging.script(page, found) for page, found in paging.far_bodies(bodies).items()}
        return {**far, "contracts.js": paging.script("contracts", contracts),
                "search.js": paging.script("search", {"titles": titles, "sections": text})}

    def title_of(self, page):
        """A page's title in plain text, its number and its part with it."""
        chapter = next((c for c in self.chapters if c["stem"] == page.stem), None)
        return (numbered(chapter) if chapter else dict(PAGES)[page.stem]) + (f", part {page.part}" if page.part > 1 else "")

    def headed(self, page):
        """A page's body with the heading that a chapter brings along and a later part or an index lacks."""
        chapter = next((c for c in self.chapters if c["stem"] == page.stem), None)
        if chapter and page.part == 1:
            return page.body
        number = f'<span class="chapter-number">{chapter["number"]}</span> ' if chapter and chapter["number"] else ""
        part = ' <span class="part">continued</span>' if page.part > 1 else ""
        return f'<h1 id="top">{number}{html.escape(chapter["title"] if chapter else dict(PAGES)[page.stem])}{part}</h1>\n{page.body}'

    def frame(self, title, body, facts, page, near, description):
        """The page round a body: bar, contents rail, neighbours."""
        rail = []
        for chapter in self.chapters:
            stem, current = chapter["stem"], chapter["stem"] == page.stem
            mark = f' aria-current="{"page" if page.part == 1 else "true"}"' if current else ""
            number = f'<span class="n">{chapter["number"]}</span>' if chapter["number"] else ""
            inner = "".join(f'<li><a href="#{ident}">{text}</a></li>' for level, ident, text in facts[stem]["sections"] if level == 2)
            rail.append(f'<li><a href="{stem}.html"{mark}>{number}{html.escape(chapter["title"])}</a>'
                        + (f"<ol>{inner}</ol>" if current and inner else "") + "</li>")
        indexes = "".join(f'<li><a href="{name}.html"{" aria-current=" + chr(34) + "page" + chr(34) if name == page.stem else ""}>{text}</a></li>'
                          for name, text in PAGES)
        links = [f'<a class="{way}" rel="{way}" href="{p.name}.html"><span>{word}</span> {html.escape(self.title_of(p))}</a>'
                 for p, way, word in zip(near, ("prev", "next"), ("Previous", "Next")) if p]
        whole, _, part = (title or "").rpartition(", part ") if page.part > 1 else (title, "", "")
        trail = [f'<a href="{page.stem}.html">{html.escape(whole)}</a>', f"part {part}"] if part else [html.escape(title)] if title else []
        crumbs = "".join(f"<li{mark}>{step}</li>" for step, mark in zip([f'<a href="index.html">{TITLE}</a>', *trail], [""] * len(trail) + [' aria-current="page"' if trail else ""]))
        fields = {"title": html.escape(f"{title} · {TITLE}" if title else TITLE), "description": html.escape(plain(description), quote=True),
                  "crumbs": crumbs, "chapters": "".join(rail), "indexes": indexes, "body": body, "neighbours": "".join(links),
                  "kind": "chapter" if page.stem in facts else "leaf", "page": page.name, "version": self.index["version"]}
        fields["scripts"] = '<script src="trace.js" defer></script>\n' if 'class="drawing trace"' in body else ""
        return re.sub(r"\{\{(\w+)\}\}", lambda m: fields[m.group(1)], read(HERE / "web/template.html"))

    def contents_page(self, facts):
        rows = []
        parts = {part["stems"][0]: part for part in self.index["parts"]}
        for chapter in self.chapters:
            fact = facts[chapter["stem"]]
            if chapter["stem"] in parts:
                part = parts[chapter["stem"]]
                rows.append(f'<li class="part"><h3 id="part-{part["number"].lower() or "appendices"}"><span class="n">{part["number"]}</span>{html.escape(part["title"])}</h3><p>{html.escape(part["about"])}</p></li>')
            elif back_matter(chapter) and not back_matter(self.chapters[self.chapters.index(chapter) - 1]):
                rows.append('<li class="part"><h3 id="part-back"><span class="n"></span>At the back</h3></li>')
            claims = [c for c in self.index["claims"].values() if c["chapter"] == chapter["stem"]]
            small = [minutes(fact["minutes"])] + ([standing(claims)] if claims else [])
            rows.append(f'<li><a class="entry" href="{chapter["stem"]}.html"><span class="n">{chapter["number"] or ""}</span>'
                        f'<span class="t">{html.escape(chapter["title"])}</span></a><p class="covers">{fact["covers"]}</p>'
                        f'<p class="small">{" · ".join(small)}</p></li>')
        leaves = "".join(f'<li><a href="{name}.html">{text}</a></li>' for name, text in PAGES)
        return (f'<div class="title-page"><h1 id="top">{TITLE}</h1><p class="subtitle">{SUBTITLE}</p><p class="about">{ABOUT}</p></div>'
                f'<h2 id="contents-list">Contents</h2><ol class="toc">{"".join(rows)}</ol>'
                f'<h2 id="index-list">Indexes</h2><ul class="leaves">{leaves}</ul>')

    def chunks_page(self, bodies):
        letters = {}
        for name, chunk in sorted(self.index["chunks"].items(), key=lambda item: item[0].lower()):
            several = len(chunk["defs"]) > 1
            parts = " · ".join(f'<a href={d["chapter"]}.html#{d["id"]}>{d["n"] if several and d["n"] > 1 else self.place(d["chapter"])}</a>' for d in chunk["defs"])
            tail = f'makes <code>{html.escape(chunk["target"])}</code>' if chunk["target"] else "used in " + ", ".join(self.chunk_link(user) for user in chunk["used_in"])
            letters.setdefault(name[0].upper(), []).append(f"<dt>{self.chunk_link(name)}</dt><dd>{parts} — {tail}</dd>")
        return lettered(letters)

    def place(self, stem):
        chapter = next(c for c in self.chapters if c["stem"] == stem)
        kind = "chapter" if chapter["number"].isdigit() else "appendix"
        return f'{kind} {chapter["number"]}' if chapter["number"] else html.escape(chapter["title"].lower())

    def chunk_link(self, name):
        first = self.index["chunks"][name]["defs"][0]
        return f'<a class=ref href={first["chapter"]}.html#{first["id"]}>⟨{chunk_name(name)}⟩</a>'

    def identifiers_page(self, bodies):
        """Of everything that the book defines: where, out of what text of CPython, and which claims name it."""
        port, tests = {}, {}
        upstream = self.upstream_blocks(bodies)
        for name, entry in sorted(self.index["identifiers"].items(), key=lambda item: (item[0].strip("_").lower(), item[0])):
            facts = [f'{entry["kind"]}, {self.place(entry["chapter"])}, <code>{html.escape(entry["file"].removeprefix("tangle/"))}</code>']
            in_tests = entry["file"].startswith("tests/")
            if not in_tests:
                if upstream.get(entry["cited"]):
                    stem, ident = upstream[entry["cited"]][0]
                    facts.append(f'<a href={stem}.html#{ident}>CPython’s</a>')
                claims = [name for name in self.index["claims"] if name in entry["claims"]]
                facts += [("claim " if len(claims) == 1 else "claims ") + ", ".join(
                    f'<a href={self.index["claims"][name]["chapter"]}.html#claim-{name}>{self.index["claims"][name]["number"]}</a>' for name in claims)] if claims else []
            initial = (name.strip("_") or name)[0].upper()
            mark = f" id=i-{name}" if not in_tests and entry["kind"] == "function" else ""
            (tests if in_tests else port).setdefault(initial, []).append(
                f'<dt{mark}><a href={entry["chapter"]}.html#{entry["def_id"]}>{html.escape(name)}</a></dt><dd>{"; ".join(facts)}</dd>')
        if not port:
            return "<p>No identifiers yet: run <code>make tangle</code> first.</p>"
        return lettered(port, "names") + lettered({f"{letter}, in the tests": rows for letter, rows in tests.items()}, "names")

    def upstream_blocks(self, bodies):
        """{a citation's URL: [(chapter, id of its block)]}, in the order of the book."""
        where = {}
        for chapter in self.chapters:
            for ident, url in UPSTREAM_BLOCK.findall(bodies[chapter["stem"]]):
                where.setdefault(html.unescape(url), []).append((chapter["stem"], ident))
        return where

    def upstream_page(self, bodies):
        where = self.upstream_blocks(bodies)
        files = {}
        for url, citation in self.index["citations"].items():
            for symbol in citation["symbols"]:
                files.setdefault(citation["path"], []).append((citation["first"], symbol, url, citation))
        out = []
        for path, rows in sorted(files.items()):
            out.append(f'<h2 id="f-{re.sub("[^A-Za-z0-9]+", "-", path)}"><code>{html.escape(path)}</code></h2><dl class="index">')
            for first, symbol, url, citation in sorted(rows, key=lambda row: (row[0], row[1])):
                links = " · ".join(f'<a href={stem}.html#{ident}>{self.place(stem)}</a>' for stem, ident in where.get(url, []))
                state = "✓ verified" if citation["state"] == "verified" else "text missing" if citation["state"] == "missing" else "✗ stale"
                out.append(f'<dt><code>{html.escape(symbol)}</code></dt><dd>{links} — <a href="{html.escape(url)}">lines {first}–{citation["last"]}</a>, {state}</dd>')
            out.append("</dl>")
        return "\n".join(out) or "<p>Nothing is cited yet.</p>"

    def claims_page(self, bodies):
        chapters = {c["stem"]: [] for c in self.chapters}
        for name, claim in self.index["claims"].items():
            state = claim["state"]
            word = {"pass": "✓ passes", "fail": "✗ fails", "old": "passed before the last change", "notrun": "not run"}[state]
            text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(claim["text"].replace("@<<", "<<").replace("@>>", ">>"), quote=False))
            was = next((f' <small>was {number}</small>' for number, old in moved.MOVED["claims"].items() if old == name and number != claim["number"]), "")
            chapters[claim["chapter"]].append(f'<li id="index-{name}"><a href="{claim["chapter"]}.html#claim-{name}">{claim["number"]}</a> '
                        f'<span class="text">{text}</span> <span class="result {state}">{word}</span>{was}</li>')
        configs = sorted({config for claim in self.index["claims"].values() for config in claim["results"]})
        at = time.strptime(self.index["tested_at"][:16], "%Y-%m-%dT%H:%M") if self.index["tested_at"] else None
        when = f'; last run on {at.tm_mday} {time.strftime("%B %Y, %H:%M", at)} UTC, as {", ".join(f"<code>{c}</code>" for c in configs)}' if at else ""
        out = [f'<p>{standing(list(self.index["claims"].values()))}{when}.</p>']
        for chapter in self.chapters:
            if chapters[chapter["stem"]]:
                claims = [c for c in self.index["claims"].values() if c["chapter"] == chapter["stem"]]
                out.append(f'<h2 id="of-{chapter["stem"]}">{html.escape(numbered(chapter))}</h2><p class="small">{standing(claims)}</p>'
                           f'<ol class="claims">{"".join(chapters[chapter["stem"]])}</ol>')
        return "\n".join(out)

    def figures_page(self, bodies):
        rows = []
        for chapter in self.chapters:
            for ident, number, caption in FIGURE.findall(bodies[chapter["stem"]]):
                rows.append(f'<li><a href="{chapter["stem"]}.html#{ident}">{number}</a> <span class="text">{re.sub("</?(?:p|a)[^>]*>", "", caption).strip()}</span></li>')
        return f'<ol class="figures">{"".join(rows)}</ol>' if rows else "<p>No figures yet.</p>"

    # Print -----------------------------------------------------------------------------------------------------

    @alone
    def pdf(self):
        need("lualatex", "texlive-luatex")
        bodies = self.chapter_outputs("latex")
        fonts = {}
        for kind, (family, package, pattern, _) in FONTS.items():
            files = font_files(kind)
            if not files:
                raise Failure(f"{family} not found: install {package} (make setup does it on Debian)")
            fonts[kind] = str(files["Regular"].parent) + "/"
        folder = self.work / "latex"
        when = epoch()
        fields = {"TITLE": TITLE, "SUBTITLE": SUBTITLE, "VERSION": self.index["version"], "SERIFPATH": fonts["serif"], "MONOPATH": fonts["mono"],
                  "EDITION": time.strftime("%-d %B %Y", time.gmtime(int(when))), "CHAPTERS": self.print_parts(bodies),
                  "BACK": "\n".join(["\\gfbackmatter", *(bodies[c["stem"]] for c in self.chapters if back_matter(c))]),
                  "INDEXES": self.print_indexes(bodies)}
        source = re.sub(r"@@(\w+)@@", lambda m: fields[m.group(1)], read(HERE / "print/template.tex"))
        made, stamp = self.out / "groundfloor.pdf", folder / "pdf.key"
        figures = sorted((folder / "figures").glob("*.pdf"))
        key = digest(source, when, *figures)
        if made.is_file() and stamp.is_file() and read(stamp) == key:
            return made
        write(folder / "groundfloor.tex", source)
        settings = environment(SOURCE_DATE_EPOCH=when, FORCE_SOURCE_DATE="1", TZ="UTC", TEXMFVAR=str(self.work / "texmf-var"), max_print_line="1000")
        aux, log = folder / "groundfloor.aux", folder / "groundfloor.log"
        aux.unlink(missing_ok=True)        # the same road each time, the same bytes at its end
        for old in folder.glob("groundfloor.toc"), folder.glob("groundfloor.out"):
            for path in old:
                path.unlink()
        before = None
        for run in range(1, 6):         # until no page number moves: the first run only finds out where things stand
            started = time.monotonic()
            ran = subprocess.run(["lualatex", "-interaction=nonstopmode", "-halt-on-error", "-file-line-error",
                                  *(["-draftmode"] if run == 1 else []), "groundfloor.tex"],
                                 cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True)
            if ran.returncode:
                text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ran.stdout.decode(errors="replace")
                error = next((line for line in text.splitlines() if re.match(r"(\./)?groundfloor\.tex:\d+: |! ", line)), "no error line")
                raise Failure(f"LaTeX stopped: {error}; the whole story is in {shown(log)}")
            say(f"PDF, run {run} ({time.monotonic() - started:.1f} s)")
            after = [path.read_bytes() for path in (aux, folder / "groundfloor.toc", folder / "groundfloor.out") if path.is_file()]
            if after == before:
                break
            before = after
        whole = (folder / "groundfloor.pdf").read_bytes()
        if not whole.rstrip().endswith(b"%%EOF"):
            raise Failure(f"LaTeX left {shown(folder / 'groundfloor.pdf')} without its end: is the disk full?")
        write(made, whole)
        write(stamp, key)
        return made

    def print_parts(self, bodies):
        """The preface, then the parts, each with a page of its own that lists its chapters."""
        out = [bodies[c["stem"]] for c in self.chapters if not c["number"] and not back_matter(c)]
        chapters = {c["stem"]: c for c in self.chapters}
        for part in self.index["parts"]:
            out.append(r"\gfpart{" + part["number"] + "}{" + tex(part["title"]) + "}{" + tex(part["about"]) + "}")
            out += [r"\gfpartentry{ch-" + stem + "}{" + chapters[stem]["number"] + "}{" + tex(chapters[stem]["title"]) + "}" for stem in part["stems"]]
            out += [bodies[stem] for stem in part["stems"]]
        return "\n".join(out)

    def print_indexes(self, bodies):
        def pages(ids):
            return "{" + ", ".join(r"\gfpage{" + ident + "}" for ident in ids) + "}"
        out = [r"\begin{gfindex}{chunks}{Index of chunks}"]
        for name, chunk in sorted(self.index["chunks"].items(), key=lambda item: item[0].lower()):
            file, _, phrase = name.rpartition(": ")
            label = r"\gfcode{" + tex(name) + "}" if chunk["target"] else (r"\gfcode{" + tex(file) + "} " if file else "") + r"\emph{" + tex(phrase) + "}"
            users = [d["id"] for user in chunk["used_in"] for d in self.index["chunks"][user]["defs"] if name in d["uses"]]
            out.append(r"\gfchunkentry{" + label + "}" + pages(d["id"] for d in chunk["defs"]) + pages(users))
        out.append(r"\end{gfindex}\begin{gfindex}{identifiers}{Index of identifiers}")
        for name, entry in sorted(self.index["identifiers"].items(), key=lambda item: (item[0].strip("_").lower(), item[0])):
            if not name.startswith("test_"):                # the index of claims leads there
                out.append(r"\gfentry{\gfcode{" + tex(name) + "}}{" + entry["kind"] + "}" + pages([entry["def_id"]]))
        out.append(r"\end{gfindex}\begin{gfindex}{upstream}{Index of upstream symbols}")
        where = {}
        for ident, url in re.findall(r"\\gfcite\{([^}]+)\}\{([^}]+)\}", "\n".join(bodies.values())):
            where.setdefault(url.replace("\\", ""), []).append(ident)
        files = {}
        for url, citation in self.index["citations"].items():
            for symbol in citation["symbols"]:
                files.setdefault(citation["path"], {}).setdefault(symbol, []).append((citation["first"], url))
        for path, symbols in sorted(files.items()):
            out.append(r"\gfindexhead{\gfcode{" + tex(path) + "}}")
            for symbol, places in sorted(symbols.items(), key=lambda item: (item[0].strip("_").lower(), item[0])):
                out.append(r"\gfentry{\gfcode{" + tex(symbol) + "}}{}" + pages(i for _, url in sorted(places) for i in where.get(url, [])))
        out.append(r"\end{gfindex}\begin{gfindex}{claims}{Index of claims}")
        titles = {c["stem"]: numbered(c) for c in self.chapters}
        stem = None
        for name, claim in self.index["claims"].items():
            if claim["chapter"] != stem:
                stem = claim["chapter"]
                out.append(r"\gfindexhead{" + tex(titles[stem]) + "}")
            text = "".join(r"\gfcode{" + tex(part) + "}" if i % 2 else tex(part)
                           for i, part in enumerate(claim["text"].replace("@<<", "<<").replace("@>>", ">>").split("`")))
            text = re.sub(r"\*([^*]+)\*", r"\\emph{\1}", re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text))
            out.append(r"\gfclaimentry{" + claim["number"] + "}{" + text + "}" + pages(["claim-" + name]))
        out.append(r"\end{gfindex}")
        return "\n".join(out)

    # EPUB ------------------------------------------------------------------------------------------------------

    @alone
    def epub(self):
        bodies = self.chapter_outputs("epub")
        parts = [json.loads(body) for body in bodies.values()]
        told = {"title": TITLE, "subtitle": SUBTITLE, "lang": "en-GB", "identifier": IDENTIFIER, "rights": "CPython excerpts: PSF-2.0"}
        whole = {"pandoc-api-version": parts[0]["pandoc-api-version"], "meta": {key: {"t": "MetaString", "c": text} for key, text in told.items()},
                 "blocks": [b for part in parts for b in part["blocks"]]}
        fonts, rules = self.web_fonts()
        css, when = self.work / "epub/epub.css", epoch()
        write(css, rules.replace("FOLDER", "../fonts") + read(HERE / "web/epub.css"))
        made, stamp = self.out / "groundfloor.epub", self.work / "epub/epub.key"
        text = json.dumps(whole)
        key = digest(text, css, when, *fonts.values())
        if made.is_file() and stamp.is_file() and read(stamp) == key:
            return made
        started = time.monotonic()
        command = ["pandoc", "--from", "json", "--to", "epub3", "--wrap=none", "--toc", "--toc-depth=2", "--css", near(css), "--output", "-"]
        for path in fonts.values():
            command.append(f"--epub-embed-font={near(path)}")
        ran = subprocess.run(command, input=text.encode(), capture_output=True, cwd=ROOT, env=environment(SOURCE_DATE_EPOCH=when, TZ="UTC"))
        if ran.returncode:
            raise Failure("pandoc could not write the EPUB: " + " ".join(ran.stderr.decode(errors="replace").split()))
        write(made, dated(ran.stdout, int(when), self.index["parts"]))
        write(stamp, key)
        say(f"EPUB ({time.monotonic() - started:.1f} s)")
        return made


# What a woven body says about itself ---------------------------------------------------------------------------

def page_facts(body):
    sections = [(int(level), ident, re.sub(r'<a class="permalink".*?</a>', "", text))
                for level, ident, text in re.findall(r'<h([23]) id="([^"]+)"[^>]*>(.*?)</h\1>', body, re.S)]
    sections = [(level, ident, re.sub(r"</?a\b[^>]*>", "", text)) for level, ident, text in sections]
    opening = re.search(r'<div class="opening" data-minutes="(\d+)">\s*(?:<p>(.*?)</p>)?', body, re.S)
    covers = re.sub(r"</?a\b[^>]*>", "", opening.group(2) or "") if opening else ""
    return {"sections": sections, "minutes": int(opening.group(1)) if opening else 1, "covers": covers}


def in_parts(nav, parts):
    """The table of contents of an EPUB with its chapters under their parts. A chapter's entry is known by its id or, as the preface is
    first and the parts follow it, by its place."""
    entries = [(m.start(), m.group(1)) for m in re.finditer(r'<li id="toc-li-\d+"><a href="text/ch\d+\.xhtml(?:#ch-([\w-]+))?">', nav)]
    starts = [start for start, _ in entries] + [nav.index("</ol></nav>") if "</ol></nav>" in nav else len(nav)]
    place = dict(zip((stem for part in parts for stem in part["stems"]), range(1, len(nav)))) | {stem: i for i, (_, stem) in enumerate(entries) if stem}
    for part in reversed(parts):
        first, last = place[part["stems"][0]], place[part["stems"][-1]]
        first, last = starts[first], starts[last + 1]
        title = f'Part {part["number"]} · {part["title"]}' if part["number"] else part["title"]
        nav = (nav[:first] + f'<li><span>{html.escape(title)}</span><ol class="toc">' + nav[first:last].rstrip()
               + "</ol></li>" + nav[last:])
    return nav


def dated(epub, when, parts):
    """The same archive with its parts, and one date on every member: pandoc 2.17 writes the time of day. Pandoc 3 leaves a chapter's id out
    of its entry in the contents; it stands in the chapter's file."""
    moment, out = time.gmtime(max(when, 315532800))[:6], io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(epub)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename.endswith("nav.xhtml"):
                folder = member.filename.rpartition("nav.xhtml")[0]
                def entry(found):
                    ident = re.search(r' id="(ch-[\w-]+)"', old.read(folder + found.group(1)).decode())
                    return f'href="{found.group(1)}' + (f'#{ident.group(1)}"' if ident else '"')
                data = in_parts(re.sub(r'href="(text/ch\d+\.xhtml)"', entry, data.decode()), parts).encode()
            new.writestr(zipfile.ZipInfo(member.filename, moment), data, member.compress_type)
    return out.getvalue()


def plain(markup):
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def numbered(chapter):
    return f'{chapter["number"]} {chapter["title"]}' if chapter["number"] else chapter["title"]


def back_matter(chapter):
    """The glossary, the bibliography: no chapters, and behind them."""
    return not chapter["number"] and not chapter["stem"].startswith("00-")


def tex(s):
    """Text for LaTeX, breakable after the joints of names and paths."""
    return re.sub(r"[\\{}$&#^_~%]", lambda m: {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
                  .get(m.group(), "\\" + m.group()), s).replace(r"\_", r"\_\gfbreak{}").replace("/", r"/\gfbreak{}")


def minutes(n):
    return "1 minute" if n == 1 else f"{n} minutes"


def standing(claims):
    """How a list of claims stands, in words."""
    count = collections.Counter(claim["state"] for claim in claims)
    noun = "1 claim" if len(claims) == 1 else f"{len(claims)} claims"
    words = [f"{count[state]} {word}" for state, word in (("pass", "pass"), ("fail", "fail"), ("old", "passed before the last change"), ("notrun", "not run")) if count[state]]
    if len(words) == 1:
        return f"{noun}, " + {"pass": "all pass", "fail": "all fail", "old": "run before the last change", "notrun": "not yet run"}[next(iter(count))]
    return f"{noun}: " + ", ".join(words)


def declaration(name, entry):
    """An identifier as one would declare it, in a line."""
    kind = entry["kind"]
    if kind == "macro":
        return f"#define {name}{entry['signature']}"
    if kind in ("function", "prototype"):
        stars = re.sub(r" ?\* ?", " *", f"{entry['type']} {name}{entry['signature']}")
        return re.sub(r"\* \*", "**", re.sub(r",(?=\S)", ", ", stars)).replace("( *", "(*")
    return f"{kind} {name}" if kind in ("struct", "union", "enum") else name


def lettered(letters, kind=""):
    """An index under its initials."""
    return "".join(f'<h2 id="letter-{re.sub("[^a-z0-9]+", "-", letter.lower())}" class="letter">{letter}</h2><dl class="index {kind}">' + "\n".join(rows) + "</dl>\n"
                   for letter, rows in letters.items())


def chunk_name(name):
    file, _, phrase = name.rpartition(": ")
    if file:
        return f'<span class=file>{html.escape(file)}</span> <i>{html.escape(phrase)}</i>'
    return f"<code>{html.escape(name)}</code>" if "/" in name else f"<i>{html.escape(name)}</i>"


def shown(path):
    """A path as the reader would type it from the repository."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


# The command ---------------------------------------------------------------------------------------------------

def load(book):
    sys.path.insert(0, str(book))
    sys.dont_write_bytecode = True
    import chapters
    try:
        return chapters.load().index()
    except chapters.Trap as trap:
        for path, line, message in trap.findings:
            print(f"{path}:{line}: {message}", file=sys.stderr)
        raise Failure("the chapters have traps; nothing was woven") from None


def main():
    parser = argparse.ArgumentParser(description="Weave the book into build/book/: web pages, PDF, EPUB.")
    parser.add_argument("formats", nargs="*", choices=["html", "pdf", "epub", "all"], default="html", metavar="html|pdf|epub|all",
                        help="what to make (default: html)")
    parser.add_argument("--book", type=pathlib.Path, default=HERE.parent, help="folder of the chapters (default: book/)")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder for everything made (default: build/)")
    options = parser.parse_args()
    wanted = [options.formats] if isinstance(options.formats, str) else options.formats
    every = "all" in wanted
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        weaver = Weaver(load(options.book.resolve()), options.book.resolve(), options.build.resolve())
        pages = [weaver.web() if every or "html" in wanted else None, weaver.pdf() if every or "pdf" in wanted else None,
                 weaver.epub() if every or "epub" in wanted else None]
        for page in filter(None, reversed(pages)):      # the page to open comes last
            print(shown(page))
    except Failure as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    machine.command("weave", main, "what was made before is as it was")
