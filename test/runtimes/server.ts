import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, sep } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
};

export interface Served {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves the files of a folder, as they are, on this machine only, to the given host names only. */
export async function serve(folder: string, hosts: readonly string[]): Promise<Served> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [host] = (request.headers.host ?? "").split(":");
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://host").pathname);
    const file = join(folder, path);
    const allowed = hosts.includes(host) && request.method === "GET" && file.startsWith(folder + sep);
    const bytes = allowed ? await readFile(file).catch(() => undefined) : undefined;
    response.writeHead(bytes ? 200 : allowed ? 404 : 403, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
      "cache-control": "no-store",
    });
    response.end(bytes);
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
