#!/usr/bin/env node
// Plain ES5 with nothing imported, so that an old Node.js can read it and say so in one line.
// scripts/check-node.cjs has the same line for a clone; this one goes out with the package.
var NODE_MAJOR_MIN = 24;

if (parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  console.error(
    "Rookery needs Node.js " + NODE_MAJOR_MIN + " or later, and this is " + process.versions.node,
  );
  process.exitCode = 1;
} else {
  // From source where the one who starts it asks for sources (tests do), as built otherwise.
  var flags = process.execArgv.concat((process.env.NODE_OPTIONS || "").split(" ")).join(" ");
  var fromSource = /(?:--conditions|-C)[= ]rookery-source/.test(flags);
  import(fromSource ? "../src/cli/main.ts" : "../dist/cli/main.js").catch(function (error) {
    if (
      !fromSource &&
      error.code === "ERR_MODULE_NOT_FOUND" &&
      /dist.cli.main\.js$/.test(error.url || "")
    ) {
      console.error("Rookery is not built yet: run npm run build, or start it by npm start");
    } else {
      console.error(error);
    }
    process.exitCode = 1;
  });
}
