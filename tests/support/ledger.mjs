// What visitors of a card page were promised, written down by them before each request and after each answer, and a checker
// that holds it against what is stored. Whoever uses it shows once that the checker finds losses (tests/faults/kill.test.mjs).
import http from 'node:http'
import { IPHONE } from './meishi.mjs'

// The hit's id as the API shows it: the first eight bytes of the page's stamp, in Crockford's digits.
export function hitOf(stamp) {
  let id = Buffer.from(stamp, 'base64url').readBigUInt64BE(0)
  let digits = ''
  for (let i = 0; i < 13; i++, id >>= 5n) digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[Number(id & 31n)] + digits
  return `hit_${digits}`
}

// The page whole, or null.
const get = (url, agent) => new Promise(resolve => {
  const request = http.get(url, { agent, headers: { 'User-Agent': IPHONE } }, response => {
    let html = ''
    response.on('data', data => { html += data })
    response.on('end', () => resolve(response.complete && response.statusCode === 200 ? { html, headers: response.headers } : null))
    response.on('error', () => resolve(null))
  })
  request.on('error', () => resolve(null))
})

export class Ledger {
  sent = 0
  acknowledged = []
  unrecorded = 0 // pages that said of themselves that they are not counted

  // COUNT keep-alive connections that open the page again and again until the server is gone or they are called back; resolves
  // when all have ended.
  async visitors(url, count) {
    const agent = new http.Agent({ keepAlive: true, maxSockets: count })
    this.over = false
    await Promise.all(Array.from({ length: count }, () => this.visitor(url, agent)))
    agent.destroy()
  }

  callBack() { this.over = true }

  async visitor(url, agent) {
    while (!this.over) {
      this.sent++
      const page = await get(url, agent)
      if (!page) return
      if (page.headers['x-hit']) this.unrecorded++
      else this.acknowledged.push(hitOf(page.html.match(/name="stamp" value="([^"]+)"/)[1]))
    }
  }
}

// The ids of the share's hits, as the API lists them.
export async function storedHits(meishi, token, share) {
  const stored = []
  for (let cursor = ''; ;) {
    const { body } = await meishi.api(token, 'GET', `/shares/${share.id}/hits?limit=200${cursor && `&cursor=${cursor}`}`)
    stored.push(...body.data.map(hit => hit.id))
    if (!body.next_cursor) return stored
    cursor = body.next_cursor
  }
}

// What the ledger and the store disagree on.
export function check(acknowledged, stored) {
  const there = new Set(stored)
  return { lost: acknowledged.filter(id => !there.has(id)).length, doubled: stored.length - there.size }
}
