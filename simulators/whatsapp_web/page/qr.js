'use strict';
// A QR code of a text: byte mode, error correction level L. After ISO/IEC 18004.
__d('SimQr', (exports) => {
  // Per version 1..40, level L: error correction words per block, and number of blocks.
  const ECC = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28, 28, 28, 30, 30, 26, 28, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30, 30];
  const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8, 8, 9, 9, 10, 12, 12, 12, 13, 14, 15, 16, 17, 18, 19, 19, 20, 21, 22, 24, 25];

  const multiply = (x, y) => {
    let z = 0;
    for (let bit = 7; bit >= 0; bit -= 1) z = (z << 1) ^ ((z >>> 7) * 0x11d) ^ (((y >>> bit) & 1) * x);
    return z;
  };
  const generator = (degree) => {
    const result = [...Array(degree - 1).fill(0), 1];
    let root = 1;
    for (let i = 0; i < degree; i += 1) {
      for (let j = 0; j < degree; j += 1) result[j] = multiply(result[j], root) ^ (result[j + 1] ?? 0);
      root = multiply(root, 2);
    }
    return result;
  };
  const remainder = (data, divisor) => {
    const result = divisor.map(() => 0);
    for (const byte of data) {
      const factor = byte ^ result.shift();
      result.push(0);
      divisor.forEach((coefficient, i) => { result[i] ^= multiply(coefficient, factor); });
    }
    return result;
  };

  const rawModules = (version) => {
    const aligned = Math.floor(version / 7) + 2;
    const alignment = version >= 2 ? (25 * aligned - 10) * aligned - 55 : 0;
    return (16 * version + 128) * version + 64 - alignment - (version >= 7 ? 36 : 0);
  };
  const capacity = (version) => Math.floor(rawModules(version) / 8) - ECC[version - 1] * BLOCKS[version - 1];

  const words = (bytes, version) => {
    const bits = [];
    const push = (value, length) => { for (let i = length - 1; i >= 0; i -= 1) bits.push((value >>> i) & 1); };
    push(4, 4);
    push(bytes.length, version < 10 ? 8 : 16);
    bytes.forEach((byte) => push(byte, 8));
    const total = capacity(version) * 8;
    push(0, Math.min(4, total - bits.length));
    push(0, (8 - (bits.length % 8)) % 8);
    for (let pad = 0xec; bits.length < total; pad ^= 0xec ^ 0x11) push(pad, 8);
    const result = [];
    for (let i = 0; i < bits.length; i += 8) result.push(parseInt(bits.slice(i, i + 8).join(''), 2));
    return result;
  };

  const interleave = (data, version) => {
    const [count, ecc] = [BLOCKS[version - 1], ECC[version - 1]];
    const raw = Math.floor(rawModules(version) / 8);
    const [short, shortLength] = [count - (raw % count), Math.floor(raw / count)];
    const divisor = generator(ecc);
    const blocks = [];
    for (let i = 0, at = 0; i < count; i += 1) {
      const part = data.slice(at, at + shortLength - ecc + (i < short ? 0 : 1));
      at += part.length;
      blocks.push({ part, check: remainder(part, divisor) });
    }
    const result = [];
    for (let i = 0; i <= shortLength - ecc; i += 1) blocks.forEach(({ part }) => { if (i < part.length) result.push(part[i]); });
    for (let i = 0; i < ecc; i += 1) blocks.forEach(({ check }) => result.push(check[i]));
    return result;
  };

  const positions = (version, size) => {
    if (version === 1) return [];
    const count = Math.floor(version / 7) + 2;
    const step = Math.floor((version * 8 + count * 3 + 5) / (count * 4 - 4)) * 2;
    const result = [6];
    for (let at = size - 7; result.length < count; at -= step) result.splice(1, 0, at);
    return result;
  };

  const bch = (value, length, polynomial) => {
    let rest = value;
    for (let i = 0; i < length; i += 1) rest = (rest << 1) ^ ((rest >>> (length - 1)) * polynomial);
    return (value << length) | rest;
  };

  class Matrix {
    constructor(version) {
      this.size = version * 4 + 17;
      this.dark = Array.from({ length: this.size }, () => Array(this.size).fill(false));
      this.fixed = Array.from({ length: this.size }, () => Array(this.size).fill(false));
      this.patterns(version);
    }

    fix(x, y, dark) {
      if (x < 0 || y < 0 || x >= this.size || y >= this.size) return;
      this.dark[y][x] = Boolean(dark);
      this.fixed[y][x] = true;
    }

    patterns(version) {
      for (let i = 0; i < this.size; i += 1) { this.fix(6, i, i % 2 === 0); this.fix(i, 6, i % 2 === 0); }
      for (const [cx, cy] of [[3, 3], [this.size - 4, 3], [3, this.size - 4]]) this.square(cx, cy, 4, [2, 4]);
      const at = positions(version, this.size);
      const last = at.length - 1;
      at.forEach((cx, i) => at.forEach((cy, j) => {
        if (!((i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0))) this.square(cx, cy, 2, [1]);
      }));
      this.format(0);
      if (version >= 7) this.version(version);
    }

    square(cx, cy, reach, light) {
      for (let dy = -reach; dy <= reach; dy += 1) {
        for (let dx = -reach; dx <= reach; dx += 1) this.fix(cx + dx, cy + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
      }
    }

    format(mask) {
      const bits = bch((1 << 3) | mask, 10, 0x537) ^ 0x5412;
      const bit = (i) => (bits >>> i) & 1;
      for (let i = 0; i <= 5; i += 1) this.fix(8, i, bit(i));
      this.fix(8, 7, bit(6)); this.fix(8, 8, bit(7)); this.fix(7, 8, bit(8));
      for (let i = 9; i < 15; i += 1) this.fix(14 - i, 8, bit(i));
      for (let i = 0; i < 8; i += 1) this.fix(this.size - 1 - i, 8, bit(i));
      for (let i = 8; i < 15; i += 1) this.fix(8, this.size - 15 + i, bit(i));
      this.fix(8, this.size - 8, true);
    }

    version(version) {
      const bits = bch(version, 12, 0x1f25);
      for (let i = 0; i < 18; i += 1) {
        const [a, b] = [this.size - 11 + (i % 3), Math.floor(i / 3)];
        this.fix(a, b, (bits >>> i) & 1); this.fix(b, a, (bits >>> i) & 1);
      }
    }

    // Words run in columns of two from the right, up and down; mask 0 turns every second module.
    fill(data) {
      let at = 0;
      for (let right = this.size - 1; right >= 1; right -= 2) {
        if (right === 6) right = 5;
        for (let vertical = 0; vertical < this.size; vertical += 1) {
          for (const x of [right, right - 1]) {
            const y = ((right + 1) & 2) === 0 ? this.size - 1 - vertical : vertical;
            if (this.fixed[y][x]) continue;
            const bit = at < data.length * 8 && (data[at >>> 3] >>> (7 - (at & 7))) & 1;
            this.dark[y][x] = Boolean(bit) !== ((x + y) % 2 === 0);
            at += 1;
          }
        }
      }
    }
  }

  // Rows of true (dark) and false.
  exports.encode = (text) => {
    const bytes = [...new TextEncoder().encode(text)];
    let version = 1;
    while (bytes.length + (version < 10 ? 2 : 3) > capacity(version)) version += 1;
    const matrix = new Matrix(version);
    matrix.fill(interleave(words(bytes, version), version));
    return matrix.dark;
  };

  exports.draw = (text) => {
    const rows = exports.encode(text);
    const [quiet, scale] = [4, 4];
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = (rows.length + 2 * quiet) * scale;
    const context = canvas.getContext('2d');
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.fillStyle = '#111b21';
    rows.forEach((row, y) => row.forEach((dark, x) => {
      if (dark) context.fillRect((x + quiet) * scale, (y + quiet) * scale, scale, scale);
    }));
    return canvas;
  };
});
