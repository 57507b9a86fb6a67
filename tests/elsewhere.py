#!/usr/bin/env python3
"""The two commands of the README on another Debian, and the suites by other compilers, with other flags, for another processor.

Each step works on a copy of this tree under build/elsewhere/, which is kept, so that the next run compiles what changed. The other
Debian is a root made by mmdebstrap through this machine's own apt configuration; it is kept too. Entering it takes root.
"""
import argparse
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "upstream-refs"))
import fetch  # noqa: E402

PLACE = ROOT / "build/elsewhere"
ARM = "aarch64-linux-gnu"
SHORT = ["check_arena", "check_hashing", "check_parking_lot", "check_mutex"]     # of the suites, under an emulator
ARM_STEPS = [
    f"dpkg --add-architecture arm64 && apt-get -q update && apt-get -qy install --no-install-recommends gcc-{ARM} libc6-dev-arm64-cross qemu-user check:arm64",
    f"PKG_CONFIG_LIBDIR=/usr/lib/{ARM}/pkgconfig make -j{os.cpu_count()} suites CC={ARM}-gcc WHICH='gil ft' RUN=true SUITES='{' '.join(SHORT)}' JOBS=",
    *(f"CK_TIMEOUT_MULTIPLIER=20 qemu-aarch64 build/{suite}.{config}" for suite in SHORT for config in ("gil", "ft")),
]
# name: what is said of it, the Debian (None: this machine), its commands
STEPS = {
    "clang": ("clang", None, ["make test CONFIG='gil ft' CC=clang"]),
    "flags": ("the linker's and the compiler's flags on the command line", None, ["make test CONFIG=gil CFLAGS='-O3 -g' LDFLAGS=-Wl,-O1"]),
    "lto": ("link-time optimisation", None, ["make test CONFIG='gil ft' CFLAGS='-O2 -g -flto=auto' LDFLAGS='-O2 -flto=auto'"]),
    "trixie": ("Debian 13, the README's two commands", "trixie", ["make setup book", "make setup test"]),
    "trixie-compilers": ("Debian 13's gcc at -O3, and its clang", "trixie", ["make test CONFIG='gil ft' CFLAGS='-O3 -g'", "apt-get -qy install --no-install-recommends clang",
                                                                       "make test CONFIG=gil CC=clang"]),
    "arm64": ("64-bit ARM, emulated", "trixie", ARM_STEPS),
}


class Failure(Exception):
    """What went wrong, in a line or a few."""


def say(text):
    print(f"elsewhere: {text}", flush=True)


def run(command, log, **options):
    """One command, its output kept; a failure shows the end of it."""
    with open(log, "ab") as out:
        start = out.tell()
        status = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options).returncode
    if status:
        said = log.read_bytes()[start:].decode(errors="replace").splitlines()
        raise Failure("\n".join([*said[-40:], f"that was: {command if isinstance(command, str) else shlex.join(map(str, command))}; "
                                 f"it ended with status {status}; all it said is in {log.relative_to(ROOT)}"]))


def copy_tree(place):
    """This tree as it is, without what was built; files that did not change keep their times."""
    left_out = {"build", ".git", "__pycache__", "node_modules"}
    fresh = {path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file() and not left_out & set(path.relative_to(ROOT).parts)}
    if place.is_dir():
        for path in [p for p in place.rglob("*") if p.is_file() and not left_out & set(p.relative_to(place).parts)]:
            if path.relative_to(place) not in fresh:
                path.unlink()
    for name in sorted(fresh):
        there = place / name
        if not there.is_file() or there.read_bytes() != (ROOT / name).read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, there)
    for kept in (ROOT / "build/upstream").glob("*.tar.xz"):     # CPython's source need not be fetched again
        if not (place / "build/upstream" / kept.name).is_file():
            (place / "build/upstream").mkdir(parents=True, exist_ok=True)
            shutil.copy(kept, place / "build/upstream")


def make_root(suite, log):
    """A Debian of that suite; all or nothing."""
    root = PLACE / suite
    if (root / "etc/debian_version").is_file():
        return root
    uris = fetch.machine_uris()
    if not uris:
        raise Failure(f"this machine's apt names no Debian archive, so there is no {suite} to be had")
    fresh = PLACE / f"{suite}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    say(f"making a root of Debian's {suite}")
    run(["mmdebstrap", "--variant=minbase", "--include=make,ca-certificates", "--aptopt=Acquire::Check-Valid-Until \"false\"", suite, fresh,
         *(f"deb {uri} {suite} main" for uri in uris)], log)
    os.replace(fresh, root)
    return root


def enter(root, command):
    """In the root, with processes and devices of its own, which end with the command."""
    inside = f"mount -t proc proc {shlex.quote(str(root))}/proc && mount --rbind /dev {shlex.quote(str(root))}/dev && " \
             f"exec chroot {shlex.quote(str(root))} /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 " \
             f"DEBIAN_FRONTEND=noninteractive sh -c {shlex.quote(f'cd /house && {command}')}"
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside]


def take(name):
    """One step: 'passed', or 'skipped' with the reason said."""
    about, suite, commands = STEPS[name]
    log = PLACE / f"{name}.log"
    log.unlink(missing_ok=True)
    if suite and os.geteuid() != 0:
        say(f"{about}: skipped, since a root is entered as root: sudo make elsewhere")
        return "skipped"
    missing = "mmdebstrap" if suite and not shutil.which("mmdebstrap") else "clang" if name == "clang" and not shutil.which("clang") else None
    if missing:
        raise Failure(f"{about}: no {missing} here: make setup check installs it")
    root = make_root(suite, log) if suite else None
    house = root / "house" if root else PLACE / "house"
    copy_tree(house)
    for command in commands:
        start = time.monotonic()
        if root:
            run(enter(root, command), log)
        else:
            run(command, log, shell=True, cwd=house, env={k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))})
        say(f"{about}: {command.split(' && ')[-1][:100]}: {time.monotonic() - start:.0f} s")
    return "passed"


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                  epilog="\n".join(f"  {name:18}{about}" for name, (about, _, _) in STEPS.items()))
    arg.add_argument("steps", nargs="*", metavar="STEP", help="one of those below; none: all")
    opt = arg.parse_args()
    unknown = set(opt.steps) - set(STEPS)
    if unknown:
        arg.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    PLACE.mkdir(parents=True, exist_ok=True)
    ended = {}
    for name in opt.steps or STEPS:
        try:
            ended[name] = take(name)
        except Failure as failure:
            print(failure, file=sys.stderr, flush=True)
            ended[name] = "failed"
    count = list(ended.values()).count
    say(", ".join(f"{count(word)} {word}" for word in ("passed", "failed", "skipped")) + (": " + ", ".join(n for n, e in ended.items() if e == "failed") if count("failed") else ""))
    return 1 if count("failed") else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("elsewhere: interrupted; the root and the copies are kept")
