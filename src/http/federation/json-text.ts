import { type PduRow, pduText } from '../../store/pdus.ts'

/** A JSON array of PDUs, spliced from their stored texts. */
export function pduArray(rows: readonly PduRow[]): string {
  return `[${rows.map(pduText).join(',')}]`
}

/** A JSON array of texts that are JSON already. */
export function textArray(texts: readonly string[]): string {
  return `[${texts.join(',')}]`
}
