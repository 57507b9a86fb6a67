#!/bin/sh
# Line and branch coverage of the tangled library, both build configurations together, as gcov counts it.
# The arena must be covered whole; of hash/ two branches cannot be taken (chapter 5, "What the tests leave out").
set -eu
gcovr --root . --object-directory build --filter 'tangle/' --exclude-unreachable-branches --exclude-throw-branches
gcovr --root . --object-directory build --filter 'tangle/' --exclude-unreachable-branches --exclude-throw-branches --branches
gcovr --root . --object-directory build --filter 'tangle/arena/' --exclude-unreachable-branches --exclude-throw-branches \
      --fail-under-line 100 --fail-under-branch 100 --print-summary -o build/coverage.txt |
    sed 's/^/arena: /'
gcovr --root . --object-directory build --filter 'tangle/hash/' --exclude-unreachable-branches --exclude-throw-branches \
      --fail-under-line 100 --fail-under-branch 99 --print-summary -o build/coverage.txt |
    sed 's/^/hash: /'
