"""Compile the port for CPython, link the interpreters, and compare what their object files ask for and offer.

The port's files are compiled unchanged and against host/ alone, with the flags of Debian's CPython. Of each interpreter a link
map is kept. Six objects are exchanged; the other members of the static library are linked as they are.
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import tomllib

from packages import BUILD, ROOT, SERIES, say
import machine

# The object file of CPython and the file of the port that takes its place.
OBJECTS = {"lock.o": "pysync/lock.c", "parking_lot.o": "pysync/parking_lot.c", "critical_section.o": "pysync/critical_section.c",
           "pyarena.o": "arena/pyarena.c", "bootstrap_hash.o": "hash/bootstrap_hash.c", "thread.o": "pythread/thread.c"}
# Ours beside them: what is compiled against CPython's headers, what against the port's; with which object it goes.
ADAPTERS = {"graft/accessors.c": "cpython", "graft/layouts_cpython.c": "cpython", "graft/layouts_port.c": "port"}
WITH_THREAD = {"graft/threads.c": "cpython", "graft/timeouts.c": "port"}
EVERYWHERE = {"graft/blake2.c": "cpython"}
VARIANTS = {"baseline": [], "graft": list(OBJECTS), **{name.removesuffix(".o"): [name] for name in OBJECTS}}
LEDGER = ROOT / "upstream-refs/graft.toml"
PORT_FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]


class Broken(Exception):
    """A build that failed; the message says what the tools said."""


class Build:
    """One root, the interpreters made in it, and what is known of them."""

    def __init__(self, root):
        self.root = root
        self.work = root.path / "graft" if root.apart else BUILD / "work"
        self.bin = BUILD / "bin"
        self.archive = root.config / f"libpython{SERIES}.a"
        makefile = (root.config / "Makefile").read_text(encoding="utf-8")
        words = " ".join(re.search(rf"^{name}=(.*)$", makefile, re.MULTILINE).group(1)
                         for name in ("BASECFLAGS", "OPT", "CONFIGURE_CFLAGS_NODIST")).split()
        # Debian's flags, but for the warnings, the language and the switches of CPython's own files
        self.gone, self.linked = {}, {}
        self.flags = [w for w in words if not w.startswith(("-W", "-std", "-D_Py_"))]
        self.tangle = ROOT / "tangle"

    # ---- compiling

    def compile(self, kind, source, target, marker=None, sources=None):
        """`source` below tangle/ (or another tree that looks like it) into `target` below the work folder."""
        src = self.root.inside(self.work / (sources or "src"))
        include = f"/usr/include/python{SERIES}"
        options = {"port": [*PORT_FLAGS, f"-I{src}"], "cpython": ["-std=c11", "-Wall", "-Werror", "-DPy_BUILD_CORE", f"-I{include}",
                                                                  f"-I{include}/internal"]}[kind]
        if marker:
            options += ["-include", f"{self.root.inside(self.work / 'src')}/graft/marker.h", f'-DGRAFT_MARK="{marker}"']
        (self.work / target).parent.mkdir(parents=True, exist_ok=True)
        done = self.root.run("/usr/bin/gcc", *self.flags, *options, "-c", "-o", self.root.inside(self.work / target), f"{src}/{source}")
        if done.returncode:
            raise Broken(f"{source} does not compile in {self.root.suite}:\n{done.stderr.strip()}")

    def compile_port(self, name, target=None, sources=None):
        """The file that takes the place of this object. Returns its mark: which object it is, and of which text."""
        source = OBJECTS[name]
        text = (self.work / (sources or "src") / source).read_bytes()
        mark = f"ground floor: {name} of {source}, sha256 {hashlib.sha256(text).hexdigest()}"
        self.compile("port", source, target or f"port/{name}", mark, sources)
        return mark

    # ---- the static library

    def unpack_archive(self):
        members = self.work / "members"
        shutil.rmtree(members, ignore_errors=True)
        members.mkdir(parents=True)
        done = self.root.run("/usr/bin/ar", "x", f"--output={self.root.inside(members)}", self.root.inside(self.archive))
        if done.returncode:
            raise Broken(f"{self.archive.name} does not unpack: {done.stderr.strip()}")
        missing = sorted(set(OBJECTS) - {path.name for path in members.glob("*.o")})
        if missing:
            raise Broken(f"{self.archive.name} has no member {', '.join(missing)}: this CPython keeps its primitives elsewhere")
        return members

    def symbols(self, path):
        """(exported, imported) names of an object file; what a hardened compile adds or renames is put back."""
        done = self.root.run("/usr/bin/nm", "-P", self.root.inside(path))
        exported, imported = set(), set()
        for line in done.stdout.splitlines():
            name, kind = line.split()[:2]
            if kind == "U" and name not in ("__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_"):
                imported.add(re.sub(r"^__(\w+)_chk$", r"\1", name))
            elif kind.isupper() and kind != "U":
                exported.add(name)
        return exported, imported

    def names(self, program, *options):
        """What a linked program defines for others, and where: with -D, what extension modules can see."""
        done = self.root.run("/usr/bin/nm", "-P", "--defined-only", *options, self.root.inside(program))
        rows = [line.split() for line in done.stdout.splitlines()]
        return {row[0]: int(row[2], 16) for row in rows if len(row) > 2 and row[1] not in "aU"}

    def without_hacl(self, members):
        """Modules whose objects need the HACL library, which the archive does not carry: object -> module."""
        gone = {}
        for path in sorted(members.glob("*.o")):
            text = path.read_bytes()
            if b"_Py_LibHacl_" in text:
                gone[path.name] = re.search(rb"\0PyInit_(\w+)\0", text).group(1).decode()
        return gone

    def write_config(self, gone):
        """The table of built-in modules: Debian's, without those; _blake2 is ours."""
        text = (self.root.config / "config.c").read_text(encoding="utf-8")
        for module in set(gone.values()) - {"_blake2"}:
            text, found = re.subn(rf"^.*\bPyInit_{module}\b.*\n", "", text, flags=re.MULTILINE)
            if found != 2:
                raise Broken(f"config.c names {module} {found} times, not twice")
        (self.work / "src/graft/config.c").write_text(text, encoding="utf-8")
        self.compile("cpython", "graft/config.c", "config.o")

    # ---- linking

    def link(self, variant, ours, port="port"):
        """An interpreter with these objects exchanged. Ours come first; what they lack, the archive would add, and clash."""
        members = self.work / "members"
        skip = {*OBJECTS, "config.o", *self.gone}
        objects = [members / name for name in sorted(p.name for p in members.glob("*.o")) if name not in skip]
        objects += [self.work / (f"{port}/{name}" if (self.work / port / name).is_file() else f"port/{name}") for name in ours]
        with_it = {**EVERYWHERE, **(ADAPTERS if ours else {}), **(WITH_THREAD if "thread.o" in ours else {})}
        objects += [self.work / "ours" / (source.replace("/", "_") + ".o") for source in with_it]
        wanted = [min(self.symbols(members / name)[0]) for name in OBJECTS if name not in ours]
        target, listing = self.work / f"python-{variant}", self.work / f"{variant}.map"
        command = ["/usr/bin/gcc", "-no-pie", "-o", self.root.inside(target), self.root.inside(self.root.config / "python.o"),
                   self.root.inside(self.work / "config.o"), *map(self.root.inside, objects), self.root.inside(self.archive),
                   *(f"-Wl,-u,{symbol}" for symbol in wanted), "-Wl,-export-dynamic", "-Wl,-O1", "-Wl,-Bsymbolic-functions", "-Wl,--build-id",
                   f"-Wl,-Map={self.root.inside(listing)}", "-lexpat", "-lz", "-lm"]
        if self.root.apart:     # so that it runs outside the root as well: its own loader, its own libraries
            loader = next(iter(sorted((self.root.path / "usr/lib64").glob("ld-linux*"))), None) or next(iter(self.root.libraries.glob("ld-linux*")))
            command += ["-Wl,--disable-new-dtags", f"-Wl,-rpath,{self.root.libraries}", f"-Wl,--dynamic-linker={loader}"]
        done = self.root.run(*command)
        if done.returncode:
            raise Broken(f"{variant} does not link:\n{done.stderr.strip()[-2000:]}")
        if variant in ("baseline", "graft"):
            self.linked[variant] = {"visible": self.names(target, "-D"), "addresses": self.names(target)}
        self.bin.mkdir(parents=True, exist_ok=True)
        place = self.bin / f"python-{variant}"
        shutil.copy2(target, place.with_suffix(".part"))
        os.replace(place.with_suffix(".part"), place)
        target.unlink()
        return place

    # ---- all of it

    def key(self):
        """Changes whenever something that the build reads does."""
        sha = hashlib.sha256(json.dumps([self.root.versions, str(self.root.path), self.flags]).encode())
        for path in [*sorted(self.tangle.rglob("*.[ch]")), ROOT / "tests/graft/build.py"]:
            if "simulation" not in path.parts:
                sha.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
        return sha.hexdigest()

    def make(self):
        """All variants, unless nothing has changed; then what is known of them."""
        stamp = BUILD / "built.json"
        try:
            known = json.loads(stamp.read_text(encoding="utf-8"))
            if known["key"] == self.key() and all((self.bin / f"python-{v}").is_file() for v in VARIANTS):
                self.gone = known["gone"]
                return known
        except (OSError, ValueError, KeyError):
            pass
        stamp.unlink(missing_ok=True)
        say(f"compiling the port in {self.root.suite}, CPython {self.root.versions[f'libpython{SERIES}-dev']}")
        shutil.rmtree(self.work / "src", ignore_errors=True)
        shutil.copytree(self.tangle, self.work / "src", ignore=shutil.ignore_patterns("simulation"))
        members = self.unpack_archive()
        self.gone = self.without_hacl(members)
        self.write_config(self.gone)
        shutil.rmtree(self.work / "port", ignore_errors=True)
        beside = {**ADAPTERS, **WITH_THREAD, **EVERYWHERE}
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            marks = list(pool.map(self.compile_port, OBJECTS))
            list(pool.map(lambda item: self.compile(item[1], item[0], f"ours/{item[0].replace('/', '_')}.o"), beside.items()))
            say(f"linking {len(VARIANTS)} interpreters")
            list(pool.map(lambda item: self.link(*item), VARIANTS.items()))
        if self.root.apart:         # python finds its library beside its folder
            library = BUILD / "lib"
            library.unlink(missing_ok=True)
            library.symlink_to(os.path.relpath(self.root.path / "usr/lib", BUILD))
        front = BUILD / "python"
        front.unlink(missing_ok=True)
        front.symlink_to("bin/python-graft")
        visible = {side: set(self.linked[side]["visible"]) for side in ("baseline", "graft")}
        known = {"key": self.key(), "gone": self.gone, "marks": dict(zip(OBJECTS, marks)), "symbols": self.compare_symbols(),
                 "ours": {source: sorted(self.symbols(self.work / f"ours/{source.replace('/', '_')}.o")[0]) for source in beside},
                 "members": {variant: self.members_linked(variant) for variant in VARIANTS}, "ranges": self.ranges("graft"),
                 "visible": {"lost": sorted(visible["baseline"] - visible["graft"]), "more": sorted(visible["graft"] - visible["baseline"])},
                 "addresses": self.linked["graft"]["addresses"],
                 "compiler": self.root.run("/usr/bin/gcc", "--version").stdout.splitlines()[0]}
        machine.write(stamp, json.dumps(known, indent=1))
        return known

    # ---- what can be seen in the results

    def compare_symbols(self, port="port"):
        """For each object: exports and imports of both sides, and what only one of them has."""
        table = {}
        for name in OBJECTS:
            theirs = self.symbols(self.work / "members" / name)
            ours = self.symbols(self.work / (f"{port}/{name}" if (self.work / port / name).is_file() else f"port/{name}"))
            row = {"exports": len(theirs[0]), "imports": len(theirs[1])}
            for i, what in enumerate(("exports", "imports")):
                row[f"{what} only of CPython's"] = sorted(theirs[i] - ours[i])
                row[f"{what} only of ours"] = sorted(ours[i] - theirs[i])
            table[name] = row
        return table

    def members_linked(self, variant):
        """The members of the archive that the link took for their own sake, out of the link map."""
        text = (self.work / f"{variant}.map").read_text(encoding="utf-8", errors="replace")
        return sorted(set(re.findall(rf"libpython{re.escape(SERIES)}\.a\((\w+\.o)\)", text)) & set(OBJECTS))

    def ranges(self, variant):
        """Where the code of each exchanged object lies in memory (the interpreter is linked to a fixed address)."""
        text = (self.work / f"{variant}.map").read_text(encoding="utf-8", errors="replace")
        found = {name: [] for name in OBJECTS}
        for at, size, name in re.findall(r"^ \.text[\w.]*\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) \S*/port/(\w+\.o)$", text, re.MULTILINE):
            if int(size, 16):
                found[name].append([int(at, 16), int(at, 16) + int(size, 16)])
        return found


def ledger():
    return tomllib.loads(LEDGER.read_text(encoding="utf-8"))


def unexplained(table, visible=None):
    """Differences that the ledger does not explain, and explanations of what is no difference: lines of text."""
    reasons, out = ledger(), []
    if visible is not None:
        known = reasons.get("visible", {})
        out += [f"{name}: extension modules can see it no more" for name in visible["lost"]]
        out += [f"{name}: extension modules can see it grafted: not explained in {LEDGER.relative_to(ROOT)}"
                for name in visible["more"] if not known.get(name, "").strip()]
        out += [f"{name}: explained as visible in {LEDGER.relative_to(ROOT)}, and is not" for name in sorted(set(known) - set(visible["more"]))]
    for name, row in table.items():
        for what in ("exports", "imports"):
            for whose in ("CPython's", "ours"):
                key = f"{what} only of {whose}"
                known = reasons.get(name, {}).get(key, {})
                for symbol in row[key]:
                    if not known.get(symbol, "").strip():
                        out.append(f"{name}: {symbol}, {key}: not explained in {LEDGER.relative_to(ROOT)}")
                for symbol in sorted(set(known) - set(row[key])):
                    out.append(f"{name}: {symbol} is explained in {LEDGER.relative_to(ROOT)} as {key}, and is no difference")
    return out
