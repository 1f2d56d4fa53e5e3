// Making, finding and ending sandboxes, from one process and from several.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";

import {
  createLoopSandbox,
  destroyLoopSandbox,
  execInSandbox,
  inspectSandbox,
  isDockerAvailable,
  listSandboxes,
  loopSandboxName,
  LoopboxError,
  sandboxExists,
} from "loopbox";

import { run } from "./support/program.mjs";
import { newLoopId, rejection, surroundings, timeout, withEnvironment } from "./support/surroundings.mjs";

const step = path.join(import.meta.dirname, "support/loop-step.mjs");

describe("a loop's sandbox", () => {
  const { directory, workspace, loopId } = surroundings();

  test("is named exactly loop-{loopId}-{tool}", { timeout }, async () => {
    assert.equal(loopSandboxName("loop-mlqojz0v-7nnrle", "codex"), "loop-loop-mlqojz0v-7nnrle-codex");
    assert.equal(await createLoopSandbox(loopId, "claude", workspace), `loop-${loopId}-claude`);
  });

  test("is found again by a second create", { timeout }, async () => {
    const first = await createLoopSandbox(loopId, "claude", workspace);
    await execInSandbox(first, ["sh", "-c", "echo kept > ~/note"]);
    const second = await createLoopSandbox(loopId, "claude", workspace);
    assert.equal(second, first);
    assert.equal((await execInSandbox(second, ["sh", "-c", "cat ~/note"])).stdout, "kept\n");
  });

  test("is made once by creates that race", { timeout }, async () => {
    const racing = newLoopId();
    const names = await Promise.all(Array.from({ length: 5 }, () => createLoopSandbox(racing, "claude", workspace)));
    assert.deepEqual(new Set(names), new Set([`loop-${racing}-claude`]));
    assert.equal((await listSandboxes()).filter((sandbox) => sandbox.loopId === racing).length, 1);
    await destroyLoopSandbox(racing);
  });

  test("is described", { timeout }, async () => {
    const name = await createLoopSandbox(loopId, "claude", workspace, { network: { policy: "deny", allowHosts: ["example.com"] } });
    assert.equal(await sandboxExists(name), true);
    const info = await inspectSandbox(name);
    assert.equal(info.name, name);
    assert.equal(info.loopId, loopId);
    assert.equal(info.agent.name, "claude");
    assert.equal(info.workspace, workspace);
    assert.equal(info.backend, "native");
    assert.equal(info.state, "running");
    assert.equal(info.network.policy, "deny");
    assert.ok(info.pids.length > 0);
    assert.ok(Date.parse(info.created) <= Date.parse(info.lastUsed));
    assert.ok(Date.parse(info.expires) > Date.now());
    assert.deepEqual((await listSandboxes()).map((sandbox) => sandbox.name), [name]);
  });

  test("is not given to whoever asks for another workspace", { timeout }, async () => {
    const other = path.join(directory, "other");
    mkdirSync(other);
    const error = await rejection(createLoopSandbox(loopId, "claude", other));
    assert.equal(error.code, "SandboxExists");
    assert.match(error.message, /workspace/i);
  });

  test("is ended with what runs in it; the workspace stays; a second time does nothing", { timeout }, async () => {
    const ended = newLoopId();
    const name = await createLoopSandbox(ended, "claude", workspace);
    writeFileSync(path.join(workspace, "kept.txt"), "kept");
    let started;
    const heard = new Promise((resolve) => (started = resolve));
    const running = rejection(execInSandbox(name, ["sh", "-c", "echo up; exec sleep 600"], { onStdout: started }));
    await heard;
    assert.equal(await destroyLoopSandbox(ended), undefined);
    assert.match((await running).code, /^(SandboxDied|SandboxNotFound)$/);
    assert.equal(await sandboxExists(name), false);
    assert.equal((await rejection(inspectSandbox(name))).code, "SandboxNotFound");
    assert.equal(readFileSync(path.join(workspace, "kept.txt"), "utf8"), "kept");
    assert.equal(await destroyLoopSandbox(ended), undefined);
  });

  test("of one tool goes with that of the other, and no other loop's", { timeout }, async () => {
    const [mine, longer] = [newLoopId(), newLoopId()].map((id, _, [first]) => (id === first ? id : `${first}-claude`));
    const names = [
      await createLoopSandbox(mine, "claude", workspace),
      await createLoopSandbox(mine, "codex", workspace),
      await createLoopSandbox(longer, "codex", workspace),
    ];
    await destroyLoopSandbox(mine);
    assert.deepEqual(await Promise.all(names.map(sandboxExists)), [false, false, true]);
    await destroyLoopSandbox(longer);
  });
});

describe("planner, implementor and cleaner", () => {
  const { workspace, loopId } = surroundings();
  const take = (name) => run(process.execPath, [step, name, loopId, workspace]);
  /** Waits inside until the command that wrote down its process id is gone. */
  const ended = async (name) => {
    const script = "while kill -0 $(cat hanging.pid) 2>/dev/null; do sleep 0.01; done";
    return (await execInSandbox(name, ["sh", "-c", script], { timeout: 30_000 })).exitCode;
  };

  test("are three processes", { timeout }, async () => {
    const planned = await take("plan");
    assert.deepEqual(planned, { exitCode: 0, signal: null, stdout: `"loop-${loopId}-claude"\n`, stderr: "" });
    const implemented = await take("implement");
    assert.equal(JSON.parse(implemented.stdout).stdout, "done\n", implemented.stderr);
    assert.equal(readFileSync(path.join(workspace, "story.txt"), "utf8"), "done\n");
    const cleaned = await take("clean");
    assert.deepEqual(cleaned, { exitCode: 0, signal: null, stdout: "null\n", stderr: "" });
    assert.equal(await sandboxExists(loopSandboxName(loopId, "claude")), false);
  });

  test("may be killed in the middle of a command, which ends with its caller", { timeout }, async () => {
    const name = await createLoopSandbox(loopId, "claude", workspace);
    const caller = spawn(process.execPath, [step, "hang", loopId, workspace], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => caller.stdout.once("data", resolve));
    caller.kill("SIGKILL");
    assert.equal(await ended(name), 0);
  });

  test("may exit in the middle of a command, which ends with its caller", { timeout }, async () => {
    const name = await createLoopSandbox(loopId, "claude", workspace);
    const { exitCode, stderr } = await take("leave");
    assert.deepEqual([exitCode, stderr], [3, ""]);
    assert.equal(await ended(name), 0);
  });
});

describe("what cannot be made", () => {
  const { directory, workspace, loopId } = surroundings();
  const create = (options, workDir = workspace) => createLoopSandbox(loopId, "claude", workDir, options);

  test("a workspace that is not there, or no directory", { timeout }, async () => {
    assert.equal((await rejection(create({}, path.join(directory, "absent")))).code, "WorkspaceNotFound");
    writeFileSync(path.join(directory, "file"), "");
    assert.equal((await rejection(create({}, path.join(directory, "file")))).code, "WorkspaceNotFound");
  });

  test("a workspace that is relative, or would open the machine", { timeout }, async () => {
    for (const workDir of [".", "/", "/usr", "/etc"]) {
      const error = await rejection(create({}, workDir));
      assert.equal(error.code, "InvalidArgument", workDir);
      assert.match(error.message, /workDir|workspace/i);
    }
  });

  test("a name that does not fit is refused, never cut", { timeout }, async () => {
    for (const id of ["../x", "a;id", "", "x".repeat(200)]) {
      assert.equal((await rejection(createLoopSandbox(id, "claude", workspace))).code, "InvalidName");
      assert.throws(() => loopSandboxName(id, "claude"), (error) => error instanceof LoopboxError && error.code === "InvalidName");
      assert.equal((await rejection(destroyLoopSandbox(id))).code, "InvalidName");
    }
    assert.equal((await rejection(createLoopSandbox(loopId, "clod", workspace))).code, "InvalidName");
  });

  test("an agent that is not installed; the hint says how to install it", { timeout }, async () => {
    const error = await withEnvironment({ PATH: directory }, () => rejection(create()));
    assert.equal(error.code, "AgentNotFound");
    assert.match(error.hint, /npm|install/);
  });

  test("an option of the wrong kind", { timeout }, async () => {
    const cases = {
      "network.policy": { network: { policy: "maybe" } },
      "network.allowHosts": { network: { allowHosts: "example.com" } },
      "network.allowHosts[0]": { network: { allowHosts: [1] } },
      "network.polcy": { network: { polcy: "deny" } },
      "limits.memoryBytes": { limits: { memoryBytes: "1g" } },
      "limits.cpus": { limits: { cpus: 0 } },
      ttlMs: { ttlMs: -1 },
      "env.A": { env: { A: 1 } },
      backend: { backend: "podman" },
      credentials: { credentials: "all" },
      agentConfig: { agentConfig: "everything" },
      "guard.allow": { guard: { allow: "*" } },
      allowHostFallback: { allowHostFallback: "yes" },
      nework: { nework: {} },
    };
    for (const [field, options] of Object.entries(cases)) {
      const error = await rejection(create(options));
      assert.equal(error.code, "InvalidArgument", field);
      assert.ok(error.message.startsWith(`${field}: `), error.message);
    }
    assert.equal((await rejection(createLoopSandbox(loopId, "claude", 7))).code, "InvalidArgument");
  });

  test("what is not built yet says so and is not ignored", { timeout }, async () => {
    const cases = [
      { credentials: "proxy" },
      { leases: { NPM_TOKEN: "npm" } },
      { agentConfig: "instructions" },
      { template: "python" },
      { backend: "docker" },
    ];
    for (const options of cases) {
      assert.equal((await rejection(create(options))).code, "Unsupported", JSON.stringify(options));
    }
  });

  test("leaves nothing behind", { timeout }, async () => {
    assert.deepEqual(await listSandboxes(), []);
  });
});

describe("the environment", () => {
  const { directory, workspace, stateDir, loopId } = surroundings();

  test("is read at each call", { timeout }, async () => {
    const name = await createLoopSandbox(loopId, "claude", workspace);
    await withEnvironment({ LOOPBOX_STATE_DIR: path.join(directory, "elsewhere") }, async () => {
      assert.equal(await sandboxExists(name), false);
      assert.deepEqual(await listSandboxes(), []);
    });
    assert.equal(await sandboxExists(name), true);
  });

  test("is that of the thread which calls", { timeout }, async () => {
    const name = await createLoopSandbox(loopId, "claude", workspace);
    await withEnvironment({ LOOPBOX_STATE_DIR: path.join(directory, "elsewhere") }, async () => {
      const worker = new Worker(path.join(import.meta.dirname, "support/worker.mjs"), { workerData: { name, stateDir } });
      const stdout = await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
      assert.equal(stdout, "from a worker\n");
      await worker.terminate();
    });
  });

  test("names the state directory by XDG_STATE_HOME, then by HOME", { timeout }, async () => {
    const unset = { LOOPBOX_STATE_DIR: undefined };
    const xdg = path.join(directory, "xdg");
    await withEnvironment({ ...unset, XDG_STATE_HOME: xdg }, async () => {
      const name = await createLoopSandbox(loopId, "claude", workspace);
      assert.ok((await inspectSandbox(name)).log.startsWith(`${xdg}/loopbox/`));
      await destroyLoopSandbox(loopId);
    });
    const home = path.join(directory, "home");
    mkdirSync(home);
    await withEnvironment({ ...unset, XDG_STATE_HOME: "relative/is/ignored", HOME: home }, async () => {
      const name = await createLoopSandbox(loopId, "claude", workspace);
      assert.ok((await inspectSandbox(name)).log.startsWith(`${home}/.local/state/loopbox/`));
      await destroyLoopSandbox(loopId);
    });
  });

  test("may not name a relative state directory", { timeout }, async () => {
    const error = await withEnvironment({ LOOPBOX_STATE_DIR: "state" }, () => rejection(listSandboxes()));
    assert.equal(error.code, "InvalidArgument");
    assert.match(error.message, /LOOPBOX_STATE_DIR/);
  });

  test("gives the operator's git identity to a new sandbox", { timeout }, async () => {
    const home = path.join(directory, "operator");
    mkdirSync(home);
    writeFileSync(path.join(home, ".gitconfig"), "[user]\n\tname = Ada Lovelace\n\temail = ada@example.com\n[alias]\n\tst = status\n");
    const id = newLoopId();
    const variables = { HOME: home, GIT_CONFIG_GLOBAL: undefined, XDG_CONFIG_HOME: undefined };
    const name = await withEnvironment(variables, () => createLoopSandbox(id, "claude", workspace));
    const { stdout } = await execInSandbox(name, ["sh", "-c", "git config user.name; git config user.email; git config alias.st"]);
    assert.equal(stdout, "Ada Lovelace\nada@example.com\n");
    await destroyLoopSandbox(id);
  });
});

test("no Docker backend is built yet, whatever is installed", { timeout }, async () => {
  assert.equal(await isDockerAvailable(), false);
});
