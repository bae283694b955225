// What to do where Node, Deno or Bun have no adapter.

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

/** How to come by an adapter in this process, in a line or two. */
export async function remedy(demand: string): Promise<string> {
  const { platform, arch } = process;
  const hasGpu = globalThis.navigator?.gpu !== undefined;
  const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
  const hasDawn = await import("webgpu").then(
    () => true,
    () => false,
  );
  return outsideRemedy({ runtime, hasGpu, platform, arch, demand, hasDawn });
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
