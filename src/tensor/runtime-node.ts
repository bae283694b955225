import { existsSync } from "node:fs";
import { lstat, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { constants, homedir, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";
import { DeviceError } from "./errors.ts";
import { makeFolder } from "./folder-node.ts";

/**
 * Dawn's instances. Dawn crashes when one is collected while its device is still in use, and lets the process end by
 * itself while one is kept; so they are kept.
 */
const instances: GPU[] = [];

/**
 * Asks Dawn, from the npm package `webgpu`, for an adapter.
 *
 * @param step "system": the best that the system's drivers offer; "llvmpipe": their software adapter;
 *   "swiftshader": the driver out of the npm package `@sparticuz/chromium`.
 * @throws {DeviceError} when Dawn or SwiftShader cannot be loaded on this machine.
 */
export async function findAdapter(
  step: "system" | "llvmpipe" | "swiftshader",
  toggles: readonly string[],
): Promise<GPUAdapter | null> {
  if (step === "swiftshader") return findSwiftShader(await loadDawn(toggles));
  if (!(await hasDriver())) return null;
  if (step === "system") return request(await loadDawn(toggles));
  const software = { linux: "llvmpipe", win32: "Microsoft Basic Render Driver" }[process.platform as string];
  return software ? request(await loadDawn(toggles, [`adapter=${software}`])) : null;
}

/** Loads Dawn, makes the WebGPU constants and classes global, and returns what creates an instance. */
async function loadDawn(toggles: readonly string[], flags: readonly string[] = []): Promise<() => GPU> {
  const dawn = await import("webgpu").catch((error: Error) => {
    const [why] = error.message.split("\n");
    throw new DeviceError(`npm package webgpu does not load on ${process.platform}-${process.arch}: ${why}`);
  });
  for (const [global, value] of Object.entries(dawn.globals)) {
    if (!(global in globalThis)) Object.assign(globalThis, { [global]: value });
  }
  const on = toggles.filter((toggle) => !toggle.startsWith("-"));
  const off = toggles.filter((toggle) => toggle.startsWith("-")).map((toggle) => toggle.slice(1));
  const all = [...flags, on.length && `enable-dawn-features=${on}`, off.length && `disable-dawn-features=${off}`];
  return () => dawn.create(all.filter((flag) => typeof flag === "string"));
}

async function request(create: () => GPU): Promise<GPUAdapter | null> {
  const gpu = create();
  instances.push(gpu);
  try {
    return await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    if (/no suitable backends/.test(String(error))) return null;
    throw error;
  }
}

/**
 * Whether it is worth looking for a system driver. A Linux machine without a GPU and without a Vulkan driver is spared
 * Dawn's warnings about that.
 */
async function hasDriver(): Promise<boolean> {
  if (process.platform !== "linux") return true;
  const {
    VK_ICD_FILENAMES,
    VK_DRIVER_FILES,
    VK_ADD_DRIVER_FILES,
    XDG_DATA_DIRS = "/usr/local/share:/usr/share",
  } = process.env;
  if (VK_ICD_FILENAMES || VK_DRIVER_FILES || VK_ADD_DRIVER_FILES) return true;
  const places = [...XDG_DATA_DIRS.split(":"), "/etc", "/usr/local/etc", "/usr/share", join(homedir(), ".local/share")];
  const manifests = await Promise.all(places.map((place) => readdir(join(place, "vulkan/icd.d")).catch(() => [])));
  const nodes = await readdir("/dev").catch(() => []);
  return manifests.flat().length > 0 || nodes.some((node) => /^(dri|dxg|kfd|nvidia.*)$/.test(node));
}

/**
 * Dawn looks for `libvulkan.so.1` and takes one that is already loaded, so a machine needs none of its own; Vulkan finds
 * its driver by the environment, which is read while `requestAdapter` runs and put back at once.
 */
async function findSwiftShader(create: () => GPU): Promise<GPUAdapter | null> {
  const folder = await unpackSwiftShader();
  const manifest = join(folder, "vk_swiftshader_icd.json");
  load(join(folder, "libvulkan.so.1"));

  const { VK_ICD_FILENAMES, VK_DRIVER_FILES } = process.env;
  setEnvironment({ VK_ICD_FILENAMES: manifest, VK_DRIVER_FILES: manifest });
  const found = request(create);
  setEnvironment({ VK_ICD_FILENAMES, VK_DRIVER_FILES });

  const adapter = await found;
  if (adapter && /swiftshader/i.test(adapter.info.description)) return adapter;
  throw new DeviceError(
    `SwiftShader starts by itself in Node's main thread only. Start the program with VK_ICD_FILENAMES=${manifest} LD_LIBRARY_PATH=${folder}`,
  );
}

function load(library: string): void {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  const RTLD_NODELETE = 0x1000;
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch {
    // Node says that it is no addon, which is true, and leaves it loaded.
  }
}

function setEnvironment(variables: Record<string, string | undefined>): void {
  for (const [variable, value] of Object.entries(variables)) {
    if (value === undefined) delete process.env[variable];
    else process.env[variable] = value;
  }
}

const SWIFTSHADER_FILES = ["libvulkan.so.1", "libvk_swiftshader.so", "vk_swiftshader_icd.json"];

/** Unpacks SwiftShader on first use and returns its folder, in the user's cache or, where that is read-only, under tmp. */
async function unpackSwiftShader(): Promise<string> {
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new DeviceError(`SwiftShader is bundled for linux-x64 only, this is ${process.platform}-${process.arch}`);
  }
  const source = locatePackage("@sparticuz/chromium");
  const { version } = JSON.parse(await readFile(join(source, "package.json"), "utf8"));
  let failure: unknown;
  for (const cache of [userCache(), join(tmpdir(), `coop-${process.getuid?.()}`)]) {
    try {
      await makeFolder(cache, 0o700);
      if ((await lstat(cache)).uid !== process.getuid?.()) throw new Error(`${cache} belongs to another user`);
      const folder = join(cache, `swiftshader-${version}`);
      if (!isComplete(folder)) await unpack(join(source, "bin/swiftshader.tar.br"), folder);
      return folder;
    } catch (error) {
      failure = error;
    }
  }
  throw new DeviceError(`SwiftShader could not be unpacked: ${failure instanceof Error ? failure.message : failure}`);
}

const userCache = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "coop");

/** A file of the user's cache, or undefined where there is none. */
export const readCached = (name: string): Promise<string | undefined> =>
  readFile(join(userCache(), name), "utf8").catch(() => undefined);

/** Writes a file of the user's cache, whole or not at all. */
export async function writeCached(name: string, text: string): Promise<void> {
  const folder = userCache();
  await makeFolder(folder, 0o700);
  const fresh = join(folder, `${name}.${process.pid}`);
  await writeFile(fresh, text);
  await rename(fresh, join(folder, name));
}

function locatePackage(name: string): string {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    return entry.slice(0, entry.lastIndexOf(name) + name.length);
  } catch {
    throw new DeviceError(`the optional npm package ${name}, which carries SwiftShader, is not installed`);
  }
}

function isComplete(folder: string): boolean {
  return SWIFTSHADER_FILES.every((file) => existsSync(join(folder, file)));
}

/** Fills a new folder and moves it into place in one step, so that no process ever sees half of it. */
async function unpack(archive: string, folder: string): Promise<void> {
  const tar = await promisify(brotliDecompress)(await readFile(archive));
  const fresh = await mkdtemp(join(dirname(folder), "unpacking-"));
  try {
    for (const [file, bytes] of tarEntries(tar)) {
      if (SWIFTSHADER_FILES.includes(basename(file))) await writeFile(join(fresh, basename(file)), bytes);
    }
    if (!isComplete(fresh)) throw new Error(`${archive} lacks one of ${SWIFTSHADER_FILES.join(", ")}`);
    await rename(fresh, folder).catch(async (error) => {
      if (isComplete(folder)) return; // another process was faster
      await rm(folder, { recursive: true });
      await rename(fresh, folder).catch(() => Promise.reject(error));
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** A tar file is a row of 512-byte headers (name at 0, octal size at 124), each followed by its padded contents. */
function* tarEntries(tar: Buffer): Generator<[name: string, bytes: Buffer]> {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString("latin1", at, at + 100).replace(/\0.*$/s, "");
    const size = Number.parseInt(tar.toString("latin1", at + 124, at + 136), 8);
    yield [name, tar.subarray(at + 512, at + 512 + size)];
    at += 512 * (1 + Math.ceil(size / 512));
  }
}
