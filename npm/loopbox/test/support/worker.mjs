// A thread with an environment of its own: runs one command and tells the result.
import { parentPort, workerData } from "node:worker_threads";

import { execInSandbox } from "loopbox";

process.env.LOOPBOX_STATE_DIR = workerData.stateDir;
const { stdout } = await execInSandbox(workerData.name, ["echo", "from a worker"]);
parentPort.postMessage(stdout);
