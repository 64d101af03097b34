// Web Worker for the tests: hashes the samples that a module of the preview decodes from a file, and its results for each recipe.
//
// In:  {build: "simd128" or "plain", file: Uint8Array, recipes: as JSON}
// Out: {kernel, decoded, equalized: a hash for each recipe}, or {failed: sentence}

onmessage = async ({ data }) => {
  try {
    postMessage(await hashes(data));
  } catch (reason) {
    postMessage({ failed: `${reason}` });
  }
};

async function hashes({ build, file, recipes }) {
  const module = await import(`/pkg/preview-${build}.js`);
  await module.default({ module_or_path: `/pkg/preview-${build}.wasm` });
  const door = new module.Door(file);
  const parts = Array.from({ length: door.parts() }, (_, part) => part);
  const decoded = await hash(parts.map((part) => door.decoded(part)));
  const equalized = {};
  for (const recipe of recipes) {
    door.begin(recipe);
    while (door.advance() === undefined);
    equalized[recipe] = await hash(parts.map((part) => door.equalized(part)));
  }
  door.free();
  return { kernel: module.kernel(), decoded, equalized };
}

async function hash(pieces) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await new Blob(pieces).arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
