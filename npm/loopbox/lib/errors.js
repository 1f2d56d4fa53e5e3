"use strict";

/** The one error of this package. Its words may change, its `code` does not. */
class LoopboxError extends Error {
  constructor(code, message, { hint, partial, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    if (hint !== undefined) this.hint = hint;
    if (partial !== undefined) this.partial = partial;
  }
}
Object.defineProperty(LoopboxError.prototype, "name", {
  value: "LoopboxError",
  writable: true,
  configurable: true,
});

/** An `InvalidArgument`: which field, what was given, what is wanted instead. */
function invalid(field, given, why, hint) {
  return new LoopboxError("InvalidArgument", `${field}: ${shown(given)}: ${why}`, { hint });
}

/** A value in at most one short line. Objects and functions are told by their kind: they may hold secrets. */
function shown(value) {
  if (typeof value === "string") return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  if (Array.isArray(value)) return "an array";
  if (value === null || typeof value !== "object") {
    return typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value);
  }
  return "an object";
}

module.exports = { LoopboxError, invalid, shown };
