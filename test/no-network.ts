// Loaded before a program (`--import`): every attempt to reach the network throws, and is told on stderr.
import dgram from "node:dgram";
import dns from "node:dns";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";

function refuse(what: string): never {
  process.stderr.write(`network: ${what}\n`);
  throw new Error(`the network was reached for: ${what}`);
}

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (this: net.Socket, ...args: unknown[]) {
  const [to] = args.flat() as [{ path?: string; host?: string; port?: number } | string | number];
  const isPipe = typeof to === "string" || (typeof to === "object" && typeof to?.path === "string");
  if (!isPipe) refuse(`connect ${JSON.stringify(to)}`);
  return connect.apply(this, args as Parameters<typeof connect>);
} as typeof connect;
for (const place of [dns, dns.promises] as unknown as Record<string, unknown>[])
  for (const name of Object.keys(place).filter((name) => /^(lookup|resolve)/.test(name)))
    place[name] = (...args: unknown[]) => refuse(`dns ${name} ${args[0]}`);
dgram.createSocket = () => refuse("udp");
globalThis.fetch = async (to) => refuse(`fetch ${to}`);
syncBuiltinESMExports();
