/**
 * Calls of one Lua script that come together go to Redis as one: a thousand jobs would otherwise be two thousand EVALSHA,
 * each with some twenty keys and arguments of which four differ. The script stays BullMQ's own, in a loop; what the calls have
 * in common is sent once. Each call has its own answer or error; no two calls change their order.
 */
import { createIORedisClient, type IRedisClient, type IRedisTransaction } from 'bullmq';
import { Redis } from 'ioredis';

type Argument = string | Buffer;
/** What BullMQ gives a script. */
type Given = string | number | Buffer | null | undefined;
type Script = { lua: string; numberOfKeys?: number | undefined };
type Outcome = { answer?: unknown; error?: unknown };
type Call = { script: string; args: Argument[]; resolve: (answer: unknown) => void; reject: (error: unknown) => void; outcome?: Outcome };
/** One call's answer: a list of it, empty for nil; or of false and the error's message. */
type Answer = [] | [unknown] | [null, string];

/** A loop over so many takes Redis some two milliseconds, for which everybody else waits. */
const MAX_CALLS = 100;

/** `KEYS` and `ARGV` of the script are tables that the loop fills: once with all, then for each call with what differs. */
export const inLoop = (lua: string): string => `local function call(KEYS, ARGV)
${lua}
end
local calls, keyCount, argCount, keysThatDiffer, argsThatDiffer = unpack(cjson.decode(ARGV[1]))
local keys, args, answers = {}, {}, {}
for i = 1, keyCount do keys[i] = KEYS[i] end
for i = 1, argCount do args[i] = ARGV[1 + i] end
local nextKey, nextArg = keyCount, 1 + argCount
for i = 1, calls do
  for j, at in ipairs(keysThatDiffer) do keys[at] = KEYS[nextKey + j] end
  for j, at in ipairs(argsThatDiffer) do args[at] = ARGV[nextArg + j] end
  nextKey, nextArg = nextKey + #keysThatDiffer, nextArg + #argsThatDiffer
  local ok, answer = pcall(call, keys, args)
  if type(answer) == 'table' and answer.err then ok, answer = false, answer.err end
  if ok then answers[i] = { answer } else answers[i] = { false, tostring(answer) } end
end
return answers`;

/** A connection that knows the scripts which were defined on it. */
export class ScriptedRedis extends Redis {
  readonly scripts = new Map<string, Script>();

  override defineCommand(name: string, definition: Script): void {
    this.scripts.set(name, definition);
    super.defineCommand(name, definition as Parameters<Redis['defineCommand']>[1]);
  }
}

/** The connection as BullMQ takes it, its scripts in bulk. */
export function bulkClient(redis: ScriptedRedis): IRedisClient {
  const client = createIORedisClient(redis);
  const bulk = new BulkScripts(redis);
  const pipeline = client.pipeline.bind(client) as () => IRedisTransaction;
  client.runCommand = (name: string, args: Given[]) => bulk.call(name, args);
  client.pipeline = (() => new BulkPipeline(pipeline(), bulk).asTransaction()) as typeof client.pipeline;
  return client;
}

class BulkScripts {
  private waiting: Call[] = [];
  private readonly defined = new Set<string>();

  constructor(private readonly redis: ScriptedRedis) {}

  /** Calls the script in the next turn of the event loop, with whatever else comes until then. */
  call(script: string, args: Given[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length === 0) setImmediate(() => void this.flush());
      this.waiting.push({ script, args: args.map(toArgument), resolve, reject });
    });
  }

  /** Answered together: whoever acts on what comes together acts once. */
  private async flush(): Promise<void> {
    const calls = this.waiting;
    this.waiting = [];
    const sent: Promise<void>[] = [];
    for (let from = 0; from < calls.length;) {
      const first = calls[from] as Call;
      let to = from + 1;
      while (to < calls.length && to - from < MAX_CALLS && calls[to]?.script === first.script && calls[to]?.args.length === first.args.length) to++;
      sent.push(this.send(first.script, calls.slice(from, to)));
      from = to;
    }
    await Promise.all(sent);
    for (const { outcome, resolve, reject } of calls) {
      if (outcome?.error === undefined) resolve(outcome?.answer);
      else reject(outcome.error);
    }
  }

  /** Gives each call its outcome. Never rejects. */
  private async send(name: string, calls: Call[]): Promise<void> {
    const script = this.redis.scripts.get(name);
    if (calls.length === 1 || script?.numberOfKeys === undefined) {
      await Promise.all(calls.map(async (call) => (call.outcome = await this.alone(call))));
      return;
    }
    try {
      const bulk = `bulk:${name}`;
      if (!this.defined.has(bulk)) this.redis.defineCommand(bulk, { lua: inLoop(script.lua) });
      this.defined.add(bulk);
      const answers = (await this.run(bulk, inOne(calls, script.numberOfKeys))) as Answer[];
      calls.forEach((call, index) => (call.outcome = toOutcome(answers[index] ?? [])));
    } catch (error) {
      for (const call of calls) call.outcome = { error };
    }
  }

  private async alone({ script, args }: Call): Promise<Outcome> {
    try {
      return { answer: await this.run(script, args) };
    } catch (error) {
      return { error };
    }
  }

  /** ioredis makes a method of each script, which its types do not know. */
  private async run(name: string, args: Argument[]): Promise<unknown> {
    const method = Reflect.get(this.redis, name) as (args: Argument[]) => Promise<unknown>;
    return method.call(this.redis, args);
  }
}

function toOutcome(answer: Answer): Outcome {
  return answer.length === 2 ? { error: new Error(answer[1]) } : { answer: answer[0] ?? null };
}

/** As ioredis has it: what is absent is empty. */
function toArgument(value: Given): Argument {
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value;
  return value === undefined || value === null ? '' : String(value);
}

/** The number of keys, those of the first call, those that differ call by call; then a header and the same of the arguments. */
function inOne(calls: Call[], keyCount: number): Argument[] {
  const first = calls[0]?.args ?? [];
  const differing = first.flatMap((value, at) => (calls.every((call) => call.args[at] === value) ? [] : [at]));
  const keys = differing.filter((at) => at < keyCount);
  const args = differing.filter((at) => at >= keyCount);
  const each = (positions: number[]) => calls.flatMap((call) => positions.map((at) => call.args[at] ?? ''));
  const header = [calls.length, keyCount, first.length - keyCount, keys.map((at) => at + 1), args.map((at) => at - keyCount + 1)];
  return [
    String(keyCount + keys.length * calls.length),
    ...first.slice(0, keyCount),
    ...each(keys),
    JSON.stringify(header),
    ...first.slice(keyCount),
    ...each(args),
  ];
}

/** A pipeline of nothing but scripts goes in bulk; one with other commands goes as it is. */
class BulkPipeline {
  private readonly calls: [string, Given[]][] = [];

  constructor(
    private readonly transaction: IRedisTransaction,
    private readonly bulk: BulkScripts,
  ) {}

  asTransaction(): IRedisTransaction {
    let isMixed = false;
    const proxy: IRedisTransaction = new Proxy(this.transaction, {
      get: (target, property) => {
        if (!isMixed && property === 'runCommand')
          return (name: string, args: Given[]) => {
            this.calls.push([name, args]);
            return proxy;
          };
        if (!isMixed && property === 'exec') return () => this.exec();
        // BullMQ awaits what `runCommand` answers and compares it: looking at an object calls no command.
        if (property === 'then' || typeof property === 'symbol' || property in Object.prototype) return Reflect.get(target, property, target) as unknown;
        isMixed = true;
        for (const [name, args] of this.calls.splice(0)) target.runCommand(name, args);
        return Reflect.get(target, property, target) as unknown;
      },
    });
    return proxy;
  }

  private exec(): Promise<[Error | null, unknown][]> {
    return Promise.all(
      this.calls.map(([name, args]) =>
        this.bulk.call(name, args).then(
          (answer): [null, unknown] => [null, answer],
          (error: Error): [Error, undefined] => [error, undefined],
        ),
      ),
    );
  }
}
