import { resolve } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'

export default class AppserviceGenerate extends BaseCommand {
  static override summary = 'Write a registration with tokens of its own.'
  static override description =
    'The file is for the application service and for this server: register it with `appservice add`. Its namespaces ' +
    'are exclusive; what else a bridge wants to say is added by hand. Exits 4 when the file exists.'

  static override examples = [
    '<%= config.bin %> <%= command.id %> irc --url http://127.0.0.1:9999',
    "<%= config.bin %> <%= command.id %> irc --url unix:///run/irc.sock --users '@_irc_.*' --output irc.yaml",
  ]

  static override args = { id: Args.string({ description: 'Id, which never changes.', required: true }) }

  static override flags = {
    url: Flags.string({
      summary: 'Where it listens: http, https or unix. Without: it hears nothing.',
      helpValue: 'URL',
    }),
    output: Flags.string({ char: 'o', summary: 'File to write; default ID.yaml.', helpValue: 'FILE' }),
    'sender-localpart': Flags.string({ summary: 'User in whose name it speaks; default _ID_bot.', helpValue: 'NAME' }),
    users: Flags.string({ summary: 'Its users; default @_ID_.*.', helpValue: 'REGEX', multiple: true }),
    aliases: Flags.string({ summary: 'Its aliases; default #_ID_.*.', helpValue: 'REGEX', multiple: true }),
    protocol: Flags.string({ summary: 'A network that it bridges.', helpValue: 'NAME', multiple: true }),
    ephemeral: Flags.boolean({ summary: 'It hears of typing, receipts and presence, and gets messages to devices.' }),
    force: Flags.boolean({ summary: 'Replace the file if it exists.' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags, args } = await this.parse(AppserviceGenerate)
    const { id } = args
    const file = resolve(flags.output ?? `${id}.yaml`)
    const { parseRegistration } = await import('../../src/config/registration.ts')
    const { registrationText, writeRegistration } = await import('../../src/cli/appservices.ts')
    const prefix = id.toLowerCase().replace(/[^a-z0-9.-]/g, '_')
    const literally = prefix.replaceAll('.', '\\.')
    const text = registrationText({
      id,
      url: flags.url ?? null,
      senderLocalpart: flags['sender-localpart'] ?? `_${prefix}_bot`,
      users: flags.users ?? [`@_${literally}_.*`],
      aliases: flags.aliases ?? [`#_${literally}_.*`],
      protocols: flags.protocol ?? [],
      receiveEphemeral: flags.ephemeral,
    })
    const { sender_localpart } = parseRegistration(text, file)
    writeRegistration(file, text, flags.force)
    this.log(`registration ${file}`)
    this.note(`Next: \`dendrite appservice add ${file}\`, and give it to the application service.`)
    return { id, file, url: flags.url ?? null, sender_localpart }
  }
}
