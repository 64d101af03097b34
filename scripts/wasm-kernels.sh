#!/usr/bin/env bash
# Compiles the kernels to WebAssembly and compares them with the scalar one in Node.js. A difference traps, and the script fails.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$ROOT/scripts/wasm.sh"

need_rust
has node || die "Running WebAssembly needs Node.js."
choose_wasm_toolchain
folder="$WASM_TARGET_DIR/kernels"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="${CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS:-} -C target-feature=+simd128"
"${WASM_CARGO[@]}" build --locked -p shared --example kernels_agree --target "$WASM_TARGET" --target-dir "$folder"
node -e '
const module = require("fs").readFileSync(process.argv[1]);
WebAssembly.instantiate(module, {}).then(({ instance }) => {
  instance.exports.main(0, 0);
  console.log("every kernel agrees in WebAssembly");
}).catch(error => { console.error(error); process.exit(1); });
' "$folder/$WASM_TARGET/debug/examples/kernels_agree.wasm"
