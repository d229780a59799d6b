// The first word of every script: one clear line instead of a syntax error when Node.js is too old.
// Plain ES5, since it is the old one that reads it. `npm ci` brings node@24 into node_modules/.bin, which npm puts
// first in PATH; `npm ci --ignore-scripts` leaves that binary out, and then it is the machine's own that runs.
var NODE_MAJOR_MIN = 24;

/** The line to print under a Node.js of this version, or undefined when it will do. */
function complaint(version) {
  if (parseInt(version, 10) >= NODE_MAJOR_MIN) return undefined;
  return (
    "Rookery needs Node.js " +
    NODE_MAJOR_MIN +
    " or later, and this is " +
    version +
    ": install it, or run npm ci without --ignore-scripts"
  );
}

module.exports = { complaint: complaint };

if (require.main === module) {
  var line = complaint(process.versions.node);
  if (line !== undefined) {
    console.error(line);
    process.exit(1);
  }
}
