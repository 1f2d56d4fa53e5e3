/**
 * Sandboxes for unattended coding agents.
 *
 * Which process makes which call does not matter: a sandbox lives on disk and in the kernel, not in the process that
 * made it. No call blocks the event loop, and every promise that rejects does so with a {@link LoopboxError}.
 */

/**
 * Makes the sandbox of a loop, or finds the one that is there and starts it if it was stopped.
 *
 * @param loopId The loop's id: letters, digits, `.` and `-`.
 * @param tool The agent that will run in it.
 * @param workDir The workspace: an absolute path, visible inside at the same place.
 * @returns The sandbox's name, exactly `loop-{loopId}-{tool}`.
 */
export function createLoopSandbox(
  loopId: string,
  tool: "claude" | "codex",
  workDir: string,
  options?: CreateOptions,
): Promise<string>;

/**
 * Runs a command in a sandbox and resolves when it has exited. An exit code other than 0 is a result, no rejection.
 *
 * @param command The command and its arguments. They arrive exactly as given: no shell reads them.
 */
export function execInSandbox(sandboxName: string, command: string[], options?: ExecOptions): Promise<ExecResult>;

/** Ends every sandbox of a loop with everything that runs in it. The workspace stays. Without a sandbox, does nothing. */
export function destroyLoopSandbox(loopId: string): Promise<void>;

/**
 * Whether a sandbox can be made with Docker, and not merely whether Docker is installed. Always false for now: there is
 * no Docker backend yet, and the native one needs none.
 */
export function isDockerAvailable(): Promise<boolean>;

/** Whether there is a sandbox of that name, running or not. */
export function sandboxExists(sandboxName: string): Promise<boolean>;

/** What there is to know of a sandbox. */
export function inspectSandbox(sandboxName: string): Promise<SandboxInfo>;

/** Every sandbox of this user and state directory, by name. */
export function listSandboxes(): Promise<SandboxInfo[]>;

/**
 * The name of a loop's sandbox, `loop-{loopId}-{tool}`, whether or not it exists.
 *
 * @throws {LoopboxError} `InvalidName` if that is no valid name. It is never cut to fit.
 */
export function loopSandboxName(loopId: string, tool: "claude" | "codex"): string;

/**
 * Options of {@link createLoopSandbox}. What is left out keeps what an existing sandbox has; a new one gets the default.
 * What this version cannot do yet is answered with `Unsupported`, never ignored.
 */
export interface CreateOptions {
  /** Which hosts the sandbox may reach. Default: public ones. */
  network?: {
    /** The verdict on hosts that no rule names. */
    policy?: "allow" | "deny" | undefined;
    /** A named set of rules. */
    preset?: "open" | "agents" | "dev" | "locked" | undefined;
    /** Hosts to allow: `api.example.com`, `host:port`, `*.suffix`. */
    allowHosts?: string[] | undefined;
    /** Hosts to block. */
    blockHosts?: string[] | undefined;
    /** Address ranges to allow. */
    allowCidrs?: string[] | undefined;
    /** Address ranges to block. */
    blockCidrs?: string[] | undefined;
  } | undefined;
  /** Resource limits of all processes together. Default: 4,096 processes, and for the rest the machine's. */
  limits?: {
    /** With what is kept in /tmp, /run and /dev/shm; 16 MiB at least. */
    memoryBytes?: number | undefined;
    /** CPUs, also fractions. */
    cpus?: number | undefined;
    /** Processes and threads. */
    pids?: number | undefined;
    /** Private disk space, and the most that /tmp, /run and /dev/shm hold each; the workspace does not count. */
    diskBytes?: number | undefined;
  } | undefined;
  /** The sandbox is removed this many milliseconds after its last use; 0 is never. Default: 24 hours. */
  ttlMs?: number | undefined;
  /** Variables of every command. Undefined values are dropped. */
  env?: Record<string, string | undefined> | undefined;
  /** How the agent's credentials get in. */
  credentials?: "proxy" | "access_only" | "env" | "file" | "none" | undefined;
  /** Further secrets: environment variable → secret name. */
  leases?: Record<string, string | undefined> | undefined;
  /** What of the operator's own agent configuration is visible inside. Default: nothing. */
  agentConfig?: "none" | "instructions" | undefined;
  /** Guarded paths of the workspace that the sandbox may write. */
  guard?: {
    /** Patterns relative to the workspace: `.vscode`, `**\/.envrc`. */
    allow?: string[] | undefined;
  } | undefined;
  /** Let commands make namespaces of their own, for an agent that nests its own sandbox. Default: false. */
  nesting?: boolean | undefined;
  /** What runs the sandbox. Default: the best that works on this machine. */
  backend?: "native" | "reduced" | "host" | undefined;
  /** A template to start from. */
  template?: string | undefined;
  /** Accept the bare host, which isolates nothing, if no backend works. */
  allowHostFallback?: boolean | undefined;
}

/** Options of {@link execInSandbox}. */
export interface ExecOptions {
  /** Variables on top of the sandbox's own. Undefined values are dropped; nothing else of `process.env` gets in. */
  env?: Record<string, string | undefined> | undefined;
  /** The directory to start in, as seen inside. Default: the workspace. */
  workDir?: string | undefined;
  /** After this many milliseconds every process of the command is ended. Absent or 0: never. */
  timeout?: number | undefined;
  /** What the command reads. Default: nothing, the stream is at its end. */
  stdin?: string | Uint8Array | undefined;
  /** Ends the command with its whole process tree; the promise rejects with `Aborted`. */
  signal?: AbortSignal | undefined;
  /** Who runs it inside: `agent` (the default), `root`, or numeric ids as `1000:1000`. */
  user?: string | undefined;
  /** How much of each stream is kept. The rest is read and dropped. Default: 50 MiB. */
  maxOutputBytes?: number | undefined;
  /**
   * Called with what the command writes to stdout, as it comes, before the promise settles. While the event loop is
   * busy the command waits. What it throws ends the command and rejects the promise.
   */
  onStdout?: ((chunk: Uint8Array) => void) | undefined;
  /** The same for stderr. */
  onStderr?: ((chunk: Uint8Array) => void) | undefined;
}

/** What came of a command. */
export interface ExecResult {
  /** The exit code; 124 after a timeout, 127 without such a command, 126 if it cannot be executed, 128+n after signal n. */
  exitCode: number;
  /** `stdout`, and if `stderr` is not empty, `"\n--- STDERR ---\n"` and `stderr`. */
  output: string;
  /** Standard output as UTF-8, not trimmed; invalid bytes become U+FFFD. */
  stdout: string;
  /** Standard error, likewise. */
  stderr: string;
  /** The name of the signal that ended it, as `SIGKILL`; otherwise null. */
  signal: string | null;
  /** Whether the time limit ended it. */
  timedOut: boolean;
  /** Whether it wrote more than was kept. */
  truncated: boolean;
  /** How long it ran, in milliseconds. */
  durationMs: number;
}

/** A sandbox as {@link inspectSandbox} tells it. Times are ISO 8601. */
export interface SandboxInfo {
  name: string;
  /** Absent if it was not made by {@link createLoopSandbox}. */
  loopId?: string;
  agent: {
    name: string;
    version?: string;
    path?: string;
  };
  /** The canonical path of the workspace. */
  workspace: string;
  backend: string;
  state: "creating" | "running" | "stopped" | "removing";
  created: string;
  lastUsed: string;
  /** When it will be removed unless it is used before; absent if never. */
  expires?: string;
  /** The host's ids of every process of the sandbox. */
  pids: number[];
  limits: {
    memoryBytes?: number;
    cpus?: number;
    pids?: number;
    diskBytes?: number;
  };
  /** By what each of them is enforced: `cgroupV2`, `cgroupV1`, `affinity`, `rlimit`, `image`, `tmpfs`. */
  limitedBy: {
    memory?: string[];
    cpus?: string[];
    pids?: string[];
    disk?: string[];
  };
  network: {
    policy: "allow" | "deny";
    preset?: string;
    allowHosts: string[];
    blockHosts: string[];
    allowCidrs: string[];
    blockCidrs: string[];
  };
  credentials: "proxy" | "access_only" | "env" | "file" | "none";
  /** Names of the variables that every command gets beside the standard ones. */
  env: string[];
  /** What was noticed and should be looked at. */
  findings: {
    code: "notIsolated" | "notEnforced" | "guarded" | "hardLink" | "setuid" | "disk";
    message: string;
    path?: string;
    /** Where what was found has been moved to. */
    quarantine?: string;
  }[];
  /** What the kernel enforces for it while it runs. */
  enforced?: {
    seccomp: boolean;
    /** 0: none. */
    landlockAbi: number;
    landlockScopes: boolean;
    noUserNamespaces: boolean;
    processes: boolean;
  };
  /** What the sandbox's backend can do. */
  capabilities: {
    isolation: string;
    treeKill: string;
    egress: boolean;
    stopStart: boolean;
    tty: boolean;
    rootUser: boolean;
    detach: boolean;
    limits: {
      memory: boolean;
      /** Whole CPUs. */
      cpus: boolean;
      cpuFractions: boolean;
      pids: boolean;
      disk: boolean;
    };
    livePolicy: boolean;
  };
  /** The directory of its logs. */
  log: string;
}

/** What a rejection is about. */
export type LoopboxErrorCode =
  | "SandboxNotFound"
  | "SandboxExists"
  | "SandboxDied"
  | "InvalidName"
  | "InvalidArgument"
  | "WorkspaceNotFound"
  | "WorkspaceChanged"
  | "AgentNotFound"
  | "BackendUnavailable"
  | "Unsupported"
  | "OutOfMemory"
  | "ProcessLimit"
  | "Aborted"
  | "LeaseFailed"
  | "StateTooNew"
  | "VersionMismatch"
  | "Io";

/** Every rejection of this package. The words may change, the code does not. */
export class LoopboxError extends Error {
  constructor(
    code: LoopboxErrorCode,
    message: string,
    details?: { hint?: string | undefined; partial?: ExecResult | undefined; cause?: unknown },
  );
  readonly name: "LoopboxError";
  readonly code: LoopboxErrorCode;
  /** What can be done about it. */
  readonly hint?: string;
  /** With `Aborted`: what the command had produced until then; absent if it had not started. */
  readonly partial?: ExecResult;
}
