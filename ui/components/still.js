// Says beside a control that moving it changes nothing; the words go when anything is moved.
function clear() {
  document.querySelectorAll('.me-still').forEach((line) => line.remove());
}

function sayAt({ id, text }) {
  const control = document.getElementById(id);
  if (!control) return;
  const line = document.createElement('p');
  line.className = 'me-still';
  line.textContent = text;
  control.append(line);
}

function draw() {
  clear();
  (valueNow()?.notes ?? []).forEach(sayAt);
}

document.addEventListener('input', ({ target }) => {
  if (element.isConnected && target.closest?.('.me-recipe')) clear();
});
onValue(draw);
draw();
