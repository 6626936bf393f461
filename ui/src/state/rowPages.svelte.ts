import type { RowChange, RowPage, RowQuery } from "../lib/bindings";
import { troubleOf, type Trouble } from "../lib/failures";

export type Wanted = Omit<RowQuery, "offset" | "limit">;

/** Rows of a page. */
export const PAGE = 200;
/** Pages that are kept: those in sight and their neighbours. */
const KEPT = 8;
/** Milliseconds a place must be looked at before it is read: who drags the bar passes many. */
const SETTLE = 40;

/** Changed rows, read by the page as they come into sight; only a few pages are kept. */
export class RowPages {
  readonly #source: (query: RowQuery) => Promise<RowPage>;
  #wanted: Wanted | null = null;
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced as a whole, never changed
  #pages = $state.raw<ReadonlyMap<number, RowChange[]>>(new Map());
  #total = $state<number | null>(null);
  #trouble = $state.raw<Trouble | null>(null);
  #since = $state(0);
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- nobody is shown what is on its way
  readonly #reading = new Set<number>();
  #sight: [number, number] = [0, 0];
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: (query: RowQuery) => Promise<RowPage>) {
    this.#source = source;
  }

  /** Rows that fit; not known before the first page is there. */
  get total() {
    return this.#total;
  }

  get trouble() {
    return this.#trouble;
  }

  get since() {
    return this.#since;
  }

  /** Pages held now, for those who count. */
  get held() {
    return this.#pages.size;
  }

  /** Begins anew. What is on the screen stays until the first page of the new answer is there. */
  ask(wanted: Wanted) {
    this.#wanted = wanted;
    this.#turn += 1;
    this.#reading.clear();
    this.#trouble = null;
    this.#since = Date.now();
    void this.#read(0, true);
  }

  again() {
    if (this.#wanted !== null) this.ask(this.#wanted);
  }

  row(index: number): RowChange | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** The first page, which says what kind of rows these are. */
  get first(): RowChange[] {
    return this.#pages.get(0) ?? [];
  }

  /** Says which rows are looked at; the end is exclusive. */
  see(from: number, to: number) {
    this.#sight = [Math.floor(from / PAGE), Math.floor(Math.max(from, to - 1) / PAGE)];
    clearTimeout(this.#timer);
    if (!this.#missing().length) return;
    this.#timer = setTimeout(() => this.#missing().forEach((page) => void this.#read(page, false)), SETTLE);
  }

  #missing(): number[] {
    if (this.#total === null) return [];
    const last = Math.floor(Math.max(0, this.#total - 1) / PAGE);
    const pages: number[] = [];
    for (let page = this.#sight[0]; page <= Math.min(last, this.#sight[1]); page += 1)
      if (!this.#pages.has(page) && !this.#reading.has(page)) pages.push(page);
    return pages;
  }

  async #read(page: number, anew: boolean) {
    const wanted = this.#wanted;
    const turn = this.#turn;
    if (wanted === null) return;
    this.#reading.add(page);
    try {
      const answer = await this.#source({ ...wanted, offset: page * PAGE, limit: PAGE });
      if (turn !== this.#turn) return;
      this.#total = answer.total;
      this.#keep(page, answer.rows, anew);
    } catch (thrown) {
      if (turn === this.#turn) this.#trouble = troubleOf(thrown);
    } finally {
      if (turn === this.#turn) this.#reading.delete(page);
    }
  }

  #keep(page: number, rows: RowChange[], anew: boolean) {
    const middle = (this.#sight[0] + this.#sight[1]) / 2;
    const others = anew ? [] : [...this.#pages].filter(([kept]) => kept !== page);
    others.sort(([one], [other]) => Math.abs(one - middle) - Math.abs(other - middle));
    // eslint-disable-next-line svelte/prefer-svelte-reactivity -- replaced as a whole, never changed
    this.#pages = new Map([...others.slice(0, KEPT - 1), [page, rows]]);
  }
}
