import type { App } from '../../app.ts'
import type { Mail } from '../../remote/mailer.ts'

/**
 * Fills in `templates/mail/NAME.txt`: its first line is the subject, then come paragraphs. The HTML part is made by
 * `html`, another template there: `layout` makes a button of a paragraph that is a link.
 */
export async function composeMail(
  app: App,
  name: string,
  data: object,
  html = 'layout',
): Promise<Pick<Mail, 'subject' | 'text' | 'html'>> {
  const filled = await app.templates.render(`mail/${name}.txt`, { serverName: app.serverName, ...data })
  const [subject = '', ...paragraphs] = filled.trim().split(/\n\s*\n/)
  return {
    subject,
    text: `${paragraphs.join('\n\n')}\n`,
    html: await app.templates.render(`mail/${html}.html`, { serverName: app.serverName, ...data, subject, paragraphs }),
  }
}
