# The hash package's program, its demonstration and its fuzz target.
.PHONY: hash flood fuzz
hash: build/groundfloor-hash ## build/groundfloor-hash, which prints a hash secret and hashes
flood: build/flood ## collisions with and without the secret, counted: the figures of the hash chapters
	@$<
build/hash/groundfloor_hash.lib.o: private STRICT += -DGF_VERSION='"$(VERSION)"'
build/check_hashing.%.o: private STRICT += -DGF_VERSION='"$(VERSION)"'
build/groundfloor-hash: build/hash/groundfloor_hash.lib.o build/lib/libgroundfloor.a
build/flood: build/flood.lib.o build/lib/libgroundfloor.a
build/groundfloor-hash build/flood:
	@$(CC) $(LDFLAGS) -o $@ $^ -pthread
fuzz: tangle    ## libFuzzer (clang) over PYTHONHASHSEED, the secret and the hashes; FUZZ_RUNS=
	@command -v clang >/dev/null || { echo "fuzz: no clang here: make setup check" >&2; exit 1; }
	@clang $(STRICT) -O1 -g -fno-sanitize-recover=all -fsanitize=fuzzer,address,undefined -pthread -Itangle -Itests -o build/fuzz_hash \
	  tests/fuzz_hash.c $(PORT:%=tangle/%.c)
	@build/fuzz_hash -runs=$(FUZZ_RUNS) -max_len=400 -dict=tests/fuzz_hash.dict -verbosity=0 -print_final_stats=1
FUZZ_RUNS ?= 10000000

# The calls that the tests of the hash secret make fail: the linker sends them to __wrap_open and so on. Link-time optimisation
# would have inlined some of them before.
WRAPPED := open __open_2 fstat read __read_chk close getrandom getentropy PyEval_SaveThread PyEval_RestoreThread
link-check_hash_secret := -fno-lto $(WRAPPED:%=-Wl,--wrap=%)
link-check_hashing     := -fno-lto -Wl,--wrap=getrandom -Wl,--wrap=setenv
