// Box and slider follow each other, and what comes of them is fetched as they move. Without it both have a button.
"use strict";
const box = document.getElementById("value");
const slider = document.getElementById("slider");
let waiting = 0;
let asked = 0;

async function show(form) {
  const mine = ++asked;
  const address = new URL(form.action);
  address.search = new URLSearchParams(new FormData(form)).toString();
  const answer = await fetch(address, { headers: { "x-requested-with": "slider" } });
  if (!answer.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = page.getElementById("outcome");
  if (found) document.getElementById("outcome").replaceWith(found);
  history.replaceState(null, "", address);
}

function follow(from, to) {
  from.addEventListener("input", () => {
    to.value = from.value;
    clearTimeout(waiting);
    waiting = setTimeout(() => box.form.reportValidity() && show(box.form), 250);
  });
}

if (box && slider) {
  follow(box, slider);
  follow(slider, box);
}
