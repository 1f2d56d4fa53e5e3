// The types, and every example that the documents print, compiled as a project that installed the package would.
import assert from "node:assert/strict";
import { copyFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import { run } from "./support/program.mjs";
import { documents, npm, temporaryDirectory, timeout } from "./support/surroundings.mjs";

const samples = path.join(import.meta.dirname, "types");

/** The TypeScript of a document; of a diff, what it leads to. */
function examples(file) {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^```(ts|diff)\n(.*?)^```$/gms)].map(([, kind, code]) =>
    kind === "ts" ? code : code.replace(/^-.*\n/gm, "").replace(/^[+ ]/gm, ""),
  );
}

describe("types", () => {
  test("fit the contract and the documents", { timeout }, async () => {
    const project = temporaryDirectory();
    symlinkSync(path.join(npm, "node_modules"), path.join(project, "node_modules"));
    for (const file of readdirSync(samples)) copyFileSync(path.join(samples, file), path.join(project, file));
    const files = [path.join(documents, "migration.md"), path.join(npm, "loopbox/README.md")];
    let count = 0;
    for (const file of files) {
      for (const code of examples(file)) writeFileSync(path.join(project, `example-${++count}.mts`), `${code}\nexport {};\n`);
    }
    assert.ok(count >= 5, `${count} examples found`);
    const { exitCode, stdout } = await run(path.join(npm, "node_modules/.bin/tsc"), ["--project", project]);
    assert.equal(exitCode, 0, stdout);
  });
});
