// The three demonstration tools of `mimokit chat`: clock, calculator, unit conversion. Their schemas are nano's, which was
// trained on them; nothing here touches files or the network.
import { MimoError } from '@mimokit/protocol';
import { convert, type Unit } from 'convert';
import jsep from 'jsep';

/** Runs one demonstration tool. Throws `tool-failed` with a sentence for the model, `tool-unknown` for another name. */
export function runDemoTool(name: string, input: Readonly<Record<string, unknown>>, now: Date = new Date()): string {
  if (name === 'clock') return clock(text(input, 'timezone', 'UTC'), now);
  if (name === 'calculator') return printNumber(calculate(text(input, 'expression')), 10);
  if (name === 'convert_units') {
    const value = input['value'];
    if (typeof value !== 'number') throw failed('value must be a number');
    return convertUnits(value, text(input, 'from'), text(input, 'to'));
  }
  throw new MimoError('tool-unknown', `There is no tool ${name}.`);
}

function failed(message: string): MimoError {
  return new MimoError('tool-failed', message);
}

function text(input: Readonly<Record<string, unknown>>, key: string, fallback?: string): string {
  const value = input[key] ?? fallback;
  if (typeof value !== 'string' || value === '') throw failed(`${key} is missing`);
  return value;
}

function clock(timeZone: string, now: Date): string {
  let parts: Map<string, string>;
  try {
    const format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      weekday: 'long',
    });
    parts = new Map(format.formatToParts(now).map(({ type, value }) => [type, value]));
  } catch {
    throw failed(`unknown timezone ${timeZone}`);
  }
  const at = (type: string): string => parts.get(type)!;
  return `${at('year')}-${at('month')}-${at('day')} ${at('hour')}:${at('minute')} ${at('weekday')}, ${timeZone}`;
}

const binary: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => {
    if (right === 0) throw failed('division by zero');
    return left / right;
  },
  '%': (left, right) => left % right,
  '^': (left, right) => left ** right,
  '**': (left, right) => left ** right,
};
// jsep reads ^ as JavaScript's xor; on a calculator it is a power.
jsep.addBinaryOp('^', 11, true);

function calculate(expression: string): number {
  if (expression.length > 1000) throw failed('the expression is too long');
  let tree: jsep.Expression;
  try {
    tree = jsep(expression);
  } catch {
    throw failed(`cannot read ${expression}`);
  }
  const result = evaluate(tree, 0);
  if (!Number.isFinite(result)) throw failed('the result is not a number');
  return result;
}

function evaluate(node: jsep.Expression, depth: number): number {
  if (depth > 200) throw failed('the expression is nested too deeply');
  if (isNode<jsep.Literal>(node, 'Literal') && typeof node.value === 'number') return node.value;
  if (isNode<jsep.UnaryExpression>(node, 'UnaryExpression') && (node.operator === '-' || node.operator === '+')) {
    const value = evaluate(node.argument, depth + 1);
    return node.operator === '-' ? -value : value;
  }
  if (isNode<jsep.BinaryExpression>(node, 'BinaryExpression') && Object.hasOwn(binary, node.operator)) {
    return binary[node.operator]!(evaluate(node.left, depth + 1), evaluate(node.right, depth + 1));
  }
  if (
    isNode<jsep.CallExpression>(node, 'CallExpression') &&
    node.arguments.length === 1 &&
    node.callee['name'] === 'sqrt'
  ) {
    return Math.sqrt(evaluate(node.arguments[0]!, depth + 1));
  }
  throw failed('only + - * / % ^, brackets, numbers and sqrt are understood');
}

function isNode<N extends jsep.Expression>(node: jsep.Expression, type: string): node is N {
  return node.type === type;
}

/** Names in everyday use that the library spells otherwise. */
const unitNames: Readonly<Record<string, string>> = {
  tons: 'tonnes',
  ton: 'tonne',
  mph: 'miles/hours',
  'km/h': 'km/hours',
  'm/s': 'm/seconds',
};

function convertUnits(value: number, from: string, to: string): string {
  const source = (unitNames[from] ?? from).split('/');
  const target = (unitNames[to] ?? to).split('/');
  if (source.length !== target.length || source.length > 2) throw failed(`cannot convert ${from} to ${to}`);
  let result = convertOne(value, source[0]!, target[0]!);
  if (source.length === 2) result /= convertOne(1, source[1]!, target[1]!);
  return `${printNumber(result, 6)} ${to}`;
}

function convertOne(value: number, from: string, to: string): number {
  try {
    return convert(value, from as Unit).to(to as Unit) as number;
  } catch {
    throw failed(`cannot convert ${from} to ${to}`);
  }
}

/** Significant digits, no trailing zeros, no exponent where people would not write one. */
function printNumber(value: number, digits: number): string {
  const short = Number(value.toPrecision(digits));
  const plain = String(short);
  return plain.includes('e-') ? short.toFixed(6).replace(/\.?0+$/, '') : plain;
}
