// Starts the emulator of Slack with the workspace of its first argument (JSON), and says where it listens.
import { createServer } from 'node:net'
import { createEmulator } from 'emulate'

const port = await new Promise((resolve) => {
  const socket = createServer().listen(0, '127.0.0.1', () => {
    const { port } = socket.address()
    socket.close(() => resolve(port))
  })
})
const { url } = await createEmulator({ service: 'slack', port, seed: { slack: JSON.parse(process.argv[2]) } })
console.log(url.replace('localhost', '127.0.0.1'))
// Ends with the one who has started it.
process.stdin.resume().on('end', () => process.exit(0))
