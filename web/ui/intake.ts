/** Files that someone chose or dropped: loose ones, and those of folders by the folder's name. */
export interface Intake {
  readonly loose: readonly File[];
  readonly folders: ReadonlyMap<string, readonly File[]>;
}

/** What was dropped. Every folder that holds files counts by its own name, however deep it lies. */
export async function droppedFiles(data: DataTransfer): Promise<Intake> {
  // the list of items is emptied as soon as this function first waits
  const items = [...data.items].filter((item) => item.kind === "file");
  const found = items.map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  const gathered = new Gathered();
  for (const item of found) {
    if (item instanceof File) gathered.add("", item);
    else if (item) await walk(item, "", gathered);
  }
  return gathered;
}

/** What a folder picker gave. */
export function chosenFolder(files: Iterable<File>): Intake {
  const gathered = new Gathered();
  for (const file of files) gathered.add(file.webkitRelativePath.split("/").at(-2) ?? "", file);
  return gathered;
}

/** All files, whichever folder they were in. */
export function allFiles({ loose, folders }: Intake): readonly File[] {
  return [...loose, ...[...folders.values()].flat()];
}

class Gathered implements Intake {
  readonly loose: File[] = [];
  readonly folders = new Map<string, File[]>();

  add(folder: string, file: File): void {
    if (/^(\.|thumbs\.db$|desktop\.ini$)/i.test(file.name)) return; // an operating system's own
    const name = folder.replaceAll("_", " ").trim();
    if (!name) this.loose.push(file);
    else if (this.folders.has(name)) this.folders.get(name)!.push(file);
    else this.folders.set(name, [file]);
  }
}

async function walk(entry: FileSystemEntry, parent: string, into: Gathered): Promise<void> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    into.add(parent, file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // a reader gives some entries at a time, and none at the end
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (entries.length === 0) return;
    for (const child of entries) await walk(child, entry.name, into);
  }
}
