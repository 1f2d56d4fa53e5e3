// A command on the host for which there was never a sandbox.
import { execInSandbox } from "loopbox";

const { stdout } = await execInSandbox("nobody-made-this", ["pwd"], { workDir: process.argv[2] });
process.stdout.write(stdout);
