// For modules that are loaded before a process (`NODE_OPTIONS="--import …"` reaches those that it starts as well): the adapters
// of the package webgpu, which is itself loaded only where somebody asks for a GPU.

/** Lets `wrap` replace what gives devices. */
export function wrapRequestDevice(wrap) {
  const { dlopen } = process;
  process.dlopen = (module, filename, ...flags) => {
    dlopen.call(process, module, filename, ...flags);
    if (!filename.endsWith("dawn.node")) return;
    const { prototype } = module.exports.globals.GPUAdapter;
    prototype.requestDevice = wrap(prototype.requestDevice);
  };
}
