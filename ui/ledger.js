// How far the log reaches.

import { updateCards } from "./cards.js";
import { byId, show } from "./dom.js";
import { count, duration, moment, several, short } from "./format.js";

function blockText(block, now) {
  if (!block) return "none yet";
  const sealed = block.time / 1e9;
  return `${count(block.number)}, ${several(block.transactions, "transaction")}, ${moment(sealed, now)}, ${duration(now - sealed)} ago`;
}

function checkpointText(ledger) {
  const behind = ledger.tree_size - ledger.checkpoint_size;
  return `covers ${count(ledger.checkpoint_size)}${behind > 0 ? `, ${count(behind)} behind` : ", all of them"}`;
}

function outcomesText(transactions) {
  const parts = Object.entries(transactions).filter(([outcome, number]) => number > 0 || outcome === "received");
  return parts.map(([outcome, number]) => `${outcome} ${count(number)}`).join(", ");
}

function stateOf(ledger) {
  if (ledger.failure) return ["failed", "bad", ledger.failure];
  if (ledger.disk_stalled) return ["disk stalled", "bad", "Its disk does not answer."];
  if (ledger.disk_full) return ["disk full", "bad", "There is no room for another block."];
  return ["sealing", "well", ""];
}

export function updateLedger(state, rates) {
  const { ledger } = state;
  show(byId("ledger-none"), !ledger);
  if (!ledger) return updateCards(byId("ledger-card"), [], state.time);
  const [word, level, why] = stateOf(ledger);
  const block = ledger.last_block;
  updateCards(byId("ledger-card"), [{
    title: ledger.origin,
    kind: `SHA-256 by ${ledger.sha256_engine}`,
    state: word,
    level,
    why,
    figures: [
      ["ledger_rate", "Transactions/s", short(rates.of("ledger/received"))],
      ["ledger_tree", "Durable", count(ledger.tree_size)],
      ["ledger_blocks", "Blocks", count(ledger.blocks)],
      ["ledger_block", "Last block", blockText(block, state.time), block ? `hash ${block.hash}` : null],
      [null, "Its hash", block ? `${block.hash.slice(0, 16)}…` : "none yet", block?.hash],
      ["ledger_checkpoint", "Checkpoint", checkpointText(ledger)],
      [null, "Its root", ledger.checkpoint ? `${ledger.checkpoint.root.slice(0, 20)}…` : "none yet", ledger.checkpoint?.root],
      ["ledger_outcomes", "Outcomes", outcomesText(ledger.transactions)],
    ],
  }], state.time);
}
