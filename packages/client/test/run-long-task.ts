// Runs one long task under a policy and says what became of it.
import { createChatTemplate } from '@mimokit/chat-template';
import type { Message } from '@mimokit/protocol';
import type { Tokenizer } from '@mimokit/tokenizer';
import { type ContextPolicy, createArchive, type CutNotice, manageContext } from '../src/context/index.ts';
import { runTools } from '../src/run-tools.ts';
import { type LongTask, openTask, ruleAgent } from './context-tasks.ts';

export interface LongTaskOutcome {
  /** The answer was right; `searched`: only the archive had it. */
  found: boolean;
  searched: boolean;
  /** The archive, also read back from its lines, gives every message as it was, to the byte. */
  replays: boolean;
  /** The largest prompt and answer of any request, summaries included, counted anew from the request itself. */
  mostTokens: number;
  fullTokens: number;
  requests: number;
  notices: readonly CutNotice[];
}

const template = createChatTemplate();

export async function runLongTask(
  task: LongTask,
  policy: ContextPolicy,
  setting: { budgetTokens: number; tokenizer: Tokenizer },
): Promise<LongTaskOutcome> {
  const { budgetTokens, tokenizer } = setting;
  const agent = ruleAgent(task);
  const notices: CutNotice[] = [];
  const lines: string[] = [];
  const archive = createArchive({ onLine: (line) => lines.push(line) });
  const model = manageContext(agent, {
    policy,
    budgetTokens,
    tokenizer,
    archive,
    answerTokens: 200,
    onCut: (notice) => notices.push(notice),
  });
  const { messages, nextReport } = openTask(task);
  const tools = [nextReport, ...model.tools];
  const reading = await runTools(model, { messages, tools, maxSteps: 200 }).result();
  const question: Message = { role: 'user', content: task.question };
  const asking = await runTools(model, { messages: [...reading.messages, question], tools }).result();

  const said = JSON.stringify(asking.messages);
  const copy = createArchive({ text: lines.join('\n') });
  const sizes = agent.requests.map((request) => {
    const { messages: sent, tools: offered, thinking, maxTokens = 0 } = request;
    return tokenizer.encode(template.render({ messages: sent, tools: offered, thinking }).text).length + maxTokens;
  });
  return {
    found: asking.message.content === `It is ${task.answer}.`,
    searched: asking.messages.some((one) => one.role === 'assistant' && one.toolCalls?.[0]?.name === 'search_archive'),
    replays: JSON.stringify(archive.replay()) === said && JSON.stringify(copy.replay()) === said,
    mostTokens: Math.max(...sizes),
    fullTokens: tokenizer.count(template.render({ messages: asking.messages }).text),
    requests: agent.requests.length,
    notices,
  };
}
