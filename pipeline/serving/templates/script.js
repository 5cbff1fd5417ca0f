
"use strict";
const answer = document.getElementById("answer");

function add(parent, tag, text) {
  const element = parent.appendChild(document.createElement(tag));
  if (text !== undefined) element.textContent = text;
  return element;
}

function value(field) {
  const text = field.value;
  if (text === "") return null;
  if (field.dataset.kind === "boolean") return text === "true";
  const number = Number(text);
  return field.dataset.kind === "number" && text.trim() !== "" && Number.isFinite(number) ? number : text;
}

function show(document) {
  const row = document.predictions[0];
  const classes = Object.keys(row).filter(name => name.startsWith("probability_")).map(name => name.slice(12));
  add(answer, "h2", row.predicted === undefined ? "Answer" : row.predicted);
  if ("decision" in row) add(answer, "p", "Decision: " + (row.decision === null ? "none" : row.decision));
  if (classes.length) {
    const table = add(answer, "table");
    const head = add(add(table, "thead"), "tr");
    const sets = "set_size" in row;
    for (const name of ["class", "probability", "share"].concat(sets ? ["in set"] : [])) add(head, "th", name).scope = "col";
    const body = add(table, "tbody");
    for (const name of classes) {
      const line = add(body, "tr");
      add(line, "th", name).scope = "row";
      const probability = row["probability_" + name];
      add(line, "td", String(probability)).className = "number";
      const meter = add(add(line, "td"), "meter");
      meter.value = probability;
      meter.setAttribute("aria-label", "probability of " + name);
      if (sets) add(line, "td", row["in_set_" + name] ? "yes" : "no");
    }
  }
  for (const note of document.unseen) {
    add(answer, "p", note.column + ": training did not see " + JSON.stringify(note.value) + ", scored as <unseen>");
  }
  for (const note of document.beyond_range || []) {
    add(answer, "p", note.column + ": beyond the range of the prepared table, " + note.minimum + " to " + note.maximum);
  }
}

document.getElementById("row").addEventListener("submit", async event => {
  event.preventDefault();
  const row = Object.create(null);
  for (const field of document.querySelectorAll("[data-column]")) row[field.dataset.column] = value(field);
  const columns = Object.keys(row);
  const body = JSON.stringify({dataframe_split: {columns: columns, data: [columns.map(name => row[name])]}});
  answer.replaceChildren();
  try {
    const response = await fetch("/invocations", {method: "POST", headers: {"content-type": "application/json"}, body: body});
    const document = await response.json();
    if (response.ok) show(document); else add(answer, "p", document.message);
  } catch (error) {
    add(answer, "p", "No answer: is the server still running?");
  }
});
