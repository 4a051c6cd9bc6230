// Loaded into Azurite before its own code (node --require): what the dev stack demands beyond it.
//
// 1. What was acknowledged survives kill -9. Azurite saves its metadata every five seconds. Here each
//    change is also appended to a journal before the answer goes out, and the journal is applied when
//    the metadata is loaded. A journal is dropped when a later save holds all that is in it. So it is
//    enough to save once a minute: all requests wait while the whole of the metadata is written.
// 2. No waiting for the disk: a killed process does not lose what it has written, and a power cut is
//    not what this stack is for.
// 3. Requests come from the front alone, which speaks TLS to its clients: so the protocol is https
//    (shared access signatures may demand that), and connections stay open, however slow.
// 4. A request costs the same however many blobs there are. Azurite finds a blob by going through all
//    of an account's; here they are found by their names, and are in no other index, each of which
//    would have to be gone through when a blob takes another's place. It also reads all its templates
//    of URLs anew for each request; here each is read once.

"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");
const Loki = require("lokijs");

const { Collection, LokiFsAdapter } = Loki;
const BLOBS = "$BLOBS_COLLECTION$";
const SAVED_EVERY = 60000; // milliseconds
const homes = new WeakMap(); // which database a collection is of
const journals = new WeakMap(); // which journal a database on disk has
const named = new WeakMap(); // the blobs of a collection by their names

class Journal {
  constructor(database) {
    this.database = database;
    this.number = Math.max(0, ...numbers(database));
    this.file = null;
  }

  append(change) {
    if (this.file === null) {
      this.file = fs.openSync(name(this.database, this.number), "a", 0o600);
    }
    fs.writeSync(this.file, JSON.stringify(change) + "\n");
  }

  turn() {
    // From here on changes go to a new journal; what is returned drops the older ones.
    if (this.file !== null) fs.closeSync(this.file);
    this.file = null;
    this.number += 1;
    const first = this.number;
    return () => {
      for (const number of numbers(this.database)) {
        if (number < first) fs.unlinkSync(name(this.database, number));
      }
    };
  }
}

function name(database, number) {
  return `${database}.journal-${number}`;
}

function numbers(database) {
  const start = path.basename(name(database, ""));
  return fs
    .readdirSync(path.dirname(database))
    .filter((file) => file.startsWith(start))
    .map((file) => Number(file.slice(start.length)))
    .sort((a, b) => a - b);
}

function changes(database) {
  // A line that was cut by the kill was never acknowledged.
  return numbers(database)
    .flatMap((number) => fs.readFileSync(name(database, number), "utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line));
}

function apply(saved, changed) {
  const collections = new Map();
  for (const collection of saved.collections) {
    collections.set(collection.name, new Map(collection.data.map((doc) => [doc.$loki, doc])));
  }
  for (const { collection, put, removed } of changed) {
    const documents = collections.get(collection);
    if (put) documents.set(put.$loki, put);
    else for (const id of removed) documents.delete(id);
  }
  for (const collection of saved.collections) {
    collection.data = [...collections.get(collection.name).values()].sort((a, b) => a.$loki - b.$loki);
    const ids = changed
      .filter((change) => change.collection === collection.name && change.put)
      .map((change) => change.put.$loki);
    collection.maxId = ids.reduce((most, id) => Math.max(most, id), collection.maxId);
    if (collection.name === BLOBS) collection.binaryIndices = {}; // 4
    for (const index of Object.values(collection.binaryIndices)) index.dirty = true;
  }
  return saved;
}

function note(collection, change) {
  const database = homes.get(collection);
  if (database === undefined || !(database.persistenceAdapter instanceof LokiFsAdapter)) return;
  if (!journals.has(database)) journals.set(database, new Journal(database.filename));
  journals.get(database).append({ collection: collection.name, ...change });
}

function around(prototype, method, wrap) {
  const original = prototype[method];
  prototype[method] = function (...given) {
    return wrap.call(this, original, given);
  };
}

// 1

around(Loki.prototype, "addCollection", function (original, [called, options, ...given]) {
  if (called === BLOBS) options = { ...options, indices: [] }; // 4
  const collection = original.call(this, called, options, ...given);
  homes.set(collection, this);
  return collection;
});

around(LokiFsAdapter.prototype, "loadDatabase", function (original, [database, callback]) {
  original.call(this, database, (found) => {
    if (typeof found !== "string") return callback(found);
    callback(apply(JSON.parse(found), changes(database)));
  });
});

around(Loki.prototype, "loadDatabaseInternal", function (original, [options, callback]) {
  original.call(this, options, (error) => {
    if (!error) this.collections.forEach((collection) => collection.ensureAllIndexes(true));
    callback(error);
  });
});

around(Loki.prototype, "saveDatabaseInternal", function (original, [callback]) {
  if (!(this.persistenceAdapter instanceof LokiFsAdapter)) return original.call(this, callback);
  if (!journals.has(this)) journals.set(this, new Journal(this.filename));
  const drop = journals.get(this).turn(); // the original takes its copy before it returns
  original.call(this, (error) => {
    if (!error) drop();
    callback(error);
  });
});

around(Loki.prototype, "autosaveEnable", function (original, given) {
  this.autosaveInterval = SAVED_EVERY;
  return original.apply(this, given);
});

around(Collection.prototype, "insertOne", function (original, given) {
  const document = original.apply(this, given);
  note(this, { put: document });
  if (named.has(this)) enter(document, named.get(this));
  return document;
});

around(Collection.prototype, "update", function (original, [document]) {
  const updated = original.call(this, document);
  if (!Array.isArray(document)) note(this, { put: document }); // else each of them came here alone
  if (named.has(this) && !there(document, named.get(this)).includes(document)) named.delete(this);
  return updated;
});

around(Collection.prototype, "remove", function (original, [document]) {
  const id = typeof document === "number" ? document : document.$loki; // removing takes it away
  const gone = named.has(this) && this.get(id);
  const removed = original.call(this, document);
  note(this, { removed: [id] });
  if (gone) strike(gone, named.get(this));
  return removed;
});

around(Collection.prototype, "removeBatchByPositions", function (original, [positions]) {
  const gone = positions.map((position) => this.data[position]);
  const ids = gone.map((document) => document.$loki);
  const removed = original.call(this, positions);
  if (ids.length) note(this, { removed: ids });
  if (named.has(this)) gone.forEach((document) => strike(document, named.get(this)));
  return removed;
});

// 2

fs.fdatasync = (_, callback) => setImmediate(callback, null);

// 3

around(http, "createServer", function (original, given) {
  const server = original.apply(this, given);
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.on("connection", (socket) => {
    socket.encrypted = true;
  });
  return server;
});

// 4

function place({ accountName, containerName, name }) {
  return `${accountName}/${containerName}/${name}`; // neither of the first two has a slash in it
}

function there(document, places) {
  return places.get(place(document)) || []; // a blob and its snapshots have one name
}

function enter(document, places) {
  places.set(place(document), [...there(document, places), document]);
}

function strike(document, places) {
  const left = there(document, places).filter((one) => one !== document);
  if (left.length) places.set(place(document), left);
  else places.delete(place(document));
}

function placesOf(collection) {
  if (!named.has(collection)) {
    const places = new Map();
    for (const document of collection.data) enter(document, places);
    named.set(collection, places);
  }
  return named.get(collection);
}

around(Collection.prototype, "findOne", function (original, [query]) {
  const { accountName, containerName, name, ...rest } = query;
  if (this.name !== BLOBS || [accountName, containerName, name].some((one) => typeof one !== "string")) {
    return original.call(this, query);
  }
  const fits = (document) => Object.entries(rest).every(([key, value]) => document[key] === value);
  return there(query, placesOf(this)).find(fits) || null;
});

const templates = require.resolve("uri-templates");
const read = require(templates);
const known = new Map();
require.cache[templates].exports = (template) => {
  if (!known.has(template)) known.set(template, read(template));
  return known.get(template);
};
