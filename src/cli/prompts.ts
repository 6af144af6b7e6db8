import { createPromptModule } from 'inquirer'

/** Prompts go to standard error, so that standard output holds results only. */
const prompt = createPromptModule({ output: process.stderr })

/** Asks twice, without an echo. `check` answers true, or what is wrong. */
export async function askNewPassword(check: (password: string) => true | string): Promise<string> {
  for (;;) {
    const { first, second } = await prompt<{ first: string; second: string }>([
      { type: 'password', name: 'first', message: 'Password:', mask: '*', validate: check },
      { type: 'password', name: 'second', message: 'The same again:', mask: '*' },
    ])
    if (first === second) return first
    process.stderr.write('They differ. Once more.\n')
  }
}

export async function askText(message: string, preset: string): Promise<string> {
  const { answer } = await prompt<{ answer: string }>([{ type: 'input', name: 'answer', message, default: preset }])
  return answer
}

export async function askChoice(message: string, choices: readonly string[]): Promise<string> {
  const { answer } = await prompt<{ answer: string }>([
    { type: 'select', name: 'answer', message, choices: choices.map((value) => ({ name: value, value })) },
  ])
  return answer
}

/** The safe answer is no. */
export async function askYesNo(message: string): Promise<boolean> {
  const { answer } = await prompt<{ answer: boolean }>([{ type: 'confirm', name: 'answer', message, default: false }])
  return answer
}
