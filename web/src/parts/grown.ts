type Numbers = Uint8Array | Uint16Array | Uint32Array;

/** A list of small numbers that grows: a few bytes for each, where an array of objects takes dozens. */
export class Grown {
  #numbers: Numbers;
  #length = 0;

  constructor(private readonly make: new (length: number) => Numbers) {
    this.#numbers = new make(256);
  }

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    return this.#numbers[index] ?? 0;
  }

  last(): number {
    return this.at(this.#length - 1);
  }

  push(value: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new this.make(this.#length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length] = value;
    this.#length += 1;
  }
}
