import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const LAUNCH = 60_000;

/** A Chromium: COOP_CHROMIUM, the system's, or the one of npm's `@sparticuz/chromium`; undefined where there is none. */
export async function findChromium(): Promise<string | undefined> {
  const installed = [process.env.COOP_CHROMIUM, ...PLACES].find((path) => path && existsSync(path));
  if (installed) return installed;
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  const packed = await import("@sparticuz/chromium").catch(() => undefined);
  return packed?.default.executablePath();
}

/** Why a test that needs a browser is skipped; false where there is one. */
export const noChromium = async (): Promise<string | false> =>
  (await findChromium()) === undefined && "there is no Chromium; install one, or name it by COOP_CHROMIUM";

/** Chromium without a window; with WebGPU on the CPU, by its own SwiftShader, unless `webgpu` is false. */
export async function launch({ webgpu = true, camera = false, hosts = "" } = {}): Promise<Browser> {
  const args = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    ...(webgpu ? ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] : []),
    ...(camera ? ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] : []),
    ...(hosts ? [`--host-resolver-rules=${hosts}`] : []),
  ];
  return chromium.launch({ executablePath: await findChromium(), args, timeout: LAUNCH });
}
