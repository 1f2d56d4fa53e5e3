"use strict";

const os = require("node:os");
const path = require("node:path");

const { invalid } = require("./errors.js");
const { native } = require("./native.js");

/**
 * What the surroundings say now. `process.env` is read at each call, and handed over as it is: in Bun and in Node's
 * workers it differs from the environment that native code would see.
 */
function settings() {
  const { helper, helperSha256 } = native();
  const env = { ...process.env };
  const home = env.HOME || os.homedir();
  return {
    stateDir: stateDir(env, home),
    helper,
    helperSha256,
    backend: env.AGENT_LOOP_HOST === "1" ? "host" : env.LOOPBOX_BACKEND || undefined,
    allowHostFallback: env.LOOPBOX_ALLOW_HOST_FALLBACK === "1",
    path: env.PATH,
    home,
    env: environment(env),
  };
}

function stateDir(env, home) {
  const own = env.LOOPBOX_STATE_DIR;
  if (own) {
    if (!path.isAbsolute(own)) {
      throw invalid("LOOPBOX_STATE_DIR", own, "is not an absolute path", "state must be found from every directory");
    }
    return own;
  }
  // The XDG specification has relative paths ignored.
  const xdg = env.XDG_STATE_HOME;
  return path.join(xdg && path.isAbsolute(xdg) ? xdg : path.join(home, ".local", "state"), "loopbox");
}

/** `NAME=value` separated by NUL: one string crosses faster than a pair of strings for each variable. */
function environment(env) {
  let text = "";
  for (const name in env) text += `${name}=${env[name]}\0`;
  return text;
}

let warned = false;

/** Tells the operator, once in this process and whatever warnings are switched off, that nothing is isolated. */
function warnOfHost() {
  if (warned) return;
  warned = true;
  process.stderr.write("loopbox: warning: commands run on this host, as you, without a sandbox\n");
}

module.exports = { settings, warnOfHost };
