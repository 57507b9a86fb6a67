#!/usr/bin/env python3
"""Extract the C from the chapters: tangle/ and tests/ as readers see them, build/line/ with #line for the development build.

The chapters are checked first: a trap of noweb is told as `book/03-arena.md:123: message` and nothing is written. The
extraction itself is plain notangle. What it prints is read, held to the number of lines that the chapters make, and written into
a temporary folder; when all of it is on the disk, the files that changed are moved into place, and files that no chapter makes any
more are removed.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import chapters  # noqa: E402
import machine  # noqa: E402

ROOT = chapters.ROOT
STAMP = ROOT / "build/tangle.json"
TOOLS = [pathlib.Path(path) for path in (__file__, chapters.__file__, machine.__file__)]
LINE = '-L#line %L "%F"%N'


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--check", action="store_true", help="only look for traps; write nothing")
    arg.add_argument("--files", metavar="NN", help="print the files that chapter NN makes, and stop")
    arg.add_argument("--committed", action="store_true", help="only ask git whether what was made is what was committed")
    opt = arg.parse_args()
    if opt.files:
        return list_files(opt.files)
    if opt.committed:
        return committed()
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


def committed():
    """Fail where git knows other files than those that the chapters, and the recorded runs, made."""
    try:
        differ = machine.git("status", "--porcelain", "--untracked-files=normal", "--", "tangle", "tests", "book/traces")
    except machine.Unanswered as why:
        sys.exit(f"lockstep: git does not say what was committed: {why}")
    if differ is None:
        print("lockstep: this tree has no repository of its own: there is no commit to hold it to", file=sys.stderr)
    elif differ:
        print(differ, end="", file=sys.stderr)
        sys.exit("lockstep: tangle/, tests/ or book/traces/ are not what the chapters make: commit what make tangle traces wrote")
    return 0


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
    return chapters.fingerprint([*chapters.sources(), *TOOLS])


def refresh(book, before):
    """Extract, unless that was done, and remember of which chapters; returns what changed and what was removed."""
    with machine.alone(ROOT / "build/tangle.lock", "tangle"):
        if up_to_date(before):
            return [], []
        made, keys, changed, removed = extract(book)
        machine.write(STAMP, json.dumps({"chapters": before, "made": made, "keys": keys}))
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
    keys = {root: chapters.fingerprint([*TOOLS, *(ROOT / path for path in paths)]) for root, paths in sources.items()}
    before = last_time()
    names = {root: [target, f"build/line/{target}"] for root, target in book.roots.items()}
    kept = [root for root in names if before["keys"].get(root) == keys[root] and all(as_made(name, before["made"]) for name in names[root])]
    made = {name: before["made"][name] for root in kept for name in names[root]}
    changed = []
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="tangle.") as folder:
        folder = pathlib.Path(folder)
        todo = [root for root in names if root not in kept]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = dict(zip(todo, pool.map(lambda root: tangled(book, root, sources[root]), todo)))
            texts = {name: text for root in todo for name, text in zip(names[root], found[root])}
            made |= {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
            fresh = [name for name in texts if not as_made(name, made)]
            list(pool.map(lambda name: machine.put(folder / name, texts[name]), fresh))
        for name in fresh:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(folder / name, ROOT / name)
            if not name.startswith("build/"):
                changed.append(name)
    removed = []
    for path in stale(made):
        path.unlink()
        if not path.is_relative_to(ROOT / "build"):
            removed.append(path.relative_to(ROOT))
    return made, keys, changed, removed


def lines_made(book, name):
    """How many lines a chunk comes to: a reference stands for its chunk's lines, the first and the last on the line that names it."""
    bodies = [line for definition in book.chunks[name] for line in definition.body]
    return sum(1 + sum(lines_made(book, used) - 1 for used in chapters.REFERENCE.findall(line)) for line in bodies)


def words(text):
    """A C text without its #line directives and its spacing, which they change."""
    return [word for line in text.split(b"\n") if not line.startswith(b"#line ") for word in line.split()]


def tangled(book, root, chapter_paths):
    """A file as notangle prints it, plain and with #line; what is not whole is refused."""
    plain, lined = notangle(root, chapter_paths), notangle(root, chapter_paths, LINE)
    made = lines_made(book, root)
    if plain.count(b"\n") != made or words(lined) != words(plain):
        sys.exit(f"tangle: notangle -R{root} did not print the {made} lines that the chapters make, or others with #line; nothing was written")
    return plain, lined


def notangle(root, chapter_paths, *options):
    """What notangle prints: into a pipe, since it does not notice when a write fails."""
    run = subprocess.run(["notangle", *options, f"-R{root}", *chapter_paths], cwd=ROOT, capture_output=True)
    said = run.stderr.decode(errors="replace").strip()
    if run.returncode or said:
        sys.exit(f"tangle: notangle -R{root}: {said or f'exit {run.returncode}'}; nothing was written")
    return run.stdout


if __name__ == "__main__":
    machine.command("tangle", main)
