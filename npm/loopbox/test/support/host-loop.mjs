// A whole loop in the mode that the environment asks for; prints what came of it as JSON.
import { createLoopSandbox, destroyLoopSandbox, execInSandbox, sandboxExists } from "loopbox";

const [loopId, workspace] = process.argv.slice(2);
const name = await createLoopSandbox(loopId, "claude", workspace);
const script = 'id -u; echo "$HOME"; pwd; echo "$CALLER $OWN"; echo err >&2; exit 5';
const result = await execInSandbox(name, ["sh", "-c", script], { env: { OWN: "own" } });
const slow = await execInSandbox(name, ["sleep", "600"], { timeout: 200 });
await destroyLoopSandbox(loopId);
console.log(JSON.stringify({ name, result, slow, left: await sandboxExists(name) }));
