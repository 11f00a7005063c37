// NumPy's default generator (SeedSequence, PCG64, the ziggurat of standard_normal), as far as the converter in Python uses it: the
// values it draws for routers mean nothing, but with the same ones both write the same files.
const mask32 = 0xffffffffn;
const mask64 = (1n << 64n) - 1n;
const mask128 = (1n << 128n) - 1n;
const pcgMultiplier = 0x2360ed051fc65da44385df649fccf645n;

/** Where the outermost layer of the ziggurat begins, and the area of each of its 256 layers. */
const tailStart = 3.654152885361009;
const layerArea = 0.004928673233974658;

/** The 256 layers: width of each as a factor, the share of it that needs no second look, and the density at its edge. */
const layers = ziggurat();

function ziggurat(): { width: Float64Array; inside: Float64Array; density: Float64Array } {
  const width = new Float64Array(256);
  const inside = new Float64Array(256);
  const density = new Float64Array(256);
  const scale = 2 ** 52;
  const f = (x: number): number => Math.exp(-0.5 * x * x);
  let edge = tailStart;
  let outer = tailStart;
  const base = layerArea / f(tailStart);
  inside[0] = Math.floor((tailStart / base) * scale);
  inside[1] = 0;
  width[0] = base / scale;
  width[255] = tailStart / scale;
  density[0] = 1;
  density[255] = f(tailStart);
  for (let i = 254; i >= 1; i--) {
    edge = Math.sqrt(-2 * Math.log(layerArea / edge + f(edge)));
    inside[i + 1] = Math.floor((edge / outer) * scale);
    outer = edge;
    density[i] = f(edge);
    width[i] = edge / scale;
  }
  return { width, inside, density };
}

export class NumpyRandom {
  #state: bigint;
  readonly #increment: bigint;

  /** As numpy.random.default_rng(seed), for seeds below 2^32. */
  constructor(seed: number) {
    const [stateHigh, stateLow, streamHigh, streamLow] = seedWords(seed);
    this.#increment = ((((streamHigh << 64n) | streamLow) << 1n) | 1n) & mask128;
    this.#state = 0n;
    this.#step();
    this.#state = (this.#state + ((stateHigh << 64n) | stateLow)) & mask128;
    this.#step();
  }

  uniform(low: number, high: number): number {
    return low + (high - low) * this.#unit();
  }

  standardNormal(): number {
    for (;;) {
      const bits = this.#next();
      const layer = Number(bits & 0xffn);
      const isNegative = ((bits >> 8n) & 1n) === 1n;
      const place = (bits >> 9n) & 0xfffffffffffffn;
      const distance = Number(place) * layers.width[layer];
      const signed = isNegative ? -distance : distance;
      if (Number(place) < layers.inside[layer]) return signed;
      if (layer === 0) {
        for (;;) {
          const beyond = -Math.log1p(-this.#unit()) / tailStart;
          const test = -Math.log1p(-this.#unit());
          if (test + test > beyond * beyond)
            return ((place >> 8n) & 1n) === 1n ? -(tailStart + beyond) : tailStart + beyond;
        }
      }
      const above = layers.density[layer - 1] - layers.density[layer];
      if (above * this.#unit() + layers.density[layer] < Math.exp(-0.5 * distance * distance)) return signed;
    }
  }

  /** In [0, 1), with 53 bits. */
  #unit(): number {
    return Number(this.#next() >> 11n) / 2 ** 53;
  }

  #next(): bigint {
    this.#step();
    const folded = (this.#state >> 64n) ^ (this.#state & mask64);
    const turn = this.#state >> 122n;
    return ((folded >> turn) | (folded << ((64n - turn) & 63n))) & mask64;
  }

  #step(): void {
    this.#state = (this.#state * pcgMultiplier + this.#increment) & mask128;
  }
}

/** SeedSequence(seed).generate_state(4, uint64). */
function seedWords(seed: number): bigint[] {
  const multiply = (a: number, b: number): number => Math.imul(a, b) >>> 0;
  let hashConstant = 0x43b0d7e5;
  const hash = (value: number): number => {
    let mixed = (value ^ hashConstant) >>> 0;
    hashConstant = multiply(hashConstant, 0x931e8875);
    mixed = multiply(mixed, hashConstant);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const mix = (x: number, y: number): number => {
    const mixed = (multiply(x, 0xca01f9dd) - multiply(y, 0x4973f715)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const pool = [seed, 0, 0, 0].map(hash);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  hashConstant = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, i) => {
    let value = (pool[i % 4] ^ hashConstant) >>> 0;
    hashConstant = multiply(hashConstant, 0x58f38ded);
    value = multiply(value, hashConstant);
    return BigInt((value ^ (value >>> 16)) >>> 0) & mask32;
  });
  return [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
}
