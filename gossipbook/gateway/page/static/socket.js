// The gateway's stream: one socket that comes back by itself, requests with answers, and books that check themselves.

const AGAIN_MS = [250, 500, 1000, 2000, 5000];
const SILENT_MS = 12000; // the gateway says something every five seconds

export class Socket {
  constructor(onMessage, onState) {
    this.onMessage = onMessage;
    this.onState = onState;
    this.wanted = new Map(); // subscriptions by their text, sent again on every new connection
    this.waiting = new Map();
    this.number = 0;
    this.tries = 0;
    this.token = "";
    this.heard = Date.now();
    this.connect();
    setInterval(() => this.look(), 1000);
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const base = location.pathname.replace(/[^/]*$/, "");
    this.socket = new WebSocket(`${scheme}//${location.host}${base}v1/stream`);
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = (event) => this.take(event.data);
    this.socket.onclose = () => this.closed();
  }

  opened() {
    this.tries = 0;
    this.heard = Date.now();
    this.onState("open");
    const begin = this.token ? this.ask({ do: "login", token: this.token }).catch(() => {}) : Promise.resolve();
    begin.then(() => {
      for (const subscription of this.wanted.values()) this.subscribeNow(subscription);
    });
  }

  subscribeNow(subscription) {
    this.ask({ do: "subscribe", ...subscription }).catch((problem) => this.onMessage({ trouble: problem, subscription }));
  }

  closed() {
    this.onState("closed");
    for (const { reject } of this.waiting.values()) reject({ code: "closed", detail: "the connection to the gateway ended" });
    this.waiting.clear();
    const pause = AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)];
    this.tries += 1;
    setTimeout(() => this.connect(), pause);
  }

  look() {
    if (this.socket.readyState === WebSocket.OPEN && Date.now() - this.heard > SILENT_MS) this.socket.close();
  }

  take(text) {
    this.heard = Date.now();
    const message = JSON.parse(text);
    if ("ok" in message) {
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if (waiting) message.ok ? waiting.resolve(message.result) : waiting.reject(message.problem);
      return;
    }
    this.onMessage(message);
  }

  ask(request) {
    return new Promise((resolve, reject) => {
      if (this.socket.readyState !== WebSocket.OPEN) {
        reject({ code: "closed", detail: "there is no connection to the gateway" });
        return;
      }
      const id = ++this.number;
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ id, ...request }));
    });
  }

  subscribe(subscription) {
    const key = JSON.stringify(subscription);
    if (this.wanted.has(key)) return;
    this.wanted.set(key, subscription);
    if (this.socket.readyState === WebSocket.OPEN) this.subscribeNow(subscription);
  }

  unsubscribe(subscription) {
    if (this.wanted.delete(JSON.stringify(subscription)) && this.socket.readyState === WebSocket.OPEN) {
      this.ask({ do: "unsubscribe", ...subscription }).catch(() => {});
    }
  }

  again(subscription) {
    this.unsubscribe(subscription);
    this.subscribe(subscription);
  }
}
