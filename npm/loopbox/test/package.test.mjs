// The package as people get it: two tarballs, installed into an empty project without a registry.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { before, describe, test } from "node:test";

import * as esm from "loopbox";

import { run } from "./support/program.mjs";
import { npm, tarballs, temporaryDirectory, timeout } from "./support/surroundings.mjs";

const read = (file) => JSON.parse(readFileSync(path.join(npm, file), "utf8"));

describe("the package", () => {
  test("exports the same objects to import and to require", { timeout }, () => {
    const cjs = createRequire(import.meta.url)("loopbox");
    const names = Object.keys(cjs).sort();
    assert.deepEqual(Object.keys(esm).filter((name) => name !== "default" && name !== "module.exports").sort(), names);
    for (const name of names) assert.equal(esm[name], cjs[name], name);
  });

  test("asks for exactly its own version of every platform package", { timeout }, () => {
    const { version, optionalDependencies } = read("loopbox/package.json");
    for (const [name, wanted] of Object.entries(optionalDependencies)) {
      const platform = read(`platforms/${name.split("/")[1]}/package.json`);
      assert.deepEqual([platform.name, platform.version, wanted], [name, version, version]);
    }
  });

  test("runs no script when it is installed", { timeout }, () => {
    for (const file of ["loopbox/package.json", "platforms/linux-x64-gnu/package.json"]) {
      assert.equal(read(file).scripts, undefined);
    }
  });
});

describe("an empty project", () => {
  const project = temporaryDirectory();
  const inProject = (program, args, env = {}) => run(program, args, { cwd: project, env: { ...process.env, ...env } });
  const bin = (name) => path.join(project, "node_modules/.bin", name);

  before(async () => {
    writeFileSync(path.join(project, "package.json"), JSON.stringify({ name: "empty", private: true }));
    const files = readdirSync(tarballs).map((file) => path.join(tarballs, file));
    // Nothing listens there: whoever asks the registry fails.
    const flags = ["--registry", "http://127.0.0.1:9/", "--cache", path.join(project, "cache"), "--no-audit", "--no-fund"];
    const { exitCode, stderr } = await inProject("npm", ["install", ...flags, ...files]);
    assert.equal(exitCode, 0, stderr);
  }, { timeout });

  test("can import and require it", { timeout }, async () => {
    const body = 'loopSandboxName("a", "claude")';
    writeFileSync(path.join(project, "a.mjs"), `import { loopSandboxName } from "loopbox"; console.log(${body});`);
    writeFileSync(path.join(project, "a.cjs"), `const { loopSandboxName } = require("loopbox"); console.log(${body});`);
    for (const file of ["a.mjs", "a.cjs"]) {
      const { stdout, stderr } = await inProject(process.execPath, [file]);
      assert.equal(stdout, "loop-a-claude\n", stderr);
    }
  });

  test("has both command lines, of the package's version", { timeout }, async () => {
    const { version } = read("loopbox/package.json");
    for (const name of ["loopbox", "secrets"]) {
      const { exitCode, stdout, stderr } = await inProject(bin(name), ["version"]);
      assert.equal(exitCode, 0, stderr);
      assert.ok(stdout.includes(version), stdout);
    }
  });

  test("gets the command line's own exit code", { timeout }, async () => {
    const state = { LOOPBOX_STATE_DIR: path.join(project, "state") };
    const { exitCode, stderr } = await inProject(bin("loopbox"), ["exec", "nobody-made-this", "true"], state);
    assert.equal(exitCode, 125);
    assert.match(stderr, /^loopbox: error\[SandboxNotFound\]: /);
  });

  test("is told what is missing when the platform's package is", { timeout }, async () => {
    const alone = temporaryDirectory();
    writeFileSync(path.join(alone, "package.json"), JSON.stringify({ name: "alone", private: true }));
    const main = readdirSync(tarballs).find((file) => /^loopbox-\d/.test(file));
    const flags = ["--offline", "--cache", path.join(alone, "cache"), "--omit=optional", "--no-audit", "--no-fund"];
    const install = await run("npm", ["install", ...flags, path.join(tarballs, main)], { cwd: alone });
    assert.equal(install.exitCode, 0, install.stderr);
    const script = 'require("loopbox").sandboxExists("ab").catch((e) => console.log(e.name, e.code, e.hint))';
    const { stdout } = await run(process.execPath, ["-e", script], { cwd: alone });
    assert.match(stdout, /^LoopboxError BackendUnavailable install /);
    const cli = await run(path.join(alone, "node_modules/.bin/loopbox"), ["ls"], { cwd: alone });
    assert.equal(cli.exitCode, 125);
    assert.match(cli.stderr, /^loopbox: error\[BackendUnavailable\]: .*\nhint: /);
  });
});
