import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** All that the built page may load or reach: itself, and the hub that models come from. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self' https://huggingface.co https://*.huggingface.co https://*.hf.co https://*.xethub.hf.co",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** The policy stands in the page itself, since a host of static files may send no headers. */
function contentSecurityPolicy(): Plugin {
  return {
    name: "content-security-policy",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content: CONTENT_SECURITY_POLICY },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** What the library imports, when it is needed, in Node alone. */
const ONLY_IN_NODE = ["webgpu", "sharp", /^node:/];

// The page's own policy binds the page; its worker's comes from the server, where it sends one.
const headers = { "Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer" };

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./", // the folder works at any address
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [contentSecurityPolicy()],
  worker: { format: "es", rolldownOptions: { external: ONLY_IN_NODE } },
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses are not allowed
    modulePreload: { polyfill: false },
  },
  server: { host: "127.0.0.1", fs: { allow: [fileURLToPath(new URL("..", import.meta.url))] } },
  preview: { host: "127.0.0.1", headers },
});
