// Runs tsc from the code that V8 made of it when the image was made: a compiler of 6 MB
// is else parsed and compiled at each start.
"use strict";
const fs = require("fs");
const vm = require("vm");
const Module = require("module");
const path = require("path");

const filename = "/usr/share/nodejs/typescript/lib/tsc.js";
const cache = "/usr/lib/enclos/tsc.cache";

const training = Boolean(process.env.ENCLOS_TRAIN);
const cachedData = !training && fs.existsSync(cache) ? fs.readFileSync(cache) : undefined;
const script = new vm.Script(Module.wrap(fs.readFileSync(filename, "utf8")), { filename, cachedData });
if (process.env.ENCLOS_VERIFY && (!cachedData || script.cachedDataRejected)) {
  throw new Error("the compiled code is not taken");
}
if (training) process.on("exit", () => fs.writeFileSync(cache, script.createCachedData()));
const module_ = { exports: {} };
script.runInThisContext().call(module_.exports, module_.exports, Module.createRequire(filename), module_, filename, path.dirname(filename));
