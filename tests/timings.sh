#!/bin/sh
# How long the everyday steps take here: median of five for the short ones, one run for the long ones.
set -eu

now() { date +%s%N; }
once() { start=$(now); "$@" >/dev/null 2>&1; echo $(( ($(now) - start) / 1000000 )); }
median() { for i in 1 2 3 4 5; do once "$@"; done | sort -n | sed -n 3p; }
scratch() { rm -f build/tangle.json; rm -rf build/line; make tangle; }
reweave() { printf '\n' >>"$copy"; make weave; }
show() { printf '%8s ms  %s\n' "$2" "$1"; }

echo "$(uname -srm), $(nproc) cores"
make tangle weave >/dev/null 2>&1
show "tangle, nothing changed" "$(median make tangle)"
show "tangle, from scratch" "$(median scratch)"
copy=book/03-arena.md
cp -p "$copy" build/timings.keep && trap 'mv build/timings.keep "$copy"' EXIT
show "weave one changed chapter" "$(once reweave)"
mv build/timings.keep "$copy" && trap - EXIT
show "make weave, nothing changed" "$(median make weave)"
edited() { printf '\n' >>"$copy"; make test CHAPTER=10 CONFIG=gil; }
unbuilt() { find build -mindepth 1 -maxdepth 1 ! -name upstream ! -name timings.keep -exec rm -rf {} +; }
unbuilt
show "make test CHAPTER=10 CONFIG=gil, from a clean tree" "$(once make test CHAPTER=10 CONFIG=gil)"
copy=book/10-mutex.md
cp -p "$copy" build/timings.keep && trap 'mv build/timings.keep "$copy"' EXIT
show "the same, after an edit" "$(once edited)"
mv build/timings.keep "$copy" && trap - EXIT
unbuilt
show "make test, from a clean tree" "$(once make test)"
show "make test, nothing changed" "$(once make test)"
show "make refs" "$(once make refs)"
show "make tools" "$(once make tools)"
show "make simulate, built before" "$(make simulate >/dev/null 2>&1; once make simulate)"
show "make book, from scratch: web, PDF, EPUB" "$(once make book)"
