// bench_ws: the yardstick for blews. Node's ws, each line of standard input to every client as one message.
//   node bench_ws.js PORT         says "ready"; at the end of the input closes its clients and ends
const { WebSocketServer } = require("ws");
const readline = require("readline");

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]) }, () => console.error("ready"));
server.once("connection", () => {
    const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity });
    lines.on("line", (line) => {
        for (const client of server.clients) client.send(line);
    });
    lines.on("close", () => {
        for (const client of server.clients) client.close();
        server.close();
    });
});
