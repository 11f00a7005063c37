// A hundred long tasks whose answer lies before the cut, and an agent of rules that solves them from what it is sent: it
// reads reports by tool until the last, looks for the answer in its prompt, and searches the archive when it is not there.
import type { AssistantMessage, ChatModel, ChatRequest, Message } from '@mimokit/protocol';
import { type RunnableTool, tool } from '../src/run-tools.ts';
import { scriptedBy } from './scripted.ts';

export interface LongTask {
  /** What is asked at the end, and the words an agent would search with. */
  question: string;
  query: string;
  answer: string;
  /** Who says it: the user in the first message, or a report. */
  source: 'user' | 'report';
  /** Which report holds it; among the first third. */
  place: number;
  fact: string;
  reports: readonly string[];
}

const places = [
  'Nordhafen',
  'Lakeside',
  'Ostwall',
  'Pinehurst',
  '青岛',
  'Marmolada',
  'Quellgrund',
  'Zürich-West',
  'Ålesund',
  '성수',
];
const things = [
  'warehouse',
  'pump',
  'server room',
  'archive',
  'crane',
  'turbine',
  'laboratory',
  'ferry',
  'greenhouse',
  'kiln',
];
const sentences = [
  'Inspection went as planned and nothing was found that needs a decision today.',
  'Two crews worked in parallel; the second one waited for parts until noon.',
  'Temperatures stayed within the permitted range for the whole shift.',
  'Der Zustand der Leitungen wurde geprüft und in Ordnung befunden.',
  '设备运行正常，没有发现异常情况，下周将继续检查。',
  'The delivery note lists 48 pallets, of which three were set aside for later.',
  'A neighbour complained about noise and was told when the work would end.',
  'Logged: {"level":"info","retries":0,"durationMs":1840,"path":"/var/log/site.log"}',
];

/** A deterministic number in [0, n). */
function pick(seed: number, n: number): number {
  let h = Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return ((h ^ (h >>> 15)) >>> 0) % n;
}

export function longTask(number: number): LongTask {
  const place = places[number % 10]!;
  const thing = things[Math.floor(number / 10) % 10]!;
  const code = `${String.fromCharCode(65 + pick(number, 26))}-${1000 + pick(number * 7 + 1, 9000)}-${pick(number * 3 + 5, 97)}`;
  const [fact, question, query] = [
    [
      `The access code of the ${thing} in ${place} is ${code}.`,
      `Which access code has the ${thing} in ${place}?`,
      `access code ${thing} ${place}`,
    ],
    [
      `Note for later: ${place}, ${thing}, serial number ${code}.`,
      `What is the serial number of the ${thing} at ${place}?`,
      `serial number ${thing} ${place}`,
    ],
    [
      `Für ${place} (${thing}) gilt das Kennwort ${code}.`,
      `Wie lautet das Kennwort für ${place} (${thing})?`,
      `Kennwort ${place} ${thing}`,
    ],
    [`${place} 的 ${thing} 编号是 ${code}。`, `${place} 的 ${thing} 编号是什么？`, `${place} ${thing} 编号`],
    [
      `config.${thing.replace(' ', '_')}.token = "${code}"  # ${place}`,
      `Which token did the config name for ${place}?`,
      `config token ${place}`,
    ],
  ][number % 5] as [string, string, string];
  const count = 18 + pick(number, 8);
  const at = 1 + pick(number * 11, Math.floor(count / 3));
  const source = number % 4 === 0 ? 'user' : 'report';
  const reports = Array.from({ length: count }, (_, index) => {
    const lines = Array.from(
      { length: 10 + pick(number * 31 + index, 30) },
      (__, line) => sentences[pick(number * 131 + index * 17 + line, sentences.length)]!,
    );
    // Every report speaks of another site with a code of its own: a search must tell them apart.
    const other = `${places[(number + index + 3) % 10]} reports ${things[(number + index * 7 + 1) % 10]} number ${pick(number * 977 + index, 90_000)}.`;
    lines.splice(pick(number + index, lines.length), 0, other);
    if (source === 'report' && index === at) lines.splice(pick(number * 5, lines.length), 0, fact);
    return lines.join('\n');
  });
  return { question, query, answer: code, source, place: at, fact, reports };
}

/** The conversation's first message, and the tool that hands out the reports one by one. */
export function openTask(task: LongTask): { messages: Message[]; nextReport: RunnableTool } {
  let next = 0;
  const nextReport = tool({
    name: 'next_report',
    description: 'The next report, until there are no more.',
    execute: () => {
      const report = task.reports[next++];
      return report === undefined ? 'No more reports.' : `Report ${next} of ${task.reports.length}\n${report}`;
    },
  });
  const note = task.source === 'user' ? `${task.fact}\n` : '';
  return { messages: [{ role: 'user', content: `${note}Read all reports, one after another.` }], nextReport };
}

/** An agent of rules for one task. It knows the question and how an answer looks, and sees nothing but its requests. */
export function ruleAgent(task: LongTask): ChatModel & { requests: ChatRequest[] } {
  let calls = 0;
  const act = (name: string, input: object): AssistantMessage => ({
    role: 'assistant',
    reasoning: ` step ${calls}: ${name}\n`,
    content: '',
    toolCalls: [{ id: `c${calls++}`, name, arguments: JSON.stringify(input) }],
  });
  const say = (content: string): AssistantMessage => ({ role: 'assistant', content });
  return scriptedBy((request) => {
    // A summary in which the answer is lost: the worst case, in which only the archive can help.
    if (!request.tools?.length) return say('The user has reports read one after another; nothing urgent so far.');
    const { messages } = request;
    const last = messages.at(-1)!;
    const asked = messages.findLast((message) => message.role === 'user')?.content === task.question;
    const text = JSON.stringify(messages);
    if (!asked)
      return last.role === 'tool' && last.content === 'No more reports.' ? say('All read.') : act('next_report', {});
    // The fact as it was said, in the prompt itself or in what the archive gave.
    if (text.includes(JSON.stringify(task.fact).slice(1, -1))) return say(`It is ${task.answer}.`);
    const hasSearched = last.role === 'tool';
    return hasSearched ? say('I do not know.') : act('search_archive', { query: task.query });
  });
}
