// The real agents do a story: planner, implementor and cleaner are three processes, the model server is a stand-in.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";

import { listSandboxes, loopSandboxName } from "loopbox";

import { run } from "./support/program.mjs";
import { repository, surroundings, timeout } from "./support/surroundings.mjs";

const step = path.join(import.meta.dirname, "support/story-step.mjs");
const standin = path.join(repository, "target/debug/model-standin");

for (const tool of ["claude", "codex"]) {
  describe(`a story by ${tool}`, () => {
    const { workspace, loopId } = surroundings();
    let server;
    let port;
    before(
      async () => {
        server = spawn(standin, { stdio: ["ignore", "pipe", "inherit"] });
        const [line] = await Promise.race([
          new Promise((resolve) => createInterface(server.stdout).once("line", (...all) => resolve(all))),
          new Promise((_, reject) => server.once("error", reject)),
        ]);
        port = new URL(JSON.parse(line).baseUrl).port;
      },
      { timeout },
    );
    after(() => server.kill());

    test("is in the workspace, written by a sandbox that three processes shared", { timeout }, async () => {
      const story = { steps: [{ write: { path: "story.txt", content: "told inside\n" } }, { run: "cat story.txt" }], answer: "told" };
      const prompt = `Tell a story. model-standin: ${JSON.stringify(story)}`;
      const take = (name) => run(process.execPath, [step, name, tool, loopId, workspace, port, prompt]);

      assert.equal(JSON.parse((await take("plan")).stdout), loopSandboxName(loopId, tool));
      const implemented = await take("implement");
      const { exitCode, stdout, stderr } = JSON.parse(implemented.stdout);
      assert.equal(exitCode, 0, stderr);
      assert.equal(stdout.trim().split("\n").at(-1), "told");
      assert.equal(readFileSync(path.join(workspace, "story.txt"), "utf8"), "told inside\n");
      assert.equal((await take("clean")).exitCode, 0);
      assert.deepEqual(await listSandboxes(), []);
    });
  });
}
