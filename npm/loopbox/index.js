"use strict";

const { LoopboxError } = require("./lib/errors.js");
const { exec } = require("./lib/exec.js");
const { native, unwrap } = require("./lib/native.js");
const check = require("./lib/options.js");
const { settings, warnOfHost } = require("./lib/settings.js");

async function createLoopSandbox(loopId, tool, workDir, options) {
  check.string("loopId", loopId);
  check.string("tool", tool);
  check.string("workDir", workDir);
  const { guard, ...rest } = check.createOptions("options", options);
  const args = { ...rest, guardAllow: guard?.allow };
  const { name, isHost } = unwrap(await native().addon.create(settings(), loopId, tool, workDir, args));
  if (isHost) warnOfHost();
  return name;
}

async function execInSandbox(sandboxName, command, options) {
  check.string("sandboxName", sandboxName);
  check.command("command", command);
  const checked = check.execOptions("options", options);
  const now = settings();
  if (now.backend === "host") warnOfHost();
  return exec(now, sandboxName, command, checked);
}

async function destroyLoopSandbox(loopId) {
  check.string("loopId", loopId);
  unwrap(await native().addon.destroyLoop(settings(), loopId));
}

async function isDockerAvailable() {
  // True would mean that a sandbox can be made with Docker. No Docker backend is built yet, whatever is installed.
  return false;
}

async function sandboxExists(sandboxName) {
  check.string("sandboxName", sandboxName);
  return unwrap(await native().addon.exists(settings(), sandboxName));
}

async function inspectSandbox(sandboxName) {
  check.string("sandboxName", sandboxName);
  return JSON.parse(unwrap(await native().addon.inspect(settings(), sandboxName)));
}

async function listSandboxes() {
  return JSON.parse(unwrap(await native().addon.list(settings())));
}

function loopSandboxName(loopId, tool) {
  check.string("loopId", loopId);
  check.string("tool", tool);
  return unwrap(native().addon.loopSandboxName(loopId, tool));
}

module.exports = {
  createLoopSandbox,
  execInSandbox,
  destroyLoopSandbox,
  isDockerAvailable,
  sandboxExists,
  inspectSandbox,
  listSandboxes,
  loopSandboxName,
  LoopboxError,
};
