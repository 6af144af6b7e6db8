/** A binary heap: `pop` returns the smallest by `compare`. */
export class Heap<Item> {
  private readonly items: Item[] = []
  private readonly compare: (a: Item, b: Item) => number

  constructor(compare: (a: Item, b: Item) => number) {
    this.compare = compare
  }

  push(item: Item): void {
    const { items } = this
    let at = items.length
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above] as Item
      if (this.compare(parent, item) <= 0) break
      items[at] = parent
      at = above
    }
    items[at] = item
  }

  pop(): Item | undefined {
    const { items } = this
    const smallest = items[0]
    const last = items.pop()
    if (items.length === 0 || last === undefined) return smallest
    let at = 0
    for (let child = 1; child < items.length; child = at * 2 + 1) {
      const right = child + 1
      if (right < items.length && this.compare(items[right] as Item, items[child] as Item) < 0) child = right
      const below = items[child] as Item
      if (this.compare(last, below) <= 0) break
      items[at] = below
      at = child
    }
    items[at] = last
    return smallest
  }
}
