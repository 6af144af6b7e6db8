/** What a page says of itself. */
export interface PageMetadata {
  /** The first content of each `<meta>`, by its property or name in lower case. */
  readonly metas: ReadonlyMap<string, string>
  readonly title: string
  /** The first paragraphs, where the page has no description. */
  readonly text: string
  /** Where its oEmbed description lies. */
  readonly oembed: string | undefined
}

const METAS_MAX = 200
const NAME_LENGTH_MAX = 100
const CONTENT_LENGTH_MAX = 2_048
const TEXT_LENGTH_MAX = 500
/** The parser looks through all elements that are open when one is closed: a page may not make it look at many. */
const DEPTH_MAX = 256
/** What is parsed before other requests have their turn. */
const SLICE_LENGTH = 32_768
const CHARSET_BYTES = 1_024
const NO_TEXT: ReadonlySet<string> = new Set(['script', 'style', 'noscript', 'template', 'nav', 'header', 'footer'])

/** Reads the head of a page, and its first paragraphs. Never more than the page has, however it is made. */
export async function metadataOf(html: string, turn: () => Promise<void>): Promise<PageMetadata> {
  const { Parser } = await import('htmlparser2')
  const metas = new Map<string, string>()
  const open: string[] = []
  const found = { title: '', text: '', oembed: undefined as string | undefined }
  let tooDeep = false
  const parser = new Parser({
    onopentag(name, { property, name: metaName, content, rel, type, href }) {
      open.push(name)
      tooDeep ||= open.length > DEPTH_MAX
      const key = (property ?? metaName ?? '').toLowerCase()
      if (name === 'meta' && content !== undefined && metas.size < METAS_MAX && key.length <= NAME_LENGTH_MAX)
        if (!metas.has(key)) metas.set(key, content.trim().slice(0, CONTENT_LENGTH_MAX))
      if (name === 'link' && rel === 'alternate' && type === 'application/json+oembed') found.oembed ??= href
    },
    onclosetag() {
      open.pop()
    },
    ontext(text) {
      if (open.at(-1) === 'title' && open.includes('head')) found.title = joined(found.title, text)
      else if (open.includes('p') && !open.some((name) => NO_TEXT.has(name))) found.text = joined(found.text, text)
    },
  })
  for (let at = 0; at < html.length && !tooDeep; at += SLICE_LENGTH) {
    parser.write(html.slice(at, at + SLICE_LENGTH))
    await turn()
  }
  return { metas, ...found, title: found.title.trim(), text: found.text.trim() }
}

function joined(before: string, text: string): string {
  if (before.length >= TEXT_LENGTH_MAX) return before
  return (before + text.slice(0, TEXT_LENGTH_MAX)).replace(/\s+/g, ' ').slice(0, TEXT_LENGTH_MAX)
}

/** The text of a page, in the encoding that its headers or its first lines name. */
export function textOf(page: Buffer, contentType: string): string {
  const named = /charset\s*=\s*["']?([\w:.-]{1,40})/i
  const label = named.exec(contentType)?.[1] ?? named.exec(page.toString('latin1', 0, CHARSET_BYTES))?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(label).decode(page)
  } catch {
    return new TextDecoder().decode(page)
  }
}
