// What the types must allow, and what they must not.
import {
  createLoopSandbox,
  destroyLoopSandbox,
  execInSandbox,
  inspectSandbox,
  isDockerAvailable,
  listSandboxes,
  loopSandboxName,
  LoopboxError,
  sandboxExists,
  type CreateOptions,
  type ExecOptions,
  type ExecResult,
  type LoopboxErrorCode,
  type SandboxInfo,
} from "loopbox";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function is<A, B>(_: Equal<A, B>): void {}

const name = await createLoopSandbox("id", "claude", "/work");
is<typeof name, string>(true);
is<ReturnType<typeof destroyLoopSandbox>, Promise<void>>(true);
is<ReturnType<typeof isDockerAvailable>, Promise<boolean>>(true);
is<ReturnType<typeof sandboxExists>, Promise<boolean>>(true);
is<ReturnType<typeof inspectSandbox>, Promise<SandboxInfo>>(true);
is<ReturnType<typeof listSandboxes>, Promise<SandboxInfo[]>>(true);
is<ReturnType<typeof loopSandboxName>, string>(true);
is<ReturnType<typeof execInSandbox>, Promise<ExecResult>>(true);
is<
  ExecResult,
  {
    exitCode: number;
    output: string;
    stdout: string;
    stderr: string;
    signal: string | null;
    timedOut: boolean;
    truncated: boolean;
    durationMs: number;
  }
>(true);

const everyCreateOption: Required<CreateOptions> = {
  network: { policy: "deny", preset: "agents", allowHosts: [], blockHosts: [], allowCidrs: [], blockCidrs: [] },
  limits: { memoryBytes: 1 << 30, cpus: 1.5, pids: 100, diskBytes: 1 << 30 },
  ttlMs: 0,
  env: { A: "b", NOT_SET: process.env.NOT_SET },
  credentials: "access_only",
  leases: { NPM_TOKEN: "npm" },
  agentConfig: "instructions",
  guard: { allow: [] },
  nesting: false,
  backend: "native",
  template: "t",
  allowHostFallback: false,
};
await createLoopSandbox("id", "codex", "/work", everyCreateOption);

const everyExecOption: Required<ExecOptions> = {
  env: process.env,
  workDir: "/work",
  timeout: 900_000,
  stdin: new Uint8Array(),
  signal: AbortSignal.timeout(1),
  user: "root",
  maxOutputBytes: 1,
  onStdout: (chunk) => is<typeof chunk, Uint8Array>(true),
  onStderr: (chunk: Uint8Array) => process.stderr.write(chunk),
};
await execInSandbox(name, ["true"], everyExecOption);

// @ts-expect-error the tool is one of two
await createLoopSandbox("id", "shell", "/work");
// @ts-expect-error a command is no string
await execInSandbox(name, "true");
// @ts-expect-error an option that does not exist
await execInSandbox(name, ["true"], { cwd: "/" });
// @ts-expect-error an option of create that does not exist
await createLoopSandbox("id", "claude", "/work", { allowHosts: [] });

try {
  await execInSandbox(name, ["true"]);
} catch (error) {
  if (!(error instanceof LoopboxError)) throw error;
  is<typeof error.code, LoopboxErrorCode>(true);
  const partial: ExecResult | undefined = error.partial;
  const hint: string | undefined = error.hint;
  console.error(error.message, partial, hint, answer(error.code));
}

/** The union is closed: a switch over it needs no default. */
function answer(code: LoopboxErrorCode): string {
  switch (code) {
    case "SandboxNotFound":
    case "SandboxExists":
    case "SandboxDied":
    case "InvalidName":
    case "InvalidArgument":
    case "WorkspaceNotFound":
    case "WorkspaceChanged":
    case "AgentNotFound":
    case "BackendUnavailable":
    case "Unsupported":
    case "OutOfMemory":
    case "ProcessLimit":
    case "Aborted":
    case "LeaseFailed":
    case "StateTooNew":
    case "VersionMismatch":
    case "Io":
      return code;
  }
}
