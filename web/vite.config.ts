import { readdirSync, readFileSync } from "node:fs";
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

/** The tiny model's files, at models/tiny-clip/ beside the page. */
function tinyModel(): Plugin {
  const folder = new URL("../models/tiny-clip/", import.meta.url);
  const place = "models/tiny-clip/";
  const names = readdirSync(folder).filter((name) => !name.endsWith(".md"));
  return {
    name: "tiny-model",
    generateBundle() {
      for (const name of names) {
        this.emitFile({ type: "asset", fileName: place + name, source: readFileSync(new URL(name, folder)) });
      }
    },
    configureServer(server) {
      server.middlewares.use(`/${place}`, (request, response, next) => {
        const name = names.find((file) => request.url === `/${file}`);
        if (name) response.end(readFileSync(new URL(name, folder)));
        else next();
      });
    },
  };
}

// The page's own policy binds the page; its worker's comes from the server, where it sends one.
const headers = { "Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer" };

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./", // the folder works at any address
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [contentSecurityPolicy(), tinyModel()],
  worker: { format: "es" },
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: addresses are not allowed
    modulePreload: { polyfill: false },
  },
  server: { host: "127.0.0.1" },
  preview: { host: "127.0.0.1", headers },
});
