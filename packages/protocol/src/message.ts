// Messages: what a conversation is made of, the same for a local engine and for HTTP.

export interface TextPart {
  type: 'text';
  text: string;
}

/** An image, sound or film. The V2-Flash template drops it; later models render a placeholder. */
export interface MediaPart {
  type: 'image' | 'image_url' | 'audio' | 'audio_url' | 'video' | 'video_url';
  [key: string]: unknown;
}

export type Content = string | readonly (TextPart | MediaPart)[];

export interface SystemMessage {
  role: 'system' | 'developer';
  content: Content;
}

export interface UserMessage {
  role: 'user';
  content: Content;
}

/** Something about a call that a careful caller wants to know before running it. */
export interface ToolCallFlag {
  /** The parameter concerned. */
  parameter: string;
  /** `type-mismatch`: the value did not fit the schema and was kept as a string. */
  problem: 'type-mismatch';
}

export interface ToolCall {
  id: string;
  name: string;
  /** JSON text of one object. Text, because numbers such as 1.0 or a 20-digit integer must survive the round trip. */
  arguments: string;
  /** The bytes as the model wrote them, so that a replayed turn renders to the same prompt. */
  source?: string;
  flags?: readonly ToolCallFlag[];
}

export interface AssistantMessage {
  role: 'assistant';
  /** Byte-exact: never trimmed, never re-wrapped. */
  reasoning?: string;
  content: string;
  toolCalls?: readonly ToolCall[];
}

export interface ToolMessage {
  role: 'tool';
  content: Content;
  toolCallId?: string;
}

export type Message = SystemMessage | UserMessage | AssistantMessage | ToolMessage;
