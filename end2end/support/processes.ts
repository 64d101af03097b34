// Real processes for a single test: ZooKeeper, servers on it, and a gate in front of them, like a load balancer.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const JARS = [
  "zookeeper", "zookeeper-jute", "slf4j-api", "slf4j-simple", "netty-all", "log4j-1.2", "snappy-java", "metrics-core",
  "commons-cli", "commons-io", "jackson-annotations", "jackson-core", "jackson-databind",
].map((name) => `/usr/share/java/${name}.jar`);

const BINARY = resolve(process.env.EVENLIGHT_BINARY ?? "../target/release/evenlight");

/** Servers on one ZooKeeper. */
export class Array {
  readonly folder = mkdtempSync(join(tmpdir(), "evenlight-processes-"));
  readonly ports: number[] = [];
  private readonly children: ChildProcess[] = [];

  /** Starts ZooKeeper and servers with the given number of pods each, and waits until each answers. */
  static async start(servers: number, pods: number): Promise<Array> {
    const array = new Array();
    try {
      await array.launch(servers, pods);
      return array;
    } catch (error) {
      await array.stop();
      throw error;
    }
  }

  private async launch(servers: number, pods: number): Promise<void> {
    const zookeeper = freePort();
    writeFileSync(
      join(this.folder, "zoo.cfg"),
      `tickTime=500\ndataDir=${this.folder}/zookeeper\nclientPortAddress=127.0.0.1\nclientPort=${zookeeper}\nadmin.enableServer=false\nforceSync=no\n`,
    );
    mkdirSync(join(this.folder, "zookeeper"));
    const main = "org.apache.zookeeper.server.quorum.QuorumPeerMain";
    this.spawn("zookeeper", "java", [
      "-Xmx128m", "-Dzookeeper.jmx.log4j.disable=true", "-cp", JARS.join(":"), main, join(this.folder, "zoo.cfg"),
    ]);
    await until("ZooKeeper answers", () => answers(zookeeper));
    for (let i = 0; i < servers; i++) {
      const port = freePort();
      this.ports.push(port);
      const data = join(this.folder, "data");
      this.spawn(`server-${i}`, BINARY, [
        "serve", "--zookeeper", `127.0.0.1:${zookeeper}`, "--pod-name", `process-${i}`, "--pods", String(pods),
        "--session-timeout", "4s", "--whole-below", "0", "--allow-faults", "--listen", `127.0.0.1:${port}`, "--data", data, "--drain", "1s",
      ]);
      // One after the other: the first one creates the catalog.
      await until(`process-${i} is ready`, async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
    }
  }

  /** Kills a server, or asks it to stop. */
  end(index: number, signal: "SIGKILL" | "SIGTERM"): void {
    this.children[index + 1]?.kill(signal);
  }

  async stop(): Promise<void> {
    const ended = this.children.map(
      (child) => new Promise<void>((end) => (child.exitCode ?? child.signalCode) !== null ? end() : child.once("exit", () => end())),
    );
    this.children.forEach((child) => child.kill("SIGKILL"));
    await Promise.all(ended);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private spawn(name: string, program: string, args: string[]): void {
    const log = openSync(join(this.folder, `${name}.log`), "w");
    this.children.push(spawn(program, args, { stdio: ["ignore", log, log] }));
  }
}

/** One address for several servers: forwards a connection to the first that accepts it, or to none while the gate is closed. */
export class Gate {
  private readonly sockets = new Set<Socket>();
  private shut = false;
  private room = Infinity;
  private more = (): void => {};
  port = 0;
  /** Bytes sent to servers through the gate. */
  sent = 0;

  private constructor(private readonly server: Server) {}

  static async open(ports: number[]): Promise<Gate> {
    const server = createServer((socket) => gate.take(socket, ports));
    const gate: Gate = new Gate(server);
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
    const address = server.address();
    gate.port = typeof address === "object" && address !== null ? address.port : 0;
    return gate;
  }

  /** Limits the bytes sent to servers, while connections stay open; without a number there is no limit. */
  narrow(bytes = Infinity): void {
    this.room = bytes;
    this.more();
  }

  /** Cuts all connections and refuses new ones, or accepts them again. */
  let(through: boolean): void {
    this.shut = !through;
    if (this.shut) for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.let(false);
    await new Promise<void>((closed) => this.server.close(() => closed()));
  }

  private take(socket: Socket, ports: number[]): void {
    const [port, ...others] = ports;
    if (this.shut || port === undefined) return void socket.destroy();
    this.keep(socket);
    const far = connect(port, "127.0.0.1");
    far.once("error", () => (far.connecting || !far.readyState.startsWith("open") ? this.retry(socket, others) : socket.destroy()));
    far.once("connect", () => {
      this.keep(far);
      void this.pass(socket, far);
      far.pipe(socket);
      socket.once("close", () => far.destroy());
      far.once("close", () => socket.destroy());
    });
  }

  private async pass(socket: Socket, far: Socket): Promise<void> {
    try {
      for await (const bytes of socket as AsyncIterable<Buffer>) {
        while (this.room < bytes.length) await new Promise<void>((more) => (this.more = this.also(more)));
        this.room -= bytes.length;
        this.sent += bytes.length;
        if (!far.write(bytes)) await Promise.race([once(far, "drain"), once(far, "close")]);
      }
      far.end();
    } catch {
      // Broken connections are expected here.
      far.destroy();
    }
  }

  private also(more: () => void): () => void {
    const before = this.more;
    return () => (before(), more());
  }

  private retry(socket: Socket, ports: number[]): void {
    if (ports.length === 0) socket.destroy();
    else this.take(socket, ports);
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.sockets.delete(socket));
  }
}

let next = process.pid * 97;

/** Returns a free port below the ephemeral range, so that no client connection takes it. */
export function freePort(): number {
  const script = `
    let at = Number(process.argv[1]);
    const server = require("node:net").createServer();
    const listen = () => server.listen(10_000 + (at++ % 22_000), "127.0.0.1");
    server.on("error", listen);
    server.on("listening", () => { process.stdout.write(String(server.address().port)); server.close(); });
    listen();`;
  const port = Number(execFileSync(process.execPath, ["-e", script, String(next)], { encoding: "utf8" }).trim());
  next = port - 10_000 + 1;
  return port;
}

/** Returns whether a port accepts connections. */
function answers(port: number): Promise<boolean> {
  return new Promise((tell) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      tell(true);
      socket.destroy();
    });
    socket.once("error", () => tell(false));
    socket.once("close", () => tell(false));
    socket.setTimeout(1_000, () => socket.destroy());
  });
}

/** Waits until a condition holds; an exception counts as false. */
async function until(what: string, holds: () => Promise<boolean>, patience = 60_000): Promise<void> {
  for (const deadline = Date.now() + patience; ; ) {
    if (await holds().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(`expected within ${patience / 1_000} s that ${what}`);
    await new Promise((next) => setTimeout(next, 200));
  }
}
