// What docs/migration.md expects the loop to have.
import type { ExecResult } from "loopbox";

export function spawnToolOnHost(tool: "claude" | "codex", prompt: string, workDir: string): Promise<ExecResult>;
