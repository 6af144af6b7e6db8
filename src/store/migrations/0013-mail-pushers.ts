/** What a pusher that sends mail remembers between two of them, as JSON text (`followers/push-by-mail.ts`). */
export const mailPushers = {
  number: 13,
  name: 'mail_pushers',
  up: (): readonly string[] => ['ALTER TABLE pushers ADD COLUMN digest TEXT'],
}
