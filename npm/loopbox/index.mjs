import loopbox from "./index.js";

export const {
  createLoopSandbox,
  execInSandbox,
  destroyLoopSandbox,
  isDockerAvailable,
  sandboxExists,
  inspectSandbox,
  listSandboxes,
  loopSandboxName,
  LoopboxError,
} = loopbox;
