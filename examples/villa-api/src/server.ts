import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { answer } from "./routes.js";

const server = createServer(async (request, response) => {
  const write = (status: number, body: unknown) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  try {
    const body = request.headers["content-length"] ? ((await json(request)) as Record<string, string>) : {};
    write(...(await answer(request.method ?? "GET", request.url ?? "/", body)));
  } catch (error) {
    console.error(error);
    write(500, { error: "something failed; the log says what" });
  }
});
server.listen(Number(process.env.PORT ?? 8080), () => console.log("listening"));
