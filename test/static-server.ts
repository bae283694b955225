import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

export interface Served {
  readonly port: number;
  close(): Promise<void>;
}

/** What lies at a path: a file's bytes, "never" for an answer that does not come, or nothing. */
export type Find = (path: string) => Promise<Uint8Array | string | undefined> | "never";

/** The files of a folder; a path that ends in "/" is its index.html. */
export const filesOf =
  (folder: string): Find =>
  async (path) => {
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    return file.startsWith(folder + sep) ? readFile(file).catch(() => undefined) : undefined;
  };

/** Serves on this machine only, to the given host names only. */
export async function serve(
  find: Find,
  { hosts = ["127.0.0.1"], headers = {} }: { readonly hosts?: readonly string[]; readonly headers?: object } = {},
): Promise<Served> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [host] = (request.headers.host ?? "").split(":");
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    const allowed = hosts.includes(host) && request.method === "GET";
    const found = allowed ? find(path) : undefined;
    if (found === "never") return;
    const body = await found;
    response.writeHead(body === undefined ? (allowed ? 404 : 403) : 200, {
      "content-type": TYPES[path.endsWith("/") ? ".html" : extname(path)] ?? "application/octet-stream",
      "cache-control": "no-store",
      ...headers,
    });
    response.end(body);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
