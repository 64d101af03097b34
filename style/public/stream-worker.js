// One event stream for all tabs of a browser. As a SharedWorker, this script holds the stream and sends every message to every tab;
// a new tab first gets the current state. Loaded by a page, it joins that worker, or opens its own stream if the browser has no
// SharedWorker. Messages are texts here; app/src/live reads them.
(() => {
  const EVENTS = 600; // events kept for new tabs
  const LINES = 200; // log lines kept per pod
  const BATCH = 80; // ms during which messages are collected, so that a tab renders once for all of them
  const REOPEN = 2_000; // ms until a stream that the browser has closed is reopened
  const SILENT = 40_000; // ms without a heartbeat after which the connection is considered dead
  const BEATS = 3; // missing heartbeats after which the server counts as lost
  const NAMES = ["snapshot", "cluster", "event", "progress", "gap", "log"];

  function hold() {
    const tabs = new Map(); // function that sends to a tab → { queue, logs }
    const events = new Set();
    const logs = new Map(); // pod → Map of id → text
    let source, reopening, view;
    let last = "";
    let state = "connecting";
    let heard = Date.now();
    let beat = 0; // ms between the server's heartbeats; 0 if unknown, as of older servers
    let quiet = false; // whether heartbeats are missing
    let withLogs = false;

    const flush = (deliver, tab) => {
      tab.timer = undefined;
      const batch = tab.queue.splice(0);
      if (batch.length > 0) deliver(batch);
    };
    const tell = (deliver, tab, message) => {
      tab.queue.push(message);
      tab.timer ??= setTimeout(flush, BATCH, deliver, tab);
    };
    const tellAll = (name, text) => {
      for (const [deliver, tab] of tabs) if (name !== "log" || tab.logs) tell(deliver, tab, [name, text]);
    };
    const become = (now) => {
      if (state !== now) tellAll("state", (state = now));
    };

    function keepLine(text) {
      const { pod, id, at } = JSON.parse(text);
      if (!logs.has(pod)) logs.set(pod, new Map());
      const lines = logs.get(pod);
      const key = `${id} ${at}`;
      if (lines.has(key)) return false;
      lines.set(key, text);
      if (lines.size > LINES) lines.delete(lines.keys().next().value);
      return true;
    }

    function keep(name, text) {
      if (name === "snapshot" || name === "cluster") view = text;
      if (name === "log") return keepLine(text);
      if (name === "event") {
        if (events.has(text)) return false;
        events.add(text);
        if (events.size > EVENTS) events.delete(events.values().next().value);
      }
      return true;
    }

    function alive() {
      heard = Date.now();
      if (quiet) become("live");
      quiet = false;
    }

    function hear(name, message) {
      alive();
      if (message.lastEventId) last = message.lastEventId;
      if (name === "snapshot") become("live");
      if (keep(name, message.data)) tellAll(name, message.data);
    }

    function open() {
      clearTimeout(reopening);
      source?.close();
      heard = Date.now();
      beat = 0;
      quiet = false;
      const query = new URLSearchParams({ recent: EVENTS, last_event_id: last });
      if (withLogs) query.set("logs", "true");
      const mine = (source = new EventSource(`/api/events?${query}`));
      for (const name of NAMES) mine.addEventListener(name, (message) => mine === source && hear(name, message));
      mine.addEventListener("alive", ({ data }) => {
        if (mine !== source) return;
        beat = Number(data) > 100 ? Number(data) : 0;
        alive();
      });
      mine.onerror = () => {
        if (mine !== source) return;
        quiet = false;
        become("reconnecting");
        // The browser reopens a lost connection by itself, but not after an error response.
        if (mine.readyState === EventSource.CLOSED) reopening = setTimeout(open, REOPEN);
      };
    }

    function follow() {
      const wanted = [...tabs.values()].some((tab) => tab.logs);
      if (source !== undefined && wanted === withLogs) return;
      withLogs = wanted;
      open();
    }

    setInterval(() => {
      if (tabs.size === 0 || source === undefined || source.readyState === EventSource.CLOSED) return;
      const silence = Date.now() - heard;
      if (state === "live" && beat > 0 && silence > BEATS * beat) {
        quiet = true;
        become("reconnecting");
      }
      if (silence > SILENT) {
        become("reconnecting");
        open();
      }
    }, 500);
    addEventListener("online", () => source && open());

    return {
      join(deliver) {
        const tab = { queue: [], logs: false };
        tabs.set(deliver, tab);
        if (view !== undefined) {
          for (const text of events) tab.queue.push(["event", text]);
          tab.queue.push(["snapshot", view]);
        }
        tab.queue.push(["state", state]);
        flush(deliver, tab);
        follow();
      },
      logs(deliver, wanted) {
        const tab = tabs.get(deliver);
        if (tab === undefined || tab.logs === wanted) return;
        tab.logs = wanted;
        if (wanted) for (const lines of logs.values()) for (const text of lines.values()) tell(deliver, tab, ["log", text]);
        follow();
      },
      leave(deliver) {
        tabs.delete(deliver);
        if (tabs.size > 0) return follow();
        source?.close();
        source = undefined;
      },
    };
  }

  if (typeof SharedWorkerGlobalScope !== "undefined") {
    const stream = hold();
    onconnect = ({ ports: [port] }) => {
      const deliver = (batch) => port.postMessage(batch);
      port.onmessage = ({ data }) => {
        if (data === "join") stream.join(deliver);
        else if (data === "leave") stream.leave(deliver);
        else stream.logs(deliver, data === "logs");
      };
    };
    return;
  }

  const address = document.currentScript.src;

  // Passes batches of [name, text] to `take`. Returns a function to call with whether logs are wanted.
  globalThis.evenlightStream = (take) => {
    let logs = "no logs";
    let say;
    const alone = () => {
      const stream = hold();
      say = (what) => {
        if (what === "join") stream.join(take);
        else if (what === "leave") stream.leave(take);
        else stream.logs(take, what === "logs");
      };
    };
    try {
      const { port } = new SharedWorker(address, "evenlight");
      port.onmessage = ({ data }) => take(data);
      say = (what) => port.postMessage(what);
    } catch {
      alone();
    }
    say("join");
    addEventListener("pagehide", () => say("leave"));
    addEventListener("pageshow", ({ persisted }) => persisted && (say("join"), say(logs)));
    return (wanted) => say((logs = wanted ? "logs" : "no logs"));
  };
})();
