// Sets the clock of a program into another year, so that its results tell who made them.
//
// usage: node --import clock.mjs?YEAR PROGRAM

const year = Number(new URL(import.meta.url).search.slice(1));
const Clock = Date;
globalThis.Date = class extends Clock {
  constructor(...given) {
    super(...given);
    if (given.length === 0) this.setUTCFullYear(year);
  }
};
