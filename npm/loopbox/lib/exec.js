"use strict";

const { LoopboxError } = require("./errors.js");
const { execResult, native, unwrap } = require("./native.js");

/** Runs a command whose arguments were checked. */
async function exec(settings, name, argv, options) {
  const { signal, onStdout, onStderr, timeout, ...rest } = options;
  const args = { argv, timeoutMs: timeout, ...rest };
  const { addon } = native();
  if (signal === undefined && onStdout === undefined && onStderr === undefined) {
    return execResult(unwrap(await addon.exec(settings, name, args)));
  }

  if (signal?.aborted) {
    throw new LoopboxError("Aborted", "the call was aborted before the command started", { cause: signal.reason });
  }
  const canceller = new addon.Canceller();
  const abort = () => canceller.cancel();
  signal?.addEventListener("abort", abort, { once: true });

  // What a callback throws ends the command, and is what the caller gets.
  let thrown;
  const deliver = (isStderr, chunk) => {
    const callback = isStderr ? onStderr : onStdout;
    if (callback === undefined || thrown !== undefined) return;
    try {
      callback(chunk);
    } catch (error) {
      thrown = { error };
      canceller.cancel();
    }
  };
  const listening = onStdout !== undefined || onStderr !== undefined;
  try {
    const outcome = await addon.exec(settings, name, args, canceller, listening ? deliver : undefined);
    if (thrown !== undefined) throw thrown.error;
    return execResult(unwrap(outcome, { cause: signal?.reason }));
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

module.exports = { exec };
