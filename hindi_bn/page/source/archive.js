// Reads the digits out of a dropped zip archive: which images are taken, and in which order, as
// hindi_bn/digits has it; nothing leaves the page.
(() => {
  "use strict";

  const MOST_BYTES = 2 ** 28; // of the archive
  const MOST_MEMBERS = 250000;
  const MOST_OF_IMAGE = 2 ** 16;
  const SIDE = 32;
  const PER_CLASS = {train: 1700, test: 300};
  const TOGETHER = 200; // images that are unpacked at a time

  // ---- zip (PKWARE's APPNOTE 6.3) ---------------------------------------------------------

  const END = 0x06054b50;
  const ENTRY = 0x02014b50;
  const LOCAL = 0x04034b50;

  // The files of a zip: [{path, method, packed, size, at}]. Throws where it is none or damaged.
  const members = (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const end = endOf(view);
    const count = view.getUint16(end + 10, true);
    let at = view.getUint32(end + 16, true);
    if (at === 0xffffffff) throw new Error("It is a zip64 archive, which is not read here.");
    const found = [];
    while (at + 46 <= end && view.getUint32(at, true) === ENTRY) {
      if (found.length >= MOST_MEMBERS) throw new Error("It holds too many files.");
      const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true));
      found.push({
        path: new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + name)),
        encrypted: view.getUint16(at + 8, true) & 1,
        method: view.getUint16(at + 10, true),
        packed: view.getUint32(at + 20, true),
        size: view.getUint32(at + 24, true),
        at: view.getUint32(at + 42, true),
      });
      at += 46 + name + extra + comment;
    }
    if (found.length % 2 ** 16 !== count) throw new Error("It is damaged or cut off.");
    return found;
  };

  const endOf = (view) => {
    const first = Math.max(0, view.byteLength - 22 - 0xffff);
    for (let at = view.byteLength - 22; at >= first; at--) {
      if (view.getUint32(at, true) === END) return at;
    }
    throw new Error("It is not a zip archive, or it is cut off.");
  };

  const unpack = (bytes, member) => {
    const {path, method, packed, size, at} = member;
    if (size > MOST_OF_IMAGE) throw new Error(`${path} is too large for a digit.`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (member.encrypted || at + 30 > view.byteLength || view.getUint32(at, true) !== LOCAL) {
      throw new Error(`${path} is damaged or encrypted.`);
    }
    const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
    const content = bytes.subarray(start, start + packed);
    if (content.length !== packed) throw new Error(`${path} is cut off.`);
    if (method === 0) return content;
    if (method !== 8) throw new Error(`${path} is packed in a way that is not read here.`);
    return page.inflate(content, size);
  };

  // ---- PNG ----------------------------------------------------------------------------------

  const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

  // Grey values of a PNG, Uint8Array (1024): 32 x 32 in 8-bit grey or RGB.
  const decode = (bytes) => {
    if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw new Error("It is no PNG.");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const packed = [];
    let channels = 0;
    for (let at = 8; at + 12 <= bytes.length; ) {
      const length = view.getUint32(at);
      const kind = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
      if (at + 12 + length > bytes.length) throw new Error("It is cut off.");
      if (kind === "IHDR") channels = channelsOf(view, at + 8);
      if (kind === "IDAT") packed.push(bytes.subarray(at + 8, at + 8 + length));
      at += 12 + length;
    }
    if (!channels) throw new Error("It has no header.");
    const size = SIDE * (1 + SIDE * channels);
    const rows = page.inflate(joined(packed).subarray(2), size); // after zlib's two bytes
    return grey(unfilter(rows, channels), channels);
  };

  const joined = (parts) => {
    const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  };

  const channelsOf = (view, at) => {
    const [width, height] = [view.getUint32(at), view.getUint32(at + 4)];
    const [depth, colour, , , interlaced] = [8, 9, 10, 11, 12].map((i) => view.getUint8(at + i));
    if (width !== SIDE || height !== SIDE) throw new Error(`It is ${width} x ${height} pixels.`);
    if (depth !== 8 || (colour !== 0 && colour !== 2) || interlaced) {
      throw new Error("It is neither grey nor RGB of 8 bits.");
    }
    return colour ? 3 : 1;
  };

  // Undoes the rows' filters: each byte was less what was left, above, both, or Paeth's choice.
  const unfilter = (rows, channels) => {
    const width = SIDE * channels;
    const out = new Uint8Array(SIDE * width);
    for (let y = 0; y < SIDE; y++) {
      const filter = rows[y * (width + 1)];
      if (filter > 4) throw new Error("A row has an unknown filter.");
      for (let x = 0; x < width; x++) {
        const at = y * width + x;
        const left = x < channels ? 0 : out[at - channels];
        const above = y ? out[at - width] : 0;
        const corner = y && x >= channels ? out[at - width - channels] : 0;
        const added = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter];
        out[at] = rows[y * (width + 1) + 1 + x] + added;
      }
    }
    return out;
  };

  const paeth = (left, above, corner) => {
    const guess = left + above - corner;
    const [a, b, c] = [left, above, corner].map((each) => Math.abs(guess - each));
    if (a <= b && a <= c) return left;
    return b <= c ? above : corner;
  };

  // Grey by the weights of ITU-R 601-2, as Pillow rounds them.
  const grey = (pixels, channels) => {
    if (channels === 1) return pixels;
    return Uint8Array.from({length: SIDE * SIDE}, (_, i) => {
      const [red, green, blue] = pixels.subarray(3 * i, 3 * i + 3);
      return (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    });
  };

  // ---- which images ---------------------------------------------------------------------------

  // Where an image belongs, as x/Train/digit_3/17.png or test/3/17.PNG; null for other files.
  const place = (path) => {
    const folders = path.replaceAll("\\", "/").split("/");
    const name = folders.pop();
    if (!/^[^.].*\.png$/i.test(name) || folders.includes("__MACOSX")) return null;
    const digit = /^(?:digit_)?([0-9])$/i.exec(folders[folders.length - 1] || "");
    const lower = folders.slice(0, -1).map((folder) => folder.toLowerCase());
    const depth = Math.max(lower.lastIndexOf("train"), lower.lastIndexOf("test"));
    if (!digit || depth < 0) return null;
    const root = folders.slice(0, depth).join("/");
    return {split: lower[depth], digit: Number(digit[1]), name, root};
  };

  // The images of the fullest tree, by split; a split that it lacks comes from the next one.
  const choose = (all) => {
    const trees = new Map();
    for (const member of all) {
      const found = place(member.path);
      if (!found) continue;
      if (!trees.has(found.root)) trees.set(found.root, []);
      trees.get(found.root).push({...found, member});
    }
    const chosen = {train: [], test: []};
    for (const tree of [...trees.values()].sort(fullest)) {
      for (const split of Object.keys(chosen)) {
        if (!chosen[split].length) chosen[split] = tree.filter((each) => each.split === split);
      }
    }
    for (const split of Object.values(chosen)) split.sort(inOrder);
    return chosen;
  };

  const fullest = (one, other) => {
    const ranks = [one, other].map((tree) => [
      completeClasses(tree),
      tree.length,
      -tree[0].root.length,
    ]);
    const differs = [0, 1, 2].find((i) => ranks[0][i] !== ranks[1][i]);
    return differs === undefined ? 0 : ranks[1][differs] - ranks[0][differs];
  };

  const completeClasses = (tree) => {
    const counts = new Map();
    for (const {split, digit} of tree) {
      const key = `${split} ${digit}`;
      counts.set(key, (counts.get(key) || 0) + 1);
    }
    return [...counts].filter(([key, n]) => n === PER_CLASS[key.split(" ")[0]]).length;
  };

  const inOrder = (one, other) =>
    one.digit - other.digit || (one.name < other.name ? -1 : Number(one.name > other.name));

  // ---- an archive -------------------------------------------------------------------------------

  // Reads a File: {train, test}, each {images: Uint8Array (n * 1024), labels: Uint8Array, count},
  // classes 0 to 9, files by name. `progress` is called with (done, of). Throws an Error that says
  // what is wrong.
  const read = async (file, progress = () => {}) => {
    if (file.size > MOST_BYTES) throw new Error("It is larger than 256 MB.");
    const bytes = new Uint8Array(await file.arrayBuffer());
    const chosen = choose(members(bytes));
    if (!chosen.train.length || !chosen.test.length) {
      throw new Error("It holds no digits: no PNGs in digit_0 ... digit_9 under Train and Test.");
    }
    const total = chosen.train.length + chosen.test.length;
    let done = 0;
    const advance = (count) => progress((done += count), total);
    return {
      train: await decoded(bytes, chosen.train, advance),
      test: await decoded(bytes, chosen.test, advance),
    };
  };

  const decoded = async (bytes, chosen, advance) => {
    const images = new Uint8Array(chosen.length * SIDE * SIDE);
    for (const [at, {member}] of chosen.entries()) {
      try {
        images.set(decode(unpack(bytes, member)), at * SIDE * SIDE);
      } catch (error) {
        throw new Error(`Image ${member.path} is damaged. ${error.message}`);
      }
      if (at % TOGETHER === TOGETHER - 1) {
        advance(TOGETHER);
        await new Promise((resolve) => setTimeout(resolve)); // for the page to be drawn
      }
    }
    const labels = Uint8Array.from(chosen, (each) => each.digit);
    return {images, labels, count: chosen.length};
  };

  page.archive = {read};
})();
