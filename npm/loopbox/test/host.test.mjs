// AGENT_LOOP_HOST=1: the same three functions on the bare host.
import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";

import { execInSandbox } from "loopbox";

import { run } from "./support/program.mjs";
import { newLoopId, rejection, surroundings, timeout, withEnvironment } from "./support/surroundings.mjs";

const loop = path.join(import.meta.dirname, "support/host-loop.mjs");
const exec = path.join(import.meta.dirname, "support/host-exec.mjs");
const warning = "loopbox: warning: commands run on this host, as you, without a sandbox\n";

describe("AGENT_LOOP_HOST=1", () => {
  const { workspace } = surroundings();

  test("runs commands as the caller, with the caller's home and environment, in the workspace", { timeout }, async () => {
    const loopId = newLoopId();
    const env = { ...process.env, AGENT_LOOP_HOST: "1", CALLER: "caller" };
    const { exitCode, stdout, stderr } = await run(process.execPath, [loop, loopId, workspace], { env });
    assert.equal(exitCode, 0, stderr);
    const { name, result, slow, left } = JSON.parse(stdout);
    assert.equal(name, `loop-${loopId}-claude`);
    assert.equal(result.stdout, `${process.getuid()}\n${process.env.HOME}\n${workspace}\ncaller own\n`);
    assert.deepEqual([result.stderr, result.exitCode], ["err\n", 5]);
    assert.deepEqual([slow.exitCode, slow.timedOut], [124, true]);
    assert.equal(left, false);
    assert.equal(stderr, warning, "one visible warning, once in a process");
  });

  test("runs a command without a sandbox in the directory that it is given", { timeout }, async () => {
    const env = { ...process.env, AGENT_LOOP_HOST: "1" };
    const { stdout, stderr } = await run(process.execPath, [exec, workspace], { env });
    assert.equal(stdout.trim(), workspace, stderr);
  });

  test("is the only value that does so", { timeout }, async () => {
    for (const value of ["true", "01", " 1", "yes", ""]) {
      const call = () => rejection(execInSandbox("nobody-made-this", ["true"], { workDir: workspace }));
      assert.equal((await withEnvironment({ AGENT_LOOP_HOST: value }, call)).code, "SandboxNotFound", value);
    }
  });
});
