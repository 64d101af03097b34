// The preview's Web Worker: loads the module that this browser supports, and answers one request after the other. A newer request
// replaces a waiting one, and cancels one in progress for the whole image.
//
// In:  {open: File}, {look: recipe as JSON, whole: boolean, wish: number}
// Out: {opened: info as JSON, note: sentences, …look}, {wish, …look}, {wish, failed: sentence}; a look is {picture, distribution, exact}

// Smallest module with a simd128 instruction.
const SIMD128 = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);
const build = WebAssembly.validate(SIMD128) ? "simd128" : "plain";
const loaded = import(`./preview-${build}.js`).then(async (module) => {
  await module.default({ module_or_path: new URL(`./preview-${build}.wasm`, import.meta.url) });
  return module;
});

let preview = null;
let wanted = null;
let busy = false;

onmessage = ({ data }) => {
  wanted = data;
  if (!busy) work();
};

async function work() {
  busy = true;
  while (wanted) {
    const wish = wanted;
    wanted = null;
    try {
      await (wish.open ? open(wish.open) : look(wish));
    } catch (reason) {
      postMessage({ wish: wish.wish ?? 0, failed: typeof reason === "string" ? reason : `${reason}` });
    }
  }
  busy = false;
}

async function open(file) {
  const [{ Door }, bytes] = await Promise.all([loaded, file.arrayBuffer()]);
  preview?.free();
  preview = null;
  preview = new Door(new Uint8Array(bytes));
  await show({ opened: preview.info(), note: preview.note() }, preview.before());
}

async function look({ look, whole, wish }) {
  if (!preview) return;
  if (!whole) return show({ wish }, preview.approximate(look));
  preview.begin(look);
  let done = preview.advance();
  for (let since = performance.now(); !done; done = preview.advance()) {
    if (performance.now() - since < 20) continue;
    await pause();
    if (wanted) return;
    since = performance.now();
  }
  await show({ wish }, done);
}

async function show(words, look) {
  const [width, height] = [look.width(), look.height()];
  const told = { ...words, distribution: look.distribution(), exact: look.exact() };
  const pixels = look.pixels();
  const image = new ImageData(new Uint8ClampedArray(pixels.buffer, pixels.byteOffset, pixels.length), width, height);
  const picture = await createImageBitmap(image);
  postMessage({ ...told, picture }, [picture]);
}

// Lets messages arrive; browsers delay timers by at least 4 ms.
const channel = new MessageChannel();
function pause() {
  return new Promise((resolve) => {
    channel.port1.onmessage = () => resolve();
    channel.port2.postMessage(null);
  });
}
