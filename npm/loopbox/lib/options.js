"use strict";

const { invalid } = require("./errors.js");

// Only the types are checked here, with words for the caller. What the values mean is the library's to judge.

function string(field, value) {
  if (typeof value !== "string") throw invalid(field, value, "is not a string");
  return value;
}

function boolean(field, value) {
  if (typeof value !== "boolean") throw invalid(field, value, "is not true or false");
  return value;
}

function strings(field, value) {
  if (!Array.isArray(value)) throw invalid(field, value, "is not an array of strings");
  for (let i = 0; i < value.length; i++) string(`${field}[${i}]`, value[i]);
  return value;
}

/** A number of something countable. */
function count(field, value) {
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(field, value, "is not a whole number of 0 or more");
  return value;
}

function positive(field, value) {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw invalid(field, value, "is not a number greater than 0");
  }
  return value;
}

function milliseconds(field, value) {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0) {
    throw invalid(field, value, "is not a number of milliseconds of 0 or more", "0 means without limit");
  }
  return value;
}

/** Name → value; an undefined value is the same as no such name. Values may be secret and are never shown. */
function stringMap(field, value) {
  const source = object(field, value);
  const map = {};
  for (const name of Object.keys(source)) {
    const entry = source[name];
    if (entry === undefined) continue;
    if (typeof entry !== "string") {
      throw invalid(`${field}.${name}`, `a ${entry === null ? "null" : typeof entry}`, "is not a string");
    }
    map[name] = entry;
  }
  return map;
}

function object(field, value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(field, value, "is not an object");
  return value;
}

function callback(field, value) {
  if (typeof value !== "function") throw invalid(field, value, "is not a function");
  return value;
}

function abortSignal(field, value) {
  if (typeof value?.addEventListener !== "function" || typeof value.aborted !== "boolean") {
    throw invalid(field, value, "is not an AbortSignal");
  }
  return value;
}

function input(field, value) {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  throw invalid(field, value, "is neither a string nor a Uint8Array");
}

/** A check of an object with these fields, all optional. An unknown field is refused: it would have no effect. */
function record(checks) {
  return (field, value) => {
    if (value === undefined) return {};
    const source = object(field, value);
    const checked = {};
    for (const name of Object.keys(source)) {
      const entry = source[name];
      if (entry === undefined) continue;
      const path = field === "options" ? name : `${field}.${name}`;
      const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
      if (check === undefined) {
        throw invalid(path, entry, "is not an option", `there are: ${Object.keys(checks).join(", ")}`);
      }
      checked[name] = check(path, entry);
    }
    return checked;
  };
}

const createOptions = record({
  network: record({
    policy: string,
    preset: string,
    allowHosts: strings,
    blockHosts: strings,
    allowCidrs: strings,
    blockCidrs: strings,
  }),
  limits: record({ memoryBytes: count, cpus: positive, pids: count, diskBytes: count }),
  ttlMs: milliseconds,
  env: stringMap,
  credentials: string,
  leases: stringMap,
  agentConfig: string,
  guard: record({ allow: strings }),
  nesting: boolean,
  backend: string,
  template: string,
  allowHostFallback: boolean,
});

const execOptions = record({
  env: stringMap,
  workDir: string,
  timeout: milliseconds,
  stdin: input,
  signal: abortSignal,
  user: string,
  maxOutputBytes: count,
  onStdout: callback,
  onStderr: callback,
});

function command(field, value) {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid(field, value, "is not a non-empty array of strings", 'give the command and each argument: ["ls", "-l"]');
  }
  return strings(field, value);
}

module.exports = { string, command, createOptions, execOptions };
