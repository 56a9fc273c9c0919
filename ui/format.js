// Figures, times and names as people read them. Pure.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** What stands where there is nothing to show. */
export const nothing = "–";

/** An exact count: 1,234,567. */
export function count(value) {
  return Number.isFinite(value) ? whole.format(value) : nothing;
}

/** Three digits and a unit of thousands, `["1.23", "M"]`: for what changes every second. */
export function scaled(value) {
  if (!Number.isFinite(value)) return [nothing, ""];
  const prefixes = ["", "k", "M", "G", "T", "P"];
  let step = 0;
  let left = Math.abs(value);
  // 999.5 would be rounded to 1,000 of the smaller unit.
  while (left >= 999.5 && step < prefixes.length - 1) {
    left /= 1000;
    ++step;
  }
  const digits = step === 0 ? (left > 0 && left < 9.95 ? 1 : 0) : left < 9.995 ? 2 : left < 99.95 ? 1 : 0;
  const text = left.toFixed(digits).replace(/\.0$/, "");
  return [(value < 0 ? "−" : "") + text, prefixes[step]];
}

/** `1.23 M`. */
export function short(value) {
  const [digits, prefix] = scaled(value);
  return prefix ? `${digits} ${prefix}` : digits;
}

export function percent(ratio) {
  if (!Number.isFinite(ratio)) return nothing;
  const hundred = ratio * 100;
  if (hundred > 0 && hundred < 0.1) return "< 0.1 %";
  return `${hundred >= 10 || hundred === 0 ? Math.round(hundred) : hundred.toFixed(1)} %`;
}

/** How long, in the two greatest units that say it: `3 d 4 h`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return nothing;
  const left = Math.max(0, Math.floor(seconds));
  if (left < 60) return `${left} s`;
  if (left < 3600) return left < 600 ? `${Math.floor(left / 60)} min ${left % 60} s` : `${Math.floor(left / 60)} min`;
  if (left < 86400) return `${Math.floor(left / 3600)} h ${Math.floor((left % 3600) / 60)} min`;
  const days = Math.floor(left / 86400);
  return days < 10 ? `${days} d ${Math.floor((left % 86400) / 3600)} h` : `${days} d`;
}

/** A count that is exact as long as it can be read at a glance. */
export function total(value) {
  return Math.abs(value) < 1e7 ? count(value) : short(value);
}

/** How long, in the greatest unit alone: what changes every second draws the eye, and costs. */
export function roughly(seconds) {
  if (!Number.isFinite(seconds)) return nothing;
  const [unit, length] = [["d", 86400], ["h", 3600], ["min", 60]].find(([, each]) => seconds >= each) ?? [];
  return unit ? `${Math.floor(seconds / length)} ${unit}` : "just now";
}

/** The clock's time, and of another day than `now`'s the day and the minute; both in Unix seconds. */
export function moment(time, now) {
  if (!Number.isFinite(time)) return nothing;
  const at = new Date(time * 1000);
  const today = new Date(now * 1000);
  return at.toDateString() === today.toDateString() ? clock.format(at) : `${day.format(at)} ${minute.format(at)}`;
}

/** Unix seconds, of those or of RFC 3339; null stays. */
export function unixTime(value) {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return null;
  const time = Date.parse(value) / 1000;
  return Number.isFinite(time) ? time : null;
}

/** `192.0.2.1:80`, `[2001:db8::1]:80`; without a port where that is 0. */
export function endpoint(address, port) {
  const host = address.includes(":") ? `[${address}]` : address;
  return port ? `${host}:${port}` : address;
}

/** `1 backend`, `2 backends`. */
export function several(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** The words of a list as a sentence has them. */
export function listed(words, most = 3) {
  const shown = words.slice(0, most);
  const left = words.length - shown.length;
  if (left > 0) return `${shown.join(", ")} and ${left} more`;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}
