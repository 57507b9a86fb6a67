#!/bin/sh
# crates.sh PLACE LIBRARY SOURCE: Rust's parking_lot and what it stands on, from Debian's packages unpacked under PLACE, then SOURCE, as one
# static library. No cargo: seven calls of rustc. What build scripts would find for any rustc since 1.47 stands here as --cfg.
set -eu
place=$1 library=$2 source=$3
registry=$place/root/usr/share/cargo/registry
built=$place/built
mkdir -p "$built"
crate() {
    name=$1 folder=$2
    shift 2
    set -- "$@" -C panic=abort -O --cap-lints allow -L "$built" --out-dir "$built" --crate-type rlib
    rustc --crate-name "$name" "$registry"/$folder/src/lib.rs "$@"
}
use() { for dependency; do printf ' --extern %s=%s/lib%s.rlib' "$dependency" "$built" "$dependency"; done; }
libc_has="priv_mod_use union const_size_of align core_cvoid packedN cfg_target_vendor non_exhaustive ptr_addr_of underscore_const_names int128"

crate cfg_if "cfg-if-1*" --edition=2018
crate scopeguard "scopeguard-1*" --edition=2018
crate smallvec "smallvec-1*" --edition=2018
crate libc "libc-0.2*" --edition=2015 --cfg 'feature="std"' $(printf ' --cfg libc_%s' $libc_has)
crate lock_api "lock_api-0.4*" --edition=2018 --cfg has_const_fn_trait_bound $(use scopeguard)
crate parking_lot_core "parking_lot_core-0.9*" --edition=2018 $(use libc cfg_if smallvec)
crate parking_lot "parking_lot-0.12*" --edition=2018 $(use lock_api parking_lot_core)
rustc --edition=2021 -C panic=abort -O -L "$built" $(use parking_lot) --crate-name bench_rust --crate-type staticlib -o "$library" "$source"
