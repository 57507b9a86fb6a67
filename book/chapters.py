"""The chapters as data: chunks, citations, claims and the traps of noweb.

Every tool of the book reads the chapters through this module: book/tangle.py (which refuses a chapter with a trap),
upstream-refs/refs.py (which holds the citations to upstream) and book/weave/weave.py (which makes the pages). A chapter
is Markdown and noweb at once; what is wrong with one is told as `book/03-arena.md:123: what, and what to do`.
"""
import base64
import difflib
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

DEFINITION = re.compile(r"^<<(.+)>>=\s*$")
MISPLACED = re.compile(r"^[\s>*+\-0-9.)]+<<(.+)>>=\s*$")
REFERENCE = re.compile(r"(?<!@)<<(.*?)(?<!@)>>")
UNQUOTED = re.compile(r"\[\[(?!.*\]\])")
OPENING = re.compile(r"(?<!@)<<")
FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})(.*)$")
INDENTED_FENCE = re.compile(r"^[\s>*+\-0-9.)]+(`{3,}|~{3,})")
FILE_NAME = re.compile(r"^[a-z][a-z0-9_]*(/[A-Za-z0-9_.\-]+)*/[A-Za-z0-9_\-]+\.[A-Za-z0-9]+$")
CITATION = re.compile(r"^\[CPython: ([^,\]]+), ((?:`[^`]+`(?:, )?)+)\]"
                      r"\((https://github\.com/python/cpython/blob/v([0-9][0-9a-z.]*)/([^#)]+)#L(\d+)(?:-L(\d+))?)\)$")
CLAIM = re.compile(r"^\*\*Claim ([a-z0-9]+(?:-[a-z0-9]+)+)\.\*\*\s*(.*)$")
CODE = re.compile(r"^(```+|~~~+).*?^\1|(?<!`)(`+)(?!`)(?:(?!\n\n).)*?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
CITED = re.compile(r"(?<![\w\\])@(\w(?:[\w:.#$%&+?<>~/-]*\w)?)")
DIRECTIVE = "\0"
LINE_DIRECTIVE = re.compile(r'^\s*#line (\d+) "(.+)"$')
# What the book is divided into: a title, the first chapter of the part, and a sentence about it.
PARTS = [("The house", 1, "Which floor this is, who calls from above, and two builds that come out of one source."),
         ("Memory and hashing", 3, "Memory that is given back in one stroke, and numbers that nobody can guess."),
         ("Threads and sleep", 6, "A thread that starts, a thread that sleeps until it is called, and what it must let go of before it sleeps."),
         ("Waiting", 9, "A queue for every lock, and six kinds of lock made of it; then every order in which they can be used."),
         ("Threads again", 18, "Threads that are joined twice, and the locks and the storage that Python had before the small ones."),
         ("Proofs", 21, "The port in place of the original, and beside it."),
         ("Appendices", 81, "Code that the chapters lean on, told as they are: the host, the tools of the tests, the scenarios, the bench.")]
APPENDICES = 80                 # files numbered from here on are appendices: 81 is A
BACK_MATTER = 90                # files numbered from here on have no number: glossary, bibliography
TEST = re.compile(r"^(?:CLAIM_TESTS?|(def))[ (](test_\w+)[(,)]", re.MULTILINE)


class Trap(Exception):
    """Something wrong in the chapters; carries (path, line, message) for each finding."""

    def __init__(self, findings):
        super().__init__(f"{len(findings)} findings")
        self.findings = sorted(set(findings))


class Definition:
    """One fenced chunk: where it stands, what it holds."""

    def __init__(self, chapter, line, name):
        self.chapter, self.line, self.name = chapter, line, name
        self.body = []          # the lines between the bar and the closing @
        self.n = 0              # 1 for the first definition of its name, 2 for a continuation …
        self.cited = None       # the citation or "Ours." paragraph that it stands under
        self.claim = None       # the name of the claim that it stands under

    @property
    def uses(self):
        return [name for line in self.body for name in REFERENCE.findall(line)]

    @property
    def last_line(self):
        return self.line + len(self.body) + 1


class Citation:
    """A link to lines of CPython that stands alone in its paragraph."""

    def __init__(self, chapter, line, match):
        self.chapter, self.line = chapter, line
        label, symbols, self.url, self.version, self.path = match.group(1, 2, 3, 4, 5)
        self.label = label.strip()
        self.symbols = re.findall(r"`([^`]+)`", symbols)
        self.first = int(match.group(6))
        self.last = int(match.group(7) or match.group(6))


class Claim:
    """A sentence that a test must bear out. Its name is for good; its number says where in its chapter it stands, and is counted."""

    def __init__(self, chapter, line, name, text):
        self.chapter, self.line, self.name, self.text = chapter, line, name, text
        self.number = f"{chapter.label}.{len(chapter.claims) + 1}"
        self.tests = []


class Chapter:
    """One file of book/, split into what the tools care about."""

    def __init__(self, path, name):
        self.file, self.path, self.stem = path, name, path.stem
        place = int(self.stem.split("-")[0]) if self.stem.split("-")[0].isdigit() else 0
        self.number = place if place < BACK_MATTER else 0       # the preface and the back matter have none
        self.label = chr(ord("A") + self.number - APPENDICES - 1) if self.number > APPENDICES else str(self.number or "")
        self.definitions, self.citations, self.claims, self.ours = [], [], [], []
        self.ports = False      # whether its head says what it ports; if not, all its code is ours
        self.findings = []
        self.lines = self._read()
        self.title = next((line[2:].strip() for line in self.lines if line.startswith("# ")), self.stem)
        self._scan()

    def say(self, line, message):
        self.findings.append((self.path, line, message))

    def pairs(self, role):
        """Where citations are followed at once by chunks of the port: {"upstream": [[url, occurrence]], "port": [definition]}."""
        blocks = sorted([(c.line, c.line, c) for c in self.citations] + [(d.line - 1, d.last_line + 1, d) for d in self.definitions], key=lambda b: b[0])
        found, pair, end, seen = [], None, 0, {}
        for first, last, block in blocks:
            joined = pair is not None and not any(line.strip() for line in self.lines[end:first - 1])
            end = last
            if isinstance(block, Citation):
                seen[block.url] = seen.get(block.url, 0) + 1
                if not joined or pair["port"]:
                    pair = {"upstream": [], "port": []}
                    found.append(pair)
                pair["upstream"].append([block.url, seen[block.url]])
            elif joined and role(block.name) == "port":
                pair["port"].append(block)
            else:
                pair = None
        return [pair for pair in found if pair["port"]]

    def _read(self):
        data = self.file.read_bytes()
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.say(line, f"byte 0x{data[error.start]:02x} is not UTF-8: save the chapter as UTF-8")
            return []
        if "\r" in text:
            self.say(text.count("\n", 0, text.index("\r")) + 1,
                     "a carriage return: save the chapter with plain line feeds (LF, not CRLF)")
            return []
        if text.startswith("\ufeff"):
            self.say(1, "a byte order mark: save the chapter as UTF-8 without one")
            text = text[1:]
        return text.split("\n")

    def _scan(self):
        """One pass over the lines: prose, fences and the chunks inside them."""
        fence = None            # (line, marker) of the open fence
        chunk = None            # the open Definition
        shown = 0               # lines seen in the fence
        finished = False        # the chunk of this fence has met its @
        comment = None          # line of an open HTML comment
        under, claim = None, None
        for number, line in enumerate(self.lines, 1):
            if fence is None:
                if comment is None and "<!--" in line and "-->" not in line.split("<!--")[-1]:
                    comment = number
                elif comment is not None and "-->" in line:
                    comment = None
                opened = FENCE.match(line)
                if opened and not opened.group(3).strip().endswith("`"):
                    fence, shown, finished = (number, opened.group(2), len(opened.group(1))), 0, False
                    continue
                under, claim = self._prose(number, line, under, claim)
                continue
            shown += 1
            closes = FENCE.match(line)
            if closes and closes.group(2)[0] == fence[1][0] and len(closes.group(2)) >= len(fence[1]) \
                    and not closes.group(3).strip():
                if chunk is not None:
                    self.say(chunk.line, f"chunk <<{chunk.name}>> has no closing @ before its fence ends at line "
                             f"{number}: noweb would take the prose behind it for code; put a line with only @ before the fence")
                    chunk = None
                fence = None
                continue
            defines = DEFINITION.match(line)
            if chunk is None:
                if defines:
                    if finished:
                        self.say(number, "a second chunk in one fence: close the fence after @ and open another")
                    elif comment is not None:
                        self.say(number, f"chunk <<{defines.group(1)}>> stands in a comment that opened at line {comment}: "
                                 "noweb would tangle it and no reader see it; end the comment first")
                    elif fence[2]:
                        self.say(number, "the fence of a chunk must stand in column 1, outside lists")
                    elif shown != 1:
                        self.say(number, f"<<{defines.group(1)}>>= in a demonstration fence (line {fence[0]}) is a real chunk to "
                                 "noweb: write @<< to show one, or make it the first line of its fence")
                    else:
                        self._check_name(number, defines.group(1))
                    chunk = Definition(self, number, defines.group(1))
                    chunk.cited, chunk.claim = under, claim
                    self.definitions.append(chunk)
                elif MISPLACED.match(line):
                    self.say(number, "a chunk must start in column 1: noweb does not see an indented one")
                elif finished and line.strip():
                    self.say(number, "text between the @ that ends the chunk and the end of its fence: it would be shown as code and never tangled")
                elif UNQUOTED.search(line):
                    self.say(number, "[[ opens noweb's quotation and is not closed on this line: keep [[ and ]] together")
                elif OPENING.search(line):
                    self.say(number, "<< in a fence that is no chunk: write @<< so that noweb leaves it alone")
                continue
            if line == "@" or line.rstrip() == "@":
                chunk, finished = None, True
            elif defines:
                self.say(number, f"chunk <<{chunk.name}>> (line {chunk.line}) has no closing @ before <<{defines.group(1)}>>= starts")
                chunk = Definition(self, number, defines.group(1))
                self.definitions.append(chunk)
            elif re.match(r"^@(?![<>@]{2}|@)", line):
                self.say(number, f"a line that starts with @ ends the chunk <<{chunk.name}>> for noweb: write @@")
                chunk.body.append(line)
            else:
                if "\t" in line:
                    self.say(number, "a tab: noweb's two extractions would differ; indent with spaces")
                if MISPLACED.match(line):
                    self.say(number, "a chunk definition inside a chunk and not in column 1: noweb reads a reference and a stray =")
                chunk.body.append(line)
        if not self.ports:      # no chunk of a chapter that ports nothing is CPython's, but one that stands beside its text
            beside = [c.line for c in self.citations]
            for definition in self.definitions:
                above = definition.line - 2
                while above > 0 and not self.lines[above - 1].strip():
                    above -= 1
                if above in beside:
                    beside.append(definition.last_line + 1)
                else:
                    definition.cited = None
        if fence is not None:
            self.say(fence[0], "this fence is never closed")
        if comment is not None:
            self.say(comment, "this comment is never closed")

    def _prose(self, number, line, under, claim):
        """A line outside fences; returns the citation and the claim that the next chunk stands under."""
        defines = DEFINITION.match(line)
        if defines:
            self.say(number, f"chunk <<{defines.group(1)}>> stands outside a fence: readers would see it as text; put it into ```c … ```")
        elif MISPLACED.match(line):
            self.say(number, "a chunk in a list, a quotation or indented: noweb does not see it; start it in column 1 in a fence of its own")
        elif INDENTED_FENCE.match(line) and number < len(self.lines) and DEFINITION.match(self.lines[number].lstrip(" >*+-")):
            self.say(number, "a chunk in a list or a quotation: start its fence in column 1")
        elif UNQUOTED.search(line):
            self.say(number, "[[ opens noweb's quotation and is not closed on this line: keep [[ and ]] together")
        elif OPENING.search(line):
            self.say(number, "<< in prose is a chunk to noweb: write @<<")
        alone = (number < 2 or not self.lines[number - 2].strip()) and (number >= len(self.lines) or not self.lines[number].strip())
        if line.startswith("[CPython:"):
            match = CITATION.match(line.rstrip())
            if not match or not alone:
                self.say(number, "a citation stands alone in its paragraph, as [CPython: Python/x.c, `symbol`](https://github.com/"
                         "python/cpython/blob/vVERSION/Python/x.c#L1-L2)")
            else:
                citation = Citation(self, number, match)
                if citation.label != citation.path:
                    self.say(number, f"the citation says {citation.label} and links to {citation.path}")
                if citation.first > citation.last:
                    self.say(number, f"the citation's lines run backwards: {citation.first}-{citation.last}")
                self.citations.append(citation)
                return citation, claim
        elif line.startswith("> **Ports.**"):
            self.ports = True
        elif line.startswith("**Ours.**"):
            self.ours.append(number)
            return "ours", claim
        elif line.startswith("**Claim"):
            match = CLAIM.match(line)
            if not match:
                self.say(number, "a claim starts **Claim its-name-in-a-few-words.** and goes on with its sentence")
                return under, claim
            text, i = [match.group(2)], number
            while i < len(self.lines) and self.lines[i].strip():
                text.append(self.lines[i])
                i += 1
            self.claims.append(Claim(self, number, match.group(1), " ".join(t.strip() for t in text)))
            return under, match.group(1)
        elif line.startswith("#"):
            return None, None
        return under, claim

    def _check_name(self, number, name):
        if name != name.strip() or "  " in name:
            self.say(number, f"the chunk name {name!r} has stray spaces: noweb tells names apart by them")
        if "<<" in name or ">>" in name:
            self.say(number, f"the chunk name {name!r} holds << or >>")


def tests_in(definition):
    """The tests that a chunk defines: (name, whether it is a Python function)."""
    for scripted, name in TEST.findall("\n".join(definition.body)):
        yield name, bool(scripted)


def normal(name):
    """Names that a reader would take for the same."""
    return re.sub(r"[^a-z0-9]+", " ", name.lower()).strip()


def target_of(name):
    """The file that a file chunk makes, or None for a chunk that is only used by others."""
    if not FILE_NAME.match(name) or ".." in name:
        return None
    return name if name.startswith("tests/") else "tangle/" + name


class Book:
    """All chapters together. `findings` lists what is wrong; an empty list means that noweb can be trusted with them."""

    def __init__(self, paths, names):
        self.chapters = [Chapter(path, name) for path, name in zip(paths, names)]
        self.chunks = {}                    # name -> its definitions, in the order of the book
        self.places = {}                    # (chapter, line) -> the definition there, once it is asked for
        for chapter in self.chapters:
            for definition in chapter.definitions:
                same = self.chunks.setdefault(definition.name, [])
                same.append(definition)
                definition.n = len(same)
        self.used_in = {name: [] for name in self.chunks}
        for name, definitions in self.chunks.items():
            for used in [u for d in definitions for u in d.uses]:
                if used in self.used_in and name not in self.used_in[used]:
                    self.used_in[used].append(name)
        self.findings = [f for chapter in self.chapters for f in chapter.findings]
        self._check_chunks()
        self.files_of = {}
        self.roots = {name: target_of(name) for name in self.chunks if target_of(name)}
        if not self.findings:
            for root, target in self.roots.items():
                self._reach(root, target)
        self.claims = {c.name: c for chapter in self.chapters for c in chapter.claims}
        self.scripted = set()               # tests that are no part of a Check suite: Python functions
        self.programs_of = {}               # test -> the suites that have it
        for definitions in self.chunks.values():
            for definition in definitions:
                for name, scripted in tests_in(definition):
                    self.scripted |= {name} if scripted else set()
                    self.programs_of.setdefault(name, set()).update(set(map(program_of, self.files_of.get(definition.name, []))) & set(self.suites()))
                    if definition.claim in self.claims:
                        self.claims[definition.claim].tests.append(name)

    @functools.cache
    def suites(self):
        """The test programs, each with the number of its chapter."""
        return {program_of(name): self.chunks[name][0].chapter.number for name in self.roots if re.fullmatch(r"tests/check_\w+\.c", name)}

    def _reach(self, name, target):
        files = self.files_of.setdefault(name, [])
        if target not in files:
            files.append(target)
            for definition in self.chunks.get(name, []):
                for used in definition.uses:
                    self._reach(used, target)

    def _check_chunks(self):
        say = self.findings.append
        folded = {}
        for name, definitions in self.chunks.items():
            first = definitions[0]
            other = next((d for d in definitions if d.chapter is not first.chapter), None)
            if other:
                what = "the file" if target_of(name) else "the chunk"
                say((other.chapter.path, other.line, f"{what} <<{name}>> is defined in {first.chapter.path}:{first.line} too; "
                     "one chapter owns a name: use a chunk of another name and refer to it"))
            twin = folded.setdefault(normal(name), name)
            if twin != name:
                d = self.chunks[twin][0]
                say((first.chapter.path, first.line, f"<<{name}>> and <<{twin}>> ({d.chapter.path}:{d.line}) differ only in "
                     "case, spaces or punctuation: noweb takes them for two"))
            if not target_of(name) and not self.used_in[name]:
                near = difflib.get_close_matches(name, [u for ds in self.chunks.values() for d in ds for u in d.uses], 1, 0.8)
                hint = f"; did you mean <<{near[0]}>>?" if near else "; use it, or name it dir/file.c if it is a file"
                say((first.chapter.path, first.line, f"chunk <<{name}>> is used nowhere: its code would be lost{hint}"))
            for definition in definitions:
                self._check_uses(definition)
        for cycle in self._cycles():
            first = self.chunks[cycle[0]][0]
            say((first.chapter.path, first.line, "chunks in a circle: " + " -> ".join(f"<<{n}>>" for n in cycle + cycle[:1])))

    def _check_uses(self, definition):
        previous = ""
        for number, line in enumerate(definition.body, definition.line + 1):
            for used in REFERENCE.findall(line):
                where = (definition.chapter.path, number)
                if previous.endswith("\\") or line.endswith("\\"):
                    self.findings.append((*where, f"<<{used}>> inside a macro: the #line that the development build puts there "
                                          "does not compile; write the macro in one chunk"))
                if used not in self.chunks:
                    near = difflib.get_close_matches(used, self.chunks, 1, 0.7)
                    hint = f"did you mean <<{near[0]}>>?" if near else "if it is C (a shift, a comparison), write @<< or break the line"
                    self.findings.append((*where, f"chunk <<{used}>> is defined nowhere; {hint}"))
            previous = line

    def _cycles(self):
        done, path, found = set(), [], []

        def visit(name):
            if name in path:
                found.append(path[path.index(name):])
            elif name in self.chunks and name not in done:
                path.append(name)
                for definition in self.chunks[name]:
                    for used in definition.uses:
                        visit(used)
                path.pop()
                done.add(name)
        for name in self.chunks:
            visit(name)
        return found

    def role(self, name):
        files = self.files_of.get(name, [])
        return "test" if files and all(f.startswith("tests/") for f in files) else "port"

    def definition_at(self, path, line):
        """The definition that holds this line of a chapter."""
        if not self.places:
            for chapter in self.chapters:
                for definition in chapter.definitions:
                    for number in range(definition.line, definition.last_line + 1):
                        self.places[chapter.path, number] = definition
        return self.places.get((path, line))

    def identifiers(self):
        """What Universal Ctags finds in the tangled files, each traced back to its chapter by the #line extraction."""
        made = ROOT / "build/line"
        files = [made / target for target in self.roots.values() if target.endswith((".c", ".h")) and (made / target).is_file()]
        found = {}
        rank = {"function": 0, "struct": 1, "union": 1, "typedef": 2, "macro": 3, "variable": 3, "enum": 3, "enumerator": 4, "prototype": 5}
        tags = ctags(files)
        macros = {(tag["path"], tag["name"]) for tag in tags if tag["kind"] == "macro"}
        places = {}
        contracts = {}
        for tag in tags:
            name, kind = tag["name"], tag["kind"]
            if kind in rank and not tag.get("file") or kind == "function":
                contract = contract_above(tag["path"], tag["line"])
                if contract and (name not in contracts or kind == "prototype"):
                    contracts[name] = contract
            if kind not in rank or name.endswith("_H") or name.startswith("__anon"):
                continue
            if kind == "function" and (tag["path"], name) in macros:
                continue                # a macro called at file level looks like a function to ctags
            if name in found and rank[kind] >= rank[found[name]["kind"]]:
                continue
            if tag["path"] not in places:
                places[tag["path"]] = line_map(pathlib.Path(tag["path"]))
            origin = places[tag["path"]].get(tag["line"])
            definition = self.definition_at(*origin) if origin else None
            if definition is None:
                continue
            found[name] = {"kind": kind, "file": tag["path"].removeprefix(f"{made}/"), "line": tag["line"], "chapter": definition.chapter.stem,
                           "chapter_line": origin[1], "chunk": definition.name, "def_id": identity(definition),
                           "type": tag.get("typeref", "").partition(":")[2], "signature": tag.get("signature", ""), "public": not tag.get("file", False),
                           "cited": definition.cited.url if isinstance(definition.cited, Citation) else None}
        for name, entry in found.items():
            entry["contract"] = contracts.get(name, "")
            entry["claims"] = []
        for definitions in self.chunks.values():
            for definition in definitions:
                if definition.claim and self.role(definition.name) == "test":
                    for word in set(re.findall(r"\w+", "\n".join(definition.body))):
                        if word in found and definition.claim not in found[word]["claims"]:
                            found[word]["claims"].append(definition.claim)
        return found

    def parts(self):
        """The parts that have chapters: number, title, a sentence, and the stems of their chapters."""
        found = []
        for i, (title, first, about) in enumerate(PARTS):
            last = PARTS[i + 1][1] if i + 1 < len(PARTS) else BACK_MATTER
            stems = [c.stem for c in self.chapters if first <= c.number < last]
            if stems:
                found.append({"number": ["I", "II", "III", "IV", "V", "VI", ""][i], "title": title, "about": about, "stems": stems})
        return found

    @functools.cache
    def code_of(self, program):
        return code_of(program)

    def standing_of(self, claim, results):
        """How the claim did in each configuration, and in all: "pass", "fail", "notrun"; "old": it passed, and what it was had from changed since."""
        outcome = {}
        for config, tests in results.get("configs", {}).items():
            states = [tests.get(test) for test in claim.tests]
            if states and all(states):
                outcome[config] = "fail" if any(s != "success" for s in states) else "pass"
                code = results.get("of", {}).get(config, {})
                if not all(test in self.scripted or code.get(test) in map(self.code_of, self.programs_of[test]) for test in claim.tests):
                    outcome[config] = "old" if outcome[config] == "pass" else "notrun"
        found = set(outcome.values())
        return {"results": outcome, "state": next((s for s in ("fail", "notrun", "old", "pass") if s in found), "notrun")}

    def index(self):
        """Everything that the weaver needs, as plain data."""
        import sys
        sys.path.insert(0, str(ROOT / "upstream-refs"))
        import refs
        identifiers = self.identifiers()
        defined = {}
        for name, entry in identifiers.items():
            defined.setdefault(entry["def_id"], []).append(name)
        results = last_results()
        claims = {name: {"number": claim.number, "chapter": claim.chapter.stem, "line": claim.line, "text": claim.text, "tests": claim.tests,
                         **self.standing_of(claim, results)} for name, claim in self.claims.items()}
        chunks = {}
        for name, definitions in self.chunks.items():
            chunks[name] = {"target": self.roots.get(name), "role": self.role(name),
                            "files": self.files_of.get(name, []), "used_in": self.used_in[name],
                            "defs": [{"chapter": d.chapter.stem, "line": d.line, "n": d.n, "id": identity(d), "uses": d.uses, "body": d.body,
                                      "defines": sorted(defined.get(identity(d), []))} for d in definitions]}
        return {"version": refs.VERSION,
                "chapters": [{"path": c.path, "stem": c.stem, "number": c.label, "title": c.title} for c in self.chapters],
                "parts": self.parts(),
                "pairs": {c.stem: [{"upstream": pair["upstream"], "port": [identity(d) for d in pair["port"]]} for pair in c.pairs(self.role)]
                          for c in self.chapters},
                "chunks": chunks, "identifiers": identifiers, "citations": refs.excerpts(self), "claims": claims,
                "tested_at": results.get("at")}


def identity(definition):
    """A definition's id in the woven book: short, since a page repeats it, and the same for as long as the name stays."""
    short = base64.b32encode(hashlib.sha256(definition.name.encode()).digest())[:6].decode().lower()
    return f"c-{short}" + (f"-{definition.n}" if definition.n > 1 else "")


def references(book):
    """The keys that book/references.yaml has an entry for."""
    file = book / "references.yaml"
    return set(re.findall(r"^- id: (\S+)", file.read_text(encoding="utf-8"), re.M)) if file.is_file() else set()


def cited(text):
    """(line, key) of each reference that a chapter cites, as in [-@knuth1984]; what is code cites nothing."""
    prose = CODE.sub(lambda code: re.sub(r"[^\n]", " ", code.group()), text)
    return [(prose.count("\n", 0, found.start()) + 1, found.group(1)) for found in CITED.finditer(prose)]


def unknown(key, known):
    """What to tell of a key that no reference has."""
    near = difflib.get_close_matches(key, known, 1)
    return f"@{key} is no entry of book/references.yaml: " + (f"did you mean @{near[0]}?" if near else "add it there, or write \\@ for a plain at-sign")


def line_map(file):
    """{line: (chapter, line)} of a file extracted with #line directives."""
    places, origin = {}, None
    for number, text in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        directive = LINE_DIRECTIVE.match(text)
        if directive:
            origin = (directive.group(2), int(directive.group(1)) - number - 1)
        if origin:
            places[number] = (origin[0], origin[1] + number)
    return places


@functools.cache
def lines_of(file, _changed):
    """The lines of an extracted file, its #line directives blanked to a mark that no C has."""
    return [DIRECTIVE if LINE_DIRECTIVE.match(line) else line for line in pathlib.Path(file).read_text(encoding="utf-8").split("\n")]


def contract_above(file, line):
    """The comment above a declaration, or above the run of declarations that it stands in; without its stars."""
    lines, at = lines_of(file, os.stat(file).st_mtime_ns), line - 2
    while at >= 0 and (lines[at] == DIRECTIVE or lines[at].strip() and not lines[at].rstrip().endswith(("*/", "}", "};"))
                       and not lines[at].startswith("//")):
        at -= 1
    if at < 0 or not lines[at].rstrip().endswith("*/"):
        return ""
    comment = []
    while at >= 0:
        if lines[at] != DIRECTIVE:
            comment.insert(0, lines[at])
        if lines[at].lstrip().startswith("/*"):
            break
        at -= 1
    if at < 0 or lines[at].startswith(" "):
        return ""                       # the comment of a member
    text = "\n".join(re.sub(r"^ ?\* ?|^/\* ?", "", part) for part in comment)
    return re.sub(r"\s*\*/\s*$", "", text).strip("\n")


def ctags(files):
    """Tags of C files as Universal Ctags gives them, in the order of the files."""
    if not files:
        return []
    names = {os.path.relpath(file, ROOT): str(file) for file in files}        # in ROOT's own name there may be letters that JSON cannot have
    command = ["ctags", "--options=NONE", "--language-force=C", "--output-format=json", "--sort=no", "--fields=+neKSf", "--kinds-C=+p",
               "-D", "PyAPI_FUNC(T)=T", "-D", "PyAPI_DATA(T)=extern T", "-D", "CLAIM_TEST(T)=static void T(int _i)", "-D", "CLAIM_TESTS(T,N)=static void T(int _i)", "-D", "END_TEST=", "-f", "-", *names]
    try:
        made = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        raise SystemExit("ctags not found: install universal-ctags (make setup)") from None
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"ctags failed: {error.stderr.strip() or error}; Universal Ctags with JSON output is needed") from None
    return [dict(tag, path=names[tag["path"]]) for tag in map(json.loads, made.stdout.splitlines()) if tag.get("_type") == "tag"]


def program_of(file):
    return file.removeprefix("tests/").removesuffix(".c")


def code_of(program):
    """A fingerprint of all that a suite is made of: the port, the test tools, the suite; not of where in a chapter it stands."""
    room = program.removeprefix("check_")       # the simulation and the bench have code of their own
    rooms = ["arena", "hash", "host", "pysync", "pythread", *([room] if (ROOT / "tangle" / room).is_dir() else [])]
    tests = [f"tests/{program}.c", "tests/support.c", *(["tests/scenarios.c"] if room == "simulation" else [])]
    files = [*(ROOT / "tests").glob("*.h"), *map(ROOT.joinpath, tests), *(path for r in rooms for path in (ROOT / "tangle" / r).rglob("*.[ch]"))]
    return fingerprint(sorted(path for path in files if path.is_file()))[:16]


def last_results():
    try:
        return json.loads((ROOT / "build/results/results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def sources(root=ROOT):
    return sorted((root / "book").glob("[0-9][0-9]-*.md"))


def fingerprint(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def load(root=ROOT):
    """The book of this tree; raises Trap when a chapter has one."""
    paths = sources(root)
    if not paths:
        raise SystemExit(f"no chapters: {root / 'book'} has no file named like 03-arena.md")
    book = Book(paths, [f"book/{path.name}" for path in paths])
    if book.findings:
        raise Trap(book.findings)
    return book
