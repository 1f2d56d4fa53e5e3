// One step of an agent loop, in a process of its own: node loop-step.mjs STEP LOOP_ID WORKSPACE
import { createLoopSandbox, destroyLoopSandbox, execInSandbox, loopSandboxName } from "loopbox";

const [step, loopId, workspace] = process.argv.slice(2);
const steps = {
  plan: () => createLoopSandbox(loopId, "claude", workspace),
  implement: () => execInSandbox(loopSandboxName(loopId, "claude"), ["sh", "-c", "echo done > story.txt; cat story.txt"]),
  clean: () => destroyLoopSandbox(loopId),
  // Is killed in the middle of its command.
  hang: () =>
    execInSandbox(loopSandboxName(loopId, "claude"), ["sh", "-c", "echo $$ > hanging.pid; echo started; exec sleep 600"], {
      onStdout: (chunk) => process.stdout.write(chunk),
    }),
  // Leaves in the middle of its command.
  leave: () =>
    execInSandbox(loopSandboxName(loopId, "claude"), ["sh", "-c", "echo $$ > hanging.pid; echo started; exec sleep 600"], {
      onStdout: () => process.exit(3),
    }),
};
console.log(JSON.stringify(await steps[step]()) ?? "null");
