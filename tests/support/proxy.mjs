// A proxy between the clients of a test and the server that holds everything said under /api/v1 against the contract. A breach
// is answered 500 with the words in X-Contract-Breach, so that no test passes over it, and kept in breaches. All else passes
// as it is: bytes, order of headers, connections that break.
import { Agent, createServer, request as ask } from 'node:http'
import { judgeBoth } from './contract.mjs'

const API = '/api/v1'

async function bytesOf(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const pairs = raw => Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]])

export class ContractProxy {
  // TARGET is asked for each request, since a server may start anew elsewhere: () => "http://127.0.0.1:8080".
  static async start(target) {
    const proxy = new ContractProxy()
    proxy.target = target
    proxy.breaches = []
    proxy.agent = new Agent({ keepAlive: true, maxSockets: Infinity })
    const handle = (request, response) => proxy.pass(request, response).catch(() => response.destroy())
    proxy.server = createServer({ maxHeaderSize: 65536 }, handle).on('checkExpectation', handle)
    // fetch leaves a connection alone after 4 s; to close it after 5, as Node would, meets its next call when the loop was busy.
    proxy.server.keepAliveTimeout = 60000
    await new Promise(resolve => proxy.server.listen(0, '127.0.0.1', resolve))
    proxy.server.unref()
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`
    return proxy
  }

  stop() {
    this.server.closeAllConnections?.()
    this.server.close()
    this.agent.destroy()
  }

  async pass(request, response) {
    const body = await bytesOf(request)
    const answer = await this.forward(request, body)
    const text = await bytesOf(answer)
    const breach = request.url.startsWith(`${API}/`) ? this.look(request, body, answer, text) : undefined
    if (breach) {
      this.breaches.push(breach)
      response.writeHead(500, { 'X-Contract-Breach': encodeURIComponent(breach), 'Content-Type': 'application/json' }).end('{}')
      return
    }
    const headers = pairs(answer.rawHeaders).filter(([name]) => !/^(connection|keep-alive)$/i.test(name))
    response.writeHead(answer.statusCode, headers.flat()).end(text)
  }

  forward(request, body) {
    const { host, port, hostname } = new URL(this.target())
    const headers = pairs(request.rawHeaders).filter(([name]) => !/^(connection|keep-alive|transfer-encoding|host)$/i.test(name))
    return new Promise((resolve, reject) => {
      const onward = ask({ hostname, port, agent: this.agent, method: request.method, path: request.url })
      onward.setHeader('Host', host)
      for (const [name, value] of headers) onward.appendHeader ? onward.appendHeader(name, value) : onward.setHeader(name, value)
      if (body.length && !request.headers['content-length']) onward.setHeader('Content-Length', body.length)
      onward.on('response', resolve).on('error', reject).end(body)
    })
  }

  look(request, body, answer, text) {
    let parsed = null
    try {
      parsed = text.length ? JSON.parse(text) : null
    } catch {
      return `${request.method} ${request.url} was answered what is not JSON: ${text}`
    }
    const headers = new Headers()
    for (const [name, value] of pairs(answer.rawHeaders)) headers.append(name, value)
    return judgeBoth(request.method, request.url.slice(API.length), { headers: request.headers, body }, { status: answer.statusCode, headers, body: parsed })
  }
}

// For who asks through the proxy: throws if the answer was a breach.
export function refuseBreach(headers) {
  const breach = headers.get('x-contract-breach')
  if (breach) throw new Error(`Not as in the contract: ${decodeURIComponent(breach)}`)
}
