// What to do where a page has no adapter: loaded when it is needed, so that a page that works fetches none of it.

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

/** How to come by an adapter in this page, in a line or two. */
export const remedy = (): string =>
  browserRemedy({
    agent: globalThis.navigator?.userAgent ?? "",
    secure: globalThis.isSecureContext,
    hasGpu: globalThis.navigator?.gpu !== undefined,
    serviceWorker: "ServiceWorkerGlobalScope" in globalThis,
  });

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
