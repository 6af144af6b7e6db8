import { Flags } from '@oclif/core'
import { BaseCommand } from '../../src/cli/base-command.ts'

export default class ConfigShow extends BaseCommand {
  static override summary = 'Print every key of the configuration with its value.'
  static override description =
    'One YAML document, in which comments say where each value comes from: a line of the file, a variable, the default.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  static override flags = {
    dir: Flags.string({ summary: 'Directory of the server.', helpValue: 'DIR' }),
    secrets: Flags.boolean({ summary: 'Show passwords and secrets.' }),
  }

  async run(): Promise<Record<string, unknown>> {
    const { flags } = await this.parse(ConfigShow)
    const { config, originOf } = await this.loadConfig({ file: flags.config, dir: flags.dir })
    const { annotatedYaml, toPlainConfig } = await import('../../src/config/show.ts')
    const plain = toPlainConfig(config, { secrets: flags.secrets })
    this.log(annotatedYaml(plain, originOf).trimEnd())
    return plain
  }
}
