// What to do where there is no adapter, for each runtime: loaded when it is needed, so that a page that works fetches none.
import { inBrowser } from "./runtime.ts";

/** What the page's browser says of itself. */
export interface PlaceInBrowser {
  /** `navigator.userAgent`. */
  readonly agent: string;
  /** Whether the page came over https or from this computer. */
  readonly secure: boolean;
  /** Whether there is a `navigator.gpu`. */
  readonly hasGpu: boolean;
  readonly serviceWorker: boolean;
}

/** Where the program runs that is no page. */
export interface PlaceOutside {
  readonly runtime: "node" | "deno" | "bun";
  readonly hasGpu: boolean;
  readonly platform: string;
  readonly arch: string;
  /** What COOP_ADAPTER says, or "auto". */
  readonly demand: string;
  /** Whether Dawn, npm's `webgpu`, could be loaded. */
  readonly hasDawn: boolean;
}

/** How to come by an adapter here, in a line or two. */
export async function remedy(demand: string): Promise<string> {
  const hasGpu = globalThis.navigator?.gpu !== undefined;
  if (inBrowser()) {
    return browserRemedy({
      agent: globalThis.navigator?.userAgent ?? "",
      secure: globalThis.isSecureContext,
      hasGpu,
      serviceWorker: "ServiceWorkerGlobalScope" in globalThis,
    });
  }
  const { platform, arch } = process;
  const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  const hasDawn = await import("webgpu").then(
    () => true,
    () => false,
  );
  return outsideRemedy({ runtime, hasGpu, platform, arch, demand, hasDawn });
}

export function browserRemedy({ agent, secure, hasGpu, serviceWorker }: PlaceInBrowser): string {
  if (!secure) {
    return "Browsers give WebGPU only to secure pages: open this one over https, or from localhost or 127.0.0.1; this computer's address in its network is neither.";
  }
  const [, firefox] = /\bFirefox\/(\d+)/.exec(agent) ?? [];
  const [, safari] = /\bVersion\/(\d+)\S* .*\bSafari\//.exec(agent) ?? [];
  if (serviceWorker && firefox) return "Firefox gives service workers no WebGPU: compute in a dedicated worker.";
  if (firefox) {
    return hasGpu
      ? `Firefox ${firefox} has WebGPU, but no graphics card and driver for it: about:support says why, under Graphics. Switch hardware acceleration on and update the driver, or use Chrome or Edge.`
      : `This is Firefox ${firefox}. Firefox has WebGPU from version 141 on Windows and from 145 on Macs with Apple's chips; elsewhere take Firefox Nightly, or Chrome or Edge.`;
  }
  if (safari) {
    return hasGpu
      ? "Safari has WebGPU, but found no graphics card for it: update the system, or, in a virtual machine, give it one."
      : `This is Safari ${safari}. Safari, and every browser on an iPhone or iPad, has WebGPU from version 26 on; Safari 18 has it once WebGPU is on under Develop > Feature Flags.`;
  }
  const linux = /\bLinux\b/.test(agent) && !/\bAndroid\b/.test(agent);
  const flags = "switch on chrome://flags/#enable-unsafe-webgpu and chrome://flags/#enable-vulkan";
  return hasGpu
    ? `The browser has WebGPU, but found no graphics card and driver for it: chrome://gpu says why. Switch on graphics acceleration in chrome://settings/system and update the driver${linux ? `; on Linux, also ${flags}` : ""}.`
    : `This browser gives pages no WebGPU. ${linux ? `On Linux, ${flags}, or use` : "Use"} a current Chrome, Edge, Firefox or Safari.`;
}

export function outsideRemedy(place: PlaceOutside): string {
  const { runtime, hasGpu, platform, arch, demand, hasDawn } = place;
  const install = { node: "npm install webgpu", bun: "bun add webgpu", deno: "deno add npm:webgpu" }[runtime];
  const driver =
    {
      linux:
        demand === "hardware"
          ? "install the graphics card's Vulkan driver: NVIDIA's own, or for AMD and Intel sudo apt-get install mesa-vulkan-drivers"
          : "sudo apt-get install mesa-vulkan-drivers libvulkan1 (Mesa 25 or later; Debian 12 has it in bookworm-backports)",
      darwin: "update macOS; WebGPU runs on Metal, which some virtual machines lack",
      win32: "update Windows and the graphics driver; WebGPU runs on Direct3D 12",
    }[platform] ?? "install a Vulkan driver";
  const bundled = platform === "linux" && arch === "x64" && /auto|swiftshader/.test(demand);
  const fixes = [
    runtime === "deno" && !hasGpu && "take Deno 2.7 or later, or start an older one with --unstable-webgpu",
    !hasDawn && !(runtime === "deno" && hasGpu) && `${install} brings Dawn, which is WebGPU outside of browsers`,
    demand !== "swiftshader" && driver,
    bundled && runtime === "node" && "npm install, without --omit=optional and without root rights, brings SwiftShader",
    bundled && runtime !== "node" && "run this in Node, which starts SwiftShader by itself",
    demand !== "auto" && "set COOP_ADAPTER=auto to take what there is",
  ];
  return `To fix it: ${fixes.filter(Boolean).join("; or ")}.`;
}
