import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { projectEnvironment, ROOT } from "../../scripts/run.ts";

/** What a tool said and how it ended. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A temporary folder that goes with the test. */
export class Workshop implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "rookery-house-"));

  /** Writes a file, and the folders above it. */
  write(path: string, text: string): void {
    const target = join(this.path, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  /** Copies a file or folder of the project to the same place in here. */
  copy(...paths: readonly string[]): void {
    for (const path of paths) cpSync(join(ROOT, path), join(this.path, path), { recursive: true });
  }

  /** Makes the project's installed packages resolvable from here. */
  linkModules(): void {
    symlinkSync(join(ROOT, "node_modules"), join(this.path, "node_modules"), "dir");
  }

  /** Runs a program in here, with the project's tools in PATH unless `env` says otherwise. */
  async run(
    command: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv = projectEnvironment(),
  ): Promise<Ran> {
    const [program, ...args] = command;
    const child = spawn(program, args, { cwd: this.path, env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    return await new Promise<Ran>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
