import { sameName } from "../../src/coop/folder.ts";
import { InputError } from "../../src/tensor/errors.ts";
import type { Added, Place, Settings } from "../protocol.ts";
import { checkName } from "./class-name.ts";
import { refusal } from "./picture-file.ts";
import { splitClass } from "./split.ts";
import { type Change, type KeptClass, type KeptPicture, put, putValue, remove, type Store } from "./store.ts";
import type { LabelledPicture } from "./training-record.ts";

export const TRIES = "tries";

/** The pictures of all classes by their part, class by class. */
export interface Parts {
  readonly shots: readonly LabelledPicture[];
  readonly heldOut: readonly LabelledPicture[];
}

const MOST_PICTURES = 10_000;
const MOST_CLASSES = 1000;
/** So many files are kept by one write. */
const AT_ONCE = 32;

/** The classes and their pictures, here and in the store. One change must be done before the next is asked for. */
export class Collection {
  readonly #store: Store;
  #classes: readonly KeptClass[] = [];
  #pictures = new Map<string, KeptPicture>();
  #parts: { readonly of: string; readonly parts: Parts } | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  async restore(): Promise<void> {
    const [classes = [], pictures] = await Promise.all([this.#store.value("classes"), this.#store.pictures()]);
    this.#classes = classes;
    this.#pictures = new Map(pictures.map((picture) => [picture.id, picture]));
  }

  get classes(): readonly KeptClass[] {
    return this.#classes;
  }

  get classNames(): string[] {
    return this.#classes.map(({ name }) => name);
  }

  /** All of them, in the order in which they were added. */
  get pictures(): readonly KeptPicture[] {
    return [...this.#pictures.values()];
  }

  has(id: string): boolean {
    return this.#pictures.has(id);
  }

  picture(id: string): KeptPicture {
    return this.#pictures.get(id) ?? reject(`There is no such picture any more.`);
  }

  /** By class and "tries". */
  byPlace(): Map<Place, KeptPicture[]> {
    const places = new Map<Place, KeptPicture[]>([
      [TRIES, []],
      ...this.#classes.map(({ id }) => [id, []] as [Place, []]),
    ]);
    for (const picture of this.#pictures.values()) places.get(picture.place)?.push(picture);
    return places;
  }

  /** What is learned from and what is held out, by the settings. */
  parts({ shots, seed }: Pick<Settings, "shots" | "seed">): Parts {
    const of = `${shots} ${seed}`;
    if (this.#parts?.of === of) return this.#parts.parts;
    const places = this.byPlace();
    const split = this.#classes.map(({ id }) =>
      splitClass(
        places.get(id)!.filter(({ unreadable }) => unreadable === undefined),
        shots,
        seed,
      ),
    );
    const labelled = (part: keyof Parts) =>
      split.flatMap((parts, label) => parts[part].map(({ id, name }) => ({ picture: id, name, label })));
    const parts = { shots: labelled("shots"), heldOut: labelled("heldOut") };
    this.#parts = { of, parts };
    return parts;
  }

  async addClass(name: string): Promise<string> {
    const checked = this.#freeName(name);
    if (this.#classes.length >= MOST_CLASSES) throw new InputError(`There are ${MOST_CLASSES} classes already.`);
    const id = crypto.randomUUID();
    await this.#setClasses([...this.#classes, { id, name: checked }]);
    return id;
  }

  async renameClass(id: string, name: string): Promise<void> {
    this.#class(id);
    const checked = this.#freeName(name, id);
    await this.#setClasses(this.#classes.map((known) => (known.id === id ? { id, name: checked } : known)));
  }

  async removeClass(id: string): Promise<void> {
    this.#class(id);
    const gone = this.pictures.filter(({ place }) => place === id).map((picture) => picture.id);
    await this.#setClasses(
      this.#classes.filter((known) => known.id !== id),
      gone,
    );
  }

  /** Other classes instead of all; pictures of classes that stay, by their ids, stay with them. */
  async replaceClasses(classes: readonly KeptClass[]): Promise<void> {
    const places = new Set<Place>([TRIES, ...classes.map(({ id }) => id)]);
    const gone = this.pictures.filter(({ place }) => !places.has(place)).map(({ id }) => id);
    await this.#setClasses(classes, gone);
  }

  /** Keeps files as pictures; `kept` is told after each write. */
  async addPictures(to: Place, files: readonly File[], kept: () => void): Promise<Added> {
    if (to !== TRIES) this.#class(to);
    if (!Array.isArray(files) || !files.every((file) => file instanceof File))
      throw new InputError("Pictures are given as files.");
    const there = new Set(this.pictures.filter(({ place }) => place === to).map(({ name, size }) => `${size} ${name}`));
    const batch = 1 + this.pictures.reduce((last, picture) => Math.max(last, picture.batch), -1);
    const refused: string[] = [];
    let added = 0;
    for (let from = 0; from < files.length; from += AT_ONCE) {
      const fresh: KeptPicture[] = [];
      const changes: Change[] = [];
      for (const file of files.slice(from, from + AT_ONCE)) {
        const name = file.name || "picture";
        const twice = there.has(`${file.size} ${name}`) ? `${name} is there already.` : undefined;
        const many =
          this.#pictures.size + fresh.length >= MOST_PICTURES
            ? `${name}: there are ${MOST_PICTURES} pictures already.`
            : undefined;
        const why = twice ?? many ?? (await refusal(file, name));
        if (why) {
          refused.push(why);
          continue;
        }
        there.add(`${file.size} ${name}`);
        const number = this.#nextNumber(fresh);
        const picture = { id: crypto.randomUUID(), name, size: file.size, place: to, batch, number };
        fresh.push(picture);
        changes.push(put("pictures", picture.id, picture), put("files", picture.id, file));
      }
      await this.#store.write(changes);
      for (const picture of fresh) this.#pictures.set(picture.id, picture);
      added += fresh.length;
      this.#parts = undefined;
      if (fresh.length > 0) kept();
    }
    return { added, refused };
  }

  async removePicture(id: string): Promise<void> {
    this.picture(id);
    await this.#store.write(removals([id]));
    this.#forget([id]);
  }

  /** Remembers that a picture cannot be read. */
  async markUnreadable(id: string, why: string): Promise<void> {
    const picture = { ...this.picture(id), unreadable: why };
    this.#pictures.set(id, picture);
    this.#parts = undefined;
    await this.#store.write([put("pictures", id, picture)]);
  }

  async #setClasses(classes: readonly KeptClass[], gone: readonly string[] = []): Promise<void> {
    await this.#store.write([putValue("classes", classes), ...removals(gone)]);
    this.#classes = classes;
    this.#forget(gone);
  }

  #forget(ids: readonly string[]): void {
    for (const id of ids) this.#pictures.delete(id);
    this.#parts = undefined;
  }

  #nextNumber(fresh: readonly KeptPicture[]): number {
    const last = fresh.at(-1) ?? [...this.#pictures.values()].at(-1);
    return (last?.number ?? -1) + 1;
  }

  #class(id: string): KeptClass {
    return this.#classes.find((known) => known.id === id) ?? reject("There is no such class any more.");
  }

  #freeName(name: string, own?: string): string {
    const checked = checkName(name);
    if (this.#classes.some((known) => known.id !== own && sameName(known.name) === sameName(checked)))
      throw new InputError(`There is a class "${checked}" already.`);
    return checked;
  }
}

const removals = (ids: readonly string[]): Change[] =>
  ids.flatMap((id) => [remove("pictures", id), remove("files", id), remove("thumbnails", id)]);

function reject(message: string): never {
  throw new InputError(message);
}
