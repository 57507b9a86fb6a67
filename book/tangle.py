#!/usr/bin/env python3
"""Extract the C from the chapters: tangle/ and tests/ as readers see them, build/line/ with #line for the development build.

The chapters are checked first: a trap of noweb is told as `book/03-arena.md:123: message` and nothing is written. The
extraction itself is plain notangle, a file at a time into a temporary folder; only files that changed are moved into
place, and files that no chapter makes any more are removed.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import chapters

ROOT = chapters.ROOT
STAMP = ROOT / "build/tangle.json"
LINE = '-L#line %L "%F"%N'


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--check", action="store_true", help="only look for traps; write nothing")
    arg.add_argument("--files", metavar="NN", help="print the files that chapter NN makes, and stop")
    opt = arg.parse_args()
    if opt.files:
        return list_files(opt.files)
    before = fingerprint()
    if not opt.check and up_to_date(before):
        return 0
    book = load()
    if opt.check:
        return 0
    if shutil.which("notangle") is None:
        sys.exit("tangle: notangle not found: install noweb (make setup); tangle/ and tests/ stay as they are")
    changed, removed = refresh(book, before)
    for path in changed:
        print(f"tangle: {path}")
    for path in removed:
        print(f"tangle: removed {path}, which no chapter makes")
    return 0


def load():
    """The book, or the traps on standard error and exit status 1."""
    try:
        return chapters.load()
    except chapters.Trap as trap:
        for path, line, message in trap.findings:
            print(f"{path}:{line}: {message}", file=sys.stderr)
        sys.exit(1)


def list_files(number):
    book = load()
    files = [target for name, target in book.roots.items() if book.chunks[name][0].chapter.number == int(number)]
    if not files:
        sys.exit(f"tangle: chapter {number} makes no files")
    print("\n".join(files))
    return 0


def digest(path):
    return chapters.hashlib.sha256(path.read_bytes()).hexdigest()


def stale(targets):
    """Files in the tangled rooms that no chapter makes: all of tangle/, and the C files of tests/."""
    rooms = [ROOT / "tangle", ROOT / "build/line/tangle"]
    present = [p for room in rooms if room.is_dir() for p in room.rglob("*") if p.is_file()]
    for room in [ROOT / "tests", ROOT / "build/line/tests"]:
        present += [*room.glob("*.c"), *room.glob("*.h")]
    return [p for p in present if str(p.relative_to(ROOT)).removeprefix("build/line/") not in targets]


def last_time():
    """What the last extraction made, and of what."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return {key: stamp[key] for key in ("chapters", "made", "keys")}
    except (OSError, ValueError, KeyError):
        return {"chapters": None, "made": {}, "keys": {}}


def as_made(name, made):
    """Whether a file is still what the last extraction made."""
    path = ROOT / name
    return name in made and path.is_file() and digest(path) == made[name]


def up_to_date(before):
    stamp = last_time()
    return stamp["chapters"] == before and all(as_made(name, stamp["made"]) for name in stamp["made"]) and not stale(set(stamp["made"]))


def fingerprint():
    return chapters.fingerprint([*chapters.sources(), pathlib.Path(__file__), pathlib.Path(chapters.__file__)])


def refresh(book, before):
    """Extract, and remember of which chapters; returns what changed and what was removed."""
    made, keys, changed, removed = extract(book)
    STAMP.write_text(json.dumps({"chapters": before, "made": made, "keys": keys}), encoding="utf-8")
    return changed, removed


def chapters_of(book, root):
    """The chapters that a file is made of; noweb need not read the others."""
    found, todo = {root: None}, [root]
    while todo:
        for definition in book.chunks.get(todo.pop(), []):
            todo += [used for used in definition.uses if used not in found]
            found.update(dict.fromkeys(definition.uses))
    needed = {d.chapter.path for name in found for d in book.chunks.get(name, [])}
    return [chapter.path for chapter in book.chapters if chapter.path in needed]


def extract(book):
    """Every file whose chapters changed, all of them or none; returns the digests of all files, what they were made of, what changed and what was removed."""
    (ROOT / "build").mkdir(exist_ok=True)
    sources = {root: chapters_of(book, root) for root in book.roots}
    tools = [pathlib.Path(__file__), pathlib.Path(chapters.__file__)]
    keys = {root: chapters.fingerprint([*tools, *(ROOT / path for path in paths)]) for root, paths in sources.items()}
    before = last_time()
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="tangle.") as folder:
        folder = pathlib.Path(folder)
        jobs = [(root, folder / prefix / target, option) for root, target in book.roots.items()
                for prefix, option in (("", None), ("build/line", LINE))]
        kept = {root for root, path, _ in jobs if before["keys"].get(root) == keys[root]}
        kept -= {root for root, path, _ in jobs if not as_made(str(path.relative_to(folder)), before["made"])}
        made = {str(path.relative_to(folder)): before["made"][str(path.relative_to(folder))] for root, path, _ in jobs if root in kept}
        jobs = [job for job in jobs if job[0] not in kept]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda job: notangle(*job, sources[job[0]]), jobs))
        changed = []
        for _, path, _ in jobs:
            name = str(path.relative_to(folder))
            made[name] = digest(path)
            place = ROOT / name
            if not place.is_file() or digest(place) != made[name]:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, place)
                if not name.startswith("build/"):
                    changed.append(name)
    removed = []
    for path in stale(made):
        path.unlink()
        if not path.is_relative_to(ROOT / "build"):
            removed.append(path.relative_to(ROOT))
    return made, keys, changed, removed


def notangle(root, path, option, chapter_paths):
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["notangle", *([option] if option else []), f"-R{root}", *chapter_paths]
    with open(path, "wb") as out:
        run = subprocess.run(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True)
    if run.returncode or run.stderr.strip():
        sys.exit(f"tangle: notangle -R{root}: {run.stderr.strip() or f'exit {run.returncode}'}; nothing was written")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("tangle: interrupted; nothing was half-written")
