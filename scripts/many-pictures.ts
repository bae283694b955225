// Extracts the features of very many large photographs with `coop index`, in a process of its own, and says how much memory
// that process had: npm run many-pictures [-- --pictures 5000] [--width 4000] [--height 3000] [--seconds 3600] [--write]
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { link, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";

const { values: flags } = parseArgs({
  options: {
    pictures: { type: "string", default: "5000" },
    width: { type: "string", default: "4000" },
    height: { type: "string", default: "3000" },
    seconds: { type: "string", default: "3600" },
    write: { type: "boolean", default: false },
  },
});
const [pictures, width, height, seconds] = [flags.pictures, flags.width, flags.height, flags.seconds].map(Number);
/** Different files; each is decoded again under each of its names, since nothing is kept. */
const DIFFERENT = 6;
const SAMPLE_EVERY = 250; // ms
const MAIN = join(import.meta.dirname, "../src/cli/main.ts");

/** A gradient in colour with the noise of a sensor, so that the file is as large as a photograph. */
async function photograph(file: string, seed: number): Promise<void> {
  const pixels = new Uint8Array(3 * width * height);
  const grain = createHash("sha512").update(`${seed}`).digest();
  for (let i = 0, random = grain.readUInt32LE(); i < pixels.length; i++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    const [x, y] = [(Math.floor(i / 3) % width) / width, Math.floor(i / 3 / width) / height];
    const shade = [x, y, (x + y) / 2][(i + seed) % 3];
    pixels[i] = 20 + 180 * shade + (random >>> 27) + 8 * Math.sin(40 * (x + seed) * (y + 1));
  }
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 88 })
    .toFile(file);
}

/** Kibibytes of a line of /proc/PID/status, or undefined where the process is gone. */
async function memoryOf(pid: number, line: "VmHWM" | "VmRSS"): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const found = new RegExp(`^${line}:\\s+(\\d+) kB`, "m").exec(status);
  return found ? Number(found[1]) : undefined;
}

const dir = await mkdtemp(join(tmpdir(), "coop-many-pictures-"));
const ended = new AbortController();
try {
  await mkdir(join(dir, "photos"));
  let bytes = 0;
  for (let i = 0; i < pictures; i++) {
    const file = (n: number) => join(dir, "photos", `${n}.jpg`);
    if (i < DIFFERENT) bytes += await photograph(file(i), i).then(async () => (await stat(file(i))).size);
    else await link(file(i % DIFFERENT), file(i));
  }
  const args = ["--import", "tsx", MAIN, "index", join(dir, "photos"), "--out", join(dir, "index"), "--json"];
  const env = { ...process.env, COOP_NO_CACHE: "1", COOP_QUIET: "1" };
  const started = performance.now();
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"], timeout: 1000 * seconds });
  let printed = "";
  child.stdout.on("data", (text) => {
    printed += text;
  });
  const done = new Promise<number | null>((resolve) => child.once("close", resolve));
  done.finally(() => ended.abort());

  let peak = 0;
  const resident: number[] = [];
  while (!ended.signal.aborted) {
    peak = Math.max(peak, (await memoryOf(child.pid!, "VmHWM")) ?? 0);
    const now = await memoryOf(child.pid!, "VmRSS");
    if (now) resident.push(now);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY));
  }
  if ((await done) !== 0) throw new Error(`coop index did not end well (within ${seconds} s?)`);
  const MiB = (kibibytes: number) => Math.round(kibibytes / 1024);
  const result = {
    pictures: JSON.parse(printed).pictures,
    size: `${width} × ${height}`,
    bytesOfOne: Math.round(bytes / Math.min(DIFFERENT, pictures)),
    seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
    peakMiB: MiB(peak),
    /** the largest sample of each tenth of the time: a leak would climb */
    tenthsMiB: Array.from({ length: 10 }, (_, i) => {
      const part = resident.slice(Math.floor((i * resident.length) / 10), Math.ceil(((i + 1) * resident.length) / 10));
      return MiB(Math.max(...part));
    }),
  };
  console.log(JSON.stringify(result));
  if (flags.write) {
    await mkdir("reliability", { recursive: true });
    const text = JSON.stringify(result, null, 2).replace(/\[[^\]]*\]/, () => `[${result.tenthsMiB.join(", ")}]`);
    await writeFile("reliability/many-pictures.json", `${text}\n`);
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
