// A small image as numbers. Sizes are checked before anything is decoded.

import { Refusal } from "./relation.js";

export const MEGABYTES = 10;
export const MEGAPIXELS = 16;

/** Read an image as rows x columns x channels numbers in [0, 1], channel by channel. */
export async function readImage(file, rows, columns, channels) {
  const limits = { megabytes: MEGABYTES, megapixels: MEGAPIXELS };
  if (file.size > MEGABYTES * 1e6) throw new Refusal("imageLarge", limits);
  const size = headerSize(new Uint8Array(await file.slice(0, 1 << 18).arrayBuffer()));
  if (!size) throw new Refusal("imageType");
  if (size[0] * size[1] > MEGAPIXELS * 1e6) throw new Refusal("imageLarge", limits);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { resizeWidth: columns, resizeHeight: rows, resizeQuality: "high" });
  } catch {
    throw new Refusal("imageBroken");
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, columns, rows);
  const grey = (n) => 0.299 * data[n] + 0.587 * data[n + 1] + 0.114 * data[n + 2];
  return Array.from({ length: channels }, (_, channel) =>
    Array.from({ length: rows * columns }, (_, n) => (channels === 3 ? data[4 * n + channel] : grey(4 * n)) / 255),
  ).flat();
}

/** [width, height] as the first bytes of a PNG, GIF, WebP or JPEG file say; null: none of these. */
export function headerSize(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at, text) => [...text].every((letter, n) => bytes[at + n] === letter.charCodeAt(0));
  try {
    if (word(1, "PNG\r\n")) return [view.getUint32(16), view.getUint32(20)];
    if (word(0, "GIF8")) return [view.getUint16(6, true), view.getUint16(8, true)];
    if (word(0, "RIFF") && word(8, "WEBP")) return webp(view, word);
    if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(view);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return null;
}

function webp(view, word) {
  const three = (at) => view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
  if (word(12, "VP8X")) return [three(24) + 1, three(27) + 1];
  if (word(12, "VP8L")) {
    const bits = view.getUint32(21, true);
    return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
  }
  return word(12, "VP8 ") ? [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff] : null;
}

/** Walk the segments of a JPEG file to its frame header. */
function jpeg(view) {
  for (let at = 2; ; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint8(at + 1);
    if (view.getUint8(at) !== 0xff) return null;
    const frame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (frame) return [view.getUint16(at + 7), view.getUint16(at + 5)];
  }
}
