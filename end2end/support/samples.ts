// Images that the tests upload: samples of the repository, generated large ones, and broken ones.

import { readFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";

import type { Upload } from "./api.ts";

const MIME: Record<string, string> = { png: "image/png", jpg: "image/jpeg", tif: "image/tiff", webp: "image/webp" };

/** A file of server/tests/samples. */
export function sample(name: string): Upload {
  const mimeType = MIME[name.split(".").pop() ?? ""] ?? "application/octet-stream";
  return { name, mimeType, buffer: readFileSync(new URL(`../../server/tests/samples/${name}`, import.meta.url)) };
}

/** Rows of samples: a dim gradient with some grain, so that there is something to equalize. */
function rows(width: number, height: number, channels: number): Buffer {
  const bytes = Buffer.allocUnsafe(width * height * channels);
  let grain = 1;
  let at = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      grain = (Math.imul(grain, 1_664_525) + 1_013_904_223) >>> 0;
      const value = 40 + ((x * 60) / width) + ((y * 40) / height) + (grain >>> 30);
      for (let channel = 0; channel < channels; channel++) bytes[at++] = value + channel * 12;
    }
  }
  return bytes;
}

/** An 8-bit RGB PNG: decoded once by one worker (`split`), then equalized in tasks. */
export function largePng(name: string, width: number, height: number): Upload {
  const size = `${width}x${height}`;
  const buffer = made.get(size) ?? encodePng(width, height);
  made.set(size, buffer);
  return { name, mimeType: "image/png", buffer };
}

const made = new Map<string, Buffer>();

function encodePng(width: number, height: number): Buffer {
  const stride = width * 3;
  const pixels = rows(width, height, 3);
  const filtered = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; y++) pixels.copy(filtered, y * (stride + 1) + 1, y * stride, (y + 1) * stride);
  return png(header(width, height, 8, 2), deflateSync(filtered, { level: 1 }));
}

/** An 8-bit gray TIFF, uncompressed, 64 rows a strip: every worker reads its own strips. */
export function largeTiff(name: string, width: number, height: number): Upload {
  const pixels = rows(width, height, 1);
  return tiff(name, width, height, (from, to) => pixels.subarray(from * width, to * width), 1);
}

/** The same in any size as a small file: every row is the same ramp, compressed. */
export function rampTiff(name: string, width: number, height: number): Upload {
  const ramp = Buffer.from(Uint8Array.from({ length: width }, (_, x) => 40 + (x * 60) / width));
  const made = new Map<number, Buffer>();
  const strip = (count: number) => made.get(count) ?? made.set(count, deflateSync(Buffer.alloc(count * width, ramp))).get(count)!;
  return tiff(name, width, height, (from, to) => strip(to - from), 8);
}

function tiff(name: string, width: number, height: number, strip: (from: number, to: number) => Buffer, compression: number): Upload {
  const perStrip = 64;
  const strips = Array.from({ length: Math.ceil(height / perStrip) }, (_, i) => strip(i * perStrip, Math.min(height, (i + 1) * perStrip)));
  const lengths = strips.map(({ length }) => length);
  let end = 8;
  const offsets = lengths.map((length) => (end += length) - length);
  const SHORT = 3;
  const LONG = 4;
  const entries: [tag: number, type: number, values: number[]][] = [
    [256, LONG, [width]],
    [257, LONG, [height]],
    [258, SHORT, [8]],
    [259, SHORT, [compression]],
    [262, SHORT, [1]],
    [273, LONG, offsets],
    [277, SHORT, [1]],
    [278, LONG, [perStrip]],
    [279, LONG, lengths],
  ];
  const ifdAt = end + (end % 2);
  const ifd = Buffer.alloc(2 + entries.length * 12 + 4);
  const lists: Buffer[] = [];
  let listAt = ifdAt + ifd.length;
  ifd.writeUInt16LE(entries.length, 0);
  entries.forEach(([tag, type, values], i) => {
    const at = 2 + i * 12;
    ifd.writeUInt16LE(tag, at);
    ifd.writeUInt16LE(type, at + 2);
    ifd.writeUInt32LE(values.length, at + 4);
    if (values.length === 1) {
      ifd.writeUInt32LE(values[0] ?? 0, at + 8);
    } else {
      const list = Buffer.alloc(values.length * 4);
      values.forEach((value, j) => list.writeUInt32LE(value, j * 4));
      ifd.writeUInt32LE(listAt, at + 8);
      listAt += list.length;
      lists.push(list);
    }
  });
  const head = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(ifdAt, 4);
  const buffer = Buffer.concat([head, ...strips, Buffer.alloc(end % 2), ifd, ...lists]);
  return { name, mimeType: "image/tiff", buffer };
}

/** An empty file. */
export const empty: Upload = { name: "empty.png", mimeType: "image/png", buffer: Buffer.alloc(0) };

/** A text file with the name of a picture. */
export const text: Upload = {
  name: "letter.png",
  mimeType: "image/png",
  buffer: Buffer.from("Dear array,\nI am not a picture.\n".repeat(20)),
};

/** The first half of a real picture. */
export function truncated(): Upload {
  const whole = sample("coffee.png");
  return { ...whole, name: "half-a-coffee.png", buffer: whole.buffer.subarray(0, whole.buffer.length / 2) };
}

/** A JPEG with an empty table in the middle of its pixels: it is accepted, and its job fails. */
export function damaged(name: string): Upload {
  const { buffer } = sample("rocket.jpg");
  const middle = buffer.length >> 1;
  const table = Buffer.from([0xff, 0xc4]);
  return { name, mimeType: "image/jpeg", buffer: Buffer.concat([buffer.subarray(0, middle), table, buffer.subarray(middle)]) };
}

/** A valid header of ten thousand megapixels, without pixels. */
export function gigantic(): Upload {
  const buffer = png(header(100_000, 100_000, 8, 2), deflateSync(Buffer.alloc(64)));
  return { name: "gigantic.png", mimeType: "image/png", buffer };
}

function header(width: number, height: number, depth: number, color: number): Buffer {
  const ihdr = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, color, 0, 0, 0]);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  return ihdr;
}

function png(ihdr: Buffer, idat: Buffer): Buffer {
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", ihdr), chunk("IDAT", idat), chunk("IEND", Buffer.alloc(0))]);
}

function chunk(kind: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(kind, "latin1"), content]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(content.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
