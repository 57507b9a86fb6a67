# Ground Floor: the chapters in book/ are the only source. `make help` lists the targets.
VERSION := 0.1.0
PREFIX  ?= /usr/local
CC      ?= cc
PYTHON  := $(firstword $(wildcard /usr/bin/python3) python3)
CFLAGS  ?= -O2 -g
STRICT  := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
SANITIZE := -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -DPy_DEBUG=1

# The build configurations: with the GIL (the default) and free-threaded (ft). Each is there twice: as it is, and with POLICY=upstream,
# which does as CPython does where the library is faster (gil-upstream, ft-upstream …).
ifneq ($(filter-out ours upstream,$(POLICY)),)
$(error POLICY is ours or upstream, not $(POLICY))
endif
UPSTREAM     := $(if $(filter upstream,$(POLICY)),-upstream)
CONFIGS      := $(or $(CONFIG),$(addsuffix $(UPSTREAM),gil ft asan-gil asan-ft))
MORE_CONFIGS := $(addsuffix $(UPSTREAM),tsan-gil tsan-ft)
OTHER_POLICY := $(if $(CONFIG),,$(addsuffix $(if $(UPSTREAM),,-upstream),gil ft))
FT           := -DPy_GIL_DISABLED=1
DRY           = $(findstring n,$(filter-out -%,$(firstword $(MAKEFLAGS))))# make -n: a line that names a make of its own is run even then
export PYTHONUTF8 := 1
.DELETE_ON_ERROR:
flags-gil      := $(CFLAGS)
flags-ft       := $(CFLAGS) $(FT)
flags-asan-gil := $(SANITIZE) -fsanitize=address,undefined
flags-asan-ft  := $(flags-asan-gil) $(FT)
flags-tsan-gil := $(SANITIZE) -fsanitize=thread
flags-tsan-ft  := $(flags-tsan-gil) $(FT)
flags-cov-gil  := -O0 -g --coverage -DNDEBUG -DSUPPORT_COVERAGE
flags-cov-ft   := $(flags-cov-gil) $(FT)
flags-lib      := $(CFLAGS) -fPIC
flags-libt     := $(CFLAGS) -fPIC $(FT)
EVERY_CONFIG := gil ft asan-gil asan-ft tsan-gil tsan-ft
PLAIN_TREE   := cov-gil cov-ft lib libt
$(foreach c,$(EVERY_CONFIG) $(PLAIN_TREE),$(eval flags-$(c)-upstream := $(flags-$(c)) -DGF_UPSTREAM_POLICY))
EVERY_CONFIG += $(EVERY_CONFIG:%=%-upstream)
PLAIN_TREE   += $(PLAIN_TREE:%=%-upstream)
ifneq ($(filter-out $(EVERY_CONFIG),$(CONFIG)),)
$(error CONFIG is one or more of $(EVERY_CONFIG), not $(CONFIG))
endif

# The tests are built from the extraction with #line, so that messages name the chapter; without noweb, from tangle/.
LINE  := $(if $(shell command -v notangle),build/line/)
PORT  := $(filter-out simulation/% bench/% graft/% %/groundfloor_hash,$(patsubst tangle/%.c,%,$(wildcard tangle/*/*.c)))
CHECK  = $(shell pkg-config --cflags --libs check)
# CHAPTER=10 builds and runs the tests of that chapter's claims alone; CLAIM=a-wakeup-is-kept or 6.1, of that claim.
SOME   := $(PYTHON) tests/run.py $(CHAPTER:%=--chapter %) $(CLAIM:%=--claim %)
RUN    := $(SOME)
SUITES := $(if $(CHAPTER)$(CLAIM),$(or $(shell $(SOME)),$(error nothing to test (above))),$(patsubst tests/%.c,%,$(wildcard tests/check_*.c)))
# Both cores, but where the caller said how many.
JOBS    = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: help setup tangle test suites weave serve book pdf epub upstream refs pin drift lib install coverage sanitize tools lockstep check timings clean
help:           ## list the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

GOALS := $(filter-out setup,$(MAKECMDGOALS))
setup:          ## install what the goals beside it need: make setup book, make setup test
	@sh ./setup $(GOALS)
	@$(if $(GOALS),$(MAKE) --no-print-directory $(GOALS))
ifneq ($(filter setup,$(MAKECMDGOALS)),)
$(GOALS): setup ; @:
else            # a make of its own, above, sees the tools that were just installed

tangle:         ## extract tangle/ and tests/ from the chapters (checked for noweb's traps first)
	@$(if $(LINE),$(PYTHON) book/tangle.py,echo "tangle: no noweb here (make setup): using tangle/ and tests/ as they are")
test: tangle    ## build and run the Check suites: GIL, free-threaded, each plain and ASan+UBSan, and plain under the other POLICY (CHAPTER=03, CLAIM=3.7 or its name: of them; CONFIG=gil: one build)
	@$(MAKE) --no-print-directory $(JOBS) suites WHICH="$(CONFIGS) $(OTHER_POLICY)"
sanitize: tangle ## the same suites under ThreadSanitizer
	@$(MAKE) --no-print-directory $(JOBS) suites WHICH="$(MORE_CONFIGS)"
suites: $(foreach c,$(WHICH),$(SUITES:%=build/%.$(c)))
	@$(RUN) $(WHICH)

upstream:       ## fetch the pinned CPython source (or name a tree: CPYTHON=…)
	@$(PYTHON) upstream-refs/fetch.py
refs: tangle upstream  ## hold every citation, chunk, claim and ported symbol to the pinned source (COUNTS=1: how much there is to read)
	@$(PYTHON) upstream-refs/refs.py $(if $(COUNTS),counts,check)
pin: tangle upstream   ## record lines and hashes of the citations, after looking at them
	@$(PYTHON) upstream-refs/refs.py pin
drift: tangle upstream ## TO=tree: what another CPython moved, changed, removed or added, by chapter
	@$(if $(TO),$(PYTHON) upstream-refs/refs.py drift $(TO),echo "drift: name a CPython tree: make drift TO=…"; exit 2)

weave: tangle played ## weave the web pages that changed
	@$(PYTHON) upstream-refs/fetch.py || echo "weave: going on without CPython's source; the pages say what is missing"
	@$(PYTHON) book/weave/weave.py html
serve:          ## the pages on this machine alone, woven again and reloaded when a chapter changes (PORT=8000)
	@$(PYTHON) book/weave/serve.py $(if $(filter command,$(origin PORT)),--port $(PORT))
pdf epub: tangle played ## the book on paper, on an e-reader
	@$(PYTHON) book/weave/weave.py $@
book: weave pdf epub ## web pages, PDF and EPUB
	@echo "open build/book/html/index.html"

LIB := build/lib$(UPSTREAM)
quoted = '$(subst ','\'',$(1))'
lib: $(LIB)/libgroundfloor.a $(LIB)/libgroundfloor.so $(LIB)/libgroundfloort.a $(LIB)/libgroundfloort.so ## the library, both builds (POLICY=upstream: in build/lib-upstream/)
$(LIB)/libgroundfloor.a $(LIB)/libgroundfloor.so: $(PORT:%=build/%.lib$(UPSTREAM).o)
$(LIB)/libgroundfloort.a $(LIB)/libgroundfloort.so: $(PORT:%=build/%.libt$(UPSTREAM).o)
$(LIB)/%.a:
	@mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(LIB)/%.so:
	@mkdir -p $(@D) && $(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F).0 -o $@.0 $^ -pthread && ln -sf $(@F).0 $@
install: lib    ## PREFIX= DESTDIR= (each file is replaced, not written over: a program may have it mapped)
	@set -eu; umask 022; prefix=$(call quoted,$(PREFIX)); case $$prefix in /*) ;; *) prefix=$$PWD/$$prefix ;; esac; to=$(call quoted,$(DESTDIR))$$prefix; \
	put() { install -D -m "$$1" "$$2" "$$3.new" && mv -fT "$$3.new" "$$3"; }; \
	for t in '' t; do put 644 $(LIB)/libgroundfloor$$t.a "$$to/lib/libgroundfloor$$t.a"; so=libgroundfloor$$t.so; \
	  put 755 $(LIB)/$$so.0 "$$to/lib/$$so.0"; ln -s $$so.0 "$$to/lib/$$so.new"; mv -fT "$$to/lib/$$so.new" "$$to/lib/$$so"; \
	  PREFIX=$$prefix awk 'BEGIN { p = ENVIRON["PREFIX"]; gsub(/[ \\"$$\047]/, "\\\\&", p) } /^prefix=/ { print "prefix=" p; next } \
	    { gsub("@VERSION@", "$(VERSION)"); gsub("@T@", "'$$t'"); gsub("@DEFINE@", "'"$${t:+ $(FT)}"'"); print }' groundfloor.pc.in >$(LIB)/groundfloor$$t.pc; \
	  put 644 $(LIB)/groundfloor$$t.pc "$$to/lib/pkgconfig/groundfloor$$t.pc"; done; \
	for h in $(patsubst tangle/%,%,$(filter-out $(addprefix tangle/,simulation/% bench/% graft/%),$(wildcard tangle/*/*.h))); do \
	  put 644 tangle/$$h "$$to/include/groundfloor/$$h"; done; echo "installed in $$to"

coverage: tangle ## lines and branches of tangle/ that the suites reach, under the policy named (gcov)
	@find build -path '*cov-*' -type f -delete     # gcov would mix what two policies compiled
	@$(MAKE) --no-print-directory $(JOBS) suites WHICH="cov-gil$(UPSTREAM) cov-ft$(UPSTREAM)" RUN="$(RUN) --quiet --apart"
	@sh tests/coverage.sh
tools:          ## test the tools themselves: bad chapters, altered archives, loose citations, the README
	@$(PYTHON) tests/tools/house.py
lockstep: tangle traces ## fail when tangle/, tests/ or book/traces/ are not what the chapters make
	@$(PYTHON) book/tangle.py --committed
check: FUZZ_RUNS := 200000
check: LITMUS := --if-possible
check: lockstep refs test sanitize fuzz coverage tools simulate museum litmus graft-test book browser ## everything that CI runs
	@$(MAKE) --no-print-directory POLICY=$(if $(UPSTREAM),ours,upstream) simulate museum
	@$(PYTHON) tests/book/check_pages.py --reproducible
timings:        ## how long each step takes on this machine
	@sh tests/timings.sh
clean:          ## remove what was built; the fetched CPython source stays
	@find build -mindepth 1 -maxdepth 1 ! -name upstream -exec rm -rf {} +

.SECONDARY:
include tests/suites.mk tests/hash.mk tests/simulation.mk tests/bench.mk tests/graft.mk tests/browser.mk
endif
-include $(wildcard build/*.d build/*/*.d)
