#!/usr/bin/env python3
"""Obtain the pinned CPython source: what is quoted in the book, never kept in the repository.

In this order: the tree that CPYTHON=… names; the copy under build/upstream/; Debian's source package, through the machine's
own apt configuration with the pinned suite added privately (the system's apt is not touched); the official release
tarball. The archive's sha256 is pinned; anything else is refused and removed.
"""
import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import refs  # noqa: E402
from refs import machine  # noqa: E402

SUITE, SOURCE = "trixie", "python3.13"       # Debian's suite that carries the release tree
PLACE = refs.TREE.parent
ROOMS = ("Include/", "Objects/", "Parser/", "Python/", "Modules/", "LICENSE")


def say(text):
    print(f"upstream: {text}", file=sys.stderr, flush=True)


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


def intact(tree):
    """The copy has the pinned version, and each pinned file its pinned hash."""
    return refs.version_of(tree) == refs.VERSION and all(
        (tree / path).is_file() and digest(tree / path) == sha for path, sha in refs.pins()["files"].items())


def is_pinned(archive):
    """The archive is the pinned one; another is removed, so that the next run starts clean."""
    if not archive.is_file():
        return False
    wanted = refs.pins()["archive"]["sha256"]
    found = digest(archive)
    if found == wanted:
        return True
    say(f"{archive.name} is truncated or altered: sha256 {found[:16]}…, pinned {wanted[:16]}…; removed")
    archive.unlink()
    return False


def machine_uris():
    """Where this machine gets Debian from, as its own apt says."""
    if shutil.which("apt-get") is None:
        return []
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)"],
                            capture_output=True, text=True).stdout
    rows = [line.split(" ", 1) for line in listed.splitlines() if " " in line]
    known = [uri for uri, who in rows if who.strip() == "Debian Debian"]
    return list(dict.fromkeys(known or [uri for uri, _ in rows if uri.rstrip("/").endswith("/debian")]))


def private_apt(folder, suite, kind):
    """The environment of an apt that knows one more suite, and the system nothing of it; None where there is no Debian archive."""
    uris = machine_uris()
    if not uris:
        say("this machine's apt names no Debian archive")
        return None
    state = folder / "apt"
    for room in ("lists/partial", "cache/archives/partial"):
        (state / room).mkdir(parents=True)
    keyring = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    signed = f"[signed-by={keyring}] " if keyring.is_file() else ""
    (state / "sources.list").write_text("".join(f"{kind} {signed}{uri} {suite} main\n" for uri in uris))
    (state / "apt.conf").write_text("".join(f'{k} "{v}";\n' for k, v in {
        "Dir::State": state, "Dir::State::lists": state / "lists", "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": state / "sources.list", "Dir::Etc::sourceparts": "/dev/null", "Acquire::Languages": "none",
        "Acquire::Retries": "3", "Acquire::Check-Valid-Until": "false", "APT::Sandbox::User": "root" if os.geteuid() == 0 else "",
    }.items() if v))
    return dict(os.environ, APT_CONFIG=str(state / "apt.conf"), LC_ALL="C")


def packages(place, suite, names, who):
    """Debian's binary packages of a suite, unpacked in place/root (the system is not touched); None where they cannot be had."""
    with machine.alone(place.with_name(f"{place.name}.lock"), who):
        return place / "root" if (place / "done").exists() else unpacked(place, suite, names, who)


def unpacked(place, suite, names, who):
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    environment = private_apt(place, suite, "deb")
    if environment is None:
        return None
    print(f"{who}: asking Debian's {suite} for {' '.join(names)}", file=sys.stderr, flush=True)
    for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "download", *names]):
        run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        if run.returncode:
            errors = [line for line in run.stderr.splitlines() if line.startswith(("E:", "W:"))]
            print(f"{who}: {' '.join(command[:3])} failed: {errors[0] if errors else f'exit {run.returncode}'}", file=sys.stderr)
            return None
    for package in place.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, place / "root"], check=True)
    (place / "done").touch()
    return place / "root"


def from_debian(folder):
    """The .orig.tar.xz of Debian's source package, by a private apt configuration."""
    environment = private_apt(folder, SUITE, "deb-src")
    if environment is None:
        return None
    say(f"asking Debian's {SUITE} for the source of {SOURCE} (about 35 MB with the suite's index)")
    for command in (["apt-get", "-q", "update"], ["apt-get", "-q", "source", "--download-only", "--tar-only", SOURCE]):
        run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if run.returncode:
            errors = [line for line in run.stderr.splitlines() if line.startswith(("E:", "W:"))]
            say(f"{' '.join(command[:3])} failed: {errors[0] if errors else 'exit ' + str(run.returncode)}")
            return None
    return next(iter(folder.glob("*.orig.tar.xz")), None)


def from_release(folder):
    """The official tarball."""
    url = f"https://www.python.org/ftp/python/{refs.VERSION}/Python-{refs.VERSION}.tar.xz"
    say(f"asking for the official release, {url}")
    archive = folder / url.rsplit("/", 1)[1]
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, open(archive, "wb") as out:
            shutil.copyfileobj(answer, out)
    except OSError as error:
        say(f"not to be had: {getattr(error, 'reason', error)}")
        return None
    return archive


def unpack(archive):
    """The rooms of the tree that the book and its tools read, all or nothing."""
    say(f"unpacking {archive.name}")
    with tempfile.TemporaryDirectory(dir=PLACE, prefix="unpack.") as folder:
        fresh = pathlib.Path(folder) / "tree"
        try:
            with tarfile.open(archive) as tar:
                for member in tar:
                    name = member.name.split("/", 1)[-1]
                    if member.isfile() and name.startswith(ROOMS) and ".." not in name.split("/"):
                        (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                        with open(fresh / name, "wb") as out:
                            shutil.copyfileobj(tar.extractfile(member), out)
        except (tarfile.TarError, EOFError, OSError) as error:
            sys.exit(f"upstream: {archive.name} does not unpack: {error}; remove it and run make upstream again")
        if not intact(fresh):
            sys.exit(f"upstream: the archive is the pinned one and its files are not: {refs.PINS.relative_to(refs.chapters.ROOT)} was altered")
        if refs.TREE.exists():
            shutil.rmtree(refs.TREE)
        os.replace(fresh, refs.TREE)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    if os.environ.get("CPYTHON"):
        say(f"using the tree {refs.needed_tree()}")
        return 0
    if not intact(refs.TREE):
        with machine.alone(PLACE.with_name("upstream.lock"), "upstream"):
            if not intact(refs.TREE):
                fetched()
    return 0


def fetched():
    """The archive, from where it is to be had, and the tree out of it."""
    PLACE.mkdir(parents=True, exist_ok=True)
    kept = PLACE / f"cpython-{refs.VERSION}.tar.xz"
    if not is_pinned(kept):
        for source in (from_debian, from_release):
            with tempfile.TemporaryDirectory(dir=PLACE, prefix="fetch.") as folder:
                archive = source(pathlib.Path(folder))
                if archive is not None and is_pinned(archive):
                    os.replace(archive, kept)
                    break
        else:
            sys.exit(f"upstream: CPython {refs.VERSION} could not be had; the book weaves without it and says so. "
                     "Name a tree with CPYTHON=…, or try again with a network")
    unpack(kept)
    say(f"CPython {refs.VERSION} is in {refs.TREE.relative_to(refs.chapters.ROOT)}")


if __name__ == "__main__":
    machine.command("upstream", main)
