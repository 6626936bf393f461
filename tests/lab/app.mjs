// A small shop with accounts, credits and slow work: the app that checks are tried on. Writes its port as its only
// line of output; writes to the database that `APP_DATABASE` names; speaks TLS where `APP_CERTIFICATE` names a folder with server.key and server.crt. `POST /lab/fault/NAME` plants a fault, `POST /lab/well` takes all of them back.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { join } from "node:path";

const PASSWORD = process.env.APP_PASSWORD ?? "correct-horse-battery";
const faults = new Set();
const models = Array.from({ length: 17 }, (_, at) => ({ id: `model-${at + 1}`, name: `Model ${at + 1}`, active: true }));
let credits = 5;
let avatars = new Map();
let tokens = new Set();
let seen = [];

const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** Runs a statement on the app's own database. */
const query = (sql) =>
  new Promise((done, failed) =>
    execFile("psql", [process.env.APP_DATABASE, "-v", "ON_ERROR_STOP=1", "-c", sql], (error) => (error ? failed(error) : done())),
  );

async function body(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString("utf8");
}

function send(response, status, value, headers = {}) {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const type = typeof value === "string" ? "text/html; charset=utf-8" : "application/json";
  response.writeHead(status, { "content-type": type, ...headers });
  response.end(text);
}

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://app");
  const route = `${request.method} ${pathname}`;
  const sent = await body(request);
  if (pathname.startsWith("/lab/")) {
    const [, , what, fault] = pathname.split("/");
    if (what === "fault") faults.add(fault);
    if (what === "well") {
      faults.clear();
      credits = 5;
      avatars = new Map();
    }
    return send(response, 200, { credits, avatars: avatars.size, seen });
  }
  seen.push({ route, authorization: request.headers.authorization ?? null, cookie: request.headers.cookie ?? null, type: request.headers["content-type"] ?? null, sent });
  const known = tokens.has((request.headers.authorization ?? "").replace("Bearer ", ""));
  switch (route) {
    case "GET /health":
      if (faults.has("health-500")) return send(response, 500, "<h1>Internal error</h1> Bearer correct-horse-battery");
      if (faults.has("slow")) await wait(1500);
      if (faults.has("never")) return;
      if (faults.has("drop")) return request.socket.destroy();
      return send(response, 200, { status: faults.has("unwell") ? "degraded" : "ok", database: true, price: 12.5 });
    case "GET /api/models":
      if (faults.has("no-json")) return send(response, 200, "<!doctype html><title>Sign in</title>", { "content-type": "application/json" });
      return send(response, 200, { models: faults.has("lost-model") ? models.slice(0, 3) : models });
    case "GET /studio":
      return send(response, 200, faults.has("empty-page") ? "<h1>Studio</h1>" : "<h1>Studio</h1><p>17 models</p>");
    case "GET /moved":
      return send(response, 302, "", { location: "/studio" });
    case "GET /away":
      return send(response, 302, "", { location: "http://other.example.com/studio" });
    case "GET /large":
      return send(response, 200, "x".repeat(11 * 1024 * 1024));
    case "POST /api/login": {
      const { email, password } = JSON.parse(sent);
      if (password !== PASSWORD || faults.has("login-401")) return send(response, 401, { error: "wrong password" });
      const token = `t-${email}-${tokens.size}-0123456789abcdef`;
      tokens.add(token);
      return send(response, 200, { token, user: { email } }, { "set-cookie": `session=${token}; HttpOnly; Path=/` });
    }
    case "GET /api/session":
      return send(response, (request.headers.cookie ?? "").includes("session=t-") ? 200 : 401, {});
    case "GET /api/me":
      return known ? send(response, 200, { email: "qa@example.com", credits }) : send(response, 401, {});
    case "POST /api/avatars": {
      if (!known) return send(response, 401, {});
      if (faults.has("no-avatar")) return send(response, 500, { error: "no avatar today" });
      const id = `a${avatars.size + 1}`;
      avatars.set(id, { asked: 0, name: JSON.parse(sent).name });
      if (!faults.has("lost-credits")) credits -= 1;
      return send(response, 202, { id, job: `/api/jobs/${id}` });
    }
    case "POST /api/seed/flags": {
      if (!known) return send(response, 401, {});
      if (faults.has("no-flags")) return send(response, 500, { error: "no flags today" });
      if (faults.has("slow-flags")) await wait(20_000);
      const flags = ["new_checkout", "dark_mode"].map((name) => `('${name}')`).join(", ");
      await query(`INSERT INTO flags (name) VALUES ${flags} ON CONFLICT DO NOTHING`);
      return send(response, 201, { flags: 2 });
    }
    case "GET /api/search":
      return send(response, 200, { query: searchParams.get("q") });
  }
  const job = avatars.get(pathname.split("/").pop());
  if (route.startsWith("GET /api/jobs/") && job !== undefined) {
    job.asked += 1;
    return send(response, 200, { state: job.asked > 2 && !faults.has("stuck") ? "done" : "queued" });
  }
  if (route.startsWith("DELETE /api/avatars/") && job !== undefined) {
    if (faults.has("no-cleanup")) return send(response, 503, { error: "try later" });
    avatars.delete(pathname.split("/").pop());
    credits += 1;
    return send(response, 204, "");
  }
  return send(response, 404, { error: "not found" });
}

const handle = (request, response) =>
  answer(request, response).catch((error) => send(response, 500, { error: String(error) }));
const folder = process.env.APP_CERTIFICATE;
const file = (name) => readFileSync(join(folder, name));
const server = folder
  ? createSecureServer({ key: file("server.key"), cert: file("server.crt") }, handle)
  : createServer(handle);
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
