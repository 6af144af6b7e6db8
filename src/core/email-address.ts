/** RFC 5321, section 4.5.3.1: what fits into a path. */
const BYTES_MAX = 254
const LOCAL_PART = /^[^\s"(),:;<>@[\\\]\p{C}]+$/u
const DOMAIN = /^[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)*$/u

/**
 * The one spelling of an e-mail address that stands for all of them (Appendices, "3PID Types"): cases are folded.
 * Mail goes to that spelling too, so that nobody gets what is meant for a look-alike. Undefined for what is no address.
 */
export function canonicalEmail(text: string): string | undefined {
  // Upper case first: "ß" has no other way to "ss".
  const address = text.toUpperCase().toLowerCase()
  const at = address.lastIndexOf('@')
  if (at < 0 || Buffer.byteLength(address) > BYTES_MAX) return undefined
  return LOCAL_PART.test(address.slice(0, at)) && DOMAIN.test(address.slice(at + 1)) ? address : undefined
}
