// The same package from CommonJS.
import loopbox = require("loopbox");

const result: Promise<loopbox.ExecResult> = loopbox.execInSandbox("ab", ["true"]);
const error: Error = new loopbox.LoopboxError("Io", "reading", { hint: "look there" });
export = { result, error };
