// A book by level, kept from a snapshot and the steps after it. A step that does not follow, or a checksum that differs,
// means that something is missing: the book asks for a new snapshot.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(text) {
  let crc = 0xffffffff;
  for (let at = 0; at < text.length; at += 1) crc = TABLE[(crc ^ text.charCodeAt(at)) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const digits = (amount) => amount.replace(".", "").replace(/^0+/, "");

export class Book {
  constructor() {
    this.reset();
  }

  reset() {
    this.bids = new Map();
    this.asks = new Map();
    this.sequence = -1;
    this.height = 0;
    this.state = "";
    this.stale = false;
    this.last = null;
  }

  // Returns what is wrong, or nothing.
  take(message) {
    if (message.type === "snapshot") {
      this.reset();
      for (const side of ["bids", "asks"]) for (const level of message[side]) this[side].set(level.price, [level.qty, level.orders]);
      this.last = message.last;
    } else {
      if (message.previous !== this.sequence) return "gap";
      for (const side of ["bids", "asks"]) {
        for (const [price, qty, orders] of message[side]) {
          if (orders) this[side].set(price, [qty, orders]);
          else this[side].delete(price);
        }
      }
    }
    this.sequence = message.sequence;
    this.height = message.height;
    this.state = message.state;
    return this.checksum() === message.checksum ? "" : "checksum";
  }

  levels(side, depth) {
    const sign = side === "bids" ? -1 : 1;
    const rows = [...this[side]].map(([price, [qty, orders]]) => ({ price, qty, orders, at: Number(price) }));
    rows.sort((one, other) => sign * (one.at - other.at));
    return depth ? rows.slice(0, depth) : rows;
  }

  checksum() {
    const rows = [...this.levels("asks", 10), ...this.levels("bids", 10)];
    const text = rows.map((row) => digits(row.price) + digits(row.qty)).join("");
    return text ? crc32(text) : 0;
  }
}
