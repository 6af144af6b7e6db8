/**
 * Types that a browser may show on our address: none of them can hold a script (Client-Server API, "Serving inline
 * content").
 */
const INLINE: ReadonlySet<string> = new Set([
  'text/css',
  'text/plain',
  'text/csv',
  'application/json',
  'application/ld+json',
  'image/jpeg',
  'image/gif',
  'image/png',
  'image/apng',
  'image/webp',
  'image/avif',
  'video/mp4',
  'video/webm',
  'video/ogg',
  'video/quicktime',
  'audio/mp4',
  'audio/webm',
  'audio/aac',
  'audio/mpeg',
  'audio/ogg',
  'audio/wave',
  'audio/wav',
  'audio/x-wav',
  'audio/x-pn-wav',
  'audio/flac',
  'audio/x-flac',
])

const TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}$/
const PARAMETER = /^[\w!#$&^.+-]{1,127}=(?:[\w!#$&^.+-]{1,127}|"[\x20\x21\x23-\x5b\x5d-\x7e]{0,127}")$/
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
export const ANY_TYPE = 'application/octet-stream'

/** The content type, if it is written as one; otherwise that of any bytes. */
export function contentTypeOf(text: string | undefined): string {
  const [type = '', ...parameters] = (text ?? '').split(';').map((part) => part.trim())
  if (!TYPE.test(type)) return ANY_TYPE
  return [type.toLowerCase(), ...parameters.filter((parameter) => PARAMETER.test(parameter))].join('; ')
}

/** `Content-Disposition` for a file of that type: what could hold a script is saved, never shown. */
export function contentDisposition(contentType: string, fileName: string | null): string {
  const [type = ''] = contentType.split(';')
  const disposition = INLINE.has(type.trim()) ? 'inline' : 'attachment'
  if (fileName === null || fileName === '') return disposition
  if (TOKEN.test(fileName)) return `${disposition}; filename=${fileName}`
  return `${disposition}; filename*=utf-8''${encodeExtended(fileName)}`
}

/** RFC 8187, of any text: half a surrogate pair becomes the sign for what cannot be shown. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** The file name in a `Content-Disposition`, if there is one that can be read. */
export function fileNameIn(disposition: string | undefined): string | undefined {
  const extended = /;\s*filename\*\s*=\s*utf-8''([^;\s]+)/i.exec(disposition ?? '')?.[1]
  if (extended !== undefined) {
    try {
      return decodeURIComponent(extended)
    } catch {
      return undefined
    }
  }
  const quoted = /;\s*filename\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(disposition ?? '')?.[1]
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, '$1')
  return /;\s*filename\s*=\s*([^;\s"]+)/i.exec(disposition ?? '')?.[1]
}
