// What the model card recommends, as data: system prompts with today's date, and sampling parameters by kind of task.
import { MimoError, type Sampling } from '@mimokit/protocol';

export type PromptLanguage = 'en' | 'zh' | 'ko';

/**
 * `{date}` and `{week}` stand for the day of the conversation. English is quoted from the model card; Chinese follows the card's but
 * could not be compared with it; Korean is our translation. The card does not say in which form it means date and week.
 */
export const systemPrompts: Readonly<Record<PromptLanguage, string>> = {
  en: "You are MiMo, an AI assistant developed by Xiaomi.\n\nToday's date: {date} {week}. Your knowledge cutoff date is December 2024.",
  zh: '你是MiMo（中文名称也是MiMo），是小米公司研发的AI智能助手。\n\n今天的日期：{date} {week}，你的知识截止日期是2024年12月。',
  ko: '당신은 샤오미가 개발한 AI 어시스턴트 MiMo입니다.\n\n오늘 날짜: {date} {week}. 지식 기준 시점은 2024년 12월입니다.',
};

const locales: Readonly<Record<PromptLanguage, string>> = { en: 'en-US', zh: 'zh-CN', ko: 'ko-KR' };

export interface SystemPromptOptions {
  /** Default: now. */
  date?: Date | undefined;
  /** An IANA name such as Asia/Seoul; default: the user's. */
  timeZone?: string | undefined;
}

/** The recommended system prompt of a language: the date as 2025-12-16, the day of the week in words. */
export function systemPrompt(language: PromptLanguage = 'en', options: SystemPromptOptions = {}): string {
  const template = Object.hasOwn(systemPrompts, language) ? systemPrompts[language] : undefined;
  if (template === undefined) {
    throw new MimoError('invalid-argument', `There is no system prompt in ${String(language)}.`, {
      hint: `Languages: ${Object.keys(systemPrompts).join(', ')}.`,
    });
  }
  const { date = new Date(), timeZone } = options;
  let week: string;
  let day: string;
  try {
    const zone = timeZone === undefined ? {} : { timeZone };
    week = new Intl.DateTimeFormat(locales[language], { weekday: 'long', ...zone }).format(date);
    // Swedish dates are ISO 8601 dates.
    day = new Intl.DateTimeFormat('sv-SE', { year: 'numeric', month: '2-digit', day: '2-digit', ...zone }).format(date);
  } catch (cause) {
    throw new MimoError('invalid-argument', `The date or the time zone ${String(timeZone)} is not valid.`, {
      hint: 'Pass a valid Date and an IANA time zone such as Asia/Seoul.',
      cause,
    });
  }
  return template.replace('{date}', day).replace('{week}', week);
}

/** `general`: mathematics, writing, web pages. `agent`: tools and coding agents. */
export const samplingPresets: Readonly<Record<'general' | 'agent', Readonly<Partial<Sampling>>>> = {
  general: { temperature: 0.8, topP: 0.95 },
  agent: { temperature: 0.3, topP: 0.95 },
};
