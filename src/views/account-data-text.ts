/** A piece of account data as the text of an event. `content` is JSON text. */
export function accountDataText({ type, content }: { readonly type: string; readonly content: string }): string {
  return `{"type":${JSON.stringify(type)},"content":${content}}`
}
