/** Questions that come at the same time, answered together. */

type Waiting<Question, Answer> = { question: Question; resolve: (answer: Answer) => void; reject: (error: unknown) => void };

/**
 * A function of one question over a function of many. A question is answered by a call that begins after it was asked, never
 * by one under way, so nothing older than the question is told; one that comes alone waits for nobody. A second call, of
 * `atOnce` at most, begins beside the first only when it would be full: two half batches cost more than one. `answerAll` gives
 * one answer for each question in their order; when it rejects, so does each of its questions.
 */
export function batched<Question, Answer>(
  answerAll: (questions: readonly Question[]) => Promise<readonly Answer[]>,
  limits: { batchMax: number; atOnce: number },
): (question: Question) => Promise<Answer> {
  const waiting: Waiting<Question, Answer>[] = [];
  let running = 0;

  async function run(): Promise<void> {
    running += 1;
    const batch = waiting.splice(0, limits.batchMax);
    try {
      const answers = await answerAll(batch.map(({ question }) => question));
      if (answers.length !== batch.length) throw new Error(`${answers.length} answers to ${batch.length} questions`);
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      running -= 1;
      start();
    }
  }

  function start(): void {
    while (waiting.length > 0 && (running === 0 || (running < limits.atOnce && waiting.length >= limits.batchMax))) void run();
  }

  return (question) =>
    new Promise<Answer>((resolve, reject) => {
      waiting.push({ question, resolve, reject });
      start();
    });
}
