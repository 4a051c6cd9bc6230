// Stands for the packages that Azurite loads and this stack does not use: telemetry, and stores in
// SQL databases. What they export is asked for when Azurite starts (its classes derive from some of
// it), and never called: telemetry is off, and no database is configured.

module.exports = new Proxy({}, {
  get: (_, name) => (name === "__esModule" ? undefined : class Absent {}),
});
