export default {
  schema: 'schema.prisma',
  migrations: { path: process.env.PEER_MIGRATIONS },
  datasource: { url: process.env.PEER_URL },
}
