// What the tests of this directory share. They run in Node and in Bun.
import { after, before } from "node:test";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { randomBytes } from "node:crypto";

import { destroyLoopSandbox, listSandboxes, LoopboxError } from "loopbox";

export const repository = path.resolve(import.meta.dirname, "../../../..");

/** The pinned agents, so that what this machine has installed does not matter. */
export const agents = path.join(repository, "tests/agents/node_modules/.bin");

/** The tarballs of `cargo xtask npm`. */
export const tarballs = path.join(repository, "target/npm");

export const documents = path.join(repository, "docs");

export const npm = path.join(repository, "npm");

/** Longer than anything here takes on a slow machine; only a test that hangs meets it. */
export const timeout = 120_000;

/** A directory that is gone after the tests of this file. */
export function temporaryDirectory() {
  const directory = makeDirectory();
  after(() => removeDirectory(directory), { timeout });
  return directory;
}

/**
 * Gives the tests of this file a state directory, a workspace and a loop of their own. No sandbox of that state
 * directory outlives them.
 */
export function surroundings() {
  const directory = makeDirectory();
  const workspace = path.join(directory, "workspace");
  const stateDir = path.join(directory, "state");
  mkdirSync(workspace);
  const set = {
    LOOPBOX_STATE_DIR: stateDir,
    PATH: `${agents}:${process.env.PATH}`,
    AGENT_LOOP_HOST: undefined,
    LOOPBOX_BACKEND: undefined,
    LOOPBOX_ALLOW_HOST_FALLBACK: undefined,
  };
  let unset;
  // Bun runs every file in one process: the environment is put back.
  before(() => (unset = setEnvironment(set)));
  after(
    async () => {
      for (const { loopId } of await listSandboxes()) await destroyLoopSandbox(loopId);
      unset();
      await removeDirectory(directory);
    },
    { timeout },
  );
  return { directory, workspace, stateDir, loopId: newLoopId() };
}

function makeDirectory() {
  // Canonical, because tests compare paths with what a sandbox says.
  return mkdtempSync(path.join(realpathSync(process.env.LOOPBOX_TEST_DIR ?? os.tmpdir()), "loopbox-npm-"));
}

/** What a destroyed sandbox leaves is swept in the background, by a process that may open what we may not. */
async function removeDirectory(directory) {
  while (existsSync(directory)) {
    try {
      rmSync(directory, { recursive: true, force: true });
    } catch (error) {
      if (!["EACCES", "ENOTEMPTY"].includes(error.code)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

export function newLoopId() {
  return `loop-${randomBytes(4).toString("hex")}-${randomBytes(3).toString("hex")}`;
}

/** Changes `process.env` and returns what puts it back. */
export function setEnvironment(variables) {
  const previous = {};
  const apply = (values) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  for (const name of Object.keys(variables)) previous[name] = process.env[name];
  apply(variables);
  return () => apply(previous);
}

/** Runs `body` with these variables in `process.env`. */
export async function withEnvironment(variables, body) {
  const restore = setEnvironment(variables);
  try {
    return await body();
  } finally {
    restore();
  }
}

/** The `LoopboxError` that a promise rejects with; anything else is an error. */
export async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LoopboxError) return error;
    throw error;
  }
  throw new Error("did not reject");
}
