/** Letters that make no words and are not taken for others (RFC 8628, section 6.1): 20 to the power of 8 codes. */
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const LENGTH = 8
/** Bytes from here on would make the first letters likelier. */
const EVEN = 240

/** A code that a user types. `random`: some bytes more than it has letters. */
export function makeUserCode(random: Uint8Array): string {
  const letters = [...random].filter((byte) => byte < EVEN).map((byte) => LETTERS[byte % LETTERS.length])
  return showUserCode(letters.slice(0, LENGTH).join(''))
}

/** As it is made, of what was typed in small letters, without the dash, or with spaces. */
export function readUserCode(typed: string): string {
  return showUserCode(typed.toUpperCase().replace(/[^A-Z]/g, ''))
}

function showUserCode(letters: string): string {
  return `${letters.slice(0, LENGTH / 2)}-${letters.slice(LENGTH / 2)}`
}
