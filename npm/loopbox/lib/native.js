"use strict";

const { readFileSync } = require("node:fs");
const path = require("node:path");

const { LoopboxError } = require("./errors.js");
const { version } = require("../package.json");

/** The platform packages there are, by what Node calls the platform. */
const PACKAGES = {
  "linux-x64": "@loopbox/linux-x64-gnu",
};

let loaded;

/**
 * The addon of this platform with its helper executable and the helper's digest; loaded at the first call and not at
 * import, so that a program can import this package anywhere and gets a proper error where it cannot work.
 */
function native() {
  loaded ??= load();
  return loaded;
}

function load() {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw new LoopboxError("BackendUnavailable", `there is no loopbox for ${platform} yet`, {
      hint: `loopbox runs on: ${Object.keys(PACKAGES).join(", ")}`,
    });
  }
  let directory;
  try {
    directory = path.dirname(require.resolve(`${name}/package.json`));
  } catch (cause) {
    throw new LoopboxError("BackendUnavailable", `the package ${name} is not installed`, {
      hint: "install loopbox again without --omit=optional; on Linux it needs glibc",
      cause,
    });
  }
  try {
    const manifest = JSON.parse(readFileSync(path.join(directory, "native.json"), "utf8"));
    if (manifest.version !== version) {
      throw new LoopboxError("VersionMismatch", `${name} is ${manifest.version}, loopbox is ${version}`, {
        hint: `install ${name}@${version}`,
      });
    }
    return {
      addon: require(path.join(directory, "loopbox.node")),
      helper: path.join(directory, "loopbox"),
      helperSha256: manifest.sha256.loopbox,
    };
  } catch (cause) {
    if (cause instanceof LoopboxError) throw cause;
    throw new LoopboxError("BackendUnavailable", `the package ${name} cannot be loaded: ${cause.message}`, {
      hint: "install loopbox again; in its own repository run: cargo xtask npm",
      cause,
    });
  }
}

/** The value of a call's outcome; a failure is thrown. */
function unwrap(outcome, options) {
  const failure = outcome?.failure;
  if (failure === undefined) return outcome;
  const { code, message, hint, partial } = failure;
  throw new LoopboxError(code, message, { hint, partial: partial && execResult(partial), ...options });
}

/** A command's result as callers see it. */
function execResult({ exitCode, stdout, stderr, signal, timedOut, truncated, durationMs }) {
  const output = stderr === "" ? stdout : `${stdout}\n--- STDERR ---\n${stderr}`;
  return { exitCode, output, stdout, stderr, signal: signal ?? null, timedOut, truncated, durationMs };
}

module.exports = { native, unwrap, execResult };
