"""Serve the book on this machine alone, weave what changes, and reload the page that shows it.

    make serve [PORT=8000]       (PORT=0: any port that is free)

Saving a chapter tangles and weaves that chapter, and so does all else that a page shows; a trap or a weaving error is told here and on the open pages, which keep
what they showed. Ctrl-C ends it.
"""
import argparse
import functools
import http.server
import json
import os
import pathlib
import queue
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent)]
import machine  # noqa: E402

PAUSE = 0.1             # seconds between two looks at the files
CLIENT = """<script>
(() => {
  const box = document.createElement("pre");
  box.setAttribute("role", "alert");
  box.style.cssText = "position:fixed;inset:auto 0 0 0;z-index:99;margin:0;padding:1rem 1.5rem;max-height:60vh;overflow:auto;white-space:pre-wrap;background:#7a1d15;color:#fff;font:14px/1.5 monospace";
  const events = new EventSource("/-/events");
  events.addEventListener("woven", (event) => {
    box.remove();
    const changed = JSON.parse(event.data), page = location.pathname.split("/").pop() || "index.html";
    if (changed.some((name) => name === page || /^(style\\.css|book\\.js)$/.test(name))) location.reload();
  });
  events.addEventListener("trouble", (event) => { box.textContent = JSON.parse(event.data); document.body.append(box); });
})();
</script>
"""


def say(message):
    print(f"serve: {message}", file=sys.stderr, flush=True)


class House:
    """What the open pages are told."""

    def __init__(self):
        self.lock, self.listeners, self.trouble = threading.Lock(), set(), None

    def tell(self, event, value):
        with self.lock:
            self.trouble = value if event == "trouble" else None
            for listener in self.listeners:
                listener.put((event, value))

    def listen(self):
        listener = queue.Queue()
        with self.lock:
            self.listeners.add(listener)
            if self.trouble:
                listener.put(("trouble", self.trouble))
        return listener

    def leave(self, listener):
        with self.lock:
            self.listeners.discard(listener)


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args, house, **options):
        self.house = house
        super().__init__(*args, **options)

    def log_message(self, *_):
        pass

    def end_headers(self):
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def do_GET(self):
        if self.path == "/-/events":
            return self.events()
        path = pathlib.Path(self.translate_path(self.path))
        try:
            path = path / "index.html" if path.is_dir() else path
            page = path.read_bytes() if path.suffix == ".html" and path.is_file() else None
        except OSError:                 # a name that no file can have
            page = None
        if page is None:
            return super().do_GET()
        page = page.replace(b"</body>", CLIENT.encode() + b"</body>")
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def send_head(self):
        """Of a file, or of an error: an address that names none is the asker's fault."""
        try:
            return super().send_head()
        except (OSError, ValueError):
            return self.send_error(400, "Bad address")

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        listener = self.house.listen()
        try:
            while True:
                try:
                    event, value = listener.get(timeout=15)
                    self.wfile.write(f"event: {event}\ndata: {json.dumps(value)}\n\n".encode())
                except queue.Empty:
                    self.wfile.write(b": still here\n\n")
                self.wfile.flush()
        except OSError:
            pass                        # the page was closed
        finally:
            self.house.leave(listener)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, address)


def watched():
    """{path: its time of change} of all that a page depends on."""
    book = HERE.parent
    source = [pathlib.Path(os.environ["CPYTHON"])] if os.environ.get("CPYTHON") else (ROOT / "build/upstream").glob("cpython-*")
    paths = [*book.glob("*.md"), *book.glob("*.py"), *book.glob("*.yaml"), *(book / "traces").glob("*.json"), *HERE.glob("*.*"), *(HERE / "web").iterdir(),
             *(book / "reports").glob("*"), *(ROOT / "build/reports").glob("*"), ROOT / "build/results/results.json", ROOT / "build/traces.older",
             ROOT / "upstream-refs/refs.py", *(ROOT / "upstream-refs/pins").glob("*.json"), *(tree / "Include/patchlevel.h" for tree in source)]
    found = {}
    for path in paths:
        try:
            found[path] = path.stat().st_mtime_ns
        except OSError:
            pass                        # an editor that saves by renaming
    return found


class Trouble(Exception):
    """What stopped the weaving, in the words of the tool that found it."""


def weave_book(build, early=None):
    """Tangle and weave; the names of the files that changed, but for those that early(names) was told of already."""
    import chapters
    import tangle
    import weave
    try:
        book = chapters.load()
    except chapters.Trap as trap:
        raise Trouble("\n".join(f"{path}:{line}: {message}" for path, line, message in trap.findings)) from None
    try:
        if tangle.shutil.which("notangle"):
            tangle.refresh(book, tangle.fingerprint())
        weaver = weave.Weaver(book.index(), HERE.parent, build)
        weaver.web(early)
        return weaver.changed
    except (weave.Failure, SystemExit, OSError) as failure:
        raise Trouble(str(failure)) from None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", default="8000", help="default: 8000; 0: any that is free")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build", help="folder for everything made (default: build/)")
    options = parser.parse_args()
    if not options.port.isdecimal() or int(options.port) > 65535:
        say(f"{options.port} is no port: make serve PORT= takes a number from 0 (any that is free) to 65535")
        return 2
    port = int(options.port)
    folder, house = options.build.resolve() / "book/html", House()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = Server(("127.0.0.1", port), functools.partial(Handler, house=house, directory=str(folder)))
    except OSError as error:
        say(f"port {port} cannot be had ({error.strerror}): make serve PORT={port + 1 if port < 65535 else 0}")
        return 1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = None
    try:
        while True:
            now = watched()
            if now == seen:
                time.sleep(PAUSE)
                continue
            changed = [path for path in now.keys() | (seen or {}).keys() if seen is not None and now.get(path) != seen.get(path)]
            if any(path.suffix == ".py" for path in changed):
                say("the weaver itself changed: starting again")
                server.server_close()
                os.execv(sys.executable, [sys.executable, sys.argv[0], "--port", str(server.server_port), "--build", str(options.build)])
            first, seen, started = seen is None, now, time.monotonic()
            for path in changed:
                say(f"{path.relative_to(ROOT)} changed")
            try:
                def early(names):
                    say(f"{', '.join(names)} after {time.monotonic() - started:.1f} s")
                    house.tell("woven", names)
                names = weave_book(options.build.resolve(), None if first else early)
                say(f"woven in {time.monotonic() - started:.1f} s")
                house.tell("woven", names)
            except Trouble as trouble:
                print(trouble, file=sys.stderr, flush=True)
                say("not woven: the pages stay as they were until this is mended")
                house.tell("trouble", str(trouble))
            if first:
                say(f"open http://127.0.0.1:{server.server_port}/  (Ctrl-C ends this)")
    except KeyboardInterrupt:
        print(file=sys.stderr)
        say("stopped")
        return 0


if __name__ == "__main__":
    machine.command("serve", main, "stopped")
