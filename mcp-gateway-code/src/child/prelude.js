// The environment of a script: the tools, the console, and nothing else.
// A script can change all of this; that concerns its own process alone.
(function (send, start, limits) {
  "use strict";
  const { parse, stringify } = JSON;
  const text = String;
  for (const name of ["Atomics", "FinalizationRegistry", "SharedArrayBuffer", "WeakRef", "WebAssembly", "navigator", "performance"]) {
    delete globalThis[name];
  }

  class ToolError extends Error {
    get name() {
      return "ToolError";
    }
  }

  const pending = new Map();
  let calls = 0;

  function call(namespace, name, input) {
    return new Promise((resolve, reject) => {
      const json = stringify(input === undefined ? {} : input);
      if (typeof json !== "string" || json[0] !== "{") {
        throw new TypeError(`tools.${namespace}.${name} takes one object with its arguments`);
      }
      const id = ++calls;
      pending.set(id, { resolve, reject });
      send(stringify({ call: { id, namespace, function: name, arguments: json } }));
    });
  }

  function listed(names) {
    const shown = names.slice(0, 20).join(", ");
    return names.length > 20 ? `${shown}, and ${names.length - 20} more` : shown;
  }

  // A misspelled name fails with the possible ones.
  function guarded(members, describe) {
    return new Proxy(Object.freeze(members), {
      get(target, key) {
        if (key in target || typeof key === "symbol" || key === "then" || key === "toJSON") {
          return target[key];
        }
        throw new TypeError(describe(key, Object.keys(target)));
      },
    });
  }

  const namespaces = Object.create(null);
  for (const [namespace, functions] of Object.entries(start)) {
    const members = Object.create(null);
    for (const name of functions) {
      members[name] = (input) => call(namespace, name, input);
    }
    namespaces[namespace] = guarded(members, (key, names) => `tools.${namespace} has no function ${key}. It has: ${listed(names)}`);
  }
  const tools = guarded(namespaces, (key, names) => `there are no tools.${key}. There are: ${names.length ? listed(names) : "none"}`);
  Object.defineProperty(globalThis, "tools", { value: tools });

  let room = limits.console;
  function print(...values) {
    if (room <= 0) {
      return;
    }
    const parts = values.map((value) => {
      if (typeof value === "string") {
        return value;
      }
      if (value instanceof Error) {
        return described(value);
      }
      try {
        return stringify(value) ?? text(value);
      } catch {
        return text(value);
      }
    });
    let line = parts.join(" ");
    if (line.length > room) {
      line = line.slice(0, room) + "…";
    }
    room -= line.length + 1;
    send(stringify({ console: line }));
  }
  const console = { debug: print, error: print, info: print, log: print, warn: print };
  Object.defineProperty(globalThis, "console", { value: console, writable: true, configurable: true });

  function described(error) {
    if (error === null) {
      // The engine has no memory for an error then.
      return "the memory of the script is exhausted";
    }
    try {
      if (!(error instanceof Error)) {
        return typeof error === "string" ? error : stringify(error) ?? text(error);
      }
      const lines = text(error.stack ?? "").split("\n").filter((line) => /\bscript:\d/.test(line)).slice(0, 5);
      return [`${error.name}: ${error.message}`, ...lines].join("\n");
    } catch {
      return "the script has thrown a value that has no text";
    }
  }

  let isDone = false;
  function end(line) {
    if (!isDone) {
      isDone = true;
      send(stringify(line));
    }
  }
  function fail(error) {
    end({ error: described(error).slice(0, limits.error) });
  }

  return {
    finish(value) {
      try {
        const json = stringify(value) ?? "null";
        if (json.length > limits.result) {
          throw new RangeError(`the result has ${json.length} characters, more than ${limits.result}. Return the part of it that matters`);
        }
        end({ result: json });
      } catch (error) {
        fail(error);
      }
    },
    fail,
    // Takes the answer to a call.
    settle(line) {
      const { id, value, error } = parse(line);
      const call = pending.get(id);
      pending.delete(id);
      if (error === undefined) {
        call?.resolve(parse(value));
      } else {
        call?.reject(new ToolError(error));
      }
    },
    isDone: () => isDone,
    isWaiting: () => pending.size > 0,
  };
})
