// One step of a loop that lets an agent do a story: `story-step.mjs plan|implement|clean TOOL LOOP_ID WORKSPACE PORT PROMPT`.
// Each step is a process of its own, as in a real loop. Prints what the step came to, as JSON.
import { createLoopSandbox, destroyLoopSandbox, execInSandbox, loopSandboxName } from "loopbox";

const [step, tool, loopId, workspace, port, prompt] = process.argv.slice(2);
const server = `host.loopbox.internal:${port}`;

/** A model provider of codex for the stand-in, in the sandbox's private home. */
const provider = `
model = "standin"
model_provider = "standin"
[model_providers.standin]
name = "standin"
base_url = "http://${server}/v1"
wire_api = "responses"
env_key = "STANDIN_KEY"
`;

const agents = {
  claude: {
    command: ["claude", "-p", prompt, "--output-format", "text", "--dangerously-skip-permissions"],
    env: {
      ANTHROPIC_BASE_URL: `http://${server}`,
      CLAUDE_CODE_OAUTH_TOKEN: "placeholder",
      CLAUDE_CODE_MAX_RETRIES: "0",
    },
  },
  codex: {
    // prettier-ignore
    command: ["codex", "--ask-for-approval", "never", "exec", "--sandbox", "danger-full-access", "--skip-git-repo-check", prompt],
    env: { STANDIN_KEY: "placeholder" },
  },
};

const steps = {
  plan: () => createLoopSandbox(loopId, tool, workspace, { network: { policy: "deny", allowHosts: [server] } }),
  implement: async () => {
    const name = loopSandboxName(loopId, tool);
    if (tool === "codex") {
      // Before the tables of the profile, since these keys belong to the top of the file.
      const script = "cat - ~/.codex/config.toml > ~/.codex/new && mv ~/.codex/new ~/.codex/config.toml";
      const top = provider.split("[model_providers")[0];
      const table = provider.slice(top.length);
      await execInSandbox(name, ["sh", "-c", script], { stdin: top });
      await execInSandbox(name, ["sh", "-c", "cat >> ~/.codex/config.toml"], { stdin: table });
    }
    const { command, env } = agents[tool];
    return execInSandbox(name, command, { env, timeout: 110_000 });
  },
  clean: async () => (await destroyLoopSandbox(loopId)) ?? null,
};

process.stdout.write(`${JSON.stringify(await steps[step]())}\n`);
