// What comes of a command: the lines of the contract that a caller of execInSandbox can see.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { before, describe, test } from "node:test";

import { createLoopSandbox, execInSandbox } from "loopbox";

import { rejection, surroundings, timeout, withEnvironment } from "./support/surroundings.mjs";

describe("execInSandbox", () => {
  const { workspace, loopId } = surroundings();
  let sandbox;
  before(async () => (sandbox = await createLoopSandbox(loopId, "claude", workspace)), { timeout });

  const exec = (command, options) => execInSandbox(sandbox, command, options);
  const sh = (script, options) => exec(["sh", "-c", script], options);

  describe("the result", () => {
    test("has every field and no other", { timeout }, async () => {
      const { durationMs, ...rest } = await exec(["echo", "hello"]);
      assert.deepEqual(rest, {
        exitCode: 0,
        output: "hello\n",
        stdout: "hello\n",
        stderr: "",
        signal: null,
        timedOut: false,
        truncated: false,
      });
      assert.ok(durationMs > 0 && durationMs < timeout, `durationMs: ${durationMs}`);
    });

    test("appends stderr to output behind a line that names it", { timeout }, async () => {
      const both = await sh("echo out; echo err >&2");
      assert.deepEqual([both.output, both.stdout, both.stderr], ["out\n\n--- STDERR ---\nerr\n", "out\n", "err\n"]);
      const only = await sh("echo err >&2");
      assert.equal(only.output, "\n--- STDERR ---\nerr\n");
    });

    test("is not trimmed, and replaces what is not UTF-8", { timeout }, async () => {
      const { stdout } = await exec(["printf", "  \\303\\274 \\377 \\303 \n\n"]);
      assert.equal(stdout, "  ü \ufffd \ufffd \n\n");
    });

    test("is a result whatever the exit code", { timeout }, async () => {
      for (const exitCode of [1, 7, 124, 255]) assert.equal((await sh(`exit ${exitCode}`)).exitCode, exitCode);
    });

    test("tells a missing command, one that cannot be executed, and death by a signal", { timeout }, async () => {
      writeFileSync(path.join(workspace, "not-executable"), "#!/bin/sh\n", { mode: 0o644 });
      assert.equal((await exec(["no-such-command"])).exitCode, 127);
      assert.equal((await exec(["./not-executable"])).exitCode, 126);
      const killed = await sh("kill -KILL $$");
      assert.deepEqual([killed.exitCode, killed.signal, killed.timedOut], [137, "SIGKILL", false]);
    });

    test("comes when the command exits, though a child of it holds its pipes", { timeout }, async () => {
      const { exitCode, stdout, durationMs } = await sh("sleep 600 & echo early; exit 7");
      assert.deepEqual([exitCode, stdout], [7, "early\n"]);
      assert.ok(durationMs < 10_000, `durationMs: ${durationMs}`);
    });

    test("holds 5 MB of both streams", { timeout }, async () => {
      const { stdout, stderr, truncated } = await sh(
        "head -c 5000000 /dev/zero | tr '\\0' o & head -c 5000000 /dev/zero | tr '\\0' e >&2; wait",
      );
      assert.equal(stdout, "o".repeat(5_000_000));
      assert.equal(stderr, "e".repeat(5_000_000));
      assert.equal(truncated, false);
    });

    test("keeps the first maxOutputBytes of each stream and says that there was more", { timeout }, async () => {
      const { stdout, stderr, truncated, exitCode } = await sh(
        "printf 0123456789; head -c 1000000 /dev/zero; printf abc >&2; exit 3",
        { maxOutputBytes: 4 },
      );
      assert.deepEqual({ stdout, stderr, truncated, exitCode }, { stdout: "0123", stderr: "abc", truncated: true, exitCode: 3 });
    });
  });

  describe("the command", () => {
    test("gets its arguments exactly", { timeout }, async () => {
      const args = ["", " ", "a b", "'\"`", "$(touch pwned)", "$HOME;&|<>*?[x]", "two\nlines\r\t", "ü🦀\u202e", "--", "x".repeat(100_000)];
      const { stdout } = await exec(["printf", "%s\\0", ...args]);
      assert.deepEqual(stdout.split("\0").slice(0, -1), args);
    });

    test("is refused with an argument longer than Linux takes, and stdin is named as the way out", { timeout }, async () => {
      const error = await rejection(exec(["echo", "x".repeat(131_072)]));
      assert.equal(error.code, "InvalidArgument");
      assert.match(`${error.message} ${error.hint}`, /stdin/);
      assert.equal((await exec(["printf", "%s", "x".repeat(131_071)])).stdout.length, 131_071);
    });

    test("reads nothing unless it is given something", { timeout }, async () => {
      assert.equal((await exec(["cat"])).stdout, "");
      assert.equal((await exec(["cat"], { stdin: "" })).stdout, "");
    });

    test("reads a string as UTF-8, and bytes as they are", { timeout }, async () => {
      assert.equal((await exec(["cat"], { stdin: "ü\n" })).stdout, "ü\n");
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      assert.equal((await exec(["od", "-An", "-v", "-tu1"], { stdin: bytes })).stdout.match(/\d+/g).join(), [...bytes].join());
      const part = new Uint8Array(Buffer.from("abcdef").buffer, Buffer.from("abcdef").byteOffset, 0);
      assert.equal((await exec(["wc", "-c"], { stdin: part })).stdout.trim(), "0");
    });

    test("reads 5 MB while it writes them", { timeout }, async () => {
      const text = "0123456789".repeat(500_000);
      assert.equal((await exec(["cat"], { stdin: text })).stdout, text);
    });

    test("may leave its input unread", { timeout }, async () => {
      assert.equal((await exec(["true"], { stdin: "x".repeat(5_000_000) })).exitCode, 0);
    });

    test("runs in the workspace unless told otherwise", { timeout }, async () => {
      assert.equal((await exec(["pwd"])).stdout, `${workspace}\n`);
      assert.equal((await exec(["pwd"], { workDir: "/usr" })).stdout, "/usr\n");
    });

    test("gets the variables it is given, without undefined ones, and nothing of process.env", { timeout }, async () => {
      await withEnvironment({ LOOPBOX_TEST_CANARY: "leaked" }, async () => {
        const { stdout } = await exec(["env"], { env: { GIVEN: "a=b\n$(c) ü", EMPTY: "", ABSENT: undefined } });
        assert.match(stdout, /^GIVEN=a=b\n\$\(c\) ü$/m);
        assert.match(stdout, /^EMPTY=$/m);
        assert.doesNotMatch(stdout, /ABSENT|LOOPBOX_TEST_CANARY|leaked/);
      });
    });

    test("is an unprivileged user at home", { timeout }, async () => {
      const { stdout } = await sh('id -un; id -u; echo "$HOME"; test -w "$HOME" && echo writable');
      assert.equal(stdout, "agent\n1000\n/home/agent\nwritable\n");
    });

    test("writes into the workspace, as its owner", { timeout }, async () => {
      assert.equal((await sh("echo text > written.txt")).exitCode, 0);
      assert.equal(readFileSync(path.join(workspace, "written.txt"), "utf8"), "text\n");
    });
  });

  describe("timeout", () => {
    test("ends the whole tree, keeps what was written, and leaves the sandbox usable", { timeout }, async () => {
      const { exitCode, timedOut, stdout, output } = await sh(
        "trap '' TERM; echo partial; setsid sh -c 'trap \"\" TERM; echo $$ > pid; while :; do sleep 1; done' & while :; do sleep 1; done",
        { timeout: 300 },
      );
      assert.deepEqual({ exitCode, timedOut, stdout, output }, { exitCode: 124, timedOut: true, stdout: "partial\n", output: "partial\n" });
      const { stdout: after } = await sh('kill -0 "$(cat pid)" 2>/dev/null && echo alive || echo gone');
      assert.equal(after, "gone\n");
    });

    test("of 0 is none", { timeout }, async () => {
      const { exitCode, timedOut } = await exec(["sleep", "0.1"], { timeout: 0 });
      assert.deepEqual({ exitCode, timedOut }, { exitCode: 0, timedOut: false });
    });
  });

  describe("signal", () => {
    test("ends the command; the rejection holds what there was, and the reason", { timeout }, async () => {
      const controller = new AbortController();
      const reason = new Error("the loop was cancelled");
      const error = await rejection(
        sh("echo partial; exec sleep 600", { signal: controller.signal, onStdout: () => controller.abort(reason) }),
      );
      assert.equal(error.code, "Aborted");
      assert.equal(error.cause, reason);
      assert.deepEqual([error.partial.stdout, error.partial.output, error.partial.timedOut], ["partial\n", "partial\n", false]);
    });

    test("that is aborted already starts nothing", { timeout }, async () => {
      const error = await rejection(sh("touch started", { signal: AbortSignal.abort() }));
      assert.deepEqual([error.code, error.partial], ["Aborted", undefined]);
      assert.equal((await exec(["test", "-e", "started"])).exitCode, 1);
    });

    test("that is aborted afterwards does nothing", { timeout }, async () => {
      const controller = new AbortController();
      const { exitCode } = await exec(["true"], { signal: controller.signal });
      controller.abort();
      assert.equal(exitCode, 0);
    });
  });

  describe("onStdout and onStderr", () => {
    test("get every byte in order, before the promise settles", { timeout }, async () => {
      const chunks = { stdout: [], stderr: [] };
      const result = await sh("printf '\\377\\000a'; printf err >&2; head -c 3000000 /dev/zero | tr '\\0' b; printf z", {
        onStdout: (chunk) => chunks.stdout.push(chunk),
        onStderr: (chunk) => chunks.stderr.push(chunk),
        maxOutputBytes: 10,
      });
      assert.ok(chunks.stdout.every((chunk) => chunk instanceof Uint8Array));
      const stdout = Buffer.concat(chunks.stdout);
      assert.equal(stdout.length, 3_000_004);
      assert.deepEqual([...stdout.subarray(0, 4)], [0xff, 0, 0x61, 0x62]);
      assert.equal(stdout.at(-1), "z".charCodeAt(0));
      assert.equal(Buffer.concat(chunks.stderr).toString(), "err");
      assert.equal(result.truncated, true);
    });

    test("come while the command runs", { timeout }, async () => {
      // The command goes on only after it was heard.
      const { stdout } = await sh("echo ready; until [ -e heard ]; do sleep 0.01; done; echo done", {
        onStdout: () => writeFileSync(path.join(workspace, "heard"), ""),
      });
      assert.equal(stdout, "ready\ndone\n");
    });

    test("make the command wait while they are busy, so that nothing piles up", { timeout }, async () => {
      let bytes = 0;
      let finishedMeanwhile;
      const busy = (chunk) => {
        // Blocks the event loop for longer than the command would need if nothing held it back.
        if (bytes === 0) {
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
          finishedMeanwhile = existsSync(path.join(workspace, "finished"));
        }
        bytes += chunk.length;
      };
      await sh("head -c 50000000 /dev/zero; touch finished", { onStdout: busy, maxOutputBytes: 0 });
      assert.equal(bytes, 50_000_000);
      assert.equal(finishedMeanwhile, false);
      assert.ok(existsSync(path.join(workspace, "finished")));
    });

    test("end the command when they throw, and the caller gets what they threw", { timeout }, async () => {
      const mine = new TypeError("mine");
      const call = sh("echo x; exec sleep 600", {
        onStdout() {
          throw mine;
        },
      });
      await assert.rejects(call, (error) => error === mine);
    });
  });

  test("runs 20 at once, each with its own result", { timeout }, async () => {
    const numbers = Array.from({ length: 20 }, (_, i) => i);
    const results = await Promise.all(numbers.map((i) => sh(`echo ${i}; echo -${i} >&2; exit ${i}`)));
    assert.deepEqual(
      results.map(({ exitCode, stdout, stderr }) => [exitCode, stdout, stderr]),
      numbers.map((i) => [i, `${i}\n`, `-${i}\n`]),
    );
  });

  test("lets the event loop turn while a command runs", { timeout }, async () => {
    // The command ends only after the loop has turned a hundred times.
    const running = sh("until [ -e turned ]; do sleep 0.01; done; echo done");
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
    writeFileSync(path.join(workspace, "turned"), "");
    assert.equal((await running).stdout, "done\n");
  });

  describe("arguments of the wrong kind reject with InvalidArgument, which names the field", () => {
    const cases = [
      ["sandboxName", () => execInSandbox(undefined, ["true"])],
      ["command", () => exec("true")],
      ["command", () => exec([])],
      ["command[1]", () => exec(["echo", 1])],
      ["options", () => exec(["true"], "fast")],
      ["timeout", () => exec(["true"], { timeout: -1 })],
      ["timeout", () => exec(["true"], { timeout: Number.NaN })],
      ["timeout", () => exec(["true"], { timeout: Infinity })],
      ["timeout", () => exec(["true"], { timeout: "1000" })],
      ["env", () => exec(["true"], { env: ["A=b"] })],
      ["env.A", () => exec(["true"], { env: { A: 1 } })],
      ["env.A", () => exec(["true"], { env: { A: null } })],
      ["workDir", () => exec(["true"], { workDir: 1 })],
      ["stdin", () => exec(["true"], { stdin: 1 })],
      ["signal", () => exec(["true"], { signal: {} })],
      ["user", () => exec(["true"], { user: 0 })],
      ["user", () => exec(["true"], { user: "nobody;" })],
      ["maxOutputBytes", () => exec(["true"], { maxOutputBytes: 1.5 })],
      ["onStdout", () => exec(["true"], { onStdout: "inherit" })],
      ["onStderr", () => exec(["true"], { onStderr: {} })],
      ["timeoutMs", () => exec(["true"], { timeoutMs: 1 })],
    ];
    for (const [field, call] of cases) {
      test(`${field}: ${call.toString().slice(6)}`, { timeout }, async () => {
        // Called outside of any async function: a synchronous throw would fail the test.
        const promise = call();
        const error = await rejection(promise);
        assert.equal(error.code, "InvalidArgument");
        assert.ok(error.message.startsWith(`${field}: `), error.message);
      });
    }

    test("and never show the value of a variable", { timeout }, async () => {
      const error = await rejection(exec(["true"], { env: { TOKEN: ["secret-value"] } }));
      assert.doesNotMatch(`${error.message} ${error.hint}`, /secret-value/);
    });
  });

  test("a name that is no name, or nobody's, is told apart", { timeout }, async () => {
    for (const name of ["../x", "a;id", "", "x".repeat(200)]) {
      assert.equal((await rejection(execInSandbox(name, ["true"]))).code, "InvalidName");
    }
    assert.equal((await rejection(execInSandbox("nobody-made-this", ["true"]))).code, "SandboxNotFound");
  });
});
