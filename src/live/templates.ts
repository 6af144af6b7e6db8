import type { Eta } from 'eta'

/** The texts of pages and mails, which an administrator may change: files below `templates/`, read when first used. */
export interface Templates {
  /** `name` as in `pages/message.html` or `mail/confirm.txt`. What is filled into HTML is escaped. */
  render(name: string, data: object): Promise<string>
}

export function createTemplates(dir: string): Templates {
  let engines: { readonly html: Eta; readonly text: Eta } | undefined

  async function load() {
    // Loaded when first used: a server whose clients have forms of their own never needs it.
    const { Eta } = await import('eta')
    return {
      html: new Eta({ views: dir, cache: true }),
      text: new Eta({ views: dir, cache: true, autoEscape: false, autoTrim: false }),
    }
  }

  return {
    async render(name, data) {
      engines ??= await load()
      return (name.endsWith('.html') ? engines.html : engines.text).render(`${name}.eta`, data)
    },
  }
}
