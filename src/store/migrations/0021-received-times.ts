/** What other servers sent, and the originals of redacted events, by when they came: they are forgotten in time. */
export const receivedTimes = {
  number: 21,
  name: 'received_times',
  up: (): readonly string[] => [
    'CREATE INDEX received_transactions_age ON received_transactions (received_ts)',
    'CREATE INDEX received_messages_age ON received_messages (received_ts)',
    'CREATE INDEX redacted_originals_age ON redacted_originals (redacted_ts)',
  ],
}
