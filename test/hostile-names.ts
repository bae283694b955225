/** Names that lead elsewhere, on this system or another. */
const TARGETS = ["canary.txt", "canary/model.safetensors"];
const CLIMBS = ["..", "../..", "a/../..", "./..", "a/b/../../..", "..//..", ".././.."];

/** Over a hundred names; `outside` is an absolute path of a file that must not be opened. */
export function hostileNames(outside: string): string[] {
  const relative = CLIMBS.flatMap((climb) => TARGETS.map((target) => `${climb}/${target}`));
  const windows = relative.flatMap((name) => [name.replaceAll("/", "\\"), name.replace("/", "\\")]);
  const absolute = [outside, `/${outside}`, `//localhost${outside}`, `file://${outside}`, `${outside}\0.jpg`, `.${outside}/../${outside}`]; // biome-ignore format: one row
  const drives = ["C:\\canary.txt", "C:canary.txt", "c:/canary.txt", "C:", "\\\\server\\share\\x", "//server/share/x", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "\\canary.txt", "/", "\\"]; // biome-ignore format: one row
  const devices = ["CON", "con.jpg", "NUL", "nul.txt", "aux.json", "COM1", "lpt9.png", "a/NUL", "prn.safetensors"];
  const dots = [".", "..", "...", ". ", ".. ", "a/..", "../", "..\\", "a/.. /b", "a./../..b/..", "..%2f..%2fcanary.txt", "%2e%2e/canary.txt", "..%5ccanary.txt", "%00", "..;/canary.txt", "..\u2215canary.txt", "\uff0e\uff0e/canary.txt"]; // biome-ignore format: one row
  const controls = ["\0", "a\0b", "..\0/canary.txt", "\r\n../canary.txt", "\u202etxt.yranac/..", "a\n../../canary.txt"];
  const links = ["link.jpg", "linked/canary.txt", "linked/../canary.txt", "loop", "loop/loop/loop", "linked"];
  const shells = ["~/canary.txt", "$HOME/canary.txt", "`id`", "$(id)", "| cat", "; ls", "-rf", "--help", "*", "?", "{a,b}/../canary.txt"]; // biome-ignore format: one row
  return [...relative, ...windows, ...absolute, ...drives, ...devices, ...dots, ...controls, ...links, ...shells, "x".repeat(5000), "../".repeat(300)]; // biome-ignore format: one row
}
