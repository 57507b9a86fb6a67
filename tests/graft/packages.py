"""A root with CPython 3.14 in it: compiler, headers, static library, standard library and CPython's own tests, as Debian packs them.

A machine that has the packages installed serves as it is. Elsewhere they are fetched from a suite that carries them, through
this machine's own apt configuration (the system is not touched, signatures are checked), and unpacked under
build/graft/root. That root is kept; it is made all or nothing, and an interrupted download goes on where it was.
"""
import concurrent.futures
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "upstream-refs"))
import fetch  # noqa: E402

SERIES = "3.14"
SUITES = ("unstable", "testing")        # the first is where 3.14.10 was read
WANTED = [f"python{SERIES}", f"libpython{SERIES}-dev", f"libpython{SERIES}-testsuite", "gcc", "libc6-dev", "base-files"]
TOLD = [f"libpython{SERIES}-dev", f"libpython{SERIES}-testsuite", "gcc", "libc6"]      # the versions that a report names
LEFT_OUT = ("doc", "info", "locale", "man", "lintian", "bash-completion")               # of usr/share
BUILD = ROOT / "build/graft"
PLACE = BUILD / "root"
STAMP = "packages.json"                 # stands in a root that is whole


class Unavailable(Exception):
    """The packages cannot be had; the message is one line."""


def say(text):
    print(f"graft: {text}", file=sys.stderr, flush=True)


class Root:
    """Where CPython is, and how a program of that place is run."""

    def __init__(self, path, suite, versions):
        self.path, self.suite, self.versions = pathlib.Path(path), suite, versions
        self.apart = self.path != pathlib.Path("/")
        self.config = the_one(self.path / f"usr/lib/python{SERIES}", f"config-{SERIES}-*")
        self.libraries = the_one(self.path / "usr/lib", "*-linux-gnu*/libc.so.6").parent
        self.enter = self._way_in() if self.apart else []

    def inside(self, path):
        """A path of this machine as a program in the root sees it."""
        return "/" + str(pathlib.Path(path).relative_to(self.path)) if self.apart else str(path)

    def _way_in(self):
        """chroot where one is root, else a user namespace."""
        tried = [["chroot", str(self.path)]] if os.geteuid() == 0 else []
        for way in tried + [["unshare", "--map-root-user", f"--root={self.path}"]]:
            try:
                if subprocess.run([*way, "/usr/bin/gcc", "--version"], capture_output=True).returncode == 0:
                    return way
            except OSError:
                continue
        raise Unavailable(f"cannot run the compiler in {self.path.relative_to(ROOT)}: neither chroot nor a user namespace is allowed here")

    def run(self, *command, **more):
        """A program of the root, to its end; its output comes back as text."""
        return subprocess.run([*self.enter, *map(str, command)], capture_output=True, text=True, errors="replace", **more)


def the_one(folder, pattern):
    found = sorted(folder.glob(pattern))
    if not found:
        raise Unavailable(f"{folder} has no {pattern}: remove {PLACE.relative_to(ROOT)} and try again")
    return found[0]


def installed():
    """The machine itself as the root, when it has everything; else None."""
    needed = [f"/usr/lib/python{SERIES}/config-{SERIES}-*/libpython{SERIES}.a", f"/usr/lib/python{SERIES}/test/test_threading.py",
              f"/usr/lib/python{SERIES}/lib-dynload/_testinternalcapi.*.so", "/usr/bin/gcc"]
    if not all(glob.glob(path) for path in needed):
        return None
    release = pathlib.Path("/etc/os-release").read_text(encoding="utf-8")
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', release, re.MULTILINE)
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *TOLD], capture_output=True, text=True).stdout
    return Root("/", f"this machine's, {name.group(1) if name else 'no name'}", dict(line.split() for line in asked.splitlines()))


def kept(suites):
    """The root that an earlier run made, when it is of one of these suites."""
    try:
        stamp = json.loads((PLACE / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Root(PLACE, stamp["suite"], stamp["versions"]) if stamp["suite"] in suites else None


def find(suite=None):
    """The root, fetched if need be. `suite` names one; else the machine's own packages or the first suite that has them."""
    suites = [suite] if suite else SUITES
    with fetch.machine.alone(BUILD / "root.lock", "graft"):
        return (None if suite else installed()) or kept(suites) or fetched(suites)


def fetched(suites):
    """The root, out of the first suite that has the packages."""
    why = "this machine's apt names no Debian archive"
    for name in suites:
        try:
            fetch_suite(name)
            return kept([name])
        except Unavailable as error:
            why = f"Debian's {name}: {error}"
            say(f"not to be had from {why}")
    raise Unavailable(f"CPython {SERIES}'s packages cannot be had ({why})")


def fetch_suite(suite):
    """Download and unpack; the root appears when it is whole."""
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if not shutil.which(tool):
            raise Unavailable(f"{tool} is not here: the packages are Debian's, so a Debian is needed")
    apt, debs, fresh = BUILD / "private", BUILD / "debs", BUILD / "root.part"
    for folder in (apt, fresh):
        shutil.rmtree(folder, ignore_errors=True)
    apt.mkdir(parents=True)
    (debs / "partial").mkdir(parents=True, exist_ok=True)
    environment = fetch.private_apt(apt, suite, "deb")
    if environment is None:
        raise Unavailable("this machine's apt names no Debian archive")
    (apt / "status").touch()
    options = ["-q", "-y", "-o", f"Dir::State::status={apt / 'status'}", "-o", f"Dir::Cache::archives={debs}", "-o", "Debug::NoLocking=1",
               "-o", "APT::Install-Recommends=0"]
    say(f"asking Debian's {suite} for CPython {SERIES}")
    apt_get(environment, *options, "update")
    listed = apt_get(environment, *options, "--print-uris", "install", *WANTED)
    files = dict(re.findall(r"^'[^']*' (\S+\.deb) (\d+)", listed, re.MULTILINE))
    total = sum(map(int, files.values())) / 1e6
    have = {path.name for path in debs.glob("*.deb")}
    say(f"{len(files)} packages, {total:.0f} MB" + (f"; {len(have & set(files))} are here already" if have else ""))
    with Progress(debs, total):
        apt_get(environment, *options, "--download-only", "install", *WANTED)
    unpack([debs / name for name in sorted(files)], fresh)
    versions = {name: version.replace("%3a", ":") for name, version in (file.split("_")[:2] for file in files)}
    (fresh / STAMP).write_text(json.dumps({"suite": suite, "versions": versions}, indent=1), encoding="utf-8")
    shutil.rmtree(PLACE, ignore_errors=True)
    os.replace(fresh, PLACE)
    shutil.rmtree(debs)
    shutil.rmtree(apt)


def apt_get(environment, *arguments):
    done = subprocess.run(["apt-get", *map(str, arguments)], env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        raise Unavailable("apt-get " + arguments[-1 if arguments[-1] == "update" else arguments.index("install")] + " failed: "
                          + re.sub(r"\S+://\S+", "(an address)", errors[0] if errors else f"exit {done.returncode}"))
    return done.stdout


def unpack(debs, fresh):
    say(f"unpacking {len(debs)} packages")
    fresh.mkdir(parents=True)
    first = [deb for deb in debs if deb.name.startswith("base-files_")]      # its links make bin, lib … one with usr
    rest = [deb for deb in debs if deb not in first]

    def one(deb):
        leave = [f"--exclude=./usr/share/{name}" for name in LEFT_OUT]
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:
            done = subprocess.run(["tar", "-x", "-C", fresh, "--no-same-owner", *leave], stdin=reader.stdout, stderr=subprocess.DEVNULL)
        if done.returncode or reader.returncode:
            deb.unlink(missing_ok=True)
            raise Unavailable(f"{deb.name} does not unpack; it was removed, try again")
    for deb in first:
        one(deb)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, rest))


class Progress:
    """Says every few seconds how much has been downloaded."""

    def __init__(self, folder, total):
        self.folder, self.total, self.over = folder, total, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _watch(self):
        start = time.monotonic()
        while not self.over.wait(5):
            here = sum(path.stat().st_size for path in self.folder.rglob("*.deb*") if path.is_file()) / 1e6
            say(f"{here:.0f} of {self.total:.0f} MB after {time.monotonic() - start:.0f} s")
