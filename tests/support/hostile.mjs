// Receivers of webhooks that misbehave, each in one way, and what a member must read about each: the class of error (null: it
// counts as delivered) and the status. Pure: outside.mjs gives each an address and a certificate.
//
// raw(socket): instead of TLS. answer(socket, raw, request): after a whole request. The rest are where it stands.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

export const addressOf = index => `20.0.1.${index + 1}`
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
const PRIVATE = 'https://10.0.0.1/hook'

// Says it again until the other side has had enough.
async function forever(socket, text, pause = 0) {
  let sent = 0
  while (!socket.destroyed && sent < 50e6) {
    sent += text.length
    if (!socket.write(text) && !pause) await Promise.race([new Promise(resolve => socket.once('drain', resolve)), sleep(1000)])
    if (pause) await sleep(pause)
  }
}

const says = text => socket => socket.end(text)
const redirect = (status, to = PRIVATE) => says(`HTTP/1.1 ${status} Elsewhere\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`)
const reset = raw => raw.resetAndDestroy()
const zeros = Buffer.alloc(32 << 20)
const bomb = (name, packed) => socket => {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: ${name}\r\nContent-Length: ${packed.length}\r\n\r\n`)
  socket.end(packed)
}

export const HOSTILE = [
  // ---- time ----
  { name: 'drips its headers', error: 'timeout', answer: async socket => { socket.write('HTTP/1.1 200 OK\r\nX-A: '); await forever(socket, 'a', 200) } },
  { name: 'drips its status line', error: 'timeout', answer: async socket => { for (const letter of 'HTTP/1.1 200 OK and on it goes') { socket.write(letter); await sleep(1500) } } },
  { name: 'drips header lines', error: 'timeout', answer: async socket => { socket.write('HTTP/1.1 200 OK\r\n'); await forever(socket, 'X-A: b\r\n', 300) } },
  { name: 'drips its body', error: null, status: 200, answer: async socket => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n'); await forever(socket, 'a', 200) } },
  { name: 'is silent once asked', error: 'no answer in time', answer: () => {} },
  { name: 'is silent once connected', error: 'tls timeout', raw: () => {} },
  { name: 'stalls within the handshake', error: 'tls timeout', raw: raw => raw.once('data', () => raw.write(Buffer.from('160303007a02000076', 'hex'))) },
  { name: 'accepts nobody', error: 'connect timeout', full: true },
  { name: 'swallows every packet', error: 'connect timeout', route: 'blackhole' },
  { name: 'drips 100 Continue', error: 'timeout', answer: socket => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n', 300) },

  // ---- size ----
  { name: 'sends headers without end', error: 'headers too large', answer: async socket => { socket.write('HTTP/1.1 200 OK\r\n'); await forever(socket, `X-Filler: ${'a'.repeat(900)}\r\n`) } },
  { name: 'sends one header line without end', error: 'headers too large', answer: async socket => { socket.write('HTTP/1.1 200 OK\r\nX-A: '); await forever(socket, 'a'.repeat(4096)) } },
  { name: 'sends 100 Continue without end', error: 'headers too large', answer: socket => forever(socket, 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(20)) },
  { name: 'sends a status line without end', error: 'headers too large', answer: async socket => { socket.write('HTTP/1.1 200 '); await forever(socket, 'a'.repeat(4096)) } },
  { name: 'sends ten thousand cookies', error: 'headers too large', answer: says(`HTTP/1.1 200 OK\r\n${'Set-Cookie: a=b\r\n'.repeat(10000)}\r\n`) },
  { name: 'sends a body without end', error: null, status: 200, answer: async socket => { socket.write('HTTP/1.1 200 OK\r\n\r\n'); await forever(socket, 'a'.repeat(16384)) } },
  { name: 'sends chunks without end', error: null, status: 200, answer: async socket => { socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'); await forever(socket, `1000\r\n${'a'.repeat(4096)}\r\n`) } },
  { name: 'sends a gzip bomb', error: null, status: 200, answer: bomb('gzip', gzipSync(zeros)) },
  { name: 'sends a deflate bomb', error: null, status: 200, answer: bomb('deflate', deflateSync(zeros)) },
  { name: 'sends a brotli bomb', error: null, status: 200, answer: bomb('br', brotliCompressSync(zeros, { params: { 1: 4 } })) },
  { name: 'sends a bomb as a transfer encoding', error: null, status: 200, answer: socket => { const packed = gzipSync(zeros); socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${packed.length.toString(16)}\r\n`); socket.write(packed); socket.end('\r\n0\r\n\r\n') } },

  // ---- redirects ----
  ...[301, 302, 303, 307, 308].map(status => ({ name: `redirects by ${status}`, error: 'redirect', status, answer: redirect(status) })),
  { name: 'redirects to itself', error: 'redirect', status: 307, answer: (socket, raw, request) => redirect(307, `https://${request.headers.host}/again`)(socket) },
  { name: 'redirects to a file', error: 'redirect', status: 302, answer: redirect(302, 'file:///etc/passwd') },
  { name: 'refreshes elsewhere', error: null, status: 200, answer: says(`HTTP/1.1 200 OK\r\nRefresh: 0; url=${PRIVATE}\r\nContent-Length: 0\r\n\r\n`) },
  { name: 'refreshes elsewhere in its page', error: null, status: 200, answer: socket => { const page = `<meta http-equiv=refresh content="0; url=${PRIVATE}">`; socket.end(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: ${page.length}\r\n\r\n${page}`) } },
  { name: 'names another service and a host for ever', error: null, status: 200, answer: says(`HTTP/1.1 200 OK\r\nAlt-Svc: h2="10.0.0.1:443"; ma=9999\r\nStrict-Transport-Security: max-age=99999\r\nContent-Length: 0\r\n\r\n`) },

  // ---- ends ----
  { name: 'refuses', error: 'connect', nobody: true, port: 8443 },
  { name: 'cannot be reached', error: 'connect', unreachable: true },
  { name: 'resets at the first word', error: 'tls', raw: raw => raw.once('data', () => reset(raw)) },
  { name: 'resets within the handshake', error: 'tls', raw: raw => raw.once('data', () => reset(raw)) },
  { name: 'resets once asked', error: 'reset', answer: (socket, raw) => reset(raw) },
  { name: 'resets within its headers', error: 'reset', answer: async (socket, raw) => { socket.write('HTTP/1.1 200 OK\r\nX-A: b\r\n'); await sleep(200); reset(raw) } },
  { name: 'resets within its body', error: null, status: 200, answer: async (socket, raw) => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'); await sleep(200); reset(raw) } },
  { name: 'hangs up once asked', error: 'closed early', answer: socket => socket.end() },
  { name: 'hangs up within its headers', error: 'closed early', answer: says('HTTP/1.1 200 OK\r\nX-A: b\r\n') },
  { name: 'keeps the connection', error: null, status: 200, answer: socket => socket.write(ok) },

  // ---- TLS ----
  { name: 'has an expired certificate', error: 'certificate expired', certificate: 'expired', answer: says(ok) },
  { name: "has another host's certificate", error: 'certificate for another host', certificate: 'elsewhere', answer: says(ok) },
  { name: 'has signed its own certificate', error: 'certificate not trusted', certificate: 'own', answer: says(ok) },
  { name: 'has a certificate of an unknown authority', error: 'certificate not trusted', certificate: 'unknown', answer: says(ok) },
  { name: 'knows TLS 1.1 only', error: 'tls', tls: { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, answer: says(ok) },
  { name: 'answers a hello with an alert', error: 'tls', raw: raw => raw.once('data', () => raw.end(Buffer.from('15030300020228', 'hex'))) },
  { name: 'speaks plain HTTP where TLS belongs', error: 'tls', raw: raw => raw.once('data', () => raw.end(ok)) },
  { name: 'speaks first, and not TLS', error: 'tls', raw: raw => raw.end('220 mail.example ESMTP\r\n') },

  // ---- words ----
  { name: 'answers as HTTP/0.9', error: 'bad http', answer: says('<h1>Hello from 1991</h1>') },
  { name: 'answers with bytes', error: 'bad http', answer: socket => socket.end(Buffer.from('00ff16030100deadbeef0d0a0d0a', 'hex')) },
  { name: 'has words for a status', error: 'bad http', answer: says('HTTP/1.1 fine thanks\r\n\r\n') },
  { name: 'has a status of two digits', error: 'bad http', answer: says('HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n') },
  { name: 'answers 999', error: 'status', status: 999, answer: says('HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n') },
  { name: 'switches protocols', error: 'closed early', answer: says('HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n') },
  { name: 'says a length below nothing', error: 'bad http', answer: says('HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n') },
  { name: 'says a length that is too short', error: null, status: 200, answer: says('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nmore than one') },
  { name: 'says a length that is too long', error: null, status: 200, answer: says('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nless') },
  { name: 'says two lengths', error: null, status: 200, answer: says('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\na') },
  { name: 'has garbage for a chunk size', error: null, status: 200, answer: says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n') },
  { name: 'sends a body with 204', error: null, status: 204, answer: says('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello') },
  { name: 'answers again after its answer', error: null, status: 200, answer: says(`${ok}HTTP/1.1 500 No\r\n\r\n`) },
  { name: 'changes its mind in a trailer', error: null, status: 200, answer: says('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 500 No\r\n\r\n') }
]
