"""What the tools of the house ask of the machine: a file written whole or not at all, one process at a time, git's answer, and an
end that is one clear line."""
import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Unanswered(Exception):
    """A tool did not answer; the message is one line."""


def write(path, data):
    """Replace a file in one step, when all of it is on the disk, and only when its content changes. True when it did."""
    data = data.encode() if isinstance(data, str) else data
    if path.is_file() and path.read_bytes() == data:
        return False
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        put(half, data)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    return True


def put(path, data):
    """A new file, on the disk to its last byte; OSError where there is no room."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def alone(path, who):
    """While another process holds the lock, this one waits; the kernel lets go of it when its holder ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{who}: another process is at the same work: waiting for it", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def git(*arguments):
    """What git says of this tree's own repository, or None where it has none: a repository further up is another's, and one that
    belongs to another user is read all the same, as is the Makefile in it."""
    if not (ROOT / ".git").exists():
        return None
    try:
        made = subprocess.run(["git", "--git-dir=.git", "--work-tree=.", *arguments], cwd=ROOT, capture_output=True, text=True, errors="replace")
    except FileNotFoundError:
        raise Unanswered("git is not installed") from None
    if made.returncode:
        raise Unanswered((made.stderr.strip().splitlines() or [f"status {made.returncode}"])[0])
    return made.stdout


def command(name, main, interrupted="nothing was half-written"):
    """Run a tool to its end: what the machine refuses it, and Ctrl-C, are told in one line; text in any locale."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(f"{name}: interrupted; {interrupted}")
    except OSError as error:
        place = os.path.relpath(error.filename, ROOT) if isinstance(error.filename, str) else error.filename
        place = error.filename if str(place).startswith("..") else place
        sys.exit(f"{name}: {f'{place}: ' if place else ''}{error.strerror or error}")
