#!/usr/bin/env python3
"""Hold the book to the pinned CPython: citations, chunks, claims, memory orders and the ledger of what is not ported.

  refs.py check       fail, with chapter and line, on any quote, reference, chunk, function, claim or memory order that has come loose
  refs.py pin         record the lines and hashes of every citation, after each symbol was found in them
  refs.py counts      how much there is to read: prose, port, tests and minutes of each chapter
  refs.py drift TREE  what moved, changed, vanished or is new in another CPython tree, by chapter

Symbols are located by Universal Ctags in the pinned tree (make upstream, or CPYTHON=tree).
"""
import argparse
import functools
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "book")]
import chapters  # noqa: E402
import machine  # noqa: E402
import orders  # noqa: E402
import reading  # noqa: E402
import rows  # noqa: E402

VERSION = "3.13.5"
PINS = HERE / "pins" / f"{VERSION}.json"
LEDGER = HERE / "ledger.toml"
TREE = chapters.ROOT / "build/upstream" / f"cpython-{VERSION}"
CONDITIONAL = re.compile(r'^\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b.*[^\\]$|^\s*#\s*(else|endif)$|^extern "C" \{$')
KINDS = {"function", "macro", "struct", "union", "enum", "typedef", "variable", "prototype", "enumerator"}
REASONS = ("adapted", "deferred", "dropped")


class Loose(SystemExit):
    """A condition that stops the tool with one line."""


# ---- the pinned tree and the pins

def version_of(tree):
    """The version that a CPython tree calls its own, or None where there is no such tree."""
    try:
        text = (tree / "Include/patchlevel.h").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^#define PY_VERSION\s+"([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else None


@functools.cache
def tree():
    """The pinned source, or None; a tree of another version stops the tool."""
    named = os.environ.get("CPYTHON")
    place = pathlib.Path(named) if named else TREE
    version = version_of(place)
    if named and version != VERSION:
        raise Loose(f"CPYTHON={named} is {'CPython ' + version if version else 'no CPython source tree'}; "
                    f"the book cites {VERSION}: name such a tree, or leave CPYTHON out and run make upstream")
    return place if version == VERSION else None


def needed_tree():
    place = tree()
    if place is None:
        raise Loose(f"refs: no CPython {VERSION} source here: run make upstream, or name a tree with CPYTHON=…")
    return place


@functools.cache
def pins():
    try:
        return json.loads(PINS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"archive": {}, "files": {}, "excerpts": {}}
    except ValueError as error:
        raise Loose(f"{PINS.relative_to(chapters.ROOT)}:{getattr(error, 'lineno', 1)}: not JSON: {error}; restore it, then make pin") from None


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@functools.cache
def upstream_lines(path):
    """The lines of an upstream file, line ends kept; None where the pinned tree has no such file."""
    try:
        return (needed_tree() / path).read_bytes().splitlines(keepends=True)
    except OSError:
        return None


@functools.cache
def upstream_tags(path, place=None):
    """Tags of an upstream file as (name, kind, first line, last line), in the order of their lines.

    Ctags follows one branch of a conditional. A second reading, with the conditionals (and C++'s braces) blanked, finds what the other branches
    define; where both readings know a symbol, the first is believed.
    """
    file = (place or needed_tree()) / path
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    with tempfile.NamedTemporaryFile("w", suffix=file.suffix, encoding="utf-8") as both:
        both.write("\n".join("" if CONDITIONAL.match(line) else line for line in lines))
        both.flush()
        readings = [chapters.ctags([file]), chapters.ctags([both.name])]
    tags = {}
    for tag in readings[0] + readings[1]:
        if tag["kind"] in KINDS and not tag["name"].startswith("__anon"):
            tags.setdefault((tag["name"], tag["line"]), (tag["name"], tag["kind"], tag["line"], tag.get("end") or statement_end(lines, tag["line"])))
    return sorted(tags.values(), key=lambda tag: tag[2])


def statement_end(lines, line):
    """Ctags gives a macro, a prototype or a variable no end: it ends with its last continued line."""
    while line < len(lines) and lines[line - 1].endswith("\\"):
        line += 1
    return line


def key(citation):
    return f"{citation.path}#L{citation.first}-L{citation.last}"


def excerpt(citation):
    """The bytes that a citation quotes, or None when the lines are not there."""
    lines = upstream_lines(citation.path)
    if lines is None or citation.last > len(lines):
        return None
    return b"".join(lines[citation.first - 1:citation.last])


def excerpts(book):
    """For the weaver: what each citation shows, and whether it was verified."""
    shown = {}
    for citation in (c for chapter in book.chapters for c in chapter.citations):
        pin = pins()["excerpts"].get(key(citation))
        state, why, text = "missing", f"The CPython {VERSION} source is not here; make upstream fetches it.", None
        if tree() is not None:
            why = locate(citation)
            if not why:
                text = excerpt(citation).decode("utf-8", errors="replace")
                why = mismatch(citation, pin)
            state = "stale" if why else "verified"
        shown[citation.url] = {"path": citation.path, "symbols": citation.symbols, "first": citation.first, "last": citation.last,
                               "version": citation.version, "sha256": pin["sha256"] if pin else None,
                               "state": state, "why": why or "", "text": text}
    return shown


# ---- what can be wrong with a citation

def locate(citation):
    """Why the cited lines are not the named symbols, or None."""
    if citation.version != VERSION:
        return f"cites CPython {citation.version}; the book is pinned to {VERSION}"
    lines = upstream_lines(citation.path)
    if lines is None:
        return f"CPython {VERSION} has no file {citation.path}"
    if citation.last > len(lines):
        return f"{citation.path} has {len(lines)} lines; the citation ends at {citation.last}"
    tags = upstream_tags(citation.path)
    for symbol in citation.symbols:
        places = [(first, last) for name, _, first, last in tags if name == symbol]
        if not places:
            return f"{citation.path} of CPython {VERSION} has no symbol `{symbol}`"
        if not any((citation.first <= first and last <= citation.last) or
                   (head_of(tags, first) <= citation.first <= citation.last <= last and citation.last >= first) for first, last in places):
            where = ", ".join(f"{first}-{last}" for first, last in places)
            return f"`{symbol}` is at {where} of {citation.path}, the citation says {citation.first}-{citation.last}"
    for name, kind, first, last in tags:
        if kind == "function" and name not in citation.symbols and citation.first <= last and first <= citation.last:
            return f"lines {citation.first}-{citation.last} of {citation.path} take in `{name}` ({first}-{last}) as well: name it or cite fewer lines"
    return None


def head_of(tags, first):
    """Where a symbol's head may start at the earliest: its type and its comment stand between the symbol before and itself."""
    return max((tag[3] for tag in tags if tag[3] < first), default=0) + 1


def mismatch(citation, pin):
    """Why the pinned hash does not bear the excerpt out, or None."""
    if pin is None:
        return f"{key(citation)} is not pinned: look at the excerpt, then make pin"
    if sorted(pin["symbols"]) != sorted(citation.symbols):
        return f"{key(citation)} is pinned for {', '.join(pin['symbols'])}: look at the excerpt, then make pin"
    if sha256(excerpt(citation)) != pin["sha256"]:
        return f"the excerpt {key(citation)} differs from its pinned sha256: the tree was altered, or the pin is of another text"
    if sha256(b"".join(upstream_lines(citation.path))) != pins()["files"].get(citation.path):
        return f"{citation.path} differs from its pinned sha256 though the excerpt does not: the tree was altered"
    return None


# ---- the checks

def check(book):
    findings = []

    def say(chapter, line, message):
        findings.append(f"{chapter.path}:{line}: {message}")

    for chapter in book.chapters:
        for citation in chapter.citations:
            why = locate(citation) or mismatch(citation, pins()["excerpts"].get(key(citation)))
            if why:
                say(chapter, citation.line, why)
    for k in sorted(set(pins()["excerpts"]) - {key(c) for chapter in book.chapters for c in chapter.citations}):
        findings.append(f"{PINS.relative_to(chapters.ROOT)}: {k} is pinned and cited nowhere: make pin drops it")
    known = chapters.references(chapters.ROOT / "book")
    for chapter in book.chapters:
        for line, reference in chapters.cited("\n".join(chapter.lines)):
            if reference not in known:
                say(chapter, line, chapters.unknown(reference, known))
    check_chunks(book, say)
    check_claims(book, say)
    check_tests(book, say)
    return findings + check_ledger(book) + orders.check(book) + rows.check(book) + reading.check(book)


def check_chunks(book, say):
    """A chunk of the port stands under a citation, under `**Ours.**`, in a chapter that ports nothing, or is part of a chunk that does."""
    founded = set()
    for chapter in book.chapters:
        marks = [c.line for c in chapter.citations] + chapter.ours
        previous = 0
        for definition in chapter.definitions:
            if book.role(definition.name) == "port":
                if not chapter.ports or any(previous < mark < definition.line for mark in marks):
                    founded.add(definition.name)
                previous = definition.line
    changed = True
    while changed:
        parts = {n for n in book.chunks if n not in founded and any(u in founded and not book.roots.get(u) for u in book.used_in[n])}
        founded |= parts
        changed = bool(parts)
    for name, definitions in book.chunks.items():
        if book.role(name) == "port" and name not in founded:
            say(definitions[0].chapter, definitions[0].line, f"chunk <<{name}>> of the port cites nothing: cite the upstream lines that it "
                "answers, or say in a paragraph that starts **Ours.** why CPython has no such code")


def check_claims(book, say):
    """A claim has a name of its own, and a test below it; each test has its claim, and stands in a suite."""
    claim_of = {}
    for chapter in book.chapters:
        for claim in chapter.claims:
            if book.claims[claim.name] is not claim:
                other = book.claims[claim.name]
                say(chapter, claim.line, f"claim {claim.name} is made in {other.chapter.path}:{other.line} too: names tell claims apart")
            elif not claim.tests:
                say(chapter, claim.line, f"claim {claim.name} has no test: a CLAIM_TEST(test_{claim.name.replace('-', '_')}) below it bears it out")
        for definition in chapter.definitions:
            for name, scripted in chapters.tests_in(definition):
                if definition.claim is None:
                    say(chapter, definition.line, f"{name} stands under no claim: tests follow the claim that they bear out")
                elif claim_of.setdefault(name, definition.claim) != definition.claim:
                    say(chapter, definition.line, f"{name} is a test of claim {claim_of[name]} already: give one of them another name")
                elif not scripted and not book.programs_of[name]:
                    say(chapter, definition.line, f"{name} is in no suite: its chunk is part of no tests/check_….c")


def test_text(book):
    return "\n".join("\n".join(d.body) for n, ds in book.chunks.items() if book.role(n) == "test" for d in ds)


def check_tests(book, say):
    """Every function of the port is named in a test chunk."""
    text = test_text(book)
    for name, entry in book.identifiers().items():
        if entry["kind"] == "function" and entry["file"].startswith("tangle/") and not re.search(rf"\b{re.escape(name)}\b", text):
            chapter = next(c for c in book.chapters if c.stem == entry["chapter"])
            say(chapter, entry["chapter_line"], f"`{name}` of {entry['file']} is named in no test chunk")


def ledger():
    try:
        return tomllib.loads(LEDGER.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Loose(f"{LEDGER.relative_to(chapters.ROOT)} is missing: it says which upstream files are ported") from None
    except tomllib.TOMLDecodeError as error:
        raise Loose(f"{LEDGER.relative_to(chapters.ROOT)}: {error}") from None


def check_ledger(book):
    """Every symbol of a ported upstream file is cited, or stands in the ledger with a reason."""
    findings = []
    name_of_ledger = LEDGER.relative_to(chapters.ROOT)
    citations = [c for chapter in book.chapters for c in chapter.citations]
    for path, entry in ledger().items():
        excused = {}
        for reason in REASONS:
            for symbol, why in entry.get(reason, {}).items():
                excused[symbol] = why
                if not why.strip():
                    findings.append(f"{name_of_ledger}: {path}: `{symbol}` is {reason} without a reason")
        unknown = set(entry) - set(REASONS) - {"port"}
        if unknown:
            findings.append(f"{name_of_ledger}: {path}: unknown key {', '.join(sorted(unknown))}; use port, {', '.join(REASONS)}")
        if upstream_lines(path) is None:
            findings.append(f"{name_of_ledger}: CPython {VERSION} has no file {path}")
            continue
        for port in entry.get("port", []):
            if port not in book.roots:
                findings.append(f"{name_of_ledger}: {path} is said to be ported as {port}, which no chapter makes")
        symbols = {}
        for name, _, first, last in upstream_tags(path):
            symbols.setdefault(name, []).append((first, last))
        for name, places in symbols.items():
            cited = any(c.path == path and (name in c.symbols or any(c.first <= f and l <= c.last for f, l in places)) for c in citations)
            if not cited and name not in excused and not re.fullmatch(r"Py_\w+_H", name):
                findings.append(f"{path}:{places[0][0]}: upstream's `{name}` is neither cited nor in {name_of_ledger} as adapted, deferred or dropped")
        for name in sorted(set(excused) - set(symbols)):
            findings.append(f"{name_of_ledger}: {path}: `{name}` is excused and CPython {VERSION} has no such symbol there")
    return findings


# ---- pin and drift

def pin(book):
    """Record every citation; refuse one that does not name what its lines hold."""
    findings, files, entries = [], {}, {}
    for chapter in book.chapters:
        for citation in chapter.citations:
            why = locate(citation)
            if why:
                findings.append(f"{chapter.path}:{citation.line}: {why}")
                continue
            files[citation.path] = sha256(b"".join(upstream_lines(citation.path)))
            entries[key(citation)] = {"symbols": citation.symbols, "sha256": sha256(excerpt(citation))}
    if findings:
        return findings
    for path in ledger():
        if upstream_lines(path) is not None:
            files[path] = sha256(b"".join(upstream_lines(path)))
    fresh = {"archive": pins()["archive"], "files": dict(sorted(files.items())), "excerpts": dict(sorted(entries.items()))}
    machine.write(PINS, json.dumps(fresh, indent=1) + "\n")
    print(f"refs: {len(entries)} excerpts of {len(files)} files pinned in {PINS.relative_to(chapters.ROOT)}")
    return []


def body(place, path, tag):
    lines = (place / path).read_text(encoding="utf-8", errors="replace").split("\n")
    return "\n".join(lines[tag[2] - 1:tag[3]])


def drift(book, other):
    """Compare what each chapter cites, and each ported file, with another tree."""
    version = version_of(other)
    if version is None:
        raise Loose(f"refs: TO={other} is no CPython source tree (no Include/patchlevel.h)")
    here = needed_tree()
    print(f"drift from CPython {VERSION} to {version}")
    for chapter in book.chapters:
        rows = {}
        for citation in chapter.citations:
            for symbol in citation.symbols:
                rows[(citation.path, symbol)] = compare(here, other, citation.path, symbol)
        moved = [k for k, v in rows.items() if v]
        if rows:
            print(f"\n{chapter.path}: {len(rows)} cited symbols, {len(rows) - len(moved)} as they were")
        for path, symbol in moved:
            print(f"  {rows[(path, symbol)]:20} {path}  {symbol}")
    for path in ledger():
        old, new = ({t[0] for t in upstream_tags(path, place)} for place in (here, other))
        if old != new:
            print(f"\n{path} (ported)")
            for name in sorted(new - old):
                print(f"  new                  {name}")
            for name in sorted(old - new):
                print(f"  gone                 {name}")


def compare(here, other, path, symbol):
    """'' when a symbol is where and what it was; else what became of it."""
    old = [t for t in upstream_tags(path, here) if t[0] == symbol]
    new = [t for t in upstream_tags(path, other) if t[0] == symbol]
    if not old:
        return "not in the pin"
    if not new:
        return "gone"
    was, now = [body(here, path, t) for t in old], [body(other, path, t) for t in new]
    if was == now:
        return "" if [t[2] for t in old] == [t[2] for t in new] else f"moved {old[0][2]} -> {new[0][2]}"
    same_head = was[0].split("{")[0] == now[0].split("{")[0]
    return "changed body" if same_head and old[0][1] == "function" else "changed"


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = arg.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="fail on anything that has come loose")
    commands.add_parser("pin", help="record the lines and hashes of every citation")
    commands.add_parser("counts", help="print how much there is to read")
    commands.add_parser("drift", help="compare with another CPython tree").add_argument("tree", type=pathlib.Path)
    opt = arg.parse_args()
    try:
        book = chapters.load()
    except chapters.Trap as trap:
        findings = [f"{path}:{line}: {message}" for path, line, message in trap.findings]
    else:
        if opt.command == "counts":
            print("\n".join(reading.counts(book)))
            return 0
        needed_tree()
        if opt.command == "drift":
            drift(book, opt.tree)
            return 0
        findings = pin(book) if opt.command == "pin" else check(book)
    for finding in findings:
        print(finding, file=sys.stderr)
    if findings:
        print(f"refs: {len(findings)} things to mend", file=sys.stderr)
    elif opt.command == "check":
        print(f"refs: {sum(len(c.citations) for c in book.chapters)} citations, {len(book.claims)} claims, "
              f"{sum(book.role(n) == 'port' for n in book.chunks)} chunks of the port: all in place")
    return 1 if findings else 0


if __name__ == "__main__":
    machine.command("refs", main)
