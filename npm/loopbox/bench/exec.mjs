// Warm exec of /bin/true through this package against Node's own unsandboxed child_process.spawn of it, interleaved in
// one run. Prints one line of JSON: {"iterations", "exec": {"p50Ms", "p90Ms"}, "spawn": {...}, "ratio"}.
//
//   node bench/exec.mjs [ITERATIONS]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";

import { createLoopSandbox, destroyLoopSandbox, execInSandbox } from "loopbox";

const COMMAND = "/bin/true";
const WARM_UP = 50;
const iterations = Number(process.argv[2] ?? 500);

refuseSlowBuild();
const directory = mkdtempSync(path.join(process.env.LOOPBOX_TEST_DIR ?? os.tmpdir(), "loopbox-bench-"));
process.env.LOOPBOX_STATE_DIR = path.join(directory, "state");
const loopId = `bench-${process.pid}`;
try {
  const workspace = path.join(directory, "workspace");
  mkdirSync(workspace);
  const sandbox = await createLoopSandbox(loopId, "claude", workspace);
  console.log(JSON.stringify(await measure(() => execInSandbox(sandbox, [COMMAND]), spawnAndWait)));
} finally {
  await destroyLoopSandbox(loopId);
  rmSync(directory, { recursive: true, force: true });
}

/** The same work as an exec: output captured, input empty, the exit code awaited. */
function spawnAndWait() {
  return new Promise((resolve, reject) => {
    const child = spawn(COMMAND, [], { stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (chunk) => (output.stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk) => (output.stderr += chunk));
    child.on("error", reject);
    child.on("close", (exitCode) => resolve({ exitCode, ...output }));
  });
}

async function measure(exec, spawned) {
  const times = { exec: [], spawn: [] };
  for (let i = -WARM_UP; i < iterations; i++) {
    for (const [kind, run] of [["exec", exec], ["spawn", spawned]]) {
      const start = performance.now();
      const { exitCode } = await run();
      const time = performance.now() - start;
      if (exitCode !== 0) throw new Error(`${kind}: ${COMMAND} ended with ${exitCode}`);
      if (i >= 0) times[kind].push(time);
    }
  }
  const [ours, theirs] = [summary(times.exec), summary(times.spawn)];
  return { iterations, exec: ours, spawn: theirs, ratio: round(ours.p50Ms / theirs.p50Ms) };
}

function summary(times) {
  times.sort((a, b) => a - b);
  const at = (part) => round(times[Math.floor(part * (times.length - 1))]);
  return { p50Ms: at(0.5), p90Ms: at(0.9) };
}

function round(number) {
  return Math.round(number * 1000) / 1000;
}

/** A build without optimisation would measure the compiler. */
function refuseSlowBuild() {
  const native = createRequire(import.meta.url).resolve("@loopbox/linux-x64-gnu/native.json");
  const { profile } = JSON.parse(readFileSync(native, "utf8"));
  if (profile !== "release") throw new Error(`the native part was built with the profile ${profile}: run cargo xtask npm`);
}
