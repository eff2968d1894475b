// A screenshot as a PNG of 256 colours at most, which is a third of the bytes and looks the same.
import { deflateSync } from "node:zlib";

// The bytes of a chunk, with its length and check sum (PNG, section 5).
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  let crc = 0xFFFFFFFF;
  for (const byte of body) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc >>> 1 ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE((crc ^ 0xFFFFFFFF) >>> 0, body.length + 4);
  return whole;
}

// In the page: the colours that are most of it, and for each point the nearest of them.
async function indexed(data) {
  const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]));
  const { width, height } = bitmap, context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const points = new Uint32Array(context.getImageData(0, 0, width, height).data.buffer);
  const counted = new Map();
  for (const point of points) counted.set(point, (counted.get(point) ?? 0) + 1);
  const palette = [...counted].sort((a, b) => b[1] - a[1]).slice(0, 256).map(([point]) => point);
  const part = (point, shift) => point >>> shift & 255;
  const distance = (a, b) => [0, 8, 16].reduce((sum, shift) => sum + (part(a, shift) - part(b, shift)) ** 2, 0);
  const nearest = new Map(palette.map((point, i) => [point, i]));
  for (const point of counted.keys())
    if (!nearest.has(point)) nearest.set(point, palette.reduce((best, one, i) => distance(one, point) < distance(palette[best], point) ? i : best, 0));
  let rows = "";
  for (let y = 0; y < height; y++) rows += `\0${String.fromCharCode(...Array.from(points.subarray(y * width, (y + 1) * width), (point) => nearest.get(point)))}`;
  return { width, height, palette: palette.flatMap((point) => [part(point, 0), part(point, 8), part(point, 16)]), rows: btoa(rows) };
}

export async function smallPng(page, png) {
  const { width, height, palette, rows } = await page.evaluate(indexed, png.toString("base64"));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3], 8);  // bits of a point, an index
  return Buffer.concat([Buffer.from([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]), chunk("IHDR", head), chunk("PLTE", Buffer.from(palette)),
                        chunk("IDAT", deflateSync(Buffer.from(rows, "base64"), { level: 9 })), chunk("IEND", Buffer.alloc(0))]);
}
