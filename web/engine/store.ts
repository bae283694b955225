import { type DBSchema, type IDBPDatabase, openDB, type StoreNames } from "idb";
import type { EpochState, Settings } from "../protocol.ts";
import { messageOf, StorageError } from "./problem.ts";
import type { KeptFit, KeptTraining } from "./training-record.ts";

export interface KeptClass {
  readonly id: string;
  readonly name: string;
}

export interface KeptPicture {
  readonly id: string;
  /** The file's. */
  readonly name: string;
  /** Of the file, in bytes. */
  readonly size: number;
  /** A class's id, or "tries". */
  readonly place: string;
  /** See `splitClass`. */
  readonly batch: number;
  readonly number: number;
  /** Why it cannot be read, once that is known. */
  readonly unreadable?: string;
}

/** Single values by name. */
export interface Values {
  classes: readonly KeptClass[];
  settings: Settings;
  /** The model's source. */
  model: string;
  training: KeptTraining;
  /** Where the training stands after its last epoch. */
  fit: KeptFit;
}

/** Everything that a visit leaves behind. */
interface Tables extends DBSchema {
  values: { key: keyof Values; value: Values[keyof Values] };
  pictures: { key: string; value: KeptPicture };
  /** The files as they came, by picture. */
  files: { key: string; value: Blob };
  thumbnails: { key: string; value: Blob };
  /** [E], by the weights' SHA-256 and picture. */
  features: { key: [model: string, picture: string]; value: Float32Array };
  /** Of the one training that is kept. */
  epochs: { key: number; value: EpochState };
  /** The context after each of its epochs. */
  contexts: { key: number; value: Float32Array };
}

type Table = StoreNames<Tables>;

const TABLES = ["values", "pictures", "files", "thumbnails", "features", "epochs", "contexts"] as const;
const VERSION = 1;

/** A change of one table: without a value what is there goes, without a key all of it. */
export interface Change {
  readonly table: Table;
  readonly key?: IDBValidKey;
  readonly value?: unknown;
}

export const put = <T extends Table>(table: T, key: Tables[T]["key"], value: Tables[T]["value"]): Change => ({
  table,
  key,
  value,
});
export const putValue = <K extends keyof Values>(key: K, value: Values[K]): Change => ({ table: "values", key, value });
export const remove = <T extends Table>(table: T, key: Tables[T]["key"]): Change => ({ table, key });
export const removeAll = (table: Table): Change => ({ table });

/** The database of this page. */
export interface Store {
  value<K extends keyof Values>(name: K): Promise<Values[K] | undefined>;
  /** In the order in which they were added. */
  pictures(): Promise<KeptPicture[]>;
  file(picture: string): Promise<Blob | undefined>;
  thumbnail(picture: string): Promise<Blob | undefined>;
  /** By picture. */
  features(model: string): Promise<Map<string, Float32Array>>;
  epochs(): Promise<EpochState[]>;
  context(epoch: number): Promise<Float32Array | undefined>;
  /**
   * Changes are there all, whatever happens, or none of them.
   *
   * @throws StorageError where the browser has no room or refuses
   */
  write(changes: readonly Change[]): Promise<void>;
  close(): void;
}

/** Opens the database. StorageError where the browser keeps nothing for pages. */
export async function openStore(name = "coop"): Promise<Store> {
  const db = await openDB<Tables>(name, VERSION, {
    upgrade(database) {
      for (const table of TABLES) database.createObjectStore(table);
    },
    blocking: (_current, _blocked, event) => (event.target as unknown as IDBPDatabase).close(), // a newer page waits
  }).catch((error) => {
    throw new StorageError(
      `This browser lets the page keep nothing (${messageOf(error)}). Allow it to store data, or leave private browsing.`,
    );
  });
  return {
    value: async (key) => (await db.get("values", key)) as never,
    pictures: async () => (await db.getAll("pictures")).toSorted((a, b) => a.number - b.number),
    file: (picture) => db.get("files", picture),
    thumbnail: (picture) => db.get("thumbnails", picture),
    async features(model) {
      const { store } = db.transaction("features");
      const range = IDBKeyRange.bound([model], [model, []]);
      const [keys, rows] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
      return new Map(keys.map(([, picture], i) => [picture, rows[i]]));
    },
    epochs: () => db.getAll("epochs"),
    context: (epoch) => db.get("contexts", epoch),
    async write(changes) {
      if (changes.length === 0) return;
      const writing = db.transaction([...new Set(changes.map(({ table }) => table))], "readwrite");
      const done = writing.done.catch((error) => Promise.reject(storageError(error)));
      try {
        for (const { table, key, value } of changes) {
          const store = writing.objectStore(table);
          const one =
            key === undefined
              ? store.clear()
              : value === undefined
                ? store.delete(key as never)
                : store.put(value as never, key as never);
          one.catch(() => {}); // the whole says why
        }
      } catch (error) {
        done.catch(() => {});
        writing.abort();
        throw storageError(error);
      }
      await done;
    },
    close: () => db.close(),
  };
}

function storageError(error: unknown): StorageError {
  const full = error instanceof DOMException && error.name === "QuotaExceededError";
  return new StorageError(
    full
      ? "There is no room left in this browser for what the page keeps. Remove pictures here, or free space on the disk."
      : `The browser did not keep a change (${messageOf(error)}). Load the page again.`,
  );
}
